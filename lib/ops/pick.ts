// SPDX-License-Identifier: Apache-2.0
// Elements picked, placed and added by position.
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, IndexError, ShapeError } from '../native/errors.js';
import { boolean, noMore, nullable, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { rememberOrigin, run } from '../native/run.js';
import { checkShape, formatShape, isContiguous, contiguousStrides, normalizeDim, type Shape } from '../tensor/shape.js';
import { checkTensor, emptyTensor, fresh, viewOf, type Tensor } from '../tensor/tensor.js';
import { checkIndexDType, checkInteger, checkSameDType, stridesAs } from './checks.js';
import { binaryKernel, copyKernel, fullKernel, reduceKernel } from './kernels.js';
import { clone, reshape, reshapeKernel } from './view.js';
import { renormRows } from './renorm.js';

// ---- without autograd --------------------------------------------------------------------------------------------

interface Place {
  dim: number;
  shape: Shape;
}

const selectKernel: (x: Tensor, dim: number, index: Tensor) => Tensor = defineKernel({
  name: 'indexSelect',
  forward(ctx: Context<Place>, x: Tensor, dim: number, index: Tensor): Tensor {
    ctx.save(index);
    ctx.keep({ dim, shape: x.shape });
    const shape = x.ndim === 0 ? [] : x.shape.with(dim, index.numel);
    const y = fresh(shape, x.dtype, x.device, stridesAs(x, shape));
    run(Op.indexSelect, [x, index], [y], [dim]);
    rememberOrigin();
    return y;
  },
  gradients: [(g, ctx) => addKernel(g, ctx.params, ctx.saved(0))],
});

// Zeros with the parts of `source` added at the positions: the gradient of indexSelect.
const addKernel: (source: Tensor, place: Place, index: Tensor) => Tensor = defineKernel({
  name: 'indexAdd',
  forward(ctx: Context<Place>, source: Tensor, place: Place, index: Tensor): Tensor {
    ctx.save(index);
    ctx.keep(place);
    const y = fullKernel(place.shape, 0, source.dtype, source.device);
    run(Op.indexAdd, [index, source], [y], [place.dim]);
    return y;
  },
  gradients: [(g, ctx) => selectKernel(g, ctx.params.dim, ctx.saved(0))],
});

/** @internal gather() where gradients are computed. */
export const gatherKernel: (x: Tensor, dim: number, index: Tensor) => Tensor = defineKernel({
  name: 'gather',
  forward(ctx: Context<Place>, x: Tensor, dim: number, index: Tensor): Tensor {
    ctx.save(index);
    ctx.keep({ dim, shape: x.shape });
    const y = fresh(index.shape, x.dtype, x.device);
    run(Op.gather, [x, index], [y], [dim]);
    rememberOrigin();
    return y;
  },
  gradients: [(g, ctx) => scatterKernel(g, ctx.params.shape, ctx.params.dim, ctx.saved(0))],
});

/** Zeros of `shape` with `source` added at `index` along `dim`: the gradient of gather and of everything like it. */
export const scatterKernel: (source: Tensor, shape: Shape, dim: number, index: Tensor) => Tensor = defineKernel({
  name: 'scatterAdd',
  forward(ctx: Context<number>, source: Tensor, shape: Shape, dim: number, index: Tensor): Tensor {
    ctx.save(index);
    ctx.keep(dim);
    const y = fullKernel(shape, 0, source.dtype, source.device);
    run(Op.scatterAdd, [index, source], [y], [dim]);
    return y;
  },
  gradients: [(g, ctx) => gatherKernel(g, ctx.params, ctx.saved(0))],
});

// ---- indexSelect -----------------------------------------------------------------------------------------------------

const indexSelectOp = defineOp({
  name: 'indexSelect',
  forward(ctx: Context<Place>, x: Tensor, index: Tensor, dim: number): Tensor {
    ctx.save(index);
    ctx.keep({ dim, shape: x.shape });
    return selectKernel(x, dim, index);
  },
  gradients: [
    (g, ctx) => addKernel(g, ctx.params, ctx.saved(0)),
  ],
});

function checkPositions(index: Tensor, where: string): void {
  checkTensor(index, where, 'index');
  checkIndexDType(index, where);
  if (index.ndim > 1)
    throw new ShapeError(`${where}: index must have one dimension, got ${formatShape(index.shape)}`);
}

/**
 * The parts of x at the given positions of `dim`, in the index's order.
 *
 * @param index [n], int64 or int32
 * @returns x's shape with size n at `dim`
 * @throws ShapeError, DTypeError. A position outside of [0, size), negative ones too, is found while the operation runs:
 * reading the result, or anything computed from it, throws IndexError.
 */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  noMore('indexSelect', arguments.length > 3);
  const at = normalizeDim(dim, checkTensor(x, 'indexSelect').ndim, 'indexSelect');
  checkPositions(index, 'indexSelect');
  if (x.ndim === 0 && index.numel !== 1)
    throw new ShapeError(`indexSelect: a tensor without dimensions has one position, the index asks for ${index.numel}`);
  return indexSelectOp(x, index, at);
}

