// SPDX-License-Identifier: Apache-2.0
// Resizing by separable filters, with PyTorch's numbers: floats with float weights, bytes with weights that are integers
// over a power of two, rounded after each of the two passes.
import { types } from 'node:util';
import type { Image, Pixels } from '../image.js';

export type Interpolation = 'nearest' | 'nearest-exact' | 'bilinear' | 'bicubic';

interface Filter {
  readonly support: number;
  weight(x: number): number;
}

const triangle: Filter = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

// Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29, 1981.
function keys(a: number): Filter {
  return {
    support: 2,
    weight(x) {
      x = Math.abs(x);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  };
}
// PyTorch's coefficients with and without antialiasing.
const cubicSmooth = keys(-0.5);
const cubicSharp = keys(-0.75);

/** For each of the outputs: the first input, how many, and their weights (a row of `width` for each). */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Float64Array;
  readonly width: number;
}

function taps(from: number, to: number, interpolation: 'bilinear' | 'bicubic', antialias: boolean): Taps {
  const scale = from / to;
  const filter = interpolation === 'bilinear' ? triangle : antialias ? cubicSmooth : cubicSharp;
  const stretch = antialias ? Math.max(1, scale) : 1;
  const support = filter.support * stretch;
  const width = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Float64Array(to * width);
  for (let i = 0; i < to; i++) {
    const center = scale * (i + 0.5);
    if (antialias) {
      const low = Math.max(0, Math.trunc(center - support + 0.5));
      const n = Math.min(width, Math.min(from, Math.trunc(center + support + 0.5)) - low);
      let total = 0;
      for (let j = 0; j < n; j++) total += weights[i * width + j] = filter.weight((low + j - center + 0.5) / stretch);
      for (let j = 0; j < n; j++) weights[i * width + j]! /= total;
      first[i] = low;
      count[i] = n;
    } else {
      // Inputs beyond the edge are the edge's: their weights are added to it.
      const source = interpolation === 'bilinear' ? Math.max(0, center - 0.5) : center - 0.5;
      const base = Math.floor(source) - filter.support + 1;
      const low = Math.min(Math.max(0, base), from - 1);
      let n = 0;
      for (let j = 0; j < 2 * filter.support; j++) {
        const at = Math.min(Math.max(0, base + j), from - 1) - low;
        weights[i * width + at]! += filter.weight(source - (base + j));
        n = Math.max(n, at + 1);
      }
      first[i] = low;
      count[i] = n;
    }
  }
  return { first, count, weights, width };
}

// The weights of bytes: as many fractional bits as leave the largest weight within 16 bits.
function integerWeights({ weights }: Taps): { values: Int32Array; bits: number } {
  const largest = weights.reduce((a, b) => Math.max(a, b), 0);
  let bits = 0;
  while (bits < 22 && Math.trunc(0.5 + largest * 2 ** (bits + 1)) < 2 ** 15) bits++;
  return { values: Int32Array.from(weights, (w) => Math.trunc(w * 2 ** bits + (w < 0 ? -0.5 : 0.5))), bits };
}

type Weights = { values: Int32Array | Float64Array; bits: number };

// Along the rows of an array [outer, from, inner].
function pass(source: Pixels, target: Pixels, outer: number, from: number, to: number, inner: number, t: Taps): void {
  const bytes = types.isUint8Array(source);
  const { values, bits }: Weights = bytes ? integerWeights(t) : { values: t.weights, bits: 0 };
  const half = bits > 0 ? 1 << (bits - 1) : 0;
  for (let o = 0; o < outer; o++) {
    const base = o * from * inner;
    let at = o * to * inner;
    for (let i = 0; i < to; i++) {
      const start = base + t.first[i]! * inner;
      const n = t.count[i]!;
      const row = i * t.width;
      for (let k = 0; k < inner; k++) {
        let sum = half;
        for (let j = 0, p = start + k; j < n; j++, p += inner) sum += values[row + j]! * source[p]!;
        if (bytes) {
          const rounded = sum >> bits;
          target[at++] = rounded < 0 ? 0 : rounded > 255 ? 255 : rounded;
        } else target[at++] = sum;
      }
    }
  }
}

function nearest(image: Image, height: number, width: number, exact: boolean): Image {
  const { channels, data } = image;
  const result = image.blank(height, width);
  const positions = (from: number, to: number): Int32Array => {
    const scale = Math.fround(from / to);
    return Int32Array.from({ length: to }, (_, i) => Math.min(from - 1, Math.floor(Math.fround((exact ? i + 0.5 : i) * scale))));
  };
  const rows = positions(image.height, height);
  const columns = positions(image.width, width);
  let at = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = (rows[y]! * image.width + columns[x]!) * channels;
      for (let c = 0; c < channels; c++) result.data[at++] = data[from + c]!;
    }
  return result;
}

/** The image in another size; the image itself if it has that size. */
export function resize(image: Image, height: number, width: number, interpolation: Interpolation, antialias: boolean): Image {
  if (height === image.height && width === image.width) return image;
  if (image.data.length === 0) return image.blank(height, width);
  if (interpolation === 'nearest' || interpolation === 'nearest-exact')
    return nearest(image, height, width, interpolation === 'nearest-exact');
  const { channels } = image;
  let result = image;
  if (width !== image.width) {
    result = image.blank(image.height, width);
    pass(image.data, result.data, image.height, image.width, width, channels, taps(image.width, width, interpolation, antialias));
  }
  if (height !== image.height) {
    const across = result;
    result = image.blank(height, width);
    pass(across.data, result.data, 1, image.height, height, width * channels, taps(image.height, height, interpolation, antialias));
  }
  return result;
}
