// SPDX-License-Identifier: Apache-2.0
// Affine maps and smoothing.
import { ArgumentError } from '../../native/errors.js';
import { boolean, nullable, oneOf, optionsOf } from '../../native/options.js';
import type { Image } from '../image.js';
import { pair, roundHalfEven } from './arguments.js';
import { fill, fillOf, paddedIndex, type Fill } from './pixels.js';

export type WarpInterpolation = 'nearest' | 'bilinear';

export interface WarpOptions {
  interpolation?: WarpInterpolation;
  /** What is outside of the image; null: 0, without the smooth edge that bilinear interpolation gives to a fill. */
  fill?: Fill | null;
  /** [x, y] in pixels from the top left. Default: the middle. */
  center?: readonly [number, number] | null | undefined;
}
/** @internal */
export const warpOptions = optionsOf<WarpOptions>({ interpolation: oneOf('nearest', 'bilinear'), fill: nullable(fill), center: nullable(pair) });

export interface AffineMap {
  /** Degrees, clockwise. */
  angle: number;
  translate: readonly [x: number, y: number];
  scale: number;
  /** Degrees along x and y. */
  shear: readonly [x: number, y: number];
}

type Matrix = readonly [number, number, number, number, number, number];

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/**
 * From a pixel of the result to the one it comes from, both counted from the image's middle: the inverse of
 * translation · to the centre · rotation · scale · shear · back.
 */
function inverse({ angle, translate: [tx, ty], scale, shear }: AffineMap, [cx, cy]: readonly [number, number]): Matrix {
  const rotation = radians(angle);
  const [sx, sy] = shear.map(radians) as [number, number];
  const a = Math.cos(rotation - sy) / Math.cos(sy);
  const b = -(a * Math.tan(sx) + Math.sin(rotation));
  const c = Math.sin(rotation - sy) / Math.cos(sy);
  const d = Math.cos(rotation) - c * Math.tan(sx);
  // The determinant of [a b; c d] is 1.
  const [ia, ib, ic, id] = [d / scale, -b / scale, -c / scale, a / scale];
  return [ia, ib, cx - ia * (cx + tx) - ib * (cy + ty), ic, id, cy - ic * (cx + tx) - id * (cy + ty)];
}

function warp(image: Image, matrix: Matrix, height: number, width: number, interpolation: WarpInterpolation, fill: Fill | null): Image {
  const { channels, data } = image;
  const result = image.blank(height, width);
  const out = result.data;
  const outside = fill === null ? null : fillOf(fill, channels, 'warp');
  const bytes = image.dtype === 'uint8';
  const [a, b, tx, c, d, ty] = matrix.map(Math.fround) as unknown as Matrix;
  const f = Math.fround;
  const halfWidth = f(0.5 * image.width);
  const halfHeight = f(0.5 * image.height);
  let at = 0;
  for (let y = 0; y < height; y++) {
    const py = y + (1 - height) * 0.5;
    for (let x = 0; x < width; x++, at += channels) {
      const px = x + (1 - width) * 0.5;
      // Through the coordinates from -1 to 1 that PyTorch's grid has, in float32 as there: ties fall the same way.
      const gx = f(f(f(px * f(a / halfWidth)) + f(py * f(b / halfWidth))) + f(tx / halfWidth));
      const gy = f(f(f(px * f(c / halfHeight)) + f(py * f(d / halfHeight))) + f(ty / halfHeight));
      const sx = f(f(f(f(gx + 1) * image.width) - 1) / 2);
      const sy = f(f(f(f(gy + 1) * image.height) - 1) / 2);
      if (interpolation === 'nearest') {
        const nx = roundHalfEven(sx);
        const ny = roundHalfEven(sy);
        const inside = nx >= 0 && nx < image.width && ny >= 0 && ny < image.height;
        const from = (ny * image.width + nx) * channels;
        for (let k = 0; k < channels; k++) out[at + k] = inside ? data[from + k]! : outside ? (bytes ? roundHalfEven(outside[k]!) : outside[k]!) : 0;
        continue;
      }
      const x0 = Math.floor(sx);
      const y0 = Math.floor(sy);
      const wx = sx - x0;
      const wy = sy - y0;
      let mask = 0;
      for (let k = -1; k < channels; k++) {
        let sum = 0;
        for (let j = 0; j < 2; j++)
          for (let i = 0; i < 2; i++) {
            const nx = x0 + i;
            const ny = y0 + j;
            if (nx < 0 || nx >= image.width || ny < 0 || ny >= image.height) continue;
            const weight = (i ? wx : 1 - wx) * (j ? wy : 1 - wy);
            sum += k < 0 ? weight : weight * data[(ny * image.width + nx) * channels + k]!;
          }
        if (k < 0) {
          mask = sum;
          continue;
        }
        const value = outside ? (sum - outside[k]!) * mask + outside[k]! : sum;
        out[at + k] = bytes ? roundHalfEven(value) : value;
      }
    }
  }
  return result;
}

