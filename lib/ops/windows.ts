// SPDX-License-Identifier: Apache-2.0
// Sliding windows as a dimension of their own, and their sum back into place. Each is the gradient of the other.
import { defineOp, type Context } from '../autograd/op.js';
import { ShapeError } from '../native/errors.js';
import { checked, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkShape, formatShape, normalizeDim } from '../tensor/shape.js';
import { checkTensor, viewOf, type Tensor } from '../tensor/tensor.js';
import { checkInteger, checkSizes, type Sizes } from './checks.js';
import { fullKernel } from './kernels.js';
import { pad } from './pad.js';
import { narrow, permute, reshape, squeeze, unsqueeze } from './view.js';

interface Windows {
  dim: number;
  /** Of the dimension. */
  length: number;
  size: number;
  step: number;
  dilation: number;
}

const countOf = ({ length, size, step, dilation }: Windows) => Math.floor((length - dilation * (size - 1) - 1) / step) + 1;

const windowsOp: (x: Tensor, windows: Windows) => Tensor = defineOp({
  name: 'unfold',
  forward(ctx: Context<Windows>, x: Tensor, windows: Windows): Tensor {
    ctx.keep(windows);
    const { dim, size, step, dilation } = windows;
    const stride = x.strides[dim]!;
    return viewOf(x, [...x.shape.with(dim, countOf(windows)), size], [...x.strides.with(dim, stride * step), stride * dilation]);
  },
  gradients: [(g, ctx) => overlapOp(g, ctx.params)],
});

const overlapOp: (x: Tensor, windows: Windows) => Tensor = defineOp({
  name: 'fold',
  forward(ctx: Context<Windows>, x: Tensor, windows: Windows): Tensor {
    ctx.keep(windows);
    const { dim, length, size, step, dilation } = windows;
    const [shape, strides] = [x.shape.slice(0, -1), x.strides.slice(0, -1)];
    const y = fullKernel(shape.with(dim, length), 0, x.dtype, x.device);
    if (x.numel === 0) return y as Tensor;
    // One place of every window at a time: those do not meet.
    for (let k = 0; k < size; k++) {
      const target = viewOf(y, shape, y.strides.with(dim, y.strides[dim]! * step), k * dilation * y.strides[dim]!);
      run(Op.add, [target, viewOf(x, shape, strides, k * x.strides.at(-1)!)], [target], [0]);
    }
    return y as Tensor;
  },
  gradients: [(g, ctx) => windowsOp(g, ctx.params)],
});

/**
 * The windows of `size` elements along one dimension, beginning every `step`, with their elements as a new last
 * dimension; a view. (Windows over images as columns are `F.unfold`.)
 * @throws ShapeError for a size larger than the dimension
 */
export function unfoldDim(x: Tensor, dim: number, size: number, step: number): Tensor {
  const where = 'unfold';
  const at = normalizeDim(dim, checkTensor(x, where).ndim, where);
  checkInteger(size, 0, where, 'size');
  checkInteger(step, 1, where, 'step');
  const line = x.ndim === 0 ? reshape(x, [1]) : x;
  const length = line.shape[at]!;
  if (size > length) throw new ShapeError(`${where}: size ${size} is larger than dimension ${dim} of ${formatShape(x.shape)}`);
  checkShape([...line.shape, size], where);
  const y = windowsOp(line, { dim: at, length, size, step, dilation: 1 });
  return x.ndim === 0 ? squeeze(y, 0) : y;
}

export interface UnfoldOptions {
  /** Distance of a window's elements. Default 1. */
  dilation?: Sizes;
  /** Zeros on both sides. Default 0. */
  padding?: Sizes;
  /** Distance of the windows. Default 1. */
  stride?: Sizes;
}

/** @internal */
export const unfoldOptions = optionsOf<UnfoldOptions>({ dilation: checked, padding: checked, stride: checked });

