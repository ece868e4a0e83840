// SPDX-License-Identifier: Apache-2.0
// Image files, decoded by sharp (libvips): an optional package, loaded when the first file is.
import { readFile } from 'node:fs/promises';
import type SharpModule from 'sharp';
import { FileError, FormatError, LenodeError } from '../../native/errors.js';
import { oneOf, optionsOf } from '../../native/options.js';
import { Image } from '../image.js';
import { decodeBmp } from './bmp.js';
import { decodeGif } from './gif.js';
import { decodeNetpbm } from './netpbm.js';

/** A file that is no image, or a corrupt or truncated one. */
export class ImageError extends FormatError {
  constructor(
    message: string,
    /** The file, or what its bytes were called. */
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A package that is needed for what was asked, and not installed. */
export class MissingPackageError extends LenodeError {}

type Sharp = typeof SharpModule;
let loading: Promise<Sharp> | undefined;

/**
 * @internal The main thread must have loaded it before a worker does: its libraries can't be loaded by another first.
 * @throws MissingPackageError
 */
export function loadSharp(): Promise<Sharp> {
  return (loading ??= import('sharp').then(
    (module) => module.default,
    (cause: Error) => {
      loading = undefined;
      throw new MissingPackageError(`image files are decoded by the package sharp, which could not be loaded: npm install sharp (${cause.message})`, { cause });
    },
  ));
}

/** What an image is made into: three channels, one, four, or as many as the file has. */
export type ImageMode = 'RGB' | 'L' | 'RGBA' | 'unchanged';
/** @internal */
export const imageOptions = optionsOf<{ mode?: ImageMode }>({ mode: oneOf('RGB', 'L', 'RGBA', 'unchanged') });

const starts = (b: Uint8Array, text: string, at = 0): boolean => {
  for (let i = 0; i < text.length; i++) if (b[at + i] !== text.charCodeAt(i)) return false;
  return true;
};
const isTiff = (b: Uint8Array): boolean => ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((mark) => starts(b, mark));
const isJpeg = (b: Uint8Array): boolean => starts(b, '\xff\xd8\xff');
const isPng = (b: Uint8Array): boolean => starts(b, 'PNG', 1);

// sharp looks at the content, not at the name: what is none of these (markup, documents) is not given to it.
const isForSharp = (b: Uint8Array): boolean =>
  isJpeg(b) || isPng(b) || isTiff(b) || (starts(b, 'RIFF') && starts(b, 'WEBP', 8)) || starts(b, 'ftyp', 4);

// What lenode reads itself: sharp does not read it, or not as Pillow does.
function ownDecoder(b: Uint8Array): ((bytes: Uint8Array, fail: (problem: string) => Error) => Image<Uint8Array>) | undefined {
  if (b[0] === 0x50 && b[1]! >= 0x31 && b[1]! <= 0x36) return decodeNetpbm;
  if (starts(b, 'GIF87a') || starts(b, 'GIF89a')) return decodeGif;
  return starts(b, 'BM') ? decodeBmp : undefined;
}

/**
 * The pixels of a JPEG, PNG, WebP, GIF (its first frame), BMP, TIFF, AVIF, PBM, PGM or PPM file, as torchvision's default
 * loader gives them: three channels of bytes, transparency dropped, colour profiles not looked at, and the orientation
 * of TIFF files alone. Greys of 16 bits become 255 where they are more than that, as in Pillow.
 *
 * @param source what to call the bytes in errors
 * @param mode default 'RGB'
 * @throws ImageError for what can't be decoded; MissingPackageError without the package sharp
 */
export async function decodeImage(bytes: Uint8Array, source: string, options?: { mode?: ImageMode }): Promise<Image<Uint8Array>> {
  const { mode = 'RGB' } = imageOptions('decodeImage', options, arguments.length > 3);
  const own = ownDecoder(bytes);
  if (own) return convert(own(bytes, (problem) => new ImageError(`${source}: ${problem}`, source)), mode);
  if (!isForSharp(bytes)) throw new ImageError(`${source}: no image in a format that can be read (${bytes.length} bytes)`, source);
  const sharp = await loadSharp();
  try {
    return convert(await decodeBySharp(sharp, bytes, mode), mode);
  } catch (cause) {
    throw new ImageError(`${source}: the image is corrupt or can not be read: ${(cause as Error).message}`, source, { cause });
  }
}

async function decodeBySharp(sharp: Sharp, bytes: Uint8Array, mode: ImageMode): Promise<Image<Uint8Array>> {
  let image = sharp(bytes, { failOn: 'error', ignoreIcc: true, pages: 1 });
  if (isTiff(bytes)) image = image.autoOrient();
  // The usual files are recognised by a few bytes, the others by a second look at the header.
  const usual = mode !== 'unchanged' && (isPng(bytes) ? bytes[24] !== 16 : isJpeg(bytes) ? jpegComponents(bytes) !== 4 : !isTiff(bytes));
  const space = usual ? 'srgb' : (await image.metadata()).space;
  const grey = space === 'b-w' || space === 'grey16';
  if (space === 'cmyk') image = image.pipelineColourspace('cmyk').toColourspace('cmyk');
  else if (space === 'grey16') image = image.toColourspace('grey16');
  else image = image.toColourspace('srgb');
  if (mode === 'RGB' || mode === 'L') image = image.removeAlpha();
  if (mode === 'RGBA' && !grey && space !== 'cmyk') image = image.ensureAlpha();
  const { data, info } = await image.raw({ depth: space === 'grey16' ? 'ushort' : 'uchar' }).toBuffer({ resolveWithObject: true });
  const { channels, height, width } = info;
  // A Buffer's memory may be a part of a pool's.
  const values = new Uint8Array(data.buffer, data.byteOffset, data.length);
  if (space === 'cmyk') return new Image(fromInk(values, channels), 3, height, width);
  if (space !== 'grey16') return grey && channels > 2 ? first(values, channels, height, width) : new Image(values, channels, height, width);
  const wide = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
  // Pillow takes the upper bytes of a grey PNG with alpha, and has wider greys for others.
  const upper = isPng(bytes) && bytes[25] === 4;
  return new Image(Uint8Array.from(wide, upper ? (v) => v >> 8 : (v) => Math.min(255, v)), channels, height, width);
}

// Of equal colours one, and alpha if there is any.
function first(values: Uint8Array, channels: number, height: number, width: number): Image<Uint8Array> {
  const kept = channels - 2;
  const out = new Uint8Array(height * width * kept);
  for (let i = 0, o = 0; i < values.length; i += channels) {
    out[o++] = values[i]!;
    if (kept === 2) out[o++] = values[i + 3]!;
  }
  return new Image(out, kept, height, width);
}

// The number of components in the frame's header; 0 if there is none.
function jpegComponents(b: Uint8Array): number {
  for (let at = 2; at + 9 < b.length && b[at] === 0xff; ) {
    const marker = b[at + 1]!;
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) return b[at + 9]!;
    at += marker === 0xff ? 1 : 2 + ((b[at + 2]! << 8) | b[at + 3]!);
  }
  return 0;
}

// Pillow's conversion of cyan, magenta, yellow and black, all 255 where ink is full.
function fromInk(ink: Uint8Array, channels: number): Uint8Array {
  const out = new Uint8Array((ink.length / channels) * 3);
  for (let i = 0, o = 0; i < ink.length; i += channels) {
    const light = 255 - ink[i + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = ink[i + c]! * light + 128;
      out[o++] = Math.max(0, light - ((product + (product >> 8)) >> 8));
    }
  }
  return out;
}

/** @throws FileError when the file can't be read; and as decodeImage() */
export async function readImage(path: string, options?: { mode?: ImageMode }): Promise<Image<Uint8Array>> {
  options = imageOptions('readImage', options, arguments.length > 2);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FileError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  return decodeImage(bytes, path, options);
}

function convert(image: Image<Uint8Array>, mode: ImageMode): Image<Uint8Array> {
  const { data, channels, height, width } = image;
  const wanted = { RGB: 3, L: 1, RGBA: 4, unchanged: channels }[mode];
  if (wanted === channels) return image;
  const pixels = height * width;
  const out = new Uint8Array(pixels * wanted);
  for (let i = 0; i < pixels; i++) {
    const at = i * channels;
    const r = data[at]!;
    const g = channels < 3 ? r : data[at + 1]!;
    const b = channels < 3 ? r : data[at + 2]!;
    // ITU-R 601 with the fixed-point weights of Pillow's conversion to L.
    if (wanted === 1) out[i] = channels < 3 ? r : (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else {
      out[i * wanted] = r;
      out[i * wanted + 1] = g;
      out[i * wanted + 2] = b;
      if (wanted === 4) out[i * wanted + 3] = channels === 2 ? data[at + 1]! : 255;
    }
  }
  return new Image(out, wanted, height, width);
}
