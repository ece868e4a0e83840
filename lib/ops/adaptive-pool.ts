// SPDX-License-Identifier: Apache-2.0
// Pooling to a given size: the windows share the input out evenly.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, noMore, optionsOf } from '../native/options.js';
import { checkShape, formatShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { checkBatched, checkFloat } from './checks.js';
import { avgPoolOp, letters, maxima, maxPoolOp, means, type Pooling } from './pool.js';
import { unsqueeze } from './view.js';

/** The result's size: one number for every spatial dimension or one each, where null keeps the input's. */
export type OutputSize = number | null | readonly (number | null)[];

export interface AdaptiveMaxPoolOptions {
  /** Give the positions of the maxima, too. Default false. */
  returnIndices?: boolean;
}
const adaptiveMaxPoolOptions = optionsOf<AdaptiveMaxPoolOptions>({ returnIndices: boolean });

/** `outputSize` as one entry for each spatial dimension. */
export function checkOutputSize(outputSize: OutputSize, spatial: number, where: string): readonly (number | null)[] {
  const list: unknown = outputSize === null || typeof outputSize === 'number' ? new Array(spatial).fill(outputSize) : outputSize;
  const fits = (n: unknown) => n === null || (Number.isSafeInteger(n) && (n as number) > 0);
  if (!Array.isArray(list) || list.length !== spatial || !list.every(fits))
    throw new ArgumentError(
      `${where}: outputSize must be ${spatial > 1 ? `${spatial} positive integers, or one for all` : 'a positive integer'}` +
        `; null keeps the input's size; got ${Array.isArray(outputSize) ? `[${outputSize.map(String).join(', ')}]` : String(outputSize)}`,
    );
  return list as (number | null)[];
}

function prepare(spatial: number, where: string, x: Tensor, outputSize: OutputSize): Pooling {
  checkTensor(x, where);
  const batched = checkBatched(x, spatial + 2, where, `C, ${letters[spatial]}`);
  checkFloat(x, where);
  const input = batched ? x : unsqueeze(x, 0);
  const sizes = input.shape.slice(2);
  if (input.shape[1] === 0 || sizes.includes(0))
    throw new ShapeError(`${where}: only the batch may be empty, got input ${formatShape(x.shape)}`);
  const wanted = checkOutputSize(outputSize, spatial, where).map((n, i) => n ?? sizes[i]!);
  // Equal shares are ordinary windows, which the kernels know better.
  const kernel = sizes.map((n, i) => (n % wanted[i]! === 0 ? n / wanted[i]! : 0));
  const window = { kernel, stride: kernel.map((k) => k || 1), padding: sizes.map(() => 0), dilation: sizes.map(() => 1) };
  return { input, batched, window, shape: checkShape([...input.shape.slice(0, 2), ...wanted], where) };
}

const names = ['', '1d', '2d', '3d'];
const avgPoolOps = names.map((suffix) => avgPoolOp(`adaptiveAvgPool${suffix}`));
const maxPoolOps = names.map((suffix) => maxPoolOp(`adaptiveMaxPool${suffix}`));

function adaptiveAvgPool(spatial: number, where: string, x: Tensor, outputSize: OutputSize): Tensor {
  return means(avgPoolOps[spatial]!, prepare(spatial, where, x, outputSize), false, 0);
}

function adaptiveMaxPool(spatial: number, where: string, x: Tensor, outputSize: OutputSize, options: AdaptiveMaxPoolOptions): Tensor | [Tensor, Tensor] {
  return maxima(maxPoolOps[spatial]!, prepare(spatial, where, x, outputSize), options.returnIndices === true);
}

/**
 * Means over windows of sequences; see adaptiveAvgPool2d.
 * @param x [N, C, L] or [C, L], floating
 */
export function adaptiveAvgPool1d(x: Tensor, outputSize: OutputSize): Tensor {
  noMore('adaptiveAvgPool1d', arguments.length > 2);
  return adaptiveAvgPool(1, 'adaptiveAvgPool1d', x, outputSize);
}

/**
 * Means over windows whose number is given instead of their size: along a dimension of n inputs and m outputs, window o
 * is [floor(o n / m), ceil((o + 1) n / m)). An outputSize of 1 is global average pooling.
 *
 * @param x [N, C, H, W] or [C, H, W], floating
 * @param outputSize [H', W'], one number for both, or null in the place of either to keep x's
 * @returns [N, C, H', W'] (or without N), in x's memory layout
 * @throws ShapeError for a wrong rank and a size of 0 (but the batch's); DTypeError; ArgumentError for another outputSize
 */
export function adaptiveAvgPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  noMore('adaptiveAvgPool2d', arguments.length > 2);
  return adaptiveAvgPool(2, 'adaptiveAvgPool2d', x, outputSize);
}

