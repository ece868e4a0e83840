// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { boolean, optionsOf } from '../native/options.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkNumber, checkSizes, sizes, type Sizes } from './checks.js';
import { relu } from './activation.js';
import { abs, mul, pow, sign } from './pointwise.js';
import { avgPool1d, avgPool2d, avgPool3d } from './pool.js';

export interface LPPoolOptions {
  /** Steps of the window. Default: kernelSize. */
  stride?: Sizes;
  /** Let windows reach over the end of the input, instead of leaving a rest out. Default false. */
  ceilMode?: boolean;
}
/** @internal */
export const lpPoolOptions = optionsOf<LPPoolOptions>({ stride: sizes, ceilMode: boolean });

const avgPools = [undefined, avgPool1d, avgPool2d, avgPool3d] as const;

/** @throws ArgumentError unless p is a number other than 0 */
export function checkNormType(normType: number, where: string): number {
  checkNumber(normType, -Number.MAX_VALUE, Number.MAX_VALUE, where, 'normType');
  if (normType === 0) throw new ArgumentError(`${where}: normType must not be 0`);
  return normType;
}

function lpPool(spatial: 1 | 2 | 3, where: string, x: Tensor, normType: number, kernelSize: Sizes, { stride, ceilMode = false }: LPPoolOptions): Tensor {
  checkFloat(checkTensor(x, where), where);
  checkNormType(normType, where);
  const kernel = checkSizes(kernelSize, spatial, 1, where, 'kernelSize');
  const means = avgPools[spatial](pow(x, normType), kernel, stride === undefined ? { ceilMode } : { stride, ceilMode });
  const sums = mul(mul(sign(means), relu(abs(means))), kernel.reduce((a, b) => a * b));
  return pow(sums, 1 / normType);
}

/**
 * p-norms of windows of a sequence; see lpPool2d.
 * @param x [N, C, L] or [C, L], floating
 */
export function lpPool1d(x: Tensor, normType: number, kernelSize: Sizes, options?: LPPoolOptions): Tensor {
  options = lpPoolOptions('lpPool1d', options, arguments.length > 4);
  return lpPool(1, 'lpPool1d', x, normType, kernelSize, options);
}

/**
 * p-norms of windows of an image: (sum x^p)^(1/p), which is NaN where an odd p makes the sum negative. A window
 * that ceilMode lets reach over the end counts as if it were full of its mean.
 *
 * @param x [N, C, H, W] or [C, H, W], floating
 * @param normType p: 1 gives sums, and large numbers come near to maxima
 * @returns [N, C, H', W'] (or without N)
 * @throws as avgPool2d; ArgumentError for a normType of 0
 */
export function lpPool2d(x: Tensor, normType: number, kernelSize: Sizes, options?: LPPoolOptions): Tensor {
  options = lpPoolOptions('lpPool2d', options, arguments.length > 4);
  return lpPool(2, 'lpPool2d', x, normType, kernelSize, options);
}

/**
 * p-norms of windows of a volume; see lpPool2d.
 * @param x [N, C, D, H, W] or [C, D, H, W], floating
 */
export function lpPool3d(x: Tensor, normType: number, kernelSize: Sizes, options?: LPPoolOptions): Tensor {
  options = lpPoolOptions('lpPool3d', options, arguments.length > 4);
  return lpPool(3, 'lpPool3d', x, normType, kernelSize, options);
}
