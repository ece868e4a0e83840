// SPDX-License-Identifier: Apache-2.0
// The same elements in another order, or several times.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { integer, noMore, nullable, number, oneOf, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkList, checkShape, formatShape, MAX_RANK, normalizeDim, numelOf } from '../tensor/shape.js';
import { checkTensor, fresh, Tensor } from '../tensor/tensor.js';
import { checkIndexDType, checkInteger } from './checks.js';
import { positionsOfRuns } from './positions.js';
import { cat } from './join.js';
import { indexSelect } from './pick.js';
import { expand, flatten, narrow, permute, reshape, transpose, unsqueeze } from './view.js';

type DimList = number | readonly number[];

function dimsOf(dims: DimList, rank: number, where: string): number[] {
  const list = (typeof dims === 'number' ? [dims] : checkList(dims, where, 'dims')).map((d) => normalizeDim(d, rank, where));
  if (new Set(list).size !== list.length) throw new ShapeError(`${where}: a dimension appears twice in ${formatShape(list)}`);
  return list;
}

/** The elements in reverse order along each of `dims`. */
export function flip(x: Tensor, dims: DimList): Tensor {
  noMore('flip', arguments.length > 2);
  return dimsOf(dims, checkTensor(x, 'flip').ndim, 'flip').reduce((y, dim) => {
    const size = y.shape[dim] ?? 1;
    if (size < 2) return y;
    const order = fresh([size], 'int64', x.device);
    run(Op.arange, [], [order], [size - 1, -1]);
    return indexSelect(y, dim, order);
  }, x);
}

/** flip() of the second dimension: left becomes right. */
export function fliplr(x: Tensor): Tensor {
  noMore('fliplr', arguments.length > 1);
  if (checkTensor(x, 'fliplr').ndim < 2) throw new ShapeError(`fliplr: expected at least 2 dimensions, got ${formatShape(x.shape)}`);
  return flip(x, 1);
}

/** flip() of the first dimension: up becomes down. */
export function flipud(x: Tensor): Tensor {
  noMore('flipud', arguments.length > 1);
  if (checkTensor(x, 'flipud').ndim < 1) throw new ShapeError('flipud: expected at least 1 dimension, got []');
  return flip(x, 0);
}

/**
 * The elements moved by `shifts` along `dims`; what leaves at one end comes in at the other. Without dims, x is rolled as
 * one long vector.
 */
export function roll(x: Tensor, shifts: DimList, dims?: DimList): Tensor {
  noMore('roll', arguments.length > 3);
  checkTensor(x, 'roll');
  const by = typeof shifts === 'number' ? [shifts] : checkList(shifts, 'roll', 'shifts');
  for (const shift of by) checkInteger(shift, -Infinity, 'roll', 'shifts');
  const along = dims === undefined ? [] : typeof dims === 'number' ? [dims] : checkList(dims, 'roll', 'dims');
  if (dims === undefined || along.length === 0) {
    if (by.length !== 1) throw new ArgumentError(`roll: without dims there is one shift, got ${by.length}`);
    return reshape(rollOne(reshape(x, [x.numel]), by[0]!, 0), x.shape);
  }
  if (by.length !== along.length)
    throw new ArgumentError(`roll: shifts and dims must be equally many, got ${by.length} and ${along.length}`);
  return along.reduce((y, dim, i) => rollOne(y, by[i]!, normalizeDim(dim, x.ndim, 'roll')), x);
}

function rollOne(x: Tensor, shift: number, dim: number): Tensor {
  const size = x.shape[dim] ?? 1;
  const start = size === 0 ? 0 : ((-shift % size) + size) % size;
  if (start === 0) return x;
  return cat([narrow(x, dim, start, size - start), narrow(x, dim, 0, start)], dim);
}

/** x turned by k times 90 degrees in the plane of `dims`, from the first towards the second. Default: the first two. */
export function rot90(x: Tensor, k = 1, dims: readonly number[] = [0, 1]): Tensor {
  noMore('rot90', arguments.length > 3);
  checkTensor(x, 'rot90');
  checkInteger(k, -Infinity, 'rot90', 'k');
  const plane = dimsOf(dims, x.ndim, 'rot90');
  if (plane.length !== 2 || x.ndim < 2)
    throw new ShapeError(`rot90: expected two different dimensions of input ${formatShape(x.shape)}, got ${formatShape(dims)}`);
  const [a, b] = plane as [number, number];
  const turns = ((k % 4) + 4) % 4;
  if (turns === 0) return x;
  if (turns === 2) return flip(x, [a, b]);
  return turns === 1 ? transpose(flip(x, b), a, b) : flip(transpose(x, a, b), b);
}

