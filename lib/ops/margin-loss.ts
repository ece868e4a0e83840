// SPDX-License-Identifier: Apache-2.0
// Losses of margins between scores or distances, and those of counts and variances. All reduce by 'mean' unless told
// otherwise.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, callable, checked, nullable, number, optionsOf } from '../native/options.js';
import { formatShape, sameShape, type Shape } from '../tensor/shape.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';
import { logsigmoid, relu } from './activation.js';
import { full } from './autocast.js';
import { checkFloat, checkIndexDType, checkNumber } from './checks.js';
import { atLeast, pairwiseDistance } from './distance.js';
import { fullKernel, zerosLikeKernel } from './kernels.js';
import { checkReduction, lossOptions, reduced, type LossOptions } from './loss-options.js';
import { cumsum } from './order.js';
import { gather, indexSelect, scatterAdd } from './pick.js';
import { add, clamp, div, eq, exp, gt, log, logicalAnd, minimum, mul, ne, neg, sqrt, square, sub, where as choose } from './pointwise.js';
import { cast } from './promote.js';
import { mean, sum } from './reduce.js';
import { iota } from './positions.js';
import { reshape, unsqueeze } from './view.js';

export interface MarginOptions extends LossOptions {
  /** The difference that is asked for. The default is the loss's own. */
  margin?: number;
}
/** @internal */
export const marginOptions = optionsOf<MarginOptions>({ ...lossOptions.schema, margin: number });

const finish = (losses: Tensor, options: LossOptions, where: string): Tensor => reduced(losses, checkReduction(options.reduction, where));

function float(x: Tensor, where: string, name = 'input'): Tensor {
  checkFloat(checkTensor(x, where, name), where, name);
  return full(x);
}

// Of any dtype: integers become floating with the first operation that makes them so, and wrap around before.
const any = (x: Tensor, where: string, name = 'input'): Tensor => full(checkTensor(x, where, name));

/**
 * max(0, -target (x1 - x2) + margin): x1 is to be larger where target is 1, x2 where it is -1. Default margin 0.
 * @throws ShapeError unless all have equally many dimensions
 */
export function marginRankingLoss(x1: Tensor, x2: Tensor, target: Tensor, options?: MarginOptions): Tensor {
  const where = 'marginRankingLoss';
  const { margin = 0, ...rest } = marginOptions(where, options, arguments.length > 4);
  const [a, b] = [float(x1, where, 'x1'), float(x2, where, 'x2')];
  if (a.ndim !== b.ndim || a.ndim !== checkTensor(target, where, 'target').ndim)
    throw new ShapeError(
      `${where}: all tensors must have equally many dimensions, got ${[a, b, target].map((t) => formatShape(t.shape)).join(', ')}`,
    );
  return finish(clamp(add(mul(neg(target), sub(a, b)), margin), 0), rest, where);
}

/** x where target is 1, and max(0, margin - x) where it is -1. Default margin 1. */
export function hingeEmbeddingLoss(input: Tensor, target: Tensor, options?: MarginOptions): Tensor {
  const where = 'hingeEmbeddingLoss';
  const { margin = 1, ...rest } = marginOptions(where, options, arguments.length > 3);
  const x = float(input, where);
  const far = choose(ne(checkTensor(target, where, 'target'), 1), clamp(sub(margin, x), 0), 0);
  return finish(add(far, choose(ne(target, -1), x, 0)), rest, where);
}

/** log(1 + exp(-target x)), without overflow; target is 1 or -1. */
export function softMarginLoss(input: Tensor, target: Tensor, options?: LossOptions): Tensor {
  const where = 'softMarginLoss';
  options = lossOptions(where, options, arguments.length > 3);
  const x = float(input, where);
  return finish(neg(logsigmoid(mul(checkTensor(target, where, 'target'), x))), options, where);
}

/**
 * 1 - cos(x1, x2) where target is 1, and max(0, cos(x1, x2) - margin) where it is -1. Default margin 0.
 * @param x1 [N, D] and target [N], or [D] and []
 */
