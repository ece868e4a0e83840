// SPDX-License-Identifier: Apache-2.0
// The networks that are measured, by the names that bench/peers/ knows too.

/**
 * @typedef {object} Network
 * @property {number} batch images per step on a CPU
 * @property {number[]} input channels, height, width
 * @property {number} classes
 * @property {(lenode: typeof import('../dist/index.js')) => import('../dist/index.js').nn.Module<[any], any>} make
 */

/** @type {Record<string, Network>} */
export const networks = {
  lenet5: { batch: 64, input: [1, 28, 28], classes: 10, make: ({ models }) => models.lenet5() },
  'mnist-cnn': { batch: 100, input: [1, 28, 28], classes: 10, make: ({ models }) => models.mnistCnn() },
};