/** The dimensions `source` moved to the places `destination`, the others in their order; a view. */
export function movedim(x: Tensor, source: DimList, destination: DimList): Tensor {
  noMore('movedim', arguments.length > 3);
  const from = dimsOf(source, checkTensor(x, 'movedim').ndim, 'movedim');
  const to = dimsOf(destination, x.ndim, 'movedim');
  if (from.length !== to.length)
    throw new ArgumentError(`movedim: source and destination must be equally many, got ${from.length} and ${to.length}`);
  if (x.ndim === 0) return x;
  const others = [...x.shape.keys()].filter((d) => !from.includes(d)).values();
  return permute(x, x.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)]! : (others.next().value as number))));
}

// ---- repetition ------------------------------------------------------------------------------------------------------

function checkRepeats(repeats: readonly number[], where: string): void {
  for (const n of checkList(repeats, where, 'repeats')) checkInteger(n, 0, where, 'repeats');
}

/**
 * x several times along each dimension.
 * @param repeats one number for each dimension; the first of more than x has are for new ones
 */
export function repeat(x: Tensor, repeats: readonly number[]): Tensor {
  noMore('repeat', arguments.length > 2);
  checkTensor(x, 'repeat');
  checkRepeats(repeats, 'repeat');
  if (repeats.length < x.ndim)
    throw new ShapeError(`repeat: ${repeats.length} numbers are too few for the ${x.ndim} dimensions of ${formatShape(x.shape)}`);
  const sizes = checkShape([...new Array<number>(repeats.length - x.ndim).fill(1), ...x.shape], 'repeat');
  checkShape(sizes.map((size, i) => size * repeats[i]!), 'repeat');
  return repeated(reshape(x, sizes), repeats);
}

// Every dimension that has to be copied takes a second one for a moment; too many are dealt with in two rounds.
function repeated(x: Tensor, repeats: readonly number[]): Tensor {
  const twice = x.shape.map((size, i) => size !== 1 && repeats[i] !== 1);
  const shown: number[] = [];
  const wide: number[] = [];
  let room = MAX_RANK - x.ndim;
  const now = repeats.map((n, i) => (!twice[i] || room-- > 0 ? n : 1));
  x.shape.forEach((size, i) => {
    if (twice[i] && now[i] !== 1) {
      shown.push(1, size);
      wide.push(now[i]!, size);
    } else {
      shown.push(size);
      wide.push(size === 1 ? now[i]! : size);
    }
  });
  const y = reshape(expand(reshape(x, shown), wide), x.shape.map((size, i) => size * now[i]!));
  const later = repeats.map((n, i) => (now[i] === n ? 1 : n));
  return later.every((n) => n === 1) ? y : repeated(y, later);
}

/** As repeat(), but fewer numbers than x has dimensions are for the last ones. */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  noMore('tile', arguments.length > 2);
  checkTensor(x, 'tile');
  checkRepeats(repeats, 'tile');
  return repeat(x, [...new Array<number>(Math.max(0, x.ndim - repeats.length)).fill(1), ...repeats]);
}

export interface RepeatInterleaveOptions {
  /** Default: x is taken as one long vector. */
  dim?: number | null;
  /** The sum of the repeats, if they are a tensor and it is known: then nothing waits for the device. */
  outputSize?: number | null;
}

const repeatInterleaveOptions = optionsOf<RepeatInterleaveOptions>({ dim: nullable(number), outputSize: nullable(integer) });

/**
 * Each element several times, one after the other.
 *
 * @param repeats a number for all, or an int64 or int32 tensor of one for each position of `dim` (or one for all). With a
 * tensor, this waits for the device, unless outputSize is given
 */
export function repeatInterleave(x: Tensor, repeats: Tensor | number, options?: RepeatInterleaveOptions): Tensor {
  const where = 'repeatInterleave';
  const { dim = null, outputSize = null } = repeatInterleaveOptions(where, options, arguments.length > 3);
  const source = dim === null ? flatten(checkTensor(x, where)) : checkTensor(x, where);
  const at = normalizeDim(dim ?? 0, source.ndim, where);
  const line = source.ndim === 0 ? reshape(source, [1]) : source;
  const size = line.shape[at]!;
  if (!(repeats instanceof Tensor) || repeats.numel === 1) {
    const n = repeats instanceof Tensor ? Number(repeats.itemSync()) : repeats;
    checkInteger(n, 0, where, 'repeats');
    const wide = expand(unsqueeze(line, at + 1), line.shape.toSpliced(at + 1, 0, n));
    return reshape(wide, line.shape.with(at, size * n));
  }
  checkIndexDType(repeats, where, 'repeats');
  if (repeats.ndim !== 1 || repeats.numel !== size)
    throw new ShapeError(`${where}: repeats must be one number or [${size}], got ${formatShape(repeats.shape)}`);
  return indexSelect(line, at, positionsOfRuns(repeats, outputSize, where));
}

