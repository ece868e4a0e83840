// SPDX-License-Identifier: Apache-2.0
// TensorFlow's conventions: images [N, H, W, C], and padding by name. Such a tensor in row-major order is what this library
// calls channels-last, so that a change of conventions is a view.
import { ShapeError } from '../native/errors.js';
import { formatShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { permute } from './view.js';

/** 'SAME': as many zeros, half of them before, that the result's size is ceil(size / stride). 'VALID': none. */
export type NamedPadding = 'SAME' | 'VALID';

/** x [N, H, W, C] or [H, W, C] with its channels in front of H. */
export function channelsFirst(x: Tensor, where: string): Tensor {
  const { ndim, shape } = checkTensor(x, where);
  if (ndim !== 4 && ndim !== 3)
    throw new ShapeError(`${where}: expected input [N, H, W, C] or, for one sample, [H, W, C], got ${formatShape(shape)}`);
  return permute(x, ndim === 4 ? [0, 3, 1, 2] : [2, 0, 1]);
}

/** What undoes channelsFirst(). */
export function channelsBehind(x: Tensor): Tensor {
  return permute(x, x.ndim === 4 ? [0, 2, 3, 1] : [1, 2, 0]);
}

/** Along one dimension: the zeros before, and the result's size. `extent` is that of the window, dilation included. */
export function namedPadding(kind: NamedPadding, size: number, extent: number, stride: number): { before: number; output: number } {
  if (kind === 'VALID') return { before: 0, output: Math.floor((size - extent) / stride) + 1 };
  const output = Math.ceil(size / stride);
  return { before: Math.max((output - 1) * stride + extent - size, 0) >> 1, output };
}
