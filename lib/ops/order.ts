// SPDX-License-Identifier: Apache-2.0
// Operations along one dimension that look at the order of elements: extremes with their positions, sorting, running
// sums.
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, DTypeError, ShapeError } from '../native/errors.js';
import { boolean, checked, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkDType, isFloating, type DType } from '../tensor/dtype.js';
import { contiguousStrides, formatShape, isContiguous, normalizeDim, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, viewOf, type Tensor } from '../tensor/tensor.js';
import { checkInteger } from './checks.js';
import { copyKernel, like, withDim } from './kernels.js';
import { scatterKernel } from './pick.js';
import { cast } from './promote.js';
import { amax, amin, reduceOptions, type ReduceOptions } from './reduce.js';

/** A native operation that gives values along one dimension and where they were. */
type PositionId = typeof Op.maxDim | typeof Op.minDim | typeof Op.sort | typeof Op.topk;

interface Kept {
  shape: Shape;
  dim: number;
  /** Whether the dimension is missing from the results. */
  dropped: boolean;
}

// The gradient of every value goes to the position that it came from.
const positionOp = (name: string, op: PositionId) => defineOp({
  name,
  inputs: 1,
  forward(ctx: Context<Kept>, x: Tensor, attrs: readonly number[], shape: Shape, dropped: boolean): [Tensor, Tensor] {
    const values = fresh(shape, x.dtype, x.device);
    const indices = fresh(shape, 'int64', x.device);
    run(op, [x], [values, indices], attrs as never);
    ctx.save(indices);
    ctx.keep({ shape: x.shape, dim: attrs[0]!, dropped });
    return [values, indices];
  },
  backward([g], ctx) {
    if (!g) return [null];
    const { shape, dim, dropped } = ctx.params;
    const indices = ctx.saved(0);
    if (!dropped) return [scatterKernel(g, shape, dim, indices)];
    return [scatterKernel(withDim(g, dim), shape, dim, withDim(indices, dim))];
  },
});

const maxOp = positionOp('max', Op.maxDim);
const minOp = positionOp('min', Op.minDim);
const sortOp = positionOp('sort', Op.sort);
const topkOp = positionOp('topk', Op.topk);

// ---- max, min --------------------------------------------------------------------------------------------------------

function extremesAlong(op: typeof maxOp, where: string, x: Tensor, dim: number, { keepdim = false }: ReduceOptions = {}): [Tensor, Tensor] {
  const at = normalizeDim(dim, checkTensor(x, where).ndim, where);
  if (x.shape[at] === 0)
    throw new ShapeError(`${where}: dimension ${dim} of shape ${formatShape(x.shape)} has no elements`);
  const scalar = x.ndim === 0;
  return op(x, [at], scalar ? [] : keepdim ? x.shape.with(at, 1) : x.shape.toSpliced(at, 1), !keepdim && !scalar);
}

/**
 * The largest element (NaN wins; equal ones share the gradient), or along `dim` the largest elements with the int64
 * positions of their first occurrence.
 *
 * @throws ShapeError when there are no elements or no such dimension
 */
export function max(x: Tensor): Tensor;
export function max(x: Tensor, dim: number, options?: ReduceOptions): [values: Tensor, indices: Tensor];
export function max(x: Tensor, dim?: number, options?: ReduceOptions): Tensor | [Tensor, Tensor] {
  options = reduceOptions('max', options, arguments.length > 3);
  return dim === undefined ? whole(amax, x, 'max') : extremesAlong(maxOp, 'max', x, dim, options);
}

/** As max(), for the smallest element. */
export function min(x: Tensor): Tensor;
export function min(x: Tensor, dim: number, options?: ReduceOptions): [values: Tensor, indices: Tensor];
export function min(x: Tensor, dim?: number, options?: ReduceOptions): Tensor | [Tensor, Tensor] {
  options = reduceOptions('min', options, arguments.length > 3);
  return dim === undefined ? whole(amin, x, 'min') : extremesAlong(minOp, 'min', x, dim, options);
}

