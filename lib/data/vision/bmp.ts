// SPDX-License-Identifier: Apache-2.0
import { Image } from '../image.js';
import { MAX_PIXELS } from './limits.js';

type Fail = (problem: string) => Error;

// Where red, green, blue and alpha are in a pixel's little-endian bytes, by the masks of a file; -1: no alpha.
const LAYOUTS: readonly (readonly [masks: readonly number[], at: readonly number[]])[] = [
  [[0xff0000, 0xff00, 0xff, 0], [2, 1, 0, -1]],
  [[0xff000000, 0xff0000, 0xff00, 0], [3, 2, 1, -1]],
  [[0xff000000, 0xff00, 0xff, 0], [3, 1, 0, -1]],
  [[0xff000000, 0xff0000, 0xff00, 0xff], [3, 2, 1, 0]],
  [[0xff, 0xff00, 0xff0000, 0xff000000], [0, 1, 2, 3]],
  [[0xff0000, 0xff00, 0xff, 0xff000000], [2, 1, 0, 3]],
  [[0xff000000, 0xff00, 0xff, 0xff0000], [3, 1, 0, 2]],
  [[0, 0, 0, 0], [2, 1, 0, 3]],
];

/**
 * BMP files: palettes of 1, 4 and 8 bits, also run-length encoded, and pixels of 16, 24 and 32 bits with the bit fields
 * that Pillow knows. One channel for a palette of all greys, four where bit fields name alpha, else three.
 * @param fail makes the error of a problem
 */
export function decodeBmp(bytes: Uint8Array, fail: Fail): Image<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const checked = (at: number, size: number): number => {
    if (at + size > bytes.length) throw fail('truncated');
    return at;
  };
  const u16 = (at: number): number => view.getUint16(checked(at, 2), true);
  const u32 = (at: number): number => view.getUint32(checked(at, 4), true);
  const header = u32(14);
  if (![12, 40, 52, 56, 64, 108, 124].includes(header)) throw fail(`its header has ${header} bytes, which is no kind of BMP`);
  const old = header === 12;
  const width = old ? u16(18) : u32(18);
  const topDown = !old && bytes[checked(25, 1)] === 0xff;
  const height = old ? u16(20) : topDown ? 2 ** 32 - u32(22) : u32(22);
  const bits = old ? u16(24) : u16(28);
  const compression = old ? 0 : u32(30);
  const colours = (old ? 0 : u32(46)) || 1 << bits;
  if (width < 1 || height < 1 || width * height > MAX_PIXELS) throw fail(`its size is ${width} x ${height}`);
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw fail(`it has ${bits} bits per pixel`);
  const entry = old ? 3 : 4;
  let start = u32(10) || 14 + header;
  let at = 14 + header;
  let masks: number[] | undefined;
  if (compression === 3) {
    const inHeader = header >= 52;
    masks = [0, 1, 2, 3].map((i) => (i < 3 || header >= 56 ? u32((inHeader ? 54 : at) + 4 * i) : 0));
    if (!inHeader) at += 12;
  } else if (compression > 2) throw fail(`its compression ${compression} is none that can be read`);
  const row = (y: number): number => (topDown ? y : height - 1 - y);
  const stride = Math.floor((width * bits + 31) / 32) * 4;
  if ((compression === 0 || compression === 3) && start + stride * height > bytes.length) throw fail(`truncated: ${width} x ${height} pixels need ${stride * height} bytes, ${bytes.length - start} are left`);

  if (bits <= 8) {
    if (compression === 3) throw fail('bit fields in a file with a palette');
    if (colours > 65536) throw fail(`its palette has ${colours} entries`);
    const palette = bytes.subarray(at, at + entry * colours);
    if (start === 14 + header) start += entry * colours;
    const indices = compression === 0 ? unpacked(bytes, start, stride, bits, width, height) : runs(bytes, start, compression === 2, width, height, fail);
    return coloured(indices, palette, entry, colours, width, height, row);
  }
  if (compression === 1 || compression === 2) throw fail('runs in a file without a palette');
  if (bits === 16) {
    const green = !masks || masks[1] === 0x3e0 ? 5 : 6;
    if (masks && ![[0x7c00, 0x3e0, 0x1f], [0xf800, 0x7e0, 0x1f]].some((known) => known.every((mask, i) => mask === masks[i])))
      throw fail('its bit fields are none that can be read');
    const out = new Uint8Array(width * height * 3);
    for (let y = 0, o = 0; y < height; y++)
      for (let x = 0, i = start + row(y) * stride; x < width; x++, i += 2) {
        const value = bytes[i]! | (bytes[i + 1]! << 8);
        out[o++] = Math.floor(((value >> (5 + green)) & 31) * 255 / 31);
        out[o++] = Math.floor(((value >> 5) & ((1 << green) - 1)) * 255 / ((1 << green) - 1));
        out[o++] = Math.floor((value & 31) * 255 / 31);
      }
    return new Image(out, 3, height, width);
  }
  let places: readonly number[] = [2, 1, 0, -1];
  if (masks) {
    const found = LAYOUTS.find(([known]) => known.every((mask, i) => mask === masks[i] || (bits === 24 && i === 3)));
    if (!found || (bits === 24 && masks[0] !== 0xff0000)) throw fail('its bit fields are none that can be read');
    places = bits === 24 ? places : found[1];
  }
  const channels = places[3]! < 0 ? 3 : 4;
  const out = new Uint8Array(width * height * channels);
  for (let y = 0, o = 0; y < height; y++)
    for (let x = 0, i = start + row(y) * stride; x < width; x++, i += bits / 8)
      for (let c = 0; c < channels; c++) out[o++] = bytes[i + places[c]!]!;
  return new Image(out, channels, height, width);
}