// ---- gather, scatterAdd ----------------------------------------------------------------------------------------------

const gatherOp = defineOp({
  name: 'gather',
  forward(ctx: Context<Place>, x: Tensor, index: Tensor, dim: number): Tensor {
    ctx.save(index);
    ctx.keep({ dim, shape: x.shape });
    return gatherKernel(x, dim, index);
  },
  gradients: [(g, ctx) => scatterKernel(g, ctx.params.shape, ctx.params.dim, ctx.saved(0))],
});

// A tensor without dimensions goes with an index that has one, and the other way round.
const asLine = (x: Tensor): Tensor => (x.ndim === 0 ? reshape(x, [1]) : x);
const shaped = (x: Tensor, shape: Shape): Tensor => (x.ndim === shape.length ? x : reshape(x, shape));

// The index may reach less far than the tensor, but for `dim` in the tensor that it points into.
/** @internal */
export function checkIndex(x: Tensor, dim: number | null, index: Tensor, where: string, name: string): void {
  const fits = x.ndim === index.ndim && index.shape.every((n, i) => i === dim || n <= x.shape[i]!);
  if (!fits)
    throw new ShapeError(
      `${where}: index ${formatShape(index.shape)} must have as many dimensions as ${name} ${formatShape(x.shape)}, each ` +
        `at most as large${dim === null ? '' : ` except dimension ${dim}`}`,
    );
}

/**
 * y[i, j, ...] = x[index[i, j, ...], j, ...] for dim 0, and so on for other dimensions.
 *
 * @param index int64 or int32, as many dimensions as x (none counts as one), none larger than x's except `dim`
 * @returns the index's shape
 * @throws as indexSelect
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  noMore('gather', arguments.length > 3);
  const at = normalizeDim(dim, checkTensor(x, 'gather').ndim, 'gather');
  checkTensor(index, 'gather', 'index');
  checkIndexDType(index, 'gather');
  if (index.numel === 0 && index.ndim !== x.ndim) return emptyTensor(index.shape, x.dtype, x.device) as Tensor;
  const [from, positions] = [asLine(x), asLine(index)];
  checkIndex(from, at, positions, 'gather', 'the input');
  return shaped(gatherOp(from, positions, at), index.shape);
}

// The part of `source` that an index tensor of `shape` uses.
const corner: (source: Tensor, shape: Shape) => Tensor = defineKernel({
  name: 'slice',
  forward(ctx: Context<Shape>, source: Tensor, shape: Shape): Tensor {
    ctx.keep(source.shape);
    return viewOf(source, shape, source.strides);
  },
  gradients: [(g, ctx) => cornered(g, ctx.params)],
});

// Zeros of `shape` with `part` in the corner.
const cornered: (part: Tensor, shape: Shape) => Tensor = defineKernel({
  name: 'pad',
  forward(ctx: Context<Shape>, part: Tensor, shape: Shape): Tensor {
    ctx.keep(part.shape);
    const y = fullKernel(shape, 0, part.dtype, part.device);
    run(Op.copy, [part], [corner(y, part.shape)], []);
    return y;
  },
  gradients: [(g, ctx) => corner(g, ctx.params)],
});

const scatterAddOp = defineOp({
  name: 'scatterAdd',
  forward(ctx: Context<Place>, x: Tensor, source: Tensor, index: Tensor, dim: number): Tensor {
    ctx.save(index);
    ctx.keep({ dim, shape: source.shape });
    const y = copyKernel(x);
    run(Op.scatterAdd, [index, corner(source, index.shape)], [y], [dim]);
    rememberOrigin();
    return y;
  },
  gradients: [
    (g) => g,
    (g, ctx) => {
      const { dim, shape } = ctx.params;
      const index = ctx.saved(0);
      const used = gatherKernel(g, dim, index);
      return index.numel === shape.reduce((a, b) => a * b, 1) ? used : cornered(used, shape);
    },
  ],
});

/**
 * x with y[index[i, j, ...], j, ...] += source[i, j, ...] for dim 0, and so on for other dimensions.
 *
 * @param index int64 or int32, as many dimensions as x and source (none counts as one), none larger than x's except `dim`,
 * nor than source's
 * @param source of x's dtype
 * @throws as indexSelect
 */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  noMore('scatterAdd', arguments.length > 4);
  const at = normalizeDim(dim, checkTensor(x, 'scatterAdd').ndim, 'scatterAdd');
  checkTensor(index, 'scatterAdd', 'index');
  checkTensor(source, 'scatterAdd', 'source');
  checkIndexDType(index, 'scatterAdd');
  checkSameDType(x, source, 'scatterAdd', 'input', 'source');
  if (index.numel === 0 && index.ndim !== x.ndim) return clone(x);
  const [into, from, positions] = [asLine(x), asLine(source), asLine(index)];
  checkIndex(into, at, positions, 'scatterAdd', 'the input');
  checkIndex(from, null, positions, 'scatterAdd', 'source');
  return shaped(scatterAddOp(into, from, positions, at), x.shape);
}

