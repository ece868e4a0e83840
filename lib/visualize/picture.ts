// SPDX-License-Identifier: Apache-2.0
// Pictures as pixels, from arrays of numbers to PNG files.
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { writing } from '../io/atomic.js';
import { ArgumentError } from '../native/errors.js';
import { arrayOf, integer, kind, noMore, number, optionsOf, show } from '../native/options.js';

// Loaded by the first picture, not by every program.
const require = createRequire(import.meta.url);

/** A count of pictures or of pixels. */
export const count = kind<number>('a positive integer', (v) => v === Infinity || (Number.isSafeInteger(v) && (v as number) > 0));

// As many as a typed array's bytes can be addressed with.
const MOST_PIXELS = 2 ** 29;

function checkCount(value: unknown, where: string, name: string): void {
  if (value === Infinity || !count.test(value)) throw new ArgumentError(`${where}: ${name} must be ${count.what}, got ${show(value)}`);
}

function checkPicture(value: unknown, where: string): void {
  if (!(value instanceof Picture)) throw new ArgumentError(`${where}: expected a Picture, got ${show(value)}`);
}

function checkValues(values: unknown, length: number, where: string): void {
  const given = (values as ArrayLike<unknown> | null | undefined)?.length;
  if (typeof values !== 'object' || given !== length)
    throw new ArgumentError(`${where}: expected ${length} numbers, got ${given === undefined ? show(values) : given}`);
}

/** An RGB picture: three bytes a pixel, row by row. */
export class Picture {
  readonly pixels: Uint8Array;

  constructor(
    readonly width: number,
    readonly height: number,
    /** The colour it begins with. Default white. */
    background: Colour = [255, 255, 255],
  ) {
    noMore(new.target.name, arguments.length > 3);
    checkCount(width, 'Picture', 'width');
    checkCount(height, 'Picture', 'height');
    if (width * height > MOST_PIXELS) throw new ArgumentError(`Picture: at most ${MOST_PIXELS} pixels, got ${width} x ${height}`);
    if (!arrayOf(number, 3).test(background)) throw new ArgumentError(`Picture: background must be [red, green, blue], got ${show(background)}`);
    this.pixels = new Uint8Array(width * height * 3);
    for (let i = 0; i < this.pixels.length; i++) this.pixels[i] = background[i % 3]!;
  }

  set(x: number, y: number, [red, green, blue]: Colour): void {
    const at = (y * this.width + x) * 3;
    this.pixels[at] = red;
    this.pixels[at + 1] = green;
    this.pixels[at + 2] = blue;
  }

  /** Copies another picture, each of its pixels as a square of `scale` pixels. */
  paste(other: Picture, left: number, top: number, scale = 1): void {
    checkPicture(other, 'paste');
    checkCount(scale, 'paste', 'scale');
    for (const at of [left, top])
      if (!Number.isSafeInteger(at) || at < 0) throw new ArgumentError(`paste: left and top must be non-negative integers, got ${show(at)}`);
    if (left + other.width * scale > this.width || top + other.height * scale > this.height)
      throw new ArgumentError(
        `paste: ${other.width} x ${other.height} pixels, ${scale} times as large, do not fit at ${left}, ${top} of ` +
          `${this.width} x ${this.height}`,
      );
    for (let y = 0; y < other.height * scale; y++)
      for (let x = 0; x < other.width * scale; x++) {
        const from = (Math.floor(y / scale) * other.width + Math.floor(x / scale)) * 3;
        this.set(left + x, top + y, [other.pixels[from]!, other.pixels[from + 1]!, other.pixels[from + 2]!]);
      }
  }

  /** The picture as a PNG file's bytes. */
  toPng(): Buffer {
    const { PNG } = require('pngjs') as typeof import('pngjs');
    const png = new PNG({ width: this.width, height: this.height, colorType: 2 });
    for (let i = 0, j = 0; i < this.pixels.length; i += 3, j += 4) {
      png.data.set(this.pixels.subarray(i, i + 3), j);
      png.data[j + 3] = 255;
    }
    return PNG.sync.write(png, { colorType: 2 });
  }

  /** Writes a PNG file; missing folders are made. */
  async save(path: string): Promise<void> {
    await writing(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, this.toPng());
    });
  }
}

export type Colour = readonly [red: number, green: number, blue: number];

/** A colour for a number in [0, 1]. */
export type Palette = (value: number) => Colour;

