// SPDX-License-Identifier: Apache-2.0
// Checks that several transforms make of their arguments.
import { ArgumentError } from '../../native/errors.js';
import { arrayOf, integer, number, show, type Kind } from '../../native/options.js';

export type Size = number | readonly [height: number, width: number];
export type Range = readonly [low: number, high: number];
/** Two numbers. */
export const pair = arrayOf(number, 2) as Kind<readonly [number, number]>;

export function checkSize(size: Size, where: string): readonly [number, number] {
  const sizes: unknown = typeof size === 'number' ? [size, size] : size;
  if (!arrayOf(integer, 2).test(sizes) || sizes.some((n) => n < 1))
    throw new ArgumentError(`${where}: size must be one or two positive integers, got ${show(size)}`);
  return sizes as unknown as readonly [number, number];
}

export function checkProbability(p: number, where: string): number {
  if (typeof p !== 'number' || !(p >= 0 && p <= 1)) throw new ArgumentError(`${where}: p must be in [0, 1], got ${show(p)}`);
  return p;
}

export function checkRange(range: Range, where: string, name: string, min = -Infinity, max = Infinity): Range {
  if (!pair.test(range) || !(range[0] >= min && range[1] >= range[0] && range[1] <= max))
    throw new ArgumentError(`${where}: ${name} must be [low, high] within [${min}, ${max}], got ${show(range)}`);
  return range;
}

/** A number for all sides, two for left/right and top/bottom, or four: left, top, right, bottom. */
export type Padding = number | readonly number[];

/** @returns left, top, right, bottom */
export function checkPadding(padding: Padding, where: string): readonly [number, number, number, number] {
  const list: unknown = typeof padding === 'number' ? [padding] : padding;
  if (!arrayOf(integer).test(list) || ![1, 2, 4].includes(list.length))
    throw new ArgumentError(`${where}: padding must be one, two or four integers, got ${show(padding)}`);
  const [a, b = a, c = a, d = b] = list as unknown as [number, number?, number?, number?];
  return [a, b!, c!, d!];
}

/** Half to even, as Python rounds. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
