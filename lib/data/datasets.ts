// SPDX-License-Identifier: Apache-2.0
export { MNIST, type MnistOptions } from './mnist.js';
