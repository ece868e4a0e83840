// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, ShapeError } from '../native/errors.js';

/** Sizes of a tensor's dimensions. */
export type Shape = readonly number[];
export const MAX_RANK = 8;

/** `[2, 3]` for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function numelOf(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i]!;
  return n;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Row-major strides with no gaps. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= Math.max(shape[i]!, 1);
  }
  return strides;
}

/** N, spatial..., C in memory, for logical N, C, spatial... of rank 3 to 5. */
export function channelsLastStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  const put = (i: number) => {
    strides[i] = step;
    step *= Math.max(shape[i]!, 1);
  };
  put(1);
  for (let i = shape.length - 1; i >= 2; i--) put(i);
  put(0);
  return strides;
}

export function isContiguous(shape: Shape, strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size === 1) continue;
    if (strides[i] !== expected) return shape.includes(0); // no elements lie in any order
    expected *= size;
  }
  return true;
}

export function isChannelsLast(shape: Shape, strides: readonly number[]): boolean {
  const rank = shape.length;
  if (rank < 3 || rank > 5) return false;
  let expected = 1;
  for (let k = 0; k < rank; k++) {
    const i = k === 0 ? 1 : k === rank - 1 ? 0 : rank - k; // 1, rank-1 ... 2, 0
    const size = shape[i]!;
    if (size === 1) continue;
    if (strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** Whether the elements fill one block of memory, each once, in whatever order of dimensions. */
export function isDense(shape: Shape, strides: readonly number[]): boolean {
  if (isContiguous(shape, strides)) return true;
  const order = [...shape.keys()].filter((i) => shape[i] !== 1).sort((i, j) => strides[i]! - strides[j]!);
  let expected = 1;
  for (const i of order) {
    if (strides[i] !== expected) return false;
    expected *= shape[i]!;
  }
  return true;
}

/**
 * Strides for a result that is laid out as an operand is: the same if that is dense, else its dimensions in the same order
 * without gaps; row-major if it repeats elements.
 */
export function stridesLike(shape: Shape, strides: readonly number[]): readonly number[] {
  if (isDense(shape, strides)) return strides;
  if (shape.some((size, i) => size > 1 && strides[i] === 0)) return contiguousStrides(shape);
  const order = [...shape.keys()].filter((i) => shape[i] !== 1).sort((i, j) => strides[j]! - strides[i]! || i - j);
  const dense = contiguousStrides(shape);
  let next = 1;
  for (const i of order.reverse()) {
    dense[i] = next;
    next *= shape[i]!;
  }
  return dense;
}

/** Checks sizes that an operation computed. */
export function checkShape(shape: number[], where: string): number[] {
  checkRank(shape, where);
  for (const size of shape)
    if (!Number.isInteger(size) || size < 0)
      throw new ShapeError(`${where}: sizes must be non-negative integers, got ${formatShape(shape)}`);
  if (numelOf(shape) > Number.MAX_SAFE_INTEGER)
    throw new ShapeError(`${where}: a tensor of shape ${formatShape(shape)} has too many elements`);
  return shape;
}

/**
 * Sizes given by a caller for new memory, as a copy that nobody can change: the caller's own array may become another
 * shape, but a tensor's memory does not follow. (Views copy alone: freezing takes as long as a tenth of an operation.)
 */
export function givenShape(shape: unknown, where: string): number[] {
  if (!Array.isArray(shape)) throw new ArgumentError(`${where}: a shape is an array of sizes, got ${String(shape)}`);
  return Object.freeze(checkShape([...(shape as number[])], where)) as number[];
}

export function checkRank<S extends Shape>(shape: S, where: string): S {
  if (shape.length > MAX_RANK)
    throw new ShapeError(`${where}: at most ${MAX_RANK} dimensions, got ${shape.length}: ${formatShape(shape)}`);
  return shape;
}

/** An array given by a caller. */
export function checkList(value: unknown, where: string, name: string): readonly number[] {
  if (Array.isArray(value)) return value as number[];
  const got = value === null || typeof value !== 'object' ? String(value) : (value.constructor?.name ?? 'an object');
  throw new ArgumentError(`${where}: ${name} must be an array of numbers, got ${got}`);
}

/** A dimension counted from either end, as 0 to rank - 1. A scalar is treated as having one dimension. */
export function normalizeDim(dim: number, rank: number, where: string): number {
  const n = Math.max(rank, 1);
  if (!Number.isInteger(dim) || dim < -n || dim >= n)
    throw new ShapeError(`${where}: dim must be an integer in [${-n}, ${n - 1}] for ${rank} dimensions, got ${dim}`);
  return dim < 0 ? dim + n : dim;
}

/** Dimensions as sorted unique numbers; undefined stands for all. */
export function normalizeDims(dims: number | readonly number[] | undefined, rank: number, where: string): number[] {
  if (dims === undefined) return [...Array(rank).keys()];
  const list = typeof dims === 'number' ? [dims] : checkList(dims, where, 'dim');
  if (rank === 0) {
    for (const dim of list) normalizeDim(dim, rank, where);
    return [];
  }
  const result = list.map((dim) => normalizeDim(dim, rank, where));
  if (new Set(result).size !== result.length)
    throw new ShapeError(`${where}: a dimension appears twice in [${list.join(', ')}]`);
  return result.sort((a, b) => a - b);
}

/** The shape that both broadcast to, by NumPy's rules. */
export function broadcastShapes(a: Shape, b: Shape, where: string): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const result = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = i <= a.length ? a[a.length - i]! : 1;
    const y = i <= b.length ? b[b.length - i]! : 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(
        `${where}: shapes ${formatShape(a)} and ${formatShape(b)} cannot be broadcast together: ` +
          `sizes ${x} and ${y} at dimension ${rank - i} differ and neither is 1`,
      );
    result[rank - i] = x === 1 ? y : x;
  }
  return result;
}