const centred = (image: Image, center: WarpOptions['center']): readonly [number, number] =>
  center ? [center[0] - image.width * 0.5, center[1] - image.height * 0.5] : [0, 0];

export function affine(image: Image, map: AffineMap, { interpolation = 'nearest', fill = null, center }: WarpOptions = {}): Image {
  if (image.data.length === 0) return image;
  return warp(image, inverse(map, centred(image, center)), image.height, image.width, interpolation, fill);
}

/** A quarter turn against the clock, `times` times. */
function quarterTurns(image: Image, times: number): Image {
  const { channels, data } = image;
  const swapped = times % 2 === 1;
  const [height, width] = swapped ? [image.width, image.height] : [image.height, image.width];
  const result = image.blank(height, width);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [sy, sx] = times === 1 ? [x, height - 1 - y] : times === 2 ? [height - 1 - y, width - 1 - x] : [width - 1 - x, y];
      const from = (sy * image.width + sx) * channels;
      for (let c = 0; c < channels; c++) result.data[(y * width + x) * channels + c] = data[from + c]!;
    }
  return result;
}

export interface RotateOptions extends WarpOptions {
  /** Make the result large enough for all of the rotated image. Default false. */
  expand?: boolean;
}
/** @internal */
export const rotateOptions = optionsOf<RotateOptions>({ ...warpOptions.schema, expand: boolean });

/** @param angle degrees, against the clock */
export function rotate(image: Image, angle: number, { interpolation = 'nearest', expand = false, fill = null, center }: RotateOptions = {}): Image {
  if (image.data.length === 0) return image;
  angle = ((angle % 360) + 360) % 360;
  if (!center) {
    if (angle === 0) return image;
    if (angle === 180) return quarterTurns(image, 2);
    if ((angle === 90 || angle === 270) && (expand || image.width === image.height)) return quarterTurns(image, angle / 90);
  }
  const matrix = inverse({ angle: -angle, translate: [0, 0], scale: 1, shear: [0, 0] }, centred(image, center));
  const [height, width] = expand ? expanded(matrix, image.height, image.width) : [image.height, image.width];
  return warp(image, matrix, height, width, interpolation, fill);
}

function expanded(matrix: Matrix, height: number, width: number): readonly [number, number] {
  const f = Math.fround;
  const [a, b, tx, c, d, ty] = matrix.map(f) as unknown as Matrix;
  const x: number[] = [];
  const y: number[] = [];
  for (const px of [-width / 2, width / 2])
    for (const py of [-height / 2, height / 2]) {
      x.push(f(f(f(px * a) + f(py * b)) + tx) + width / 2);
      y.push(f(f(f(px * c) + f(py * d)) + ty) + height / 2);
    }
  // What is beyond a whole number by less than 1e-4 is rounding.
  const cut = (v: number): number => Math.trunc(v * 1e4) / 1e4;
  const extent = (v: number[]): number => Math.ceil(cut(Math.max(...v))) - Math.floor(cut(Math.min(...v)));
  return [extent(y), extent(x)];
}

/** @param sizes odd numbers of pixels: width, height */
export function gaussianBlur(image: Image, sizes: readonly [number, number], sigma: readonly [number, number]): Image {
  const { channels, height, width, data } = image;
  if (data.length === 0) return image;
  const kernel = (size: number, s: number): Float64Array => {
    const limit = (size - 1) / (2 * Math.SQRT2);
    const weights = Float64Array.from({ length: size }, (_, i) => Math.exp(-(((size === 1 ? 0 : -limit + (2 * limit * i) / (size - 1)) / s) ** 2)));
    const total = weights.reduce((a, b) => a + b, 0);
    return weights.map((w) => w / total);
  };
  for (const size of sizes) if (size % 2 !== 1 || size < 1) throw new ArgumentError(`gaussianBlur: sizes must be odd and positive, got ${sizes.join(', ')}`);
  const [kx, ky] = [kernel(sizes[0], sigma[0]), kernel(sizes[1], sigma[1])];
  const [rx, ry] = [(sizes[0] - 1) / 2, (sizes[1] - 1) / 2];
  const columns = paddedIndex(width, rx, rx, 'reflect', 'gaussianBlur');
  const rows = paddedIndex(height, ry, ry, 'reflect', 'gaussianBlur');
  const across = new Float32Array(data.length);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++, at++) {
        let sum = 0;
        for (let k = 0; k < kx.length; k++) sum += kx[k]! * data[(y * width + columns[x + k]!) * channels + c]!;
        across[at] = sum;
      }
  const result = image.blank();
  const bytes = image.dtype === 'uint8';
  const row = width * channels;
  for (let y = 0, at = 0; y < height; y++)
    for (let i = 0; i < row; i++, at++) {
      let sum = 0;
      for (let k = 0; k < ky.length; k++) sum += ky[k]! * across[rows[y + k]! * row + i]!;
      result.data[at] = bytes ? roundHalfEven(sum) : sum;
    }
  return result;
}
