// SPDX-License-Identifier: Apache-2.0
// Positions that depend on values. How many there are has to be read back, so all of these wait for the device and cannot
// be part of a captured step.
import { ArgumentError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { refuse } from '../native/recording.js';
import { run } from '../native/run.js';
import { contiguousStrides } from '../tensor/shape.js';
import { emptyTensor, fresh, viewOf, type Tensor } from '../tensor/tensor.js';
import { binaryKernel, copyKernel, fullKernel, reduceKernel } from './kernels.js';

const remedy = 'the size of its result depends on values; call it outside';

const vector = (x: Tensor): Tensor =>
  viewOf(copyKernel(x, x.dtype, contiguousStrides(x.shape)), [x.numel], [1]) as Tensor;

// Running sums of a vector, and the last of them.
function counted(x: Tensor, where: string): [sums: Tensor, total: number] {
  refuse(`${where}()`, remedy);
  const sums = fresh([x.numel], 'int64', x.device) as Tensor;
  run(Op.cumsum, [x.dtype === 'int64' ? x : copyKernel(x, 'int64')], [sums], [0]);
  return [sums, Number(viewOf(sums, [], [], x.numel - 1).itemSync())];
}

/** 0, 1, ... of any length, int64. */
export function iota(count: number, like: Tensor, start = 0, step = 1): Tensor {
  const y = emptyTensor([count], 'int64', like.device) as Tensor;
  if (count > 0) run(Op.arange, [], [y], [start, step]);
  return y;
}

/** The flat positions, in order, of what is not 0 in x of any shape. */
export function positionsOf(x: Tensor, where: string): Tensor {
  const n = x.numel;
  if (n === 0) return iota(0, x);
  const mask = binaryKernel(Op.ne, vector(x), 0, [], where, 'bool');
  const [sums, total] = counted(mask, where);
  // The k-th of them goes to place k, all others to one place behind the last.
  const places = fresh([n], 'int64', x.device) as Tensor;
  run(Op.where, [mask, binaryKernel(Op.sub, sums, 1), null], [places], [0, total]);
  const found = fullKernel([total + 1], 0, 'int64', x.device) as Tensor;
  run(Op.scatter, [places, iota(n, x)], [found], [0]);
  return viewOf(found, [total], [1]) as Tensor;
}

/** 0 as often as repeats[0] says, then 1 as often as repeats[1], and so on. */
export function positionsOfRuns(repeats: Tensor, total: number | null, where: string): Tensor {
  const n = repeats.numel;
  if (n === 0) return iota(0, repeats);
  const counts = vector(repeats);
  let sums: Tensor;
  let length: number;
  if (total === null) [sums, length] = counted(counts, where);
  else {
    sums = fresh([n], 'int64', repeats.device) as Tensor;
    run(Op.cumsum, [counts.dtype === 'int64' ? counts : copyKernel(counts, 'int64')], [sums], [0]);
    length = total;
  }
  if (total === null && Number(reduceKernel(Op.amin, counts, [0], false).itemSync()) < 0) throw new ArgumentError(`${where}: repeats must not be negative`);
  // A step up wherever a run ends; those that end together add up.
  const steps = fullKernel([length + 1], 0, 'int64', repeats.device) as Tensor;
  run(Op.scatterAdd, [sums, fullKernel([n], 1, 'int64', repeats.device)], [steps], [0]);
  const positions = fresh([length + 1], 'int64', repeats.device) as Tensor;
  run(Op.cumsum, [steps], [positions], [0]);
  return viewOf(positions, [length], [1]) as Tensor;
}