export function cosineEmbeddingLoss(x1: Tensor, x2: Tensor, target: Tensor, options?: MarginOptions): Tensor {
  const where = 'cosineEmbeddingLoss';
  const { margin = 0, ...rest } = marginOptions(where, options, arguments.length > 4);
  const [a, b] = [any(x1, where, 'x1'), any(x2, where, 'x2')];
  const dim = checkTensor(target, where, 'target').ndim;
  if (dim > 1 || a.ndim !== dim + 1 || b.ndim !== dim + 1)
    throw new ShapeError(
      `${where}: expected x1 and x2 [N, D] with target [N], or [D] with [], got ` +
        [a, b, target].map((t) => formatShape(t.shape)).join(', '),
    );
  const magnitude = (x: Tensor) => add(sum(square(x), dim), 1e-12);
  const cosine = div(sum(mul(a, b), dim), sqrt(mul(magnitude(a), magnitude(b))));
  const near = choose(eq(target, 1), sub(1, cosine), 0);
  return finish(add(near, choose(eq(target, -1), clamp(sub(cosine, margin), 0), 0)), rest, where);
}

// ---- triplets ----------------------------------------------------------------------------------------------------------

export interface TripletMarginOptions extends MarginOptions {
  /** Of the distance's norm. Default 2. */
  p?: number;
  /** Added to the differences. Default 1e-6. */
  eps?: number;
  /** Use the distance of positive and negative where it is the smaller one (Balntas et al., 2016). Default false. */
  swap?: boolean;
}
/** @internal */
export const tripletMarginOptions = optionsOf<TripletMarginOptions>({ ...marginOptions.schema, p: number, eps: number, swap: boolean });

type Distance = (a: Tensor, b: Tensor) => Tensor;

function triplet(where: string, [anchor, positive, negative]: readonly Tensor[], distance: Distance, margin: number, swap: boolean, options: LossOptions) {
  const [a, p, n] = [any(anchor!, where, 'anchor'), any(positive!, where, 'positive'), any(negative!, where, 'negative')];
  if (a.ndim !== p.ndim || a.ndim !== n.ndim)
    throw new ShapeError(
      `${where}: all tensors must have equally many dimensions, got ${[a, p, n].map((t) => formatShape(t.shape)).join(', ')}`,
    );
  const far = distance(a, n);
  const apart = swap ? minimum(far, distance(p, n)) : far;
  return finish(clamp(sub(add(distance(a, p), margin), apart), 0), options, where);
}

/**
 * max(0, |anchor - positive| - |anchor - negative| + margin), distances along the last dimension. Defaults: margin 1, p 2,
 * eps 1e-6, swap false.
 */
export function tripletMarginLoss(anchor: Tensor, positive: Tensor, negative: Tensor, options?: TripletMarginOptions): Tensor {
  const where = 'tripletMarginLoss';
  const { margin = 1, p = 2, eps = 1e-6, swap = false, ...rest } = tripletMarginOptions(where, options, arguments.length > 4);
  if (!(margin > 0)) throw new ArgumentError(`${where}: margin must be positive, got ${margin}`);
  const distance: Distance = (a, b) => pairwiseDistance(a, b, { p, eps });
  return triplet(where, [anchor, positive, negative], distance, margin, swap, rest);
}

export interface TripletMarginWithDistanceOptions extends MarginOptions {
  /** Distances of two tensors. Default: pairwiseDistance. */
  distanceFunction?: ((a: Tensor, b: Tensor) => Tensor) | null;
  swap?: boolean;
}
/** @internal */
export const tripletMarginWithDistanceOptions = optionsOf<TripletMarginWithDistanceOptions>({
  ...marginOptions.schema,
  distanceFunction: nullable(callable),
  swap: boolean,
});

/** tripletMarginLoss() with a distance of one's own. */
export function tripletMarginWithDistanceLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options?: TripletMarginWithDistanceOptions,
): Tensor {
  const where = 'tripletMarginWithDistanceLoss';
  const { margin = 1, swap = false, distanceFunction, ...rest } = tripletMarginWithDistanceOptions(where, options, arguments.length > 4);
  if (!(margin > 0)) throw new ArgumentError(`${where}: margin must be positive, got ${margin}`);
  return triplet(where, [anchor, positive, negative], distanceFunction ?? ((a, b) => pairwiseDistance(a, b)), margin, swap, rest);
}

// ---- classes -----------------------------------------------------------------------------------------------------------