function whole(reduce: typeof amax, x: Tensor, where: string): Tensor {
  if (checkTensor(x, where).numel === 0) throw new ShapeError(`${where}: shape ${formatShape(x.shape)} has no elements`);
  return reduce(x);
}

function positionsAlong(op: typeof Op.maxDim | typeof Op.minDim, where: string, x: Tensor, dim: number | null, keepdim: boolean): Tensor {
  checkTensor(x, where);
  if (x.numel === 0 && (dim === null || x.shape[normalizeDim(dim, x.ndim, where)] === 0))
    throw new ShapeError(`${where}: shape ${formatShape(x.shape)} has no elements to choose from`);
  let source = x;
  let at: number;
  let shape: Shape;
  if (dim === null) {
    const flat = isContiguous(x.shape, x.strides) ? x : copyKernel(x, x.dtype, contiguousStrides(x.shape));
    source = viewOf(flat, [x.numel], [1]);
    at = 0;
    shape = keepdim ? x.shape.map(() => 1) : [];
  } else {
    at = normalizeDim(dim, x.ndim, where);
    shape = x.ndim === 0 ? [] : keepdim ? x.shape.with(at, 1) : x.shape.toSpliced(at, 1);
  }
  const kept = source.ndim === 0 ? [] : source.shape.with(at, 1);
  const values = fresh(kept, x.dtype, x.device);
  const indices = fresh(kept, 'int64', x.device);
  run(op, [source], [values, indices], [at]);
  values.dispose();
  return viewOf(indices, shape, contiguousStrides(shape)) as Tensor;
}

/**
 * Position (int64) of the first largest element: in the flattened tensor, or along `dim`. NaN wins.
 * @throws ShapeError when there are no elements or no such dimension
 */
export function argmax(x: Tensor, dim: number | null = null, options?: ReduceOptions): Tensor {
  const { keepdim = false } = reduceOptions('argmax', options, arguments.length > 3);
  return positionsAlong(Op.maxDim, 'argmax', x, dim, keepdim);
}

/** Position (int64) of the first smallest element; see argmax. */
export function argmin(x: Tensor, dim: number | null = null, options?: ReduceOptions): Tensor {
  const { keepdim = false } = reduceOptions('argmin', options, arguments.length > 3);
  return positionsAlong(Op.minDim, 'argmin', x, dim, keepdim);
}

// ---- sort, topk ------------------------------------------------------------------------------------------------------

export interface SortOptions {
  /** Default -1, the last. */
  dim?: number;
  /** Largest first. Default false. */
  descending?: boolean;
  /** Accepted for PyTorch's sake: equal elements always keep their order. */
  stable?: boolean;
}
const sortOptions = optionsOf<SortOptions>({ dim: number, descending: boolean, stable: boolean });

/**
 * The elements in order along one dimension, and the int64 positions that they had. NaN counts as greater than every
 * number.
 *
 * @throws ShapeError when there is no such dimension
 */
export function sort(x: Tensor, options?: SortOptions): [values: Tensor, indices: Tensor] {
  const { dim = -1, descending = false } = sortOptions('sort', options, arguments.length > 2);
  const attrs = [normalizeDim(dim, checkTensor(x, 'sort').ndim, 'sort'), descending ? 1 : 0];
  if (x.dtype !== 'bool') return sortOp(x, attrs, x.shape, false);
  const [values, indices] = sortOp(cast(x, 'uint8'), attrs, x.shape, false);
  return [cast(values, 'bool'), indices];
}

/** The positions (int64) that sort() gives. */
export function argsort(x: Tensor, options?: SortOptions): Tensor {
  const { dim = -1, descending = false } = sortOptions('argsort', options, arguments.length > 2);
  const attrs = [normalizeDim(dim, checkTensor(x, 'argsort').ndim, 'argsort'), descending ? 1 : 0];
  return sortOp(x.dtype === 'bool' ? cast(x, 'uint8') : x.detach(), attrs, x.shape, false)[1];
}

