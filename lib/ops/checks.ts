// SPDX-License-Identifier: Apache-2.0
// Checks that several operations make of their arguments, and the layouts that their results share.
import { ArgumentError, DTypeError, ShapeError } from '../native/errors.js';
import { kind } from '../native/options.js';
import { isFloating } from '../tensor/dtype.js';
import { channelsLastStrides, contiguousStrides, formatShape, isChannelsLast, isContiguous, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** One number for every spatial dimension, or one each. */
export type Sizes = number | readonly number[];
/** An option that checkSizes() looks at. */
export const sizes = kind<Sizes>('a number or an array of numbers', (v) => typeof v === 'number' || Array.isArray(v));

/** `value` as one integer of at least `min` for each of `count` dimensions. */
export function checkSizes(value: Sizes, count: number, min: number, where: string, name: string): readonly number[] {
  const list: unknown = typeof value === 'number' ? new Array<number>(count).fill(value) : value;
  if (!Array.isArray(list) || (list.length !== count && list.length !== 1))
    throw new ArgumentError(
      `${where}: ${name} must be a number or ${count} numbers, got ${Array.isArray(list) ? formatShape(list) : String(value)}`,
    );
  for (const n of list)
    if (!Number.isSafeInteger(n) || n < min || n > MAX_SIZE)
      throw new ArgumentError(
        `${where}: ${name} must be ${min > 0 ? 'positive' : 'non-negative'} integers` +
          `${n > MAX_SIZE ? ` of at most ${MAX_SIZE}` : ''}, got ${typeof value === 'number' ? value : formatShape(list)}`,
      );
  return list.length === count ? list : new Array<number>(count).fill(list[0]);
}
// What the libraries' 32-bit parameters hold.
const MAX_SIZE = 2 ** 31 - 1;

/** @throws ArgumentError unless `value` is a number within [min, max] */
export function checkNumber(value: unknown, min: number, max: number, where: string, name: string): number {
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw new ArgumentError(`${where}: ${name} must be a number in [${min}, ${max}], got ${String(value)}`);
  return value;
}

export function checkInteger(value: unknown, min: number, where: string, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min)
    throw new ArgumentError(
      `${where}: ${name} must be an integer${min > -Infinity ? ` of at least ${min}` : ''}, got ${String(value)}`,
    );
  return value;
}

export function checkChoice<C extends string>(value: unknown, choices: readonly C[], where: string, name: string): C {
  if (choices.includes(value as C)) return value as C;
  throw new ArgumentError(
    `${where}: ${name} must be ${choices.map((c) => `'${c}'`).join(' or ')}, got ${String(value)}`,
  );
}

export function checkFloat(x: Tensor, where: string, name = 'input'): void {
  if (!isFloating(x.dtype)) throw new DTypeError(`${where}: ${name} must be a floating tensor, got ${x.dtype}`);
}

export function checkIndexDType(x: Tensor, where: string, name = 'index'): void {
  if (x.dtype !== 'int64' && x.dtype !== 'int32')
    throw new DTypeError(`${where}: ${name} must be int64 or int32, got ${x.dtype}`);
}

export function checkSameDType(a: Tensor, b: Tensor, where: string, aName: string, bName: string): void {
  if (a.dtype !== b.dtype)
    throw new DTypeError(`${where}: ${aName} and ${bName} must have one dtype, got ${a.dtype} and ${b.dtype}`);
}

/** @throws ShapeError unless the rank is `count` or, for one sample without a batch dimension, one less */
export function checkBatched(x: Tensor, count: number, where: string, dims: string): boolean {
  if (x.ndim !== count && x.ndim !== count - 1)
    throw new ShapeError(
      `${where}: expected input [N, ${dims}] or, for one sample, [${dims}], got ${formatShape(x.shape)}`,
    );
  return x.ndim === count;
}

/** Strides for a result of another size that is laid out as x is: channels-last or row-major. */
export function stridesAs(x: Tensor, shape: Shape): readonly number[] {
  const last = isChannelsLast(x.shape, x.strides) && !isContiguous(x.shape, x.strides);
  return last ? channelsLastStrides(shape) : contiguousStrides(shape);
}