// ---- indexAdd --------------------------------------------------------------------------------------------------------

const indexAddOp = defineOp({
  name: 'indexAdd',
  forward(ctx: Context<{ dim: number; alpha: number }>, x: Tensor, source: Tensor, index: Tensor, dim: number, alpha: number): Tensor {
    ctx.save(index);
    ctx.keep({ dim, alpha });
    const y = copyKernel(x);
    run(Op.indexAdd, [index, alpha === 1 ? source : binaryKernel(Op.mul, source, alpha)], [y], [dim]);
    rememberOrigin();
    return y;
  },
  gradients: [
    (g) => g,
    (g, ctx) => {
      const { dim, alpha } = ctx.params;
      const part = selectKernel(g, dim, ctx.saved(0));
      return alpha === 1 ? part : binaryKernel(Op.mul, part, alpha);
    },
  ],
});

const indexAddOptions = optionsOf<{ alpha?: number }>({ alpha: number });
/**
 * x with the parts of `source` along `dim` added at the given positions.
 *
 * @param index [n], int64 or int32
 * @param source x's shape with size n at `dim`, of x's dtype
 * @param options alpha: factor of source, default 1
 * @throws as indexSelect
 */
export function indexAdd(x: Tensor, dim: number, index: Tensor, source: Tensor, options?: { alpha?: number }): Tensor {
  const { alpha = 1 } = indexAddOptions('indexAdd', options, arguments.length > 5);
  const at = normalizeDim(dim, checkTensor(x, 'indexAdd').ndim, 'indexAdd');
  checkPositions(index, 'indexAdd');
  checkTensor(source, 'indexAdd', 'source');
  checkSameDType(x, source, 'indexAdd', 'input', 'source');
  const expected = x.ndim === 0 ? [] : x.shape.with(at, index.numel);
  if (source.ndim !== expected.length || expected.some((n, i) => n !== source.shape[i]))
    throw new ShapeError(
      `indexAdd: source must be ${formatShape(expected)} for input ${formatShape(x.shape)} and ${index.numel} positions ` +
        `of dimension ${at}, got ${formatShape(source.shape)}`,
    );
  return indexAddOp(x, source, index, at, alpha);
}

// ---- oneHot, embedding -----------------------------------------------------------------------------------------------

/**
 * 1 at each class number, 0 elsewhere, along a new last dimension.
 *
 * @param x int64 (or int32) class numbers, any shape
 * @param numClasses size of the new dimension; -1 (the default) takes the largest number plus one, and blocks until x
 * has been computed
 * @returns int64
 * @throws DTypeError; ArgumentError for a bad numClasses or, where it is left out, no elements. A class number out of
 * range is found while the operation runs: reading the result, or anything computed from it, throws IndexError.
 */
export function oneHot(x: Tensor, numClasses = -1): Tensor {
  noMore('oneHot', arguments.length > 2);
  checkTensor(x, 'oneHot');
  checkIndexDType(x, 'oneHot', 'input');
  let classes = checkInteger(numClasses, -1, 'oneHot', 'numClasses');
  if (classes === 0 && x.numel > 0) throw new ArgumentError('oneHot: numClasses must be positive');
  if (classes === -1) {
    if (x.numel === 0) throw new ArgumentError('oneHot: numClasses must be given for a tensor without elements');
    const dims = [...x.shape.keys()];
    const [least, most] = [Op.amin, Op.amax].map((op) => Number(reduceKernel(op, x, dims, false).itemSync())) as [number, number];
    if (least < 0) throw new IndexError(`oneHot: class numbers must not be negative, got ${least}`);
    classes = most + 1;
  }
  const y = fresh(checkShape([...x.shape, classes], 'oneHot'), 'int64', x.device);
  run(Op.oneHot, [x], [y], []);
  rememberOrigin();
  return y;
}

