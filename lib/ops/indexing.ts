// SPDX-License-Identifier: Apache-2.0
// Elements written by position, chosen by masks, and x[...] as in PyTorch.
import { defineOp, type Context } from '../autograd/op.js';
import { withoutGrad } from '../autograd/mode.js';
import { ArgumentError, DTypeError, IndexError, ShapeError } from '../native/errors.js';
import { boolean, noMore, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { rememberOrigin, run } from '../native/run.js';
import { broadcastShapes, formatShape, normalizeDim, numelOf, sameShape, type Shape } from '../tensor/shape.js';
import { checkTensor, Tensor, viewOf } from '../tensor/tensor.js';
import { checkIndexDType, checkSameDType } from './checks.js';
import { copy_, mutate } from './inplace.js';
import { copyKernel, fullKernel } from './kernels.js';
import { checkIndex, gather, indexAdd, indexSelect } from './pick.js';
import { add, floorDivide, ge, logicalAnd, lt, mul, remainder, where as choose } from './pointwise.js';
import { positionsOf } from './positions.js';
import { cast, type Operand } from './promote.js';
import { pad } from './pad.js';
import { stack } from './join.js';
import { clone, expand, permute, reshape, select, unsqueeze } from './view.js';

// ---- scatter ---------------------------------------------------------------------------------------------------------

function place(y: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  // The index decides how much of the source is used.
  run(Op.scatter, [index, viewOf(source, index.shape, source.strides)], [y], [dim]);
  rememberOrigin();
  return y;
}

const scatterOp = defineOp({
  name: 'scatter',
  forward(ctx: Context<{ dim: number; shape: Shape }>, x: Tensor, source: Tensor, index: Tensor, dim: number): Tensor {
    ctx.save(index);
    ctx.keep({ dim, shape: source.shape });
    return place(copyKernel(x), dim, index, source);
  },
  gradients: [
    (g, ctx) => scatter(g, ctx.params.dim, ctx.saved(0), 0),
    (g, ctx) => {
      const { dim, shape } = ctx.params;
      const used = gather(g, dim, ctx.saved(0));
      if (sameShape(used.shape, shape)) return used;
      return pad(used, shape.flatMap((size, i) => [size - used.shape[i]!, 0]).reverse());
    },
  ],
});

// What scatter() and scatter_() write, after all checks.
function sourceFor(x: Tensor, dim: number, index: Tensor, source: Operand, where: string): [at: number, source: Tensor] {
  const at = normalizeDim(dim, checkTensor(x, where).ndim, where);
  checkIndexDType(checkTensor(index, where, 'index'), where);
  checkIndex(x, at, index, where, 'the input');
  if (!(source instanceof Tensor)) {
    if (typeof source !== 'number' && typeof source !== 'boolean')
      throw new ArgumentError(`${where}: expected a tensor or a number to write, got ${String(source)}`);
    const one = fullKernel([], Number(source), x.dtype, x.device) as Tensor;
    return [at, viewOf(one, index.shape, index.shape.map(() => 0)) as Tensor];
  }
  checkSameDType(x, source, where, 'input', 'source');
  checkIndex(source, null, index, where, 'source');
  return [at, source];
}

/**
 * x with y[index[i, j, ...], j, ...] = source[i, j, ...] for dim 0, and so on for other dimensions. Of equal positions the
 * last wins on a CPU, any on a GPU.
 *
 * @param index int64 or int32, as many dimensions as x and source, none larger than x's except `dim`, nor than source's
 * @param source of x's dtype, or a number
 * @throws ShapeError, DTypeError. A position out of range is found while the operation runs
 */
export function scatter(x: Tensor, dim: number, index: Tensor, source: Operand): Tensor {
  noMore('scatter', arguments.length > 4);
  const [at, values] = sourceFor(x, dim, index, source, 'scatter');
  return scatterOp(x, values, index, at);
}

/** scatter() into x itself; not recorded. */
export function scatter_(x: Tensor, dim: number, index: Tensor, source: Operand): Tensor {
  noMore('scatter_', arguments.length > 4);
  const [at, values] = sourceFor(x, dim, index, source, 'scatter_');
  return place(mutate(x, 'scatter_'), at, index, values);
}

// A vector of positions along `dim` as the index of all elements there, of `shape`.
function spread(index: Tensor, dim: number, shape: Shape): Tensor {
  const vector = reshape(index, [index.numel]);
  return expand(reshape(vector, shape.map((_, i) => (i === dim ? index.numel : 1))), shape);
}

function checkVector(index: Tensor, where: string): void {
  checkIndexDType(checkTensor(index, where, 'index'), where);
  if (index.ndim > 1) throw new ShapeError(`${where}: index must have one dimension, got ${formatShape(index.shape)}`);
}

/**
 * x with the parts of `source` written at the given positions of `dim`.
 * @param index [n], int64 or int32
 * @param source x's shape with size n at `dim`, of x's dtype
 */
export function indexCopy(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  noMore('indexCopy', arguments.length > 4);
  const where = 'indexCopy';
  const at = normalizeDim(dim, checkTensor(x, where).ndim, where);
  checkVector(index, where);
  checkSameDType(x, checkTensor(source, where, 'source'), where, 'input', 'source');
  const shape = x.ndim === 0 ? [] : x.shape.with(at, index.numel);
  const values = source.ndim === 0 && numelOf(shape) === 1 ? reshape(source, shape) : source;
  if (!sameShape(values.shape, shape))
    throw new ShapeError(
      `${where}: source must be ${formatShape(shape)} for input ${formatShape(x.shape)} and ${index.numel} positions ` +
        `of dimension ${at}, got ${formatShape(source.shape)}`,
    );
  return scatter(x, at, spread(index, at, shape), values);
}

/**
 * x with one value at the given positions of `dim`; negative ones count from the end.
 * @param value a number, or a tensor without dimensions
 */
export function indexFill(x: Tensor, dim: number, index: Tensor, value: Operand): Tensor {
  noMore('indexFill', arguments.length > 4);
  const where = 'indexFill';
  const at = normalizeDim(dim, checkTensor(x, where).ndim, where);
  checkVector(index, where);
  const shape = x.ndim === 0 ? [] : x.shape.with(at, index.numel);
  const size = x.ndim === 0 ? 1 : x.shape[at]!;
  const positions = fromTheStart(index, size);
  if (!(value instanceof Tensor)) return scatter(x, at, spread(positions, at, shape), value);
  // Through a mask, since the gradient of the value counts a position once, however often it is named.
  const one = oneValue(x, value, [], where);
  const named = scatter_(fullKernel([size], 0, 'bool', x.device) as Tensor, 0, reshape(positions, [index.numel]), 1);
  return choose(reshape(named, x.shape.map((n, i) => (i === at ? n : 1))), one, x);
}

function oneValue(x: Tensor, value: Operand, shape: Shape, where: string): Operand {
  if (!(value instanceof Tensor)) return value;
  if (value.ndim > 0) throw new ShapeError(`${where}: value must be a number or have no dimensions, got ${formatShape(value.shape)}`);
  return expand(value.dtype === x.dtype ? value : cast(value, x.dtype), shape);
}

/**
 * The elements of x at `indices` along `dim`; both are broadcast in the other dimensions. Without dim, of x as one long
 * vector.
 * @param indices int64 or int32, of as many dimensions as x. With dim they are taken modulo its size: -1 is the last
 */
export function takeAlongDim(x: Tensor, indices: Tensor, dim: number | null = null): Tensor {
  noMore('takeAlongDim', arguments.length > 3);
  const where = 'takeAlongDim';
  checkTensor(x, where);
  checkIndexDType(checkTensor(indices, where, 'indices'), where, 'indices');
  if (dim === null) return gather(reshape(x, [x.numel]), 0, reshape(indices, [indices.numel]));
  const at = normalizeDim(dim, x.ndim, where);
  if (x.ndim !== indices.ndim)
    throw new ShapeError(`${where}: input and indices must have equally many dimensions, got ${formatShape(x.shape)} and ${formatShape(indices.shape)}`);
  if (x.ndim === 0) return gather(x, 0, indices);
  if (x.shape[at]! > 0) indices = remainder(indices, x.shape[at]!);
  const common = broadcastShapes(x.shape.with(at, 1), indices.shape.with(at, 1), where);
  return gather(expand(x, common.with(at, x.shape[at]!)), at, expand(indices, common.with(at, indices.shape[at]!)));
}

/** The elements of x, as one long vector, at the positions of `index`, in the index's shape. */
export function take(x: Tensor, index: Tensor): Tensor {
  noMore('take', arguments.length > 2);
  checkIndexDType(checkTensor(index, 'take', 'index'), 'take');
  const positions = fromTheStart(reshape(index, [index.numel]), checkTensor(x, 'take').numel);
  return reshape(indexSelect(reshape(x, [x.numel]), 0, positions), index.shape);
}

// ---- masks -----------------------------------------------------------------------------------------------------------

function checkMask(mask: Tensor, where: string): Tensor {
  if (checkTensor(mask, where, 'mask').dtype !== 'bool') throw new DTypeError(`${where}: mask must be bool, got ${mask.dtype}`);
  return mask;
}

/**
 * `value` where the mask is true, else x; both are broadcast. The result has x's dtype.
 * @param value a number, or a tensor without dimensions
 */
export function maskedFill(x: Tensor, mask: Tensor, value: Operand): Tensor {
  noMore('maskedFill', arguments.length > 3);
  checkMask(mask, 'maskedFill');
  const shape = broadcastShapes(checkTensor(x, 'maskedFill').shape, mask.shape, 'maskedFill');
  const given = oneValue(x, value, [], 'maskedFill');
  return choose(expand(mask, shape), given instanceof Tensor ? given : wholeFor(x, given, 'maskedFill'), x);
}

// A number that x's dtype can hold, as the choice must not be in a wider one.
function wholeFor(x: Tensor, value: number | boolean, where: string): number | boolean {
  const number = Number(value);
  if (x.dtype === 'bool') return number !== 0;
  if (!x.dtype.includes('float') && !Number.isInteger(number))
    throw new DTypeError(`${where}: ${value} cannot be stored in a tensor of dtype ${x.dtype}`);
  return number;
}

/** maskedFill() of x itself; not recorded. The mask is broadcast to x's shape. */
export function maskedFill_(x: Tensor, mask: Tensor, value: number | boolean): Tensor {
  noMore('maskedFill_', arguments.length > 3);
  checkMask(mask, 'maskedFill_');
  if (!sameShape(broadcastShapes(checkTensor(x, 'maskedFill_').shape, mask.shape, 'maskedFill_'), x.shape))
    throw new ShapeError(`maskedFill_: mask ${formatShape(mask.shape)} cannot be broadcast to ${formatShape(x.shape)}`);
  run(Op.where, [expand(mask, x.shape), null, x], [mutate(x, 'maskedFill_')], [Number(wholeFor(x, value, 'maskedFill_')), 0]);
  return x;
}

/**
 * The elements where the mask is true, in order, as a vector; x and mask are broadcast. Waits for the device, since the
 * result's size depends on values.
 */
export function maskedSelect(x: Tensor, mask: Tensor): Tensor {
  noMore('maskedSelect', arguments.length > 2);
  checkMask(mask, 'maskedSelect');
  const shape = broadcastShapes(checkTensor(x, 'maskedSelect').shape, mask.shape, 'maskedSelect');
  return indexSelect(reshape(expand(x, shape), [-1].with(0, numelOf(shape))), 0, positionsOf(expand(mask, shape), 'maskedSelect'));
}

// The coordinates of flat positions in a tensor of `shape`, one vector per dimension.
function coordinates(positions: Tensor, shape: Shape): Tensor[] {
  let rest = positions;
  const found: Tensor[] = [];
  for (let i = shape.length - 1; i >= 0; i--) {
    found.unshift(i === 0 ? rest : remainder(rest, shape[i]!));
    rest = floorDivide(rest, shape[i]!);
  }
  return found;
}

export interface NonzeroOptions {
  /** One vector of positions per dimension instead of a matrix. Default false. */
  asTuple?: boolean;
}

const nonzeroOptions = optionsOf<NonzeroOptions>({ asTuple: boolean });

/**
 * The positions of what is not 0, in order: [count, dimensions], int64. Waits for the device, since the result's size
 * depends on values.
 */
export function nonzero(x: Tensor, options: { asTuple: true }): Tensor[];
export function nonzero(x: Tensor, options?: NonzeroOptions): Tensor;
export function nonzero(x: Tensor, options?: NonzeroOptions): Tensor | Tensor[] {
  const { asTuple = false } = nonzeroOptions('nonzero', options, arguments.length > 2);
  const positions = positionsOf(checkTensor(x, 'nonzero'), 'nonzero');
  if (asTuple) return coordinates(positions, x.ndim === 0 ? [1] : x.shape);
  if (x.ndim === 0) return fullKernel([positions.numel, 0], 0, 'int64', x.device) as Tensor;
  return stack(coordinates(positions, x.shape), 1);
}

/** As nonzero(), which NumPy calls so. */
export function argwhere(x: Tensor): Tensor {
  noMore('argwhere', arguments.length > 1);
  return nonzero(x);
}

// ---- x[...] ------------------------------------------------------------------------------------------------------------

/**
 * What stands between the brackets of x[...]: a position, positions, a mask, `null` for all of a dimension, or '...' for
 * all of as many as are left.
 */
export type Index = Tensor | number | null | '...';

interface Chosen {
  /** x with the indexed dimensions first, as one. */
  rows: Tensor;
  /** Which of the rows. */
  positions: Tensor;
  /** Puts rows [positions, ...] in the shape of x[...]. */
  shape(rows: Tensor): Tensor;
  /** The shape of x[...], and values of it as rows. */
  result: Shape;
  asRows(values: Tensor): Tensor;
  /** Rows as x. */
  back(rows: Tensor): Tensor;
}

type Explicit = Exclude<Index, '...'>;

// The indices with '...' written out.
function explicit(x: Tensor, indices: readonly Index[], where: string): Explicit[] {
  if (!Array.isArray(indices)) throw new ArgumentError(`${where}: expected an array of indices, got ${String(indices)}`);
  const list = indices as readonly Index[];
  for (const i of list) if (i !== null && i !== '...' && typeof i !== 'number') checkTensor(i, where, 'an index');
  if (list.filter((i) => i === '...').length > 1) throw new ArgumentError(`${where}: '...' may stand only once`);
  const covered = list.reduce<number>((n, i) => n + (i === '...' ? 0 : dimsUnder(i)), 0);
  if (covered > x.ndim) throw new IndexError(`${where}: ${covered} indices are too many for the dimensions of ${formatShape(x.shape)}`);
  return list.flatMap<Explicit>((i) => (i === '...' ? new Array<null>(x.ndim - covered).fill(null) : [i]));
}

const dimsUnder = (index: Explicit): number => (index instanceof Tensor && index.dtype === 'bool' ? index.ndim : 1);

// For each dimension of x a tensor of positions or null: masks become the positions of what is true in them.
function byDimension(x: Tensor, list: readonly Exclude<Explicit, number>[], where: string): (Tensor | null)[] {
  const found: (Tensor | null)[] = [];
  for (const index of list) {
    const dim = found.length;
    if (index?.dtype === 'bool') {
      if (index.ndim === 0) throw new ArgumentError(`${where}: masks without dimensions are not supported`);
      if (!sameShape(index.shape, x.shape.slice(dim, dim + index.ndim)))
        throw new IndexError(`${where}: mask ${formatShape(index.shape)} does not fit dimension ${dim} of ${formatShape(x.shape)}`);
      found.push(...coordinates(positionsOf(index, where), index.shape));
    } else {
      if (index) checkIndexDType(index, where, 'an index');
      found.push(index);
    }
  }
  while (found.length < x.ndim) found.push(null);
  return found;
}

// Where the first number stands among the indices, and in which dimension.
function firstNumber(list: readonly Explicit[]): { at: number; dim: number } | null {
  const at = list.findIndex((i) => typeof i === 'number');
  return at < 0 ? null : { at, dim: list.slice(0, at).reduce<number>((n, i) => n + dimsUnder(i), 0) };
}

// Positions of which negative ones count from the end.
const fromTheStart = (index: Tensor, size: number): Tensor => choose(lt(index, 0), add(index, size), index);

function chosen(x: Tensor, list: readonly (Tensor | null)[], where: string): Chosen {
  const dims = list.flatMap((index, i) => (index ? [i] : []));
  const indices = dims.map((d) => list[d]!);
  const common = indices.reduce<Shape>((s, index) => broadcastShapes(s, index.shape, where), []);
  const others = [...x.shape.keys()].filter((d) => !dims.includes(d));
  const order = [...dims, ...others];
  const rest = others.map((d) => x.shape[d]!);
  const sizes = dims.map((d) => x.shape[d]!);
  const total = numelOf(sizes);
  const rows = reshape(permute(x, order), [total, ...rest]);
  let positions: Tensor;
  if (indices.length === 1) positions = reshape(fromTheStart(indices[0]!, sizes[0]!), [numelOf(common)]);
  else {
    // Each in range by itself, or the whole is out of range.
    let flat: Tensor | null = null;
    let inside: Tensor | null = null;
    indices.forEach((given, i) => {
      const index = given.dtype === 'int64' ? given : cast(given, 'int64');
      const fits = logicalAnd(ge(index, -sizes[i]!), lt(index, sizes[i]!));
      const counted = fromTheStart(index, sizes[i]!);
      flat = flat === null ? counted : add(mul(flat, sizes[i]!), counted);
      inside = inside === null ? fits : logicalAnd(inside, fits);
    });
    positions = reshape(expand(choose(inside!, flat!, total), common), [numelOf(common)]);
  }
  // The common shape stands where the first index stood if they are neighbours, else in front.
  const neighbours = dims.at(-1)! - dims[0]! === dims.length - 1;
  const front = neighbours ? others.filter((d) => d < dims[0]!).length : 0;
  const k = common.length;
  const inFront = [...common.keys()].map((i) => i + front);
  const toRows = [...inFront, ...rest.map((_, i) => (i < front ? i : i + k))];
  const result = [...rest.slice(0, front), ...common, ...rest.slice(front)];
  const inverse = (list: readonly number[]) => list.map((_, i) => list.indexOf(i));
  return {
    rows,
    positions,
    result,
    shape: (y) => permute(reshape(y, [...common, ...rest]), inverse(toRows)),
    asRows: (values) => reshape(permute(expand(values, result), toRows), [numelOf(common), ...rest]),
    back: (y) => permute(reshape(y, [...sizes, ...rest]), inverse(order)),
  };
}

/**
 * x[...] as PyTorch has it: `x.index([rows, null, 3])` is x[rows, :, 3]. Tensors of positions are broadcast; their shape
 * stands in the result where they stood, or in front if they are not neighbours. A mask is the same as the positions of
 * what is true in it, one tensor per dimension, and makes this wait for the device.
 *
 * @throws IndexError for too many indices and a mask of another shape. A position out of range is found while the
 * operation runs
 */
export function index(x: Tensor, indices: readonly Index[]): Tensor {
  noMore('index', arguments.length > 2);
  let list = explicit(checkTensor(x, 'index'), indices, 'index');
  let y = x;
  for (let first = firstNumber(list); first; first = firstNumber(list)) {
    y = select(y, first.dim, list[first.at] as number);
    list = list.toSpliced(first.at, 1);
  }
  const tensors = byDimension(y, list as Exclude<Explicit, number>[], 'index');
  if (tensors.every((i) => i === null)) return y;
  const { rows, positions, shape } = chosen(y, tensors, 'index');
  return shape(indexSelect(rows, 0, positions));
}

export interface IndexPutOptions {
  /** Add to what is there, at equal positions several times, instead of writing over it. Default false. */
  accumulate?: boolean;
}

const indexPutOptions = optionsOf<IndexPutOptions>({ accumulate: boolean });

/**
 * x with x[...] set to `values`, which are broadcast: `x.indexPut([rows], 0)`. See index() for the indices.
 * @param values of x's dtype, or a number
 */
export function indexPut(x: Tensor, indices: readonly Index[], values: Operand, options?: IndexPutOptions): Tensor {
  const where = 'indexPut';
  const { accumulate = false } = indexPutOptions(where, options, arguments.length > 4);
  const list = explicit(checkTensor(x, where), indices, where);
  const given = values instanceof Tensor ? values : (fullKernel([], Number(values), x.dtype, x.device) as Tensor);
  checkSameDType(x, given, where, 'input', 'values');
  return put(x, list, given, accumulate);
}

function put(x: Tensor, list: readonly Explicit[], values: Tensor, accumulate: boolean): Tensor {
  const where = 'indexPut';
  const first = firstNumber(list);
  if (first) {
    const { at, dim } = first;
    const position = list[at] as number;
    const part = put(select(x, dim, position), list.toSpliced(at, 1), values, accumulate);
    return indexCopy(x, dim, fullKernel([1], position < 0 ? position + x.shape[dim]! : position, 'int64', x.device) as Tensor, unsqueeze(part, dim));
  }
  const tensors = byDimension(x, list as Exclude<Explicit, number>[], where);
  if (tensors.every((i) => i === null)) return accumulate ? add(x, values) : clone(expand(values, x.shape));
  const { rows, positions, result, asRows, back } = chosen(x, tensors, where);
  if (!sameShape(broadcastShapes(values.shape, result, where), result))
    throw new ShapeError(`${where}: values ${formatShape(values.shape)} cannot be broadcast to ${formatShape(result)}`);
  const source = asRows(values);
  return back(accumulate ? indexAdd(rows, 0, positions, source) : indexCopy(rows, 0, positions, source));
}

// What is made anew and copied over x; not recorded.
const over =
  <A extends readonly unknown[]>(where: string, f: (x: Tensor, ...args: A) => Tensor) =>
  (x: Tensor, ...args: A): Tensor => copy_(mutate(x, where), withoutGrad(() => f(x, ...args)));
/** indexPut() of x itself; not recorded. */
export const indexPut_ = over('indexPut_', indexPut);
/** indexCopy() into x itself; not recorded. */
export const indexCopy_ = over('indexCopy_', indexCopy);
/** indexFill() of x itself; not recorded. */
export const indexFill_ = over('indexFill_', indexFill);

