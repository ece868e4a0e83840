// SPDX-License-Identifier: Apache-2.0
// Statistics: sums of exponentials, counts, and values by their rank.
import { isDeriving } from '../autograd/deriving.js';
import { gradientsOf } from '../autograd/engine.js';
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, DTypeError, ShapeError } from '../native/errors.js';
import { boolean, checked, integer, noMore, nullable, oneOf, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { checkDType, isFloating, type DType } from '../tensor/dtype.js';
import { checkShape, formatShape, normalizeDim } from '../tensor/shape.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkFloat, checkInteger, checkNumber } from './checks.js';
import { tensor } from './creation.js';
import { fullKernel, like, reduceKernel } from './kernels.js';
import { run } from '../native/run.js';
import { cat } from './join.js';
import { cumsum, sort } from './order.js';
import { gather, scatterAdd } from './pick.js';
import { add, ceil, clamp, div, eq, exp, floor, isinf, isnan, log, logicalNot, logicalOr, mul, ne, round, sub, where as choose } from './pointwise.js';
import { cast, floating } from './promote.js';
import { flip, movedim } from './rearrange.js';
import { amax, amin, type Dims, dimsOf, mean, reduceOptions, type ReduceOptions, std, sum, variance, type VarOptions } from './reduce.js';
import { lerp } from './special.js';
import { narrow, reshape, split, squeeze, unsqueeze } from './view.js';

// ---- over any dimensions -----------------------------------------------------------------------------------------------

/**
 * log(sum(exp(x))) along `dim`, without overflow in between. Integers are computed in float32.
 * @throws ShapeError when there is no such dimension
 */
export function logsumexp(x: Tensor, dim: Dims, options?: ReduceOptions): Tensor {
  const where = 'logsumexp';
  const { keepdim = false } = reduceOptions(where, options, arguments.length > 3);
  const wide = full(floating(checkTensor(x, where)));
  const dims = dimsOf(x, dim, where);
  if (dims.some((d) => x.shape[d] === 0)) return log(sum(exp(wide), dims, { keepdim }));
  const most = amax(wide.detach() as Tensor, dims, { keepdim: true });
  const shift = choose(isinf(most), 0, most);
  const total = log(sum(exp(sub(wide, shift)), dims, { keepdim: true }));
  const y = add(total, shift);
  return keepdim ? y : reshape(y, x.shape.filter((_, i) => !dims.includes(i)));
}

/** How many elements are not 0, along `dim` or of all; int64. */
export function countNonzero(x: Tensor, dim?: Dims): Tensor {
  noMore('countNonzero', arguments.length > 2);
  return sum(ne(checkTensor(x, 'countNonzero'), 0), dim);
}

/** sum() of what is not NaN. */
export function nansum(x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor {
  reduceOptions('nansum', options, arguments.length > 3);
  return sum(isFloating(checkTensor(x, 'nansum').dtype) ? choose(isnan(x), 0, x) : x, dim, options);
}

/** mean() of what is not NaN. */
export function nanmean(x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor {
  reduceOptions('nanmean', options, arguments.length > 3);
  checkFloat(checkTensor(x, 'nanmean'), 'nanmean');
  return div(nansum(x, dim, options), sum(logicalNot(isnan(x)), dim, options));
}

/** [variance, mean]; arguments are those of `var`. */
export function varMean(x: Tensor, dim?: Dims, options?: VarOptions): [variance: Tensor, mean: Tensor] {
  noMore('varMean', arguments.length > 3);
  return [variance(x, dim, options), mean(x, dim, { keepdim: options?.keepdim ?? false })];
}

/** [standard deviation, mean]; arguments are those of `std`. */
export function stdMean(x: Tensor, dim?: Dims, options?: VarOptions): [std: Tensor, mean: Tensor] {
  noMore('stdMean', arguments.length > 3);
  return [std(x, dim, options), mean(x, dim, { keepdim: options?.keepdim ?? false })];
}

export interface AminmaxOptions extends ReduceOptions {
  /** Default: all elements. */
  dim?: number | null;
}
const aminmaxOptions = optionsOf<AminmaxOptions>({ keepdim: boolean, dim: nullable(integer) });

/** [smallest, largest] value. Equal extremes share the gradient. @throws ShapeError for no elements */
export function aminmax(x: Tensor, options?: AminmaxOptions): [min: Tensor, max: Tensor] {
  const { dim = null, keepdim = false } = aminmaxOptions('aminmax', options, arguments.length > 2);
  return [amin(x, dim, { keepdim }), amax(x, dim, { keepdim })];
}

// ---- running products and differences ------------------------------------------------------------------------------------

interface Running {
  dtype?: DType;
}
const runningOptions = optionsOf<Running>({ dtype: checked });

// cumprod by steps whose gradients can be differentiated, at zeros too.
function productsBySteps(x: Tensor, dim: number): Tensor {
  if (x.ndim === 0) return x;
  const products: Tensor[] = [];
  for (const part of split(x, 1, dim)) products.push(products.length ? mul(products.at(-1)!, part) : part);
  return cat(products, dim);
}

const cumprodOp = defineOp({
  name: 'cumprod',
  forward(ctx: Context<number>, x: Tensor, dim: number): Tensor {
    const y = like(x);
    run(Op.cumprod, [x], [y], [dim]);
    ctx.save(x, y);
    ctx.keep(dim);
    return y;
  },
  gradients: [
    (g, ctx) => {
      const [x, y, dim] = [ctx.saved(0), ctx.saved(1), ctx.params];
      if (isDeriving()) return gradientsOf((t: Tensor) => productsBySteps(t, dim), [x], [true], g)[0]!;
      // Before the first zero, what depends on x[k] is y / x[k] behind it; at the zero, the products without it; behind
      // it nothing depends on anything.
      const zero = eq(x, 0);
      const zeros = cumsum(zero, dim);
      const first = logicalNot(logicalOr(logicalNot(zero), ne(zeros, 1)));
      const toEnd = (t: Tensor) => flip(cumsum(flip(t, dim), dim), dim);
      const before = div(toEnd(mul(g, y)), choose(zero, 1, x));
      const without = cumprodOp(choose(first, 1, x), dim) as Tensor;
      const at = toEnd(choose(eq(zeros, 0), 0, mul(g, without)));
      return choose(first, at, choose(eq(zeros, 0), before, 0));
    },
  ],
}) as (x: Tensor, dim: number) => Tensor;

/**
 * Running products along `dim`. Integers and bool are multiplied as int64 unless a dtype is given.
 * @throws ShapeError when there is no such dimension
 */
export function cumprod(x: Tensor, dim: number, options?: Running): Tensor {
  const { dtype } = runningOptions('cumprod', options, arguments.length > 3);
  const at = normalizeDim(dim, checkTensor(x, 'cumprod').ndim, 'cumprod');
  const target = dtype === undefined ? (isFloating(x.dtype) ? x.dtype : 'int64') : checkDType(dtype, 'cumprod');
  const wide = full(x);
  return cumprodOp(dtype === undefined && isFloating(x.dtype) ? wide : wide.dtype === target ? wide : cast(wide, target), at);
}

export interface DiffOptions {
  /** How often. Default 1. */
  n?: number;
  /** Default -1, the last. */
  dim?: number;
}
const diffOptions = optionsOf<DiffOptions>({ n: integer, dim: integer });

/** Differences of neighbours along `dim`, n times. */
export function diff(x: Tensor, options?: DiffOptions): Tensor {
  const { n = 1, dim = -1 } = diffOptions('diff', options, arguments.length > 2);
  const at = normalizeDim(dim, checkTensor(x, 'diff').ndim, 'diff');
  if (x.ndim === 0) throw new ShapeError('diff: expected at least 1 dimension, got []');
  let y = x;
  for (let i = 0; i < checkInteger(n, 0, 'diff', 'n') && y.shape[at]! > 0; i++) {
    const size = y.shape[at]!;
    const [high, low] = [narrow(y, at, 1, size - 1), narrow(y, at, 0, size - 1)];
    y = x.dtype === 'bool' ? ne(high, low) : sub(high, low);
  }
  return y;
}

// ---- by rank -----------------------------------------------------------------------------------------------------------

function alongDim(x: Tensor, dim: number, where: string): number {
  const at = normalizeDim(dim, checkTensor(x, where).ndim, where);
  if (x.shape[at] === 0) throw new ShapeError(`${where}: dimension ${dim} of shape ${formatShape(x.shape)} has no elements`);
  return at;
}

const without = (y: Tensor, dim: number, keepdim: boolean): Tensor => (keepdim || y.ndim === 0 ? y : squeeze(y, dim));

// The values and positions at `rank` of the order along `dim`, whose size is 1 or missing then.
function atRank(x: Tensor, dim: number, rank: (notNan: Tensor) => Tensor, keepdim: boolean): [Tensor, Tensor] {
  const [values, positions] = sort(x, { dim });
  const place = rank(sum(logicalNot(isnan(x)), dim, { keepdim: true }));
  return [without(gather(values, dim, place), dim, keepdim), without(gather(positions, dim, place), dim, keepdim)];
}

// NaN stands behind all numbers: the first of them, if there is one, or the lower of the middle ones.
const middle = (n: number) => (notNan: Tensor) => choose(eq(notNan, n), Math.floor((n - 1) / 2), notNan);
const middleOfNumbers = (notNan: Tensor) => floorHalf(clamp(sub(notNan, 1), 0));
const floorHalf = (x: Tensor) => cast(floor(div(x, 2)), 'int64');

// Equal elements share the gradient of the median of all.
const wholeMedian = (name: string, rank: (n: number) => (notNan: Tensor) => Tensor) => defineOp({
  name,
  forward(ctx: Context, x: Tensor): Tensor {
    const flat = reshape(x.detach() as Tensor, [x.numel]);
    const y = x.numel === 0 ? (fullKernel([], NaN, x.dtype, x.device) as Tensor) : atRank(flat, 0, rank(x.numel), false)[0];
    ctx.save(x, y);
    return y;
  },
  gradients: [
    (g, ctx) => {
      const [x, y] = [ctx.saved(0), ctx.saved(1)];
      const hit = logicalOr(eq(x, y), logicalNot(logicalOr(eq(x, x), eq(y, y))));
      return choose(hit, div(g, sum(hit)), 0);
    },
  ],
});

function medianOf(where: string, rank: (n: number) => (notNan: Tensor) => Tensor) {
  const whole = wholeMedian(where, rank);
  function along(x: Tensor): Tensor;
  function along(x: Tensor, dim: number, options?: ReduceOptions): [values: Tensor, indices: Tensor];
  function along(x: Tensor, dim?: number, options?: ReduceOptions): Tensor | [Tensor, Tensor] {
    const { keepdim = false } = reduceOptions(where, options, arguments.length > 3);
    if (dim === undefined) return whole(checkTensor(x, where));
    const at = alongDim(x, dim, where);
    return atRank(x, at, rank(x.shape[at] ?? 1), keepdim);
  }
  return along;
}

/**
 * The median, of an even number of elements the lower one: of all (equal elements share the gradient), or along `dim` with
 * an int64 position. NaN if there is one.
 */
export const median = medianOf('median', middle);
/** As median(), of what is not NaN. */
export const nanmedian = medianOf('nanmedian', () => middleOfNumbers);

/** The k-th smallest element along `dim` (k counts from 1) and its int64 position. */
export function kthvalue(x: Tensor, k: number, dim = -1, options?: ReduceOptions): [values: Tensor, indices: Tensor] {
  const where = 'kthvalue';
  const { keepdim = false } = reduceOptions(where, options, arguments.length > 4);
  const at = alongDim(x, dim, where);
  const size = x.shape[at] ?? 1;
  if (checkInteger(k, 1, where, 'k') > size) throw new ArgumentError(`${where}: k is ${k}, but there are ${size} elements`);
  const [values, positions] = sort(x, { dim: at });
  const pick = (y: Tensor) => (y.ndim === 0 ? y : without(narrow(y, at, k - 1, 1), at, keepdim));
  return [pick(values), pick(positions)];
}

/** The elements in order along the first dimension. */
export function msort(x: Tensor): Tensor {
  noMore('msort', arguments.length > 1);
  return sort(x, { dim: 0 })[0];
}

export interface QuantileOptions extends ReduceOptions {
  /** What lies between two elements. Default 'linear'. */
  interpolation?: 'linear' | 'lower' | 'higher' | 'midpoint' | 'nearest';
}
const quantileOptions = optionsOf<QuantileOptions>({
  keepdim: boolean,
  interpolation: oneOf('linear', 'lower', 'higher', 'midpoint', 'nearest'),
});

function quantileOf(where: string, ignoresNan: boolean) {
  return function (x: Tensor, q: Tensor | number | readonly number[], dim: number | null = null, options?: QuantileOptions): Tensor {
    const { keepdim = false, interpolation = 'linear' } = quantileOptions(where, options, arguments.length > 4);
    checkTensor(x, where);
    if (x.dtype !== 'float32' && x.dtype !== 'float64') throw new DTypeError(`${where}: input must be float32 or float64, got ${x.dtype}`);
    if (x.numel === 0) throw new ShapeError(`${where}: shape ${formatShape(x.shape)} has no elements`);
    let ranks: Tensor;
    if (q instanceof Tensor) {
      if (q.dtype !== x.dtype) throw new DTypeError(`${where}: q must have the input's dtype ${x.dtype}, got ${q.dtype}`);
      if (q.ndim > 1) throw new ShapeError(`${where}: q must be a number or a vector, got ${formatShape(q.shape)}`);
      ranks = q;
    } else {
      for (const one of typeof q === 'number' ? [q] : q) checkNumber(one, 0, 1, where, 'q');
      ranks = typeof q === 'number' ? (fullKernel([], q, x.dtype, x.device) as Tensor) : tensor(q, { dtype: x.dtype, device: x.device });
    }
    const many = ranks.ndim;
    const at = dim === null ? 0 : normalizeDim(dim, x.ndim, where);
    const lines = dim === null || x.ndim === 0 ? reshape(x, [x.numel]) : movedim(x, at, -1);
    const n = lines.shape.at(-1)!;
    const [values] = sort(lines, { dim: -1 });
    const notNan = sum(logicalNot(isnan(lines.detach() as Tensor)), -1, { keepdim: true });
    const last = ignoresNan ? clamp(sub(notNan, 1), 0) : choose(eq(notNan, n), n - 1, n);
    const q1 = reshape(ranks, [ranks.numel]);
    // With a NaN, the last place, where one stands.
    const place = ignoresNan ? mul(q1, cast(last, x.dtype)) : choose(eq(last, n), n - 1, mul(q1, n - 1));
    const pick = (where: Tensor) => gather(values, -1, cast(where.detach() as Tensor, 'int64'));
    let y: Tensor;
    if (interpolation === 'lower') y = pick(floor(place));
    else if (interpolation === 'higher') y = pick(ceil(place));
    else if (interpolation === 'nearest') y = pick(round(place));
    else {
      const low = floor(place.detach() as Tensor);
      y = lerp(pick(low), pick(ceil(place)), interpolation === 'midpoint' ? 0.5 : sub(place, low));
    }
    // [..., q] becomes [q, ...] with the dimension that was reduced.
    const rest = dim === null ? [] : x.shape.filter((_, i) => i !== at);
    const front = reshape(movedim(y, -1, 0), many ? [ranks.numel, ...rest] : rest);
    if (!keepdim) return front;
    if (dim === null) return reshape(front, [...(many ? [ranks.numel] : []), ...x.shape.map(() => 1)]);
    return x.ndim === 0 ? front : unsqueeze(front, at + many);
  };
}

/**
 * The values below which the fractions q of the elements lie, of all elements or along `dim`. NaN if there is one.
 *
 * @param x float32 or float64
 * @param q a number in [0, 1], several, or a tensor of them of x's dtype (which is not checked to be within)
 * @param options keepdim; interpolation: what lies between two elements, default 'linear'
 * @returns without `dim`; with several q, these come first
 */
export const quantile = quantileOf('quantile', false);
/** As quantile(), of what is not NaN. */
export const nanquantile = quantileOf('nanquantile', true);

// ---- counts ------------------------------------------------------------------------------------------------------------

export interface BincountOptions {
  /** A weight for each element, to be added up instead of 1. */
  weights?: Tensor | null;
  /** The least length of the result. Default 0. */
  minlength?: number;
}
const bincountOptions = optionsOf<BincountOptions>({ weights: checked, minlength: integer });

/**
 * How often each number occurs in a vector of integers that are not negative: [largest + 1]. Waits for the device, since
 * the result's size depends on values.
 * @returns int64, or with weights their dtype (float64 for integers)
 */
export function bincount(x: Tensor, options?: BincountOptions): Tensor {
  const where = 'bincount';
  const { weights = null, minlength = 0 } = bincountOptions(where, options, arguments.length > 2);
  checkInteger(minlength, 0, where, 'minlength');
  if (checkTensor(x, where).ndim !== 1) throw new ShapeError(`${where}: expected a vector, got ${formatShape(x.shape)}`);
  if (isFloating(x.dtype) || x.dtype === 'bool') throw new DTypeError(`${where}: input must hold integers, got ${x.dtype}`);
  if (weights && (checkTensor(weights, where, 'weights').ndim !== 1 || weights.numel !== x.numel))
    throw new ShapeError(`${where}: weights must be [${x.numel}], got ${formatShape(weights.shape)}`);
  const dtype = !weights ? 'int64' : weights.dtype === 'float32' ? 'float32' : 'float64';
  let size = minlength;
  if (x.numel > 0) {
    const [least, most] = [Op.amin, Op.amax].map((op) => Number(reduceKernel(op, x, [0], false).itemSync())) as [number, number];
    if (least < 0) throw new ArgumentError(`${where}: the numbers must not be negative, got ${least}`);
    size = Math.max(size, most + 1);
  }
  const zeros = fullKernel(checkShape([size], where), 0, dtype, x.device) as Tensor;
  const source = weights ? cast(weights.detach() as Tensor, dtype) : (fullKernel([x.numel], 1, dtype, x.device) as Tensor);
  return scatterAdd(zeros, 0, cast(x, 'int64'), source);
}

