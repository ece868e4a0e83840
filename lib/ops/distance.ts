// SPDX-License-Identifier: Apache-2.0
// Lengths and distances of vectors along a dimension, and what is divided by them.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, checked, nullable, number, optionsOf } from '../native/options.js';
import { formatShape, givenShape, sameShape, type Shape } from '../tensor/shape.js';
import type { DType } from '../tensor/dtype.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkFloat } from './checks.js';
import { norm } from './norm.js';
import { add, clamp, div, lt, mul, rsqrt, square, sub, where as choose } from './pointwise.js';
import { cast, promote } from './promote.js';
import { mean, sum, type Dims } from './reduce.js';
import { broadcastTensors } from './view.js';

/** @internal x, or `least` where it is smaller; the gradient passes either way. */
export function atLeast(x: Tensor, least: number): Tensor {
  const value = x.detach() as Tensor;
  return choose(lt(value, least), x.requiresGrad ? add(sub(x, value), least) : least, x);
}

export interface NormalizeOptions {
  /** Of the norm. Default 2. */
  p?: number;
  /** Default 1. */
  dim?: Dims;
  /** The least length to divide by. Default 1e-12. */
  eps?: number;
}
const normalizeOptions = optionsOf<NormalizeOptions>({ p: number, dim: checked, eps: number });

/** x divided by its p-norm along `dim`. @throws DTypeError unless x is floating */
export function normalize(x: Tensor, options?: NormalizeOptions): Tensor {
  const { p = 2, dim = 1, eps = 1e-12 } = normalizeOptions('normalize', options, arguments.length > 2);
  return div(checkTensor(x, 'normalize'), clamp(norm(x, p, dim, { keepdim: true }), eps));
}

export interface CosineSimilarityOptions {
  /** Default 1. */
  dim?: number;
  /** The least length to divide by. Default 1e-8. */
  eps?: number;
}
/** @internal */
export const cosineSimilarityOptions = optionsOf<CosineSimilarityOptions>({ dim: number, eps: number });

/** The cosine of the angles between vectors along `dim`; the operands are broadcast. */
export function cosineSimilarity(x1: Tensor, x2: Tensor, options?: CosineSimilarityOptions): Tensor {
  const where = 'cosineSimilarity';
  const { dim = 1, eps = 1e-8 } = cosineSimilarityOptions(where, options, arguments.length > 3);
  const [a, b] = promote(full(checkTensor(x1, where, 'x1')), full(checkTensor(x2, where, 'x2')), where) as [Tensor, Tensor];
  checkFloat(a, where);
  const [p, q] = broadcastTensors(a, b) as [Tensor, Tensor];
  const unit = (x: Tensor) => div(x, atLeast(norm(x, 2, dim, { keepdim: true }), eps));
  return sum(mul(unit(p), unit(q)), dim);
}

export interface PairwiseDistanceOptions {
  /** Of the norm. Default 2. */
  p?: number;
  /** Added to the differences. Default 1e-6. */
  eps?: number;
  /** Keep the last dimension with size 1. Default false. */
  keepdim?: boolean;
}
/** @internal */
export const pairwiseDistanceOptions = optionsOf<PairwiseDistanceOptions>({ p: number, eps: number, keepdim: boolean });

/** The p-norm of the differences along the last dimension; the operands are broadcast. */
export function pairwiseDistance(x1: Tensor, x2: Tensor, options?: PairwiseDistanceOptions): Tensor {
  const where = 'pairwiseDistance';
  const { p = 2, eps = 1e-6, keepdim = false } = pairwiseDistanceOptions(where, options, arguments.length > 3);
  return norm(add(sub(checkTensor(x1, where, 'x1'), checkTensor(x2, where, 'x2')), eps), p, -1, { keepdim });
}

// ---- root mean square --------------------------------------------------------------------------------------------------

export interface RmsNormOptions {
  /** Added to the mean square. Default (also for null): the distance of 1 to the next number of the dtype computed in. */
  eps?: number | null;
}
const rmsNormOptions = optionsOf<RmsNormOptions>({ eps: nullable(number) });

const epsilon = (dtype: DType) => (dtype === 'float64' ? 2 ** -52 : 2 ** -23);

/**
 * x divided by its root mean square over the last dimensions, those of `normalizedShape` (Zhang and Sennrich,
 * arXiv:1910.07467), then times the weight. float16 and bfloat16 are computed in float32.
 *
 * @param x [..., ...normalizedShape], floating
 * @param weight normalizedShape, by default 1
 * @throws ShapeError for another shape of x or weight; DTypeError
 */
export function rmsNorm(
  x: Tensor,
  normalizedShape: number | readonly number[],
  weight: Tensor | null = null,
  options?: RmsNormOptions,
): Tensor {
  const where = 'rmsNorm';
  const { eps = null } = rmsNormOptions(where, options, arguments.length > 4);
  const shape = checkNormalized(x, normalizedShape, where);
  if (weight && !sameShape(checkTensor(weight, where, 'weight').shape, shape))
    throw new ShapeError(`${where}: weight must be ${formatShape(shape)}, as normalizedShape, got ${formatShape(weight.shape)}`);
  const wide = x.dtype === 'float16' || x.dtype === 'bfloat16' ? cast(x, 'float32') : x;
  const power = mean(square(wide), shape.map((_, i) => x.ndim - shape.length + i), { keepdim: true });
  const y = mul(wide, rsqrt(add(power, eps ?? epsilon(wide.dtype))));
  const scaled = weight ? mul(y, weight) : y;
  return scaled.dtype === x.dtype ? scaled : cast(scaled, x.dtype);
}

function checkNormalized(x: Tensor, normalizedShape: number | readonly number[], where: string): Shape {
  checkFloat(checkTensor(x, where), where);
  const shape = givenShape(typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape, where);
  if (shape.length === 0) throw new ArgumentError(`${where}: normalizedShape must have at least one dimension`);
  if (shape.length > x.ndim || !sameShape(x.shape.slice(x.ndim - shape.length), shape))
    throw new ShapeError(`${where}: expected input [${['...', ...shape].join(', ')}], got ${formatShape(x.shape)}`);
  return shape;
}

