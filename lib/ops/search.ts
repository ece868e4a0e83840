// SPDX-License-Identifier: Apache-2.0
// Places in ordered values, and drawing by weight.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, optionsOf } from '../native/options.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';
import { checkFloat, checkInteger } from './checks.js';
import { fullKernel } from './kernels.js';
import { cumsum, topk } from './order.js';
import { gather, indexSelect } from './pick.js';
import { add, clamp, div, ge, gt, le, logicalAnd, logicalNot, neg, sub, where as choose } from './pointwise.js';
import { cast, promote } from './promote.js';
import { rand } from './random.js';
import { log1p } from './special.js';
import { narrow, reshape } from './view.js';

export interface SearchOptions {
  /** Behind equal elements instead of before them. Default false. */
  right?: boolean;
  /** Positions as int32 instead of int64. Default false. */
  outInt32?: boolean;
}
const searchOptions = optionsOf<SearchOptions>({ right: boolean, outInt32: boolean });

/**
 * Where values belong in ascending sequences, so that these stay in order. NaN belongs behind all.
 *
 * @param sequence [n], or [..., n] with the leading dimensions of `values`
 * @param values [..., m], or any shape (also one number) for a sequence [n]
 * @returns int64 positions in values' shape
 * @throws ShapeError where the leading dimensions differ
 */
export function searchsorted(sequence: Tensor, values: Tensor | number, options?: SearchOptions): Tensor {
  const where = 'searchsorted';
  const { right = false, outInt32 = false } = searchOptions(where, options, arguments.length > 3);
  checkTensor(sequence, where, 'the sequence');
  const sought = values instanceof Tensor ? values : (fullKernel([], values, sequence.dtype, sequence.device) as Tensor);
  const vector = sequence.ndim === 1;
  if (sequence.ndim === 0 || (!vector && !sameShape(sequence.shape.slice(0, -1), sought.shape.slice(0, -1))))
    throw new ShapeError(
      `${where}: expected a sequence [n], or leading dimensions as those of values ${formatShape(sought.shape)}, got ${formatShape(sequence.shape)}`,
    );
  const n = sequence.shape.at(-1)!;
  const [s, v] = promote(sequence.detach() as Tensor, sought.detach() as Tensor, where) as [Tensor, Tensor];
  let place = fullKernel(v.shape, 0, 'int64', v.device) as Tensor;
  if (n > 0)
    for (let step = 2 ** Math.floor(Math.log2(n)); step >= 1; step /= 2) {
      const next = add(place, step);
      const probe = sub(clamp(next, 1, n), 1);
      const element = vector ? reshape(indexSelect(s, 0, reshape(probe, [probe.numel])), v.shape) : gather(s, -1, probe);
      const passes = logicalNot(right ? gt(element, v) : ge(element, v));
      place = choose(logicalAnd(le(next, n), passes), next, place);
    }
  return outInt32 ? cast(place, 'int32') : place;
}

/** searchsorted() with the values first: which of the buckets between `boundaries` [n] each belongs to. */
export function bucketize(values: Tensor | number, boundaries: Tensor, options?: SearchOptions): Tensor {
  options = searchOptions('bucketize', options, arguments.length > 3);
  if (checkTensor(boundaries, 'bucketize', 'boundaries').ndim !== 1)
    throw new ShapeError(`bucketize: boundaries must be a vector, got ${formatShape(boundaries.shape)}`);
  return searchsorted(boundaries, values, options);
}

export interface MultinomialOptions {
  /** Whether a position may be drawn again. Default false. */
  replacement?: boolean;
}
const multinomialOptions = optionsOf<MultinomialOptions>({ replacement: boolean });

/**
 * Positions drawn with probabilities in proportion to weights.
 *
 * @param weights [n] or [m, n], floating, not negative, some of each row positive; their values are not checked
 * @param numSamples at most n without replacement
 * @returns int64 [numSamples] or [m, numSamples]
 * @throws ShapeError, DTypeError; ArgumentError for too many samples
 */
export function multinomial(weights: Tensor, numSamples: number, options?: MultinomialOptions): Tensor {
  const where = 'multinomial';
  const { replacement = false } = multinomialOptions(where, options, arguments.length > 3);
  checkFloat(checkTensor(weights, where, 'weights'), where, 'weights');
  checkInteger(numSamples, 1, where, 'numSamples');
  if (weights.ndim !== 1 && weights.ndim !== 2)
    throw new ShapeError(`${where}: expected weights [n] or [m, n], got ${formatShape(weights.shape)}`);
  const n = weights.shape.at(-1)!;
  if (n === 0) throw new ShapeError(`${where}: there is nothing to draw from in weights ${formatShape(weights.shape)}`);
  if (!replacement && numSamples > n)
    throw new ArgumentError(`${where}: ${numSamples} samples cannot be drawn from ${n} without replacement`);
  const w = cast(weights.detach() as Tensor, 'float64');
  const device = weights.device;
  if (!replacement || numSamples === 1) {
    // The first arrivals of a race whose waiting times are exponential (Efraimidis and Spirakis, 2006).
    const time = neg(log1p(neg(rand(w.shape, { dtype: 'float64', device }))));
    const speed = choose(gt(w, 0), div(w, clamp(time, Number.MIN_VALUE)), -1);
    return topk(speed, numSamples, { dim: -1 })[1];
  }
  const sums = cumsum(w, -1);
  const drawn = rand([...w.shape.slice(0, -1), numSamples], { dtype: 'float64', device });
  return searchsorted(div(sums, narrow(sums, -1, n - 1, 1)), drawn, { right: true });
}