const mix = (a: Colour, b: Colour, t: number): Colour => [0, 1, 2].map((i) => Math.round(a[i]! + (b[i]! - a[i]!) * t)) as never;

function stops(...colours: readonly Colour[]): Palette {
  return (value) => {
    const at = Math.min(Math.max(value, 0), 1) * (colours.length - 1);
    const i = Math.min(Math.floor(at), colours.length - 2);
    return mix(colours[i]!, colours[i + 1]!, at - i);
  };
}

export const gray: Palette = stops([0, 0, 0], [255, 255, 255]);
/** From dark violet to yellow, with evenly growing lightness: for amounts. */
export const amounts: Palette = stops([68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]);
/** Blue, white, red: for numbers around zero. */
export const signed: Palette = stops([33, 102, 172], [247, 247, 247], [178, 24, 43]);

/** A plane of numbers between two limits, which become the ends of the palette. */
export function planePicture(
  values: ArrayLike<number>,
  width: number,
  height: number,
  palette: Palette,
  limits?: readonly [number, number],
): Picture {
  noMore('planePicture', arguments.length > 5);
  const picture = new Picture(width, height);
  checkValues(values, width * height, 'planePicture');
  if (typeof palette !== 'function') throw new ArgumentError(`planePicture: palette must be a function, got ${show(palette)}`);
  if (limits !== undefined && !arrayOf(number, 2).test(limits))
    throw new ArgumentError(`planePicture: the limits must be [low, high], got ${show(limits)}`);
  const [low, high] = limits ?? rangeOf(values);
  const range = high > low ? high - low : 1;
  for (let i = 0; i < width * height; i++) {
    const value = values[i]!;
    picture.set(i % width, Math.floor(i / width), palette(Number.isNaN(value) ? 0 : (value - low) / range));
  }
  return picture;
}

/** A [C, H, W] image of three channels, or the first channel of one of another number; the values' range is stretched to black and white. */
export function imagePicture(values: ArrayLike<number>, shape: readonly number[]): Picture {
  noMore('imagePicture', arguments.length > 2);
  if (!arrayOf(integer, 3).test(shape)) throw new ArgumentError(`imagePicture: the shape must be [C, H, W], got ${show(shape)}`);
  const [channels, height, width] = shape as unknown as [number, number, number];
  checkValues(values, channels * height * width, 'imagePicture');
  if (channels !== 3) return planePicture(Array.from({ length: width * height }, (_, i) => values[i]!), width, height, gray);
  const [low, high] = rangeOf(values);
  const range = high > low ? high - low : 1;
  const picture = new Picture(width, height);
  const plane = width * height;
  for (let i = 0; i < plane; i++)
    picture.set(
      i % width,
      Math.floor(i / width),
      [0, 1, 2].map((c) => Math.round((255 * (values[c * plane + i]! - low)) / range)) as unknown as Colour,
    );
  return picture;
}

/** Least and greatest of the finite values; [0, 1] if there are none. */
export function rangeOf(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}

export interface GridOptions {
  /** Pictures in a row. Default: as many as make the grid about square. */
  columns?: number;
  /** Pixels of the result for one of a picture's. Default: what makes each picture about 48 pixels wide, at least 1. */
  scale?: number;
  /** Pixels between pictures. Default 2. */
  gap?: number;
}
/** @internal */
export const gridOptions = optionsOf<GridOptions>({ columns: count, scale: count, gap: number });

/** Pictures of one size in rows. @throws ArgumentError when there is none */
export function grid(pictures: readonly Picture[], options?: GridOptions): Picture {
  options = gridOptions('grid', options, arguments.length > 2);
  if (!Array.isArray(pictures)) throw new ArgumentError(`grid: expected an array of pictures, got ${show(pictures)}`);
  for (const picture of pictures) checkPicture(picture, 'grid');
  const first = pictures[0] as Picture | undefined;
  if (!first) throw new ArgumentError('grid: there is no picture');
  const { columns = Math.ceil(Math.sqrt(pictures.length)), gap = 2 } = options;
  const scale = options.scale ?? Math.max(1, Math.round(48 / first.width));
  const [width, height] = [first.width * scale + gap, first.height * scale + gap];
  const rows = Math.ceil(pictures.length / columns);
  const result = new Picture(Math.min(columns, pictures.length) * width + gap, rows * height + gap);
  pictures.forEach((picture, i) => result.paste(picture, gap + (i % columns) * width, gap + Math.floor(i / columns) * height, scale));
  return result;
}