/**
 * Means over windows of volumes; see adaptiveAvgPool2d.
 * @param x [N, C, D, H, W] or [C, D, H, W], floating
 */
export function adaptiveAvgPool3d(x: Tensor, outputSize: OutputSize): Tensor {
  noMore('adaptiveAvgPool3d', arguments.length > 2);
  return adaptiveAvgPool(3, 'adaptiveAvgPool3d', x, outputSize);
}

type Indices = { returnIndices: true };

/**
 * Maxima over windows of sequences; see adaptiveMaxPool2d.
 * @param x [N, C, L] or [C, L], floating
 */
export function adaptiveMaxPool1d(x: Tensor, outputSize: OutputSize, options: Indices): [values: Tensor, indices: Tensor];
export function adaptiveMaxPool1d(x: Tensor, outputSize: OutputSize, options?: AdaptiveMaxPoolOptions): Tensor;
export function adaptiveMaxPool1d(x: Tensor, outputSize: OutputSize, options?: AdaptiveMaxPoolOptions): Tensor | [Tensor, Tensor] {
  options = adaptiveMaxPoolOptions('adaptiveMaxPool1d', options, arguments.length > 3);
  return adaptiveMaxPool(1, 'adaptiveMaxPool1d', x, outputSize, options);
}

/**
 * Maxima over the windows of adaptiveAvgPool2d; NaN wins, and the first of equals.
 *
 * @param x [N, C, H, W] or [C, H, W], floating
 * @param outputSize [H', W'], one number for both, or null in the place of either to keep x's
 * @returns [N, C, H', W'] (or without N); with `returnIndices` also the int64 positions of the maxima in the flattened
 * H x W plane
 * @throws as adaptiveAvgPool2d
 */
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize, options: Indices): [values: Tensor, indices: Tensor];
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize, options?: AdaptiveMaxPoolOptions): Tensor;
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize, options?: AdaptiveMaxPoolOptions): Tensor | [Tensor, Tensor] {
  options = adaptiveMaxPoolOptions('adaptiveMaxPool2d', options, arguments.length > 3);
  return adaptiveMaxPool(2, 'adaptiveMaxPool2d', x, outputSize, options);
}

/**
 * Maxima over windows of volumes; see adaptiveMaxPool2d.
 * @param x [N, C, D, H, W] or [C, D, H, W], floating
 */
export function adaptiveMaxPool3d(x: Tensor, outputSize: OutputSize, options: Indices): [values: Tensor, indices: Tensor];
export function adaptiveMaxPool3d(x: Tensor, outputSize: OutputSize, options?: AdaptiveMaxPoolOptions): Tensor;
export function adaptiveMaxPool3d(x: Tensor, outputSize: OutputSize, options?: AdaptiveMaxPoolOptions): Tensor | [Tensor, Tensor] {
  options = adaptiveMaxPoolOptions('adaptiveMaxPool3d', options, arguments.length > 3);
  return adaptiveMaxPool(3, 'adaptiveMaxPool3d', x, outputSize, options);
}