function placement(height: number, width: number, kernelSize: Sizes, { dilation = 1, padding = 0, stride = 1 }: UnfoldOptions, where: string) {
  const kernel = checkSizes(kernelSize, 2, 1, where, 'kernelSize');
  const apart = checkSizes(dilation, 2, 1, where, 'dilation');
  const around = checkSizes(padding, 2, 0, where, 'padding');
  const step = checkSizes(stride, 2, 1, where, 'stride');
  const along = (i: 0 | 1): Windows => ({
    dim: i + 2,
    length: [height, width][i]! + 2 * around[i]!,
    size: kernel[i]!,
    step: step[i]!,
    dilation: apart[i]!,
  });
  const [rows, columns] = [along(0), along(1)];
  const counts = [countOf(rows), countOf(columns)] as const;
  if (counts.some((n) => n < 1))
    throw new ShapeError(
      `${where}: no window of kernelSize ${formatShape(kernel)} with dilation ${formatShape(apart)} fits into the padded ` +
        `${formatShape([rows.length, columns.length])}`,
    );
  return { kernel, around, rows, columns, counts };
}

/**
 * The windows of images as columns (im2col).
 *
 * @param x [N, C, H, W] or [C, H, W]
 * @param kernelSize the windows' size, one number or [kH, kW]
 * @returns [N, C kH kW, windows] (or without N), row by row
 * @throws ShapeError for another rank and where no window fits; ArgumentError for options out of range
 */
export function unfold(x: Tensor, kernelSize: Sizes, options?: UnfoldOptions): Tensor {
  const where = 'unfold';
  options = unfoldOptions(where, options, arguments.length > 3);
  if (checkTensor(x, where).ndim === 3) return squeeze(unfold(unsqueeze(x, 0), kernelSize, options), 0);
  if (x.ndim !== 4) throw new ShapeError(`${where}: expected input [N, C, H, W] or [C, H, W], got ${formatShape(x.shape)}`);
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const { kernel, around, rows, columns, counts } = placement(h, w, kernelSize, options, where);
  const padded = around.some((p) => p > 0) ? pad(x, [around[1]!, around[1]!, around[0]!, around[0]!]) : x;
  const windows = windowsOp(windowsOp(padded, rows), columns); // [N, C, rows, columns, kH, kW]
  return reshape(permute(windows, [0, 1, 4, 5, 2, 3]), [n, c * kernel[0]! * kernel[1]!, counts[0] * counts[1]]);
}

/**
 * The sum of windows in an image, from their columns (col2im): what windows share is added up.
 *
 * @param x [N, C kH kW, windows] or without N
 * @param outputSize the image's size, one number or [H, W]
 * @param kernelSize the windows' size, one number or [kH, kW]
 * @returns [N, C, H, W] (or without N)
 * @throws ShapeError where the number of rows or columns does not fit; ArgumentError for options out of range
 */
export function fold(x: Tensor, outputSize: Sizes, kernelSize: Sizes, options?: UnfoldOptions): Tensor {
  const where = 'fold';
  options = unfoldOptions(where, options, arguments.length > 4);
  if (checkTensor(x, where).ndim === 2) return squeeze(fold(unsqueeze(x, 0), outputSize, kernelSize, options), 0);
  const [h, w] = checkSizes(outputSize, 2, 1, where, 'outputSize') as [number, number];
  const { kernel, around, rows, columns, counts } = placement(h, w, kernelSize, options, where);
  const area = kernel[0]! * kernel[1]!;
  if (x.ndim !== 3 || x.shape[1]! % area !== 0 || x.shape[2] !== counts[0] * counts[1])
    throw new ShapeError(
      `${where}: expected input [N, C * ${area}, ${counts[0] * counts[1]}] or without N for outputSize ` +
        `${formatShape([h, w])} and kernelSize ${formatShape(kernel)}, got ${formatShape(x.shape)}`,
    );
  const parts = reshape(x, [x.shape[0]!, x.shape[1]! / area, ...kernel, ...counts]);
  const padded = overlapOp(overlapOp(permute(parts, [0, 1, 4, 5, 2, 3]), columns), rows);
  return around.reduce((y, p, i) => (p > 0 ? narrow(y, i + 2, p, [h, w][i]!) : y), padded);
}
