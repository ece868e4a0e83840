// SPDX-License-Identifier: Apache-2.0
// The library, and what only it knows.
export * from '../../lib/index.js';
export { settled } from '../../lib/tensor/device.js';
