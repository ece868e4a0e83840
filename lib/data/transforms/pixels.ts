// SPDX-License-Identifier: Apache-2.0
// Moving pixels about: crops, padding, flips.
import { ArgumentError } from '../../native/errors.js';
import { arrayOf, either, number, type Kind } from '../../native/options.js';
import type { Image } from '../image.js';

export type PaddingMode = 'constant' | 'edge' | 'reflect' | 'symmetric';
/** One value for all channels, or one for each. */
export type Fill = number | readonly number[];
export const fill: Kind<Fill> = either(number, arrayOf(number));

export function fillOf(fill: Fill, channels: number, where: string): readonly number[] {
  if (typeof fill === 'number') return new Array<number>(channels).fill(fill);
  if (fill.length === channels) return fill;
  if (fill.length === 1) return new Array<number>(channels).fill(fill[0]!);
  throw new ArgumentError(`${where}: fill has ${fill.length} values for ${channels} channels`);
}

/** The value that the maximum of an image's dtype stands for. */
export const bound = (image: Image): number => (image.dtype === 'uint8' ? 255 : 1);

/** The rectangle that begins at (top, left), which may reach beyond the image: there it is 0. */
export function crop(image: Image, top: number, left: number, height: number, width: number): Image {
  if (top === 0 && left === 0 && height === image.height && width === image.width) return image;
  const { channels, data } = image;
  const result = image.blank(height, width);
  const firstColumn = Math.max(0, -left);
  const columns = Math.min(width, image.width - left) - firstColumn;
  if (columns <= 0) return result;
  for (let y = Math.max(0, -top); y < height && y + top < image.height; y++) {
    const from = ((y + top) * image.width + left + firstColumn) * channels;
    result.data.set(data.subarray(from, from + columns * channels), (y * width + firstColumn) * channels);
  }
  return result;
}

/** Where each position of a padded row comes from; -1: from nowhere. */
export function paddedIndex(size: number, before: number, after: number, mode: PaddingMode, where: string): Int32Array {
  const most = Math.max(before, after);
  if ((mode === 'reflect' && most >= size) || (mode === 'symmetric' && most > size))
    throw new ArgumentError(`${where}: ${mode} padding of ${most} is too wide for a size of ${size}`);
  if (mode === 'edge' && size === 0) throw new ArgumentError(`${where}: nothing has no edge`);
  return Int32Array.from({ length: Math.max(0, size + before + after) }, (_, i) => {
    const at = i - before;
    if (at >= 0 && at < size) return at;
    switch (mode) {
      case 'constant':
        return -1;
      case 'edge':
        return at < 0 ? 0 : size - 1;
      case 'reflect':
        return at < 0 ? -at : 2 * (size - 1) - at;
      case 'symmetric':
        return at < 0 ? -at - 1 : 2 * size - 1 - at;
    }
  });
}

/** @param sizes left, top, right, bottom; negative ones crop */
export function pad(image: Image, sizes: readonly [number, number, number, number], mode: PaddingMode, fill: Fill, where: string): Image {
  const [left, top, right, bottom] = sizes;
  const { channels, data } = image;
  const columns = paddedIndex(image.width, left, right, mode, where);
  const rows = paddedIndex(image.height, top, bottom, mode, where);
  const result = image.blank(rows.length, columns.length);
  const values = fillOf(fill, channels, where);
  const out = result.data;
  let at = 0;
  for (const y of rows)
    for (const x of columns) {
      const from = (y * image.width + x) * channels;
      for (let c = 0; c < channels; c++) out[at++] = y < 0 || x < 0 ? values[c]! : data[from + c]!;
    }
  return result;
}

export function flipHorizontally(image: Image): Image {
  const { channels, height, width, data } = image;
  const result = image.blank();
  const out = result.data;
  for (let y = 0; y < height; y++)
    for (let x = 0, at = y * width * channels; x < width; x++) {
      const from = (y * width + (width - 1 - x)) * channels;
      for (let c = 0; c < channels; c++) out[at++] = data[from + c]!;
    }
  return result;
}

export function flipVertically(image: Image): Image {
  const row = image.width * image.channels;
  const result = image.blank();
  for (let y = 0; y < image.height; y++)
    result.data.set(image.data.subarray((image.height - 1 - y) * row, (image.height - y) * row), y * row);
  return result;
}