export interface MultiMarginOptions extends MarginOptions {
  /** 1 or 2. Default 1. */
  p?: number;
  /** [C], a factor for each class. */
  weight?: Tensor | null;
}
/** @internal */
export const multiMarginOptions = optionsOf<MultiMarginOptions>({ ...marginOptions.schema, p: number, weight: checked });

// [N, C] scores and a target without its last dimension, both as a batch.
function batch(input: Tensor, target: Tensor, where: string, rank: 0 | 1): [x: Tensor, t: Tensor, batched: boolean] {
  const given = float(input, where);
  checkIndexDType(checkTensor(target, where, 'target'), where, 'target');
  const x = given.ndim === 0 ? reshape(given, [1]) : given;
  if (given.ndim === 0 && target.ndim === 0) target = reshape(target, [1]);
  const batched = x.ndim === 2;
  const fits = x.ndim === 1 || x.ndim === 2;
  const expected = rank === 1 ? x.shape : x.shape.slice(0, -1);
  const single = !batched && rank === 0 && target.numel === 1 && target.ndim < 2;
  if (!fits || !(single || sameShape(target.shape, expected)))
    throw new ShapeError(
      `${where}: expected input [N, C] with target ${rank === 1 ? '[N, C]' : '[N]'}, or [C] with ${rank === 1 ? '[C]' : '[]'}, got ` +
        `${formatShape(x.shape)} and ${formatShape(target.shape)}`,
    );
  if (batched) return [x, target, true];
  return [unsqueeze(x, 0), rank === 1 ? unsqueeze(target, 0) : reshape(target, [1]), false];
}

/**
 * sum over the other classes of max(0, margin - x[target] + x[i])^p, divided by the number of classes. Defaults: p 1,
 * margin 1.
 * @param input [N, C] with target [N], or [C] with []
 */
export function multiMarginLoss(input: Tensor, target: Tensor, options?: MultiMarginOptions): Tensor {
  const where = 'multiMarginLoss';
  const { p = 1, margin = 1, weight = null, ...rest } = multiMarginOptions(where, options, arguments.length > 3);
  if (p !== 1 && p !== 2) throw new ArgumentError(`${where}: p must be 1 or 2, got ${p}`);
  const [x, t, batched] = batch(input, target, where, 0);
  const classes = x.shape[1]!;
  const column = unsqueeze(t, 1);
  let beyond = relu(add(sub(margin, gather(x, 1, column)), x));
  if (p === 2) beyond = square(beyond);
  if (weight) beyond = mul(beyond, unsqueeze(indexSelect(checkTensor(weight, where, 'weight'), 0, t), 1));
  const others = choose(eq(iota(classes, x), column), 0, beyond);
  const losses = div(sum(others, 1), classes);
  return finish(batched ? losses : reshape(losses, []), rest, where);
}

/**
 * sum over targets j and other classes i of max(0, 1 - x[j] + x[i]), divided by the number of classes. Needs memory for
 * classes^2 numbers of each sample.
 * @param input [N, C] or [C]
 * @param target of the input's shape: the classes of each sample, up to the first -1
 */
export function multilabelMarginLoss(input: Tensor, target: Tensor, options?: LossOptions): Tensor {
  const where = 'multilabelMarginLoss';
  options = lossOptions(where, options, arguments.length > 3);
  const [x, t, batched] = batch(input, target, where, 1);
  const given = eq(cumsum(eq(t, -1), 1), 0);
  const places = choose(given, t, 0);
  const marked = scatterAdd(fullKernel(x.shape, 0, 'int64', x.device) as Tensor, 1, places, cast(given, 'int64'));
  const beyond = relu(add(sub(1, unsqueeze(gather(x, 1, places), 2)), unsqueeze(x, 1)));
  const counts = logicalAnd(unsqueeze(given, 2), unsqueeze(eq(marked, 0), 1));
  const losses = div(sum(choose(counts, beyond, 0), [1, 2]), x.shape[1]!);
  return finish(batched ? losses : reshape(losses, []), options, where);
}

export interface WeightedLossOptions extends LossOptions {
  /** [C], a factor for each class. */
  weight?: Tensor | null;
}
/** @internal */
export const weightedLossOptions = optionsOf<WeightedLossOptions>({ ...lossOptions.schema, weight: checked });

