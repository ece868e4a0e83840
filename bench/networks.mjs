// SPDX-License-Identifier: Apache-2.0
// The networks that are measured, by the names that bench/peers/ knows too.

/**
 * @typedef {object} Network
 * @property {number} batch images per step on a CPU
 * @property {number} gpuBatch images per step on a GPU
 * @property {number[]} input channels, height, width
 * @property {number} classes
 * @property {(models: typeof import('../dist/index.js').models) => import('../dist/index.js').nn.Module<[any], any>} make
 */

const digits = (batch, make, gpuBatch = batch) => ({ batch, gpuBatch, input: [1, 28, 28], classes: 10, make });
const photographs = (batch, make, gpuBatch = 256) => ({ batch, gpuBatch, input: [3, 224, 224], classes: 1000, make });

/** @type {Record<string, Network>} */
export const networks = {
  lenet5: digits(64, (models) => models.lenet5()),
  'lenet5-512': digits(512, (models) => models.lenet5()),
  'mnist-cnn': digits(100, (models) => models.mnistCnn()),
  alexnet: photographs(16, (models) => models.alexnet()),
  vgg16: photographs(4, (models) => models.vgg16()),
  googlenet: photographs(8, (models) => models.googlenet({ auxLogits: false, initWeights: false })),
  resnet18: photographs(8, (models) => models.resnet18()),
  resnet50: photographs(8, (models) => models.resnet50()),
  densenet121: photographs(4, (models) => models.densenet121(), 128),
};

/** For the section on depth alone. */
export const deeper = {
  resnet34: photographs(8, (models) => models.resnet34()),
};
