// SPDX-License-Identifier: Apache-2.0
// Checks that several transforms make of their arguments.
import { ArgumentError } from '../../native/errors.js';

export type Size = number | readonly [height: number, width: number];
export type Range = readonly [low: number, high: number];

export function checkSize(size: Size, where: string): readonly [number, number] {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  for (const n of [height, width])
    if (!Number.isInteger(n) || n < 1) throw new ArgumentError(`${where}: size must be one or two positive integers, got ${String(size)}`);
  return [height, width];
}

export function checkProbability(p: number, where: string): number {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`${where}: p must be in [0, 1], got ${p}`);
  return p;
}

export function checkRange(range: Range, where: string, name: string, min = -Infinity, max = Infinity): Range {
  const [low, high] = range;
  if (!(low >= min && high >= low && high <= max) || range.length !== 2)
    throw new ArgumentError(`${where}: ${name} must be [low, high] within [${min}, ${max}], got ${String(range)}`);
  return range;
}

/** A number for all sides, two for left/right and top/bottom, or four: left, top, right, bottom. */
export type Padding = number | readonly number[];

/** @returns left, top, right, bottom */
export function checkPadding(padding: Padding, where: string): readonly [number, number, number, number] {
  const list = typeof padding === 'number' ? [padding] : padding;
  if (![1, 2, 4].includes(list.length) || list.some((n) => !Number.isInteger(n)))
    throw new ArgumentError(`${where}: padding must be one, two or four integers, got ${String(padding)}`);
  const [a, b = a, c = a, d = b] = list as [number, number?, number?, number?];
  return [a, b!, c!, d!];
}

/** Half to even, as Python rounds. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
