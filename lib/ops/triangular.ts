// SPDX-License-Identifier: Apache-2.0
// Diagonals and triangles of matrices.
import { defineOp, type Context } from '../autograd/op.js';
import { ShapeError } from '../native/errors.js';
import { integer, noMore, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkShape, formatShape, normalizeDim, type Shape } from '../tensor/shape.js';
import { checkTensor, viewOf, type Tensor } from '../tensor/tensor.js';
import { checkInteger } from './checks.js';
import { fullKernel } from './kernels.js';
import { ge, le, sub, where as choose } from './pointwise.js';
import { iota } from './positions.js';
import { sum } from './reduce.js';
import { reshape, unsqueeze } from './view.js';

interface Diagonal {
  /** Of the whole. */
  shape: Shape;
  offset: number;
  rows: number;
  columns: number;
}

function lengthOf({ shape, offset, rows, columns }: Diagonal): number {
  return Math.max(0, Math.min(shape[rows]! + Math.min(offset, 0), shape[columns]! - Math.max(offset, 0)));
}

function diagonalView(x: Tensor, place: Diagonal): Tensor {
  const { offset, rows, columns } = place;
  const rest = (list: readonly number[]) => list.filter((_, i) => i !== rows && i !== columns);
  const length = lengthOf(place);
  const start = length === 0 ? 0 : offset > 0 ? offset * x.strides[columns]! : -offset * x.strides[rows]!;
  return viewOf(x, [...rest(x.shape), length], [...rest(x.strides), x.strides[rows]! + x.strides[columns]!], start);
}

const diagonalOp: (x: Tensor, place: Diagonal) => Tensor = defineOp({
  name: 'diagonal',
  forward(ctx: Context<Diagonal>, x: Tensor, place: Diagonal): Tensor {
    ctx.keep(place);
    return diagonalView(x, place);
  },
  gradients: [(g, ctx) => embedOp(g, ctx.params)],
});

// Zeros with the values on one diagonal.
const embedOp: (values: Tensor, place: Diagonal) => Tensor = defineOp({
  name: 'diagEmbed',
  forward(ctx: Context<Diagonal>, values: Tensor, place: Diagonal): Tensor {
    ctx.keep(place);
    const y = fullKernel(place.shape, 0, values.dtype, values.device);
    run(Op.copy, [values], [diagonalView(y, place)], []);
    return y;
  },
  gradients: [(g, ctx) => diagonalOp(g, ctx.params)],
});

export interface DiagonalOptions {
  /** Above the main diagonal if positive, below if negative. Default 0. */
  offset?: number;
  dim1?: number;
  dim2?: number;
}

const diagonalOptions = optionsOf<DiagonalOptions>({ offset: integer, dim1: number, dim2: number });

/**
 * A diagonal of the matrices in dim1 and dim2 (by default the first two dimensions), as a new last dimension; a view.
 * @throws ShapeError unless these are two different dimensions
 */
export function diagonal(x: Tensor, options?: DiagonalOptions): Tensor {
  const where = 'diagonal';
  const { offset = 0, dim1 = 0, dim2 = 1 } = diagonalOptions(where, options, arguments.length > 2);
  const rows = normalizeDim(dim1, checkTensor(x, where).ndim, where);
  const columns = normalizeDim(dim2, x.ndim, where);
  if (rows === columns || x.ndim < 2)
    throw new ShapeError(`${where}: expected two different dimensions of ${formatShape(x.shape)}, got ${dim1} and ${dim2}`);
  return diagonalOp(x, { shape: x.shape, offset, rows, columns });
}

/**
 * Matrices, in dim1 and dim2 (by default the last two dimensions), with the last dimension of x on one diagonal and 0
 * elsewhere.
 */
export function diagEmbed(x: Tensor, options?: DiagonalOptions): Tensor {
  const where = 'diagEmbed';
  const { offset = 0, dim1 = -2, dim2 = -1 } = diagonalOptions(where, options, arguments.length > 2);
  if (checkTensor(x, where).ndim === 0) throw new ShapeError(`${where}: expected at least 1 dimension, got []`);
  const rows = normalizeDim(dim1, x.ndim + 1, where);
  const columns = normalizeDim(dim2, x.ndim + 1, where);
  if (rows === columns) throw new ShapeError(`${where}: expected two different dimensions, got ${dim1} and ${dim2}`);
  const size = x.shape.at(-1)! + Math.abs(offset);
  const shape = x.shape.slice(0, -1);
  for (const dim of [Math.min(rows, columns), Math.max(rows, columns)]) shape.splice(dim, 0, size);
  return embedOp(x, { shape: checkShape(shape, where), offset, rows, columns });
}

/** Of a vector, the matrix with it on a diagonal; of a matrix, that diagonal, a copy. */
export function diag(x: Tensor, diagonalOffset = 0): Tensor {
  noMore('diag', arguments.length > 2);
  const { ndim } = checkTensor(x, 'diag');
  if (ndim === 1) return diagEmbed(x, { offset: diagonalOffset });
  if (ndim !== 2) throw new ShapeError(`diag: expected a vector or a matrix, got ${formatShape(x.shape)}`);
  return diagonal(x, { offset: diagonalOffset });
}

/** Of all elements in a row, the matrix with them on a diagonal. */
export function diagflat(x: Tensor, offset = 0): Tensor {
  noMore('diagflat', arguments.length > 2);
  return diagEmbed(checkTensor(x, 'diagflat').ndim === 1 ? x : reshape(x, [x.numel]), { offset });
}

/** The sum of the main diagonal of a matrix. */
export function trace(x: Tensor): Tensor {
  noMore('trace', arguments.length > 1);
  if (checkTensor(x, 'trace').ndim !== 2) throw new ShapeError(`trace: expected a matrix, got ${formatShape(x.shape)}`);
  return sum(diagonal(x));
}

// ---- triangles -----------------------------------------------------------------------------------------------------

// Column minus row, for each place of a matrix.
const distances = (rows: number, columns: number, like: Tensor) => sub(iota(columns, like), unsqueeze(iota(rows, like), 1));

function triangle(where: string, inside: (distance: Tensor, offset: number) => Tensor) {
  return function (x: Tensor, diagonalOffset = 0): Tensor {
    noMore(where, arguments.length > 2);
    checkInteger(diagonalOffset, -Infinity, where, 'diagonal');
    if (checkTensor(x, where).ndim < 2) throw new ShapeError(`${where}: expected at least 2 dimensions, got ${formatShape(x.shape)}`);
    const mask = inside(distances(x.shape.at(-2)!, x.shape.at(-1)!, x), diagonalOffset);
    return choose(mask, x, x.dtype === 'bool' ? false : 0);
  };
}

/** The lower triangles of matrices, up to a diagonal (0 is the main one, above are positive ones); 0 elsewhere. */
export const tril = triangle('tril', le);
/** The upper triangles of matrices, from a diagonal on (0 is the main one, above are positive ones); 0 elsewhere. */
export const triu = triangle('triu', ge);