interface EmbeddingKept {
  rows: number;
  paddingIndex: number | null;
  byFrequency: boolean;
}

// Each gradient divided by how often its row was asked for.
function overCounts(source: Tensor, index: Tensor, rows: number): Tensor {
  const counts = fullKernel([rows], 0, 'int64', source.device);
  run(Op.scatterAdd, [index, fullKernel([index.numel], 1, 'int64', source.device)], [counts], [0]);
  const own = copyKernel(selectKernel(counts, 0, index), source.dtype);
  return binaryKernel(Op.div, source, viewOf(own, [index.numel, 1], [1, 1]));
}

// All row numbers as a vector.
function inARow(index: Tensor): Tensor {
  const row = isContiguous(index.shape, index.strides) ? index : copyKernel(index, index.dtype, contiguousStrides(index.shape));
  return viewOf(row, [index.numel], [1]);
}

// A row of 0, over the tensor itself.
const clearRow: (x: Tensor, row: number) => Tensor = defineKernel({
  name: 'embedding',
  forward(ctx: Context<number>, x: Tensor, row: number): Tensor {
    ctx.keep(row);
    const width = x.shape[1]!;
    run(Op.fill, [], [viewOf(x, [width], [1], row * width)], [0]);
    return x;
  },
  gradients: [(g, ctx) => clearRow(copyKernel(g, g.dtype, contiguousStrides(g.shape)), ctx.params)],
});

const embeddingOp = defineOp({
  name: 'embedding',
  forward(ctx: Context<EmbeddingKept>, weight: Tensor, index: Tensor, paddingIndex: number | null, byFrequency: boolean): Tensor {
    const flat = inARow(index);
    ctx.save(flat);
    ctx.keep({ rows: weight.shape[0]!, paddingIndex, byFrequency });
    const y = selectKernel(weight, 0, flat);
    const shape = [...index.shape, weight.shape[1]!];
    return viewOf(y, shape, contiguousStrides(shape));
  },
  gradients: [
    (g, ctx) => {
      const { rows, paddingIndex, byFrequency } = ctx.params;
      const width = g.shape[g.ndim - 1]!;
      const flat = ctx.saved(0);
      const matrix = reshapeKernel(g, [flat.numel, width]);
      const dWeight = addKernel(byFrequency ? overCounts(matrix, flat, rows) : matrix, { dim: 0, shape: [rows, width] }, flat);
      return paddingIndex === null ? dWeight : clearRow(dWeight, paddingIndex);
    },
  ],
});

export interface EmbeddingOptions {
  /** A row of the weight that gets no gradient. */
  paddingIdx?: number | null;
  /** Rows that are asked for and have a larger norm are scaled down to it first, in the weight itself. */
  maxNorm?: number | null;
  /** Of that norm. Default 2. */
  normType?: number;
  /** Divide each row's gradient by how often it was asked for. Default false. */
  scaleGradByFreq?: boolean;
}
/** @internal */
export const embeddingOptions = optionsOf<EmbeddingOptions>({
  paddingIdx: nullable(number),
  maxNorm: nullable(number),
  normType: number,
  scaleGradByFreq: boolean,
});

/**
 * Rows of a table.
 *
 * @param input int64 or int32 row numbers, any shape
 * @param weight [rows, width], floating
 * @returns [...input's shape, width]
 * @throws as indexSelect; ArgumentError for a paddingIdx out of range
 */
export function embedding(input: Tensor, weight: Tensor, options?: EmbeddingOptions): Tensor {
  const { paddingIdx = null, maxNorm = null, normType = 2, scaleGradByFreq = false } = embeddingOptions(
    'embedding',
    options,
    arguments.length > 3,
  );
  checkTensor(input, 'embedding');
  checkIndexDType(input, 'embedding', 'input');
  checkTensor(weight, 'embedding', 'weight');
  if (weight.ndim !== 2) throw new ShapeError(`embedding: weight must be [rows, width], got ${formatShape(weight.shape)}`);
  const rows = weight.shape[0]!;
  let padding = paddingIdx;
  if (padding !== null) {
    if (!Number.isInteger(padding) || padding < -rows || padding >= rows)
      throw new ArgumentError(`embedding: paddingIdx must be a row of weight ${formatShape(weight.shape)}, got ${padding}`);
    if (padding < 0) padding += rows;
  }
  if (maxNorm !== null && input.numel > 0) renormRows(weight, inARow(input), normType, maxNorm);
  return embeddingOp(weight, input, padding, scaleGradByFreq);
}

