// SPDX-License-Identifier: Apache-2.0
// Image files, decoded by sharp (libvips): an optional package, loaded when the first file is.
import { readFile } from 'node:fs/promises';
import type SharpModule from 'sharp';
import { FileError, FormatError, LenodeError } from '../../native/errors.js';
import { oneOf, optionsOf } from '../../native/options.js';
import { Image } from '../image.js';
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

// A decoder looks at the content, not at the name: what is none of these (markup, documents) is not given to it.
function isRaster(b: Uint8Array): boolean {
  const text = (start: number, end: number): string => String.fromCharCode(...b.subarray(start, end));
  return (
    (b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff) ||
    text(1, 4) === 'PNG' ||
    text(0, 4) === 'GIF8' ||
    (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP') ||
    ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(text(0, 4)) ||
    text(4, 8) === 'ftyp'
  );
}

/**
 * The pixels of a JPEG, PNG, WebP, GIF (its first frame), TIFF, AVIF, PPM or PGM file, as torchvision's default loader
 * gives them: three channels of bytes, transparency dropped, colour profiles and the EXIF orientation not looked at.
 *
 * @param source what to call the bytes in errors
 * @param mode default 'RGB'
 * @throws ImageError for what can't be decoded; MissingPackageError without the package sharp
 */
export async function decodeImage(bytes: Uint8Array, source: string, options?: { mode?: ImageMode }): Promise<Image<Uint8Array>> {
  const { mode = 'RGB' } = imageOptions('decodeImage', options, arguments.length > 3);
  if (bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36))
    return convert(decodeNetpbm(bytes, (problem) => new ImageError(`${source}: ${problem}`, source)), mode);
  if (!isRaster(bytes)) throw new ImageError(`${source}: no image in a format that can be read (${bytes.length} bytes)`, source);
  const sharp = await loadSharp();
  try {
    let image = sharp(bytes, { failOn: 'error', ignoreIcc: true, pages: 1 }).toColourspace('srgb');
    if (mode === 'RGB' || mode === 'L') image = image.removeAlpha();
    if (mode === 'RGBA') image = image.ensureAlpha();
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const { channels, height, width } = info;
    // A Buffer's memory may be a part of a pool's.
    return convert(new Image(new Uint8Array(data.buffer, data.byteOffset, data.length), channels, height, width), mode);
  } catch (cause) {
    throw new ImageError(`${source}: the image is corrupt or can not be read: ${(cause as Error).message}`, source, { cause });
  }
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
