// SPDX-License-Identifier: Apache-2.0
// Reductions over any dimensions.
import { isDeriving } from '../autograd/deriving.js';
import { gradientsOf } from '../autograd/engine.js';
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { DTypeError, ShapeError } from '../native/errors.js';
import { boolean, checked, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { checkDType, dtypeCategory, isFloating, type DType } from '../tensor/dtype.js';
import { formatShape, normalizeDims, numelOf, type Shape } from '../tensor/shape.js';
import { checkTensor, viewOf, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { binaryKernel, expandView, recordedBy, reduceKernel, selectKernel, type ReduceId } from './kernels.js';
import { cat } from './join.js';
import { mul } from './pointwise.js';
import { cast } from './promote.js';
import { narrow, permute, reshape } from './view.js';

/** One dimension, several, or all if left out or null. */
export type Dims = number | readonly number[] | null;

export interface ReduceOptions {
  /** Keep the reduced dimensions with size 1. Default false. */
  keepdim?: boolean;
}
/** @internal */
export const reduceOptions = optionsOf<ReduceOptions>({ keepdim: boolean });

export interface SumOptions extends ReduceOptions {
  /** Convert to this dtype before anything is added up. */
  dtype?: DType;
}
const sumOptions = optionsOf<SumOptions>({ ...reduceOptions.schema, dtype: checked });

interface Kept {
  shape: Shape;
  dims: readonly number[];
}

/** @internal A reduced tensor with its dimensions of size 1 back in place. */
export const withDims = (y: Tensor, kept: Kept): Tensor => (y.ndim === kept.shape.length ? y : insertDims(y, kept));

const insertDims: (y: Tensor, kept: Kept) => Tensor = defineKernel({
  name: 'unsqueeze',
  forward(ctx: Context<Kept>, y: Tensor, kept: Kept): Tensor {
    ctx.keep(kept);
    const shape: number[] = [];
    const strides: number[] = [];
    let next = 0;
    kept.shape.forEach((size, i) => {
      const reduced = kept.dims.includes(i);
      shape.push(reduced ? 1 : size);
      strides.push(reduced ? 1 : y.strides[next++]!);
    });
    return viewOf(y, shape, strides);
  },
  gradients: [(g, ctx) => removeDims(g, ctx.params)],
});

const removeDims: (g: Tensor, kept: Kept) => Tensor = defineKernel({
  name: 'squeeze',
  forward(ctx: Context<Kept>, g: Tensor, kept: Kept): Tensor {
    ctx.keep(kept);
    const stays = (_: number, i: number) => !kept.dims.includes(i);
    return viewOf(g, g.shape.filter(stays), g.strides.filter(stays));
  },
  gradients: [(g, ctx) => insertDims(g, ctx.params)],
});

const spread = (g: Tensor, kept: Kept): Tensor => expandView(withDims(g, kept), kept.shape);
const countOf = ({ shape, dims }: Kept): number => numelOf(dims.map((i) => shape[i]!));

// sum and prod of integers are int64.
const wide = (dtype: DType): DType => (isFloating(dtype) ? dtype : 'int64');

/** @internal The dimensions that a reduction is asked for. None at all stand for all of them, as in PyTorch. */
export function dimsOf(x: Tensor, dim: Dims | undefined, where: string): number[] {
  const all = dim === undefined || dim === null || (Array.isArray(dim) && dim.length === 0);
  return normalizeDims(all ? undefined : dim, checkTensor(x, where).ndim, where);
}

function reduction(
  name: string,
  op: ReduceId,
  resultOf: (dtype: DType) => DType,
  gradient: ((g: Tensor, kept: Kept, x: () => Tensor, y: () => Tensor) => Tensor) | null,
  saves: 'nothing' | 'input' | 'both' = 'nothing',
) {
  const apply = defineOp({
    name,
    forward(ctx: Context<Kept>, x: Tensor, dims: readonly number[], keepdim: boolean): Tensor {
      const y = reduceKernel(op, x, dims, keepdim, resultOf(x.dtype));
      if (saves === 'input') ctx.save(x);
      else if (saves === 'both') ctx.save(x, y);
      ctx.keep({ shape: x.shape, dims });
      return y;
    },
    gradients: [
      gradient && ((g: Tensor, ctx: Context<Kept>) => gradient(g, ctx.params, () => ctx.saved(0), () => ctx.saved(1))),
    ],
  });
  recordedBy(op, ([x], [keep, ...dims]) => apply(x as Tensor, dims, keep === 1));
  return (x: Tensor, dim?: Dims, { keepdim = false }: ReduceOptions = {}): Tensor => {
    return apply(x, dimsOf(x, dim, name), keepdim);
  };
}

const as = (x: Tensor, dtype: DType | undefined, where: string): Tensor =>
  dtype === undefined || checkDType(dtype, where) === checkTensor(x, where).dtype ? x : cast(x, dtype);

const sumOp = reduction('sum', Op.sum, wide, spread);
/** Sum. Integers and bool are summed as int64; a dtype that is given is that of the result too. */
export function sum(x: Tensor, dim?: Dims, options?: SumOptions): Tensor {
  options = sumOptions('sum', options, arguments.length > 3);
  return as(sumOp(full(as(x, options.dtype, 'sum')), dim, options), options.dtype, 'sum');
}

const meanOp = reduction('mean', Op.mean, (d) => d, (g, kept) =>
  spread(binaryKernel(Op.mul, g, 1 / countOf(kept)), kept),
);
/** Arithmetic mean of a floating tensor. Of no elements it is NaN. */
export function mean(x: Tensor, dim?: Dims, options?: SumOptions): Tensor {
  options = sumOptions('mean', options, arguments.length > 3);
  const input = as(x, options.dtype, 'mean');
  requireFloat(input, 'mean');
  return meanOp(input, dim, options);
}

const prodOp = reduction(
  'prod',
  Op.prod,
  wide,
  (g, kept, x) => {
    if (isDeriving()) return gradientsOf((t: Tensor) => productBySteps(t, kept.dims), [x()], [true], withDims(g, kept))[0]!;
    // The product of the elements that are not 0. With one 0 in a group only that one has a gradient, with more none.
    const isZero = asNumbers(binaryKernel(Op.eq, x(), 0, [], '', 'bool'), x().dtype);
    const zeros = reduceKernel(Op.sum, isZero, kept.dims, true);
    const filled = binaryKernel(Op.add, x(), isZero);
    const others = reduceKernel(Op.prod, filled, kept.dims, true);
    const alone = asNumbers(binaryKernel(Op.eq, zeros, isZero, [], '', 'bool'), x().dtype);
    return binaryKernel(Op.mul, binaryKernel(Op.mul, binaryKernel(Op.div, others, filled), alone), withDims(g, kept));
  },
  'input',
);

// The product by steps whose gradients are right at zeros too, however often they are differentiated.
function productBySteps(x: Tensor, dims: readonly number[]): Tensor {
  const order = [...x.shape.keys()].filter((i) => !dims.includes(i)).concat(dims);
  let n = numelOf(dims.map((i) => x.shape[i]!));
  let rows = reshape(permute(x, order), [n === 0 ? 0 : x.numel / n, n]);
  while (n > 1) {
    const half = n >> 1;
    const products = mul(narrow(rows, 1, 0, half), narrow(rows, 1, half, half));
    rows = n % 2 ? cat([products, narrow(rows, 1, n - 1, 1)], 1) : products;
    n -= half;
  }
  return reshape(rows, x.shape.map((size, i) => (dims.includes(i) ? 1 : size)));
}

/** Product. Integers and bool are multiplied as int64; a dtype that is given is that of the result too. */
export function prod(x: Tensor, dim?: Dims, options?: SumOptions): Tensor {
  options = sumOptions('prod', options, arguments.length > 3);
  return as(prodOp(full(as(x, options.dtype, 'prod')), dim, options), options.dtype, 'prod');
}

function asNumbers(mask: Tensor, dtype: DType): Tensor {
  return cast(mask, dtype);
}

// The gradient goes to all positions that hold the extreme value, in equal parts.
const toExtremes = (g: Tensor, kept: Kept, x: () => Tensor, y: () => Tensor): Tensor => {
  const hit = asNumbers(binaryKernel(Op.eq, x(), withDims(y(), kept), [], '', 'bool'), x().dtype);
  const share = binaryKernel(Op.div, withDims(g, kept), reduceKernel(Op.sum, hit, kept.dims, true));
  return binaryKernel(Op.mul, hit, share);
};
const amaxOp = reduction('amax', Op.amax, (d) => d, toExtremes, 'both');
const aminOp = reduction('amin', Op.amin, (d) => d, toExtremes, 'both');

/** Largest value; NaN wins. Equal extremes share the gradient. @throws ShapeError for no elements */
export function amax(x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor {
  options = reduceOptions('amax', options, arguments.length > 3);
  requireElements(x, dim, 'amax');
  return amaxOp(x, dim, options);
}
/** Smallest value; NaN wins. Equal extremes share the gradient. @throws ShapeError for no elements */
export function amin(x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor {
  options = reduceOptions('amin', options, arguments.length > 3);
  requireElements(x, dim, 'amin');
  return aminOp(x, dim, options);
}

type Deviation = Kept & { correction: number };

// The gradient of the variance: `g` has the reduced dimensions with size 1.
function varianceGradient(g: Tensor, x: Tensor, kept: Deviation): Tensor {
  const centred = binaryKernel(Op.sub, x, reduceKernel(Op.mean, x, kept.dims, true));
  const scale = 2 / Math.max(0, countOf(kept) - kept.correction);
  return binaryKernel(Op.mul, centred, binaryKernel(Op.mul, g, scale));
}

const varOp = defineOp({
  name: 'var',
  forward(ctx: Context<Deviation>, x: Tensor, dims: readonly number[], keepdim: boolean, correction: number): Tensor {
    ctx.save(x);
    ctx.keep({ shape: x.shape, dims, correction });
    return reduceKernel(Op.var, x, dims, keepdim, x.dtype, correction, 0);
  },
  gradients: [(g, ctx) => varianceGradient(withDims(g, ctx.params), ctx.saved(0), ctx.params)],
});

const stdOp = defineOp({
  name: 'std',
  forward(ctx: Context<Deviation>, x: Tensor, dims: readonly number[], keepdim: boolean, correction: number): Tensor {
    const y = reduceKernel(Op.var, x, dims, keepdim, x.dtype, correction, 1);
    ctx.save(x, y);
    ctx.keep({ shape: x.shape, dims, correction });
    return y;
  },
  gradients: [
    (g, ctx) => {
      // Equal elements have a deviation of 0 and, as in PyTorch, no gradient.
      const y = ctx.saved(1);
      const quotient = binaryKernel(Op.mul, binaryKernel(Op.div, g, y), 0.5);
      const dVariance = selectKernel(binaryKernel(Op.eq, y, 0, [], '', 'bool'), 0, quotient);
      return varianceGradient(withDims(dVariance, ctx.params), ctx.saved(0), ctx.params);
    },
  ],
});

export interface VarOptions extends ReduceOptions {
  /** Subtracted from the number of elements in the divisor. Default 1 (Bessel's correction). */
  correction?: number;
}
const varOptions = optionsOf<VarOptions>({ ...reduceOptions.schema, correction: number });

/** Variance. */
export function variance(x: Tensor, dim?: Dims, options?: VarOptions): Tensor {
  const { keepdim = false, correction = 1 } = varOptions('var', options, arguments.length > 3);
  requireFloat(x, 'var');
  return varOp(x, dimsOf(x, dim, 'var'), keepdim, correction);
}

/** Standard deviation. */
export function std(x: Tensor, dim?: Dims, options?: VarOptions): Tensor {
  const { keepdim = false, correction = 1 } = varOptions('std', options, arguments.length > 3);
  requireFloat(x, 'std');
  return stdOp(x, dimsOf(x, dim, 'std'), keepdim, correction);
}

const toBool = (): DType => 'bool';
const anyOp = reduction('any', Op.any, toBool, null);
const allOp = reduction('all', Op.all, toBool, null);
// Unlike other reductions, and as in PyTorch: an empty list of dimensions reduces none, and truth about uint8 is uint8.
function truth(reduce: typeof anyOp, x: Tensor, dim: Dims | undefined, options: ReduceOptions, where: string): Tensor {
  const none = Array.isArray(dim) && dim.length === 0;
  const y = none ? as(checkTensor(x, where), 'bool', where) : reduce(x, dim, options);
  return x.dtype === 'uint8' ? cast(y, 'uint8') : y;
}
/** Whether any element is not zero, as bool; of uint8, as 1 or 0 of uint8. */
export function any(x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor {
  return truth(anyOp, x, dim, reduceOptions('any', options, arguments.length > 3), 'any');
}
/** Whether all elements are not zero; see any. */
export function all(x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor {
  return truth(allOp, x, dim, reduceOptions('all', options, arguments.length > 3), 'all');
}

function requireFloat(x: Tensor, where: string): void {
  if (dtypeCategory(checkTensor(x, where).dtype) !== 2)
    throw new DTypeError(`${where}: expected a floating tensor, got ${x.dtype}`);
}

function requireElements(x: Tensor, dim: Dims | undefined, where: string): void {
  if (dimsOf(x, dim, where).some((i) => x.shape[i] === 0))
    throw new ShapeError(`${where}: cannot reduce dimensions of size 0, got shape ${formatShape(x.shape)}`);
}