// ---- side by side --------------------------------------------------------------------------------------------------

const atLeast = (where: string, rank: number, shaped: (x: Tensor) => Tensor) =>
  function (x: Tensor): Tensor {
    noMore(where, arguments.length > 1);
    return checkTensor(x, where).ndim >= rank ? x : shaped(x);
  };
/** x with at least one dimension. */
export const atleast1d = atLeast('atleast1d', 1, (x) => reshape(x, [1]));
/** x with at least two dimensions; a vector becomes a row. */
export const atleast2d = atLeast('atleast2d', 2, (x) => reshape(x, [1, x.numel]));
/** x with at least three dimensions; a vector becomes [1, n, 1], a matrix [m, n, 1]. */
export const atleast3d = atLeast('atleast3d', 3, (x) => (x.ndim === 2 ? unsqueeze(x, 2) : reshape(x, [1, x.numel, 1])));

const each = (tensors: readonly Tensor[], where: string, f: (x: Tensor) => Tensor): Tensor[] => {
  if (!Array.isArray(tensors) || tensors.length === 0) throw new ArgumentError(`${where}: expected an array of at least one tensor`);
  return (tensors as readonly Tensor[]).map((x, i) => f(checkTensor(x, where, `tensor ${i}`)));
};

/** Tensors beside each other: along the second dimension, or vectors along their only one. */
export function hstack(tensors: readonly Tensor[]): Tensor {
  noMore('hstack', arguments.length > 1);
  const parts = each(tensors, 'hstack', atleast1d);
  return cat(parts, parts[0]!.ndim === 1 ? 0 : 1);
}

/** Tensors below each other, along the first dimension; vectors count as rows. */
export function vstack(tensors: readonly Tensor[]): Tensor {
  noMore('vstack', arguments.length > 1);
  return cat(each(tensors, 'vstack', atleast2d), 0);
}

/** Tensors behind each other, along the third dimension. */
export function dstack(tensors: readonly Tensor[]): Tensor {
  noMore('dstack', arguments.length > 1);
  return cat(each(tensors, 'dstack', atleast3d), 2);
}

/** Tensors as columns beside each other; vectors count as columns. */
export function columnStack(tensors: readonly Tensor[]): Tensor {
  noMore('columnStack', arguments.length > 1);
  return cat(each(tensors, 'columnStack', (x) => (x.ndim < 2 ? reshape(x, [x.numel, 1]) : x)), 1);
}

export interface MeshgridOptions {
  /** 'ij': the first vector runs along the first dimension. 'xy': the first two change places. Default 'ij'. */
  indexing?: 'ij' | 'xy';
}

const meshgridOptions = optionsOf<MeshgridOptions>({ indexing: oneOf('ij', 'xy') });

/** Coordinates of a grid: each vector spread over the dimensions of all of them; views. */
export function meshgrid(tensors: readonly Tensor[], options?: MeshgridOptions): Tensor[] {
  const where = 'meshgrid';
  const { indexing = 'ij' } = meshgridOptions(where, options, arguments.length > 2);
  const vectors = each(tensors, where, (x) => {
    if (x.ndim > 1) throw new ShapeError(`${where}: expected vectors, got ${formatShape(x.shape)}`);
    return reshape(x, [x.numel]);
  });
  const place = (i: number) => (indexing === 'xy' && vectors.length > 1 && i < 2 ? 1 - i : i);
  const shape = checkShape(vectors.map((_, i) => vectors[place(i)]!.numel), where);
  return vectors.map((x, i) => expand(reshape(x, shape.map((_, d) => (d === place(i) ? x.numel : 1))), shape));
}

/** All combinations of one element of each vector, as rows. */
export function cartesianProd(...tensors: Tensor[]): Tensor {
  if (tensors.length === 1) return checkTensor(tensors[0], 'cartesianProd');
  const grids = meshgrid(tensors);
  return reshape(cat(grids.map((g) => unsqueeze(g, g.ndim)), grids.length), [numelOf(grids[0]!.shape), grids.length]);
}