function unpacked(bytes: Uint8Array, start: number, stride: number, bits: number, width: number, height: number): Uint8Array {
  const out = new Uint8Array(width * height);
  const mask = (1 << bits) - 1;
  for (let y = 0, o = 0; y < height; y++)
    for (let x = 0; x < width; x++, o++) {
      const bit = x * bits;
      out[o] = (bytes[start + y * stride + (bit >> 3)]! >> (8 - bits - (bit & 7))) & mask;
    }
  return out;
}

// Pairs of a count and a value; a count of 0 ends a row, the picture, moves on, or begins values as they are.
function runs(bytes: Uint8Array, at: number, nibbles: boolean, width: number, height: number, fail: Fail): Uint8Array {
  const out = new Uint8Array(width * height);
  let [o, x] = [0, 0];
  while (o < out.length) {
    const [count, value] = [bytes[at++], bytes[at++]];
    if (value === undefined) break;
    if (count! > 0) {
      const length = Math.min(count!, Math.max(0, width - x), out.length - o);
      for (let i = 0; i < length; i++) out[o++] = !nibbles ? value : i % 2 === 0 ? value >> 4 : value & 15;
      x += length;
    } else if (value === 0) {
      o = Math.ceil(o / width) * width;
      x = 0;
    } else if (value === 1) break;
    else if (value === 2) {
      if (at + 2 > bytes.length) break;
      o = Math.min(out.length, o + bytes[at]! + bytes[at + 1]! * width);
      at += 2;
      x = o % width;
    } else {
      const length = Math.min(value, out.length - o);
      const size = nibbles ? (length + 1) >> 1 : length;
      if (at + size > bytes.length) break;
      for (let i = 0; i < length; i++) out[o++] = !nibbles ? bytes[at + i]! : i % 2 === 0 ? bytes[at + (i >> 1)]! >> 4 : bytes[at + (i >> 1)]! & 15;
      at += size;
      x += value;
      at += at % 2;
    }
  }
  if (o < out.length) throw fail('truncated: its runs end before the picture does');
  return out;
}

function coloured(
  indices: Uint8Array,
  palette: Uint8Array,
  entry: number,
  colours: number,
  width: number,
  height: number,
  row: (y: number) => number,
): Image<Uint8Array> {
  const grey = (i: number): number => (colours === 2 ? i * 255 : i);
  const greys = palette.length >= entry * colours && Array.from({ length: colours }, (_, i) => [0, 1, 2].every((c) => palette[i * entry + c] === grey(i) % 256)).every(Boolean);
  const channels = greys ? 1 : 3;
  const out = new Uint8Array(width * height * channels);
  for (let y = 0, o = 0; y < height; y++)
    for (let x = 0, i = row(y) * width; x < width; x++, i++) {
      const index = indices[i]!;
      if (greys) out[o++] = grey(index);
      else for (let c = 2; c >= 0; c--) out[o++] = palette[index * entry + c] ?? 0;
    }
  return new Image(out, channels, height, width);
}
