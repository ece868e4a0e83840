// SPDX-License-Identifier: Apache-2.0
// Batches on their device: one choice for each image, few native calls for all.
import { cat } from '../../ops/join.js';
import { indexSelect } from '../../ops/pick.js';
import { where } from '../../ops/pointwise.js';
import { narrow } from '../../ops/view.js';
import { fromArray, type Tensor } from '../../tensor/tensor.js';

/** The images for which `chosen` says so mirrored along a dimension. */
export function mirror(x: Tensor, dim: number, chosen: readonly boolean[]): Tensor {
  if (!chosen.includes(true)) return x;
  const size = x.shape[dim]!;
  const reversed = fromArray(Int32Array.from({ length: size }, (_, i) => size - 1 - i), [size], 'int32', x.device) as Tensor;
  const mirrored = indexSelect(x, dim, reversed);
  if (!chosen.includes(false)) return mirrored;
  const mask = fromArray(Uint8Array.from(chosen, Number), [chosen.length, 1, 1, 1], 'bool', x.device) as Tensor;
  return where(mask, mirrored, x);
}

/** A rectangle of each image, all of one size and within the images. */
export function cropEach(x: Tensor, corners: readonly (readonly [top: number, left: number])[], height: number, width: number): Tensor {
  const rectangle = (t: Tensor, top: number, left: number): Tensor => narrow(narrow(t, 2, top, height), 3, left, width);
  const [first] = corners;
  if (corners.every(([top, left]) => top === first![0] && left === first![1])) return rectangle(x, ...first!);
  return cat(
    corners.map(([top, left], i) => rectangle(narrow(x, 0, i, 1), top, left)),
    0,
  );
}