export interface TopkOptions {
  /** Default -1, the last. */
  dim?: number;
  /** The smallest elements if false. Default true. */
  largest?: boolean;
  /** Accepted for PyTorch's sake: the elements always come in order. */
  sorted?: boolean;
}
const topkOptions = optionsOf<TopkOptions>({ dim: number, largest: boolean, sorted: boolean });

/**
 * The k largest (or smallest) elements along one dimension in order, and their int64 positions. NaN counts as greater
 * than every number.
 *
 * @throws ShapeError when there is no such dimension or it has fewer than k elements; DTypeError for bool
 */
export function topk(x: Tensor, k: number, options?: TopkOptions): [values: Tensor, indices: Tensor] {
  const { dim = -1, largest = true } = topkOptions('topk', options, arguments.length > 3);
  if (checkTensor(x, 'topk').dtype === 'bool') throw new DTypeError('topk: bool tensors are not supported; see sort()');
  const at = normalizeDim(dim, x.ndim, 'topk');
  checkInteger(k, 0, 'topk', 'k');
  const size = x.ndim === 0 ? 1 : x.shape[at]!;
  if (k > size)
    throw new ShapeError(`topk: k is ${k}, but dimension ${dim} of shape ${formatShape(x.shape)} has ${size} elements`);
  if (x.ndim === 0 && k === 0) throw new ArgumentError('topk: k must be 1 for a tensor without dimensions');
  return topkOp(x, [at, largest ? 1 : 0], x.ndim === 0 ? [] : x.shape.with(at, k), false);
}

// ---- cumsum ----------------------------------------------------------------------------------------------------------

const runningSum: (x: Tensor, dim: number) => Tensor = defineKernel({
  name: 'cumsum',
  forward(ctx: Context<number>, x: Tensor, dim: number): Tensor {
    ctx.keep(dim);
    const y = like(x);
    run(Op.cumsum, [x], [y], [dim]);
    return y;
  },
  gradients: [(g, ctx) => sumsFrom(g, ctx.params)],
});
// Each element is part of all sums from its own on.
const sumsFrom = (g: Tensor, dim: number) => (g.ndim === 0 ? g : reversed(runningSum(reversed(g, dim), dim), dim));

const reversed: (x: Tensor, dim: number) => Tensor = defineKernel({
  name: 'flip',
  forward(ctx: Context<number>, x: Tensor, dim: number): Tensor {
    ctx.keep(dim);
    return reversedKernel(x, dim);
  },
  gradients: [(g, ctx) => reversed(g, ctx.params)],
});

function reversedKernel(x: Tensor, dim: number): Tensor {
  const order = fresh([x.shape[dim]!], 'int64', x.device);
  run(Op.arange, [], [order], [x.shape[dim]! - 1, -1]);
  const y = like(x);
  run(Op.indexSelect, [x, order], [y], [dim]);
  return y;
}

const cumsumOp = defineOp({
  name: 'cumsum',
  forward(ctx: Context<number>, x: Tensor, dim: number): Tensor {
    ctx.keep(dim);
    return runningSum(x, dim);
  },
  gradients: [(g, ctx) => sumsFrom(g, ctx.params)],
});

const dtypeOptions = optionsOf<{ dtype?: DType }>({ dtype: checked });
/**
 * Running sums along `dim`. Integers and bool are summed as int64 unless a dtype is given.
 * @throws ShapeError when there is no such dimension
 */
export function cumsum(x: Tensor, dim: number, options?: { dtype?: DType }): Tensor {
  const { dtype } = dtypeOptions('cumsum', options, arguments.length > 3);
  const at = normalizeDim(dim, checkTensor(x, 'cumsum').ndim, 'cumsum');
  const target = dtype === undefined ? (isFloating(x.dtype) ? x.dtype : 'int64') : checkDType(dtype, 'cumsum');
  return cumsumOp(x.dtype === target ? x : cast(x, target), at);
}