/** The mean over classes of the binary cross entropy of sigmoid(x), for several classes at once: targets are 0 or 1. */
export function multilabelSoftMarginLoss(input: Tensor, target: Tensor, options?: WeightedLossOptions): Tensor {
  const where = 'multilabelSoftMarginLoss';
  const { weight = null, ...rest } = weightedLossOptions(where, options, arguments.length > 3);
  const x = float(input, where);
  checkTensor(target, where, 'target');
  const losses = neg(add(mul(target, logsigmoid(x)), mul(sub(1, target), logsigmoid(neg(x)))));
  return finish(mean(weight ? mul(losses, weight) : losses, -1), rest, where);
}

// ---- counts and variances ------------------------------------------------------------------------------------------------

export interface PoissonNllOptions extends LossOptions {
  /** Whether the input is the logarithm of the expected count. Default true. */
  logInput?: boolean;
  /** Add Stirling's approximation of log(target!). Default false. */
  full?: boolean;
  /** Added to the input before its logarithm is taken. Default 1e-8. */
  eps?: number;
}
/** @internal */
export const poissonNllOptions = optionsOf<PoissonNllOptions>({ ...lossOptions.schema, logInput: boolean, full: boolean, eps: number });

/** Minus the log-likelihood of counts that are distributed as Poisson's: exp(x) - target x. */
export function poissonNllLoss(input: Tensor, target: Tensor, options?: PoissonNllOptions): Tensor {
  const where = 'poissonNllLoss';
  const { logInput = true, full: whole = false, eps = 1e-8, ...rest } = poissonNllOptions(where, options, arguments.length > 3);
  const x = any(input, where);
  checkTensor(target, where, 'target');
  let losses = logInput ? sub(exp(x), mul(target, x)) : sub(x, mul(target, log(add(x, eps))));
  if (whole) {
    const many = gt(target, 1);
    const t = choose(many, target, 2);
    const stirling = add(sub(mul(t, log(t)), t), mul(log(mul(t, 2 * Math.PI)), 0.5));
    losses = add(losses, choose(many, stirling, 0));
  }
  return finish(losses, rest, where);
}

export interface GaussianNllOptions extends LossOptions {
  /** Add the constant log(2 pi) / 2. Default false. */
  full?: boolean;
  /** The least variance. Default 1e-6. */
  eps?: number;
}
/** @internal */
export const gaussianNllOptions = optionsOf<GaussianNllOptions>({ ...lossOptions.schema, full: boolean, eps: number });

// Whether a shape is another but for one dimension, which is 1.
function differsInOne(shape: Shape, whole: Shape): boolean {
  const other = shape.filter((n, i) => n !== whole[i]);
  return shape.length === whole.length && other.length === 1 && other[0] === 1;
}

/**
 * Minus the log-likelihood of a normal distribution with mean x: (log(var) + (x - target)^2 / var) / 2.
 * @param variance of the input's shape, or without its last dimension, or with one of its dimensions of size 1; or one
 * number. That a tensor's elements are not negative is not checked
 */
export function gaussianNllLoss(input: Tensor, target: Tensor, variance: Tensor | number, options?: GaussianNllOptions): Tensor {
  const where = 'gaussianNllLoss';
  const { full: whole = false, eps = 1e-6, ...rest } = gaussianNllOptions(where, options, arguments.length > 4);
  checkNumber(eps, Number.MIN_VALUE, Infinity, where, 'eps');
  const x = float(input, where);
  checkTensor(target, where, 'target');
  let v = variance instanceof Tensor ? variance : add(zerosLikeKernel(x) as Tensor, checkNumber(variance, 0, Infinity, where, 'variance'));
  if (!sameShape(v.shape, x.shape)) {
    if (sameShape(v.shape, x.shape.slice(0, -1)) && x.ndim > 0) v = unsqueeze(v, -1);
    else if (!differsInOne(v.shape, x.shape))
      throw new ShapeError(`${where}: the variance ${formatShape(v.shape)} does not fit input ${formatShape(x.shape)}`);
  }
  v = atLeast(v, eps);
  const losses = mul(add(log(v), div(square(sub(x, target)), v)), 0.5);
  return finish(whole ? add(losses, 0.5 * Math.log(2 * Math.PI)) : losses, rest, where);
}

