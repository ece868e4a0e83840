// SPDX-License-Identifier: Apache-2.0
// What users know as models.
export { LeNet5, lenet5, type ClassifierOptions } from './lenet.js';
export { MnistCnn, mnistCnn, type MnistCnnOptions } from './mnist-cnn.js';
