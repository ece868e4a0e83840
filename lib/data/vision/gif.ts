// SPDX-License-Identifier: Apache-2.0
import { Image } from '../image.js';
import { MAX_PIXELS } from './limits.js';

/**
 * The first frame of a GIF file on its canvas, as Pillow has it: transparent pixels keep their colour (which a program
 * that composes animations throws away), what the frame leaves free has the transparent colour or the first one, and a
 * frame that is larger than the canvas enlarges it. One channel for the palette of all greys, and for no palette; four if
 * a colour is transparent, else three.
 * @param fail makes the error of a problem
 */
export function decodeGif(bytes: Uint8Array, fail: (problem: string) => Error): Image<Uint8Array> {
  let at = 6;
  const byte = (): number => {
    if (at >= bytes.length) throw fail('truncated');
    return bytes[at++]!;
  };
  const word = (): number => byte() | (byte() << 8);
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw fail('truncated');
    return bytes.subarray(at, (at += length));
  };
  const table = (flags: number): Uint8Array | undefined => (flags & 0x80 ? take(3 << ((flags & 7) + 1)) : undefined);
  let [width, height] = [word(), word()];
  const screen = byte();
  at += 2;
  let palette = table(screen);
  let transparent = -1;
  for (;;) {
    const kind = byte();
    if (kind === 0x2c) break;
    if (kind === 0x3b) throw fail('it has no frame');
    if (kind !== 0x21) continue;
    const label = byte();
    for (let size = byte(), first = true; size > 0; size = byte(), first = false) {
      const block = take(size);
      if (label === 0xf9 && first && size >= 4 && block[0]! & 1) transparent = block[3]!;
    }
  }
  const [left, top, columns, rows] = [word(), word(), word(), word()];
  const flags = byte();
  palette = table(flags) ?? palette;
  width = Math.max(width, left + columns);
  height = Math.max(height, top + rows);
  if (width < 1 || height < 1 || width * height > MAX_PIXELS) throw fail(`its size is ${width} x ${height}`);

  const frame = new Uint8Array(columns * rows);
  unpack(bytes, at, frame, fail);
  const canvas = new Uint8Array(width * height).fill(Math.max(0, transparent));
  const order = flags & 0x40 ? INTERLACED : [[0, 1] as const];
  let row = 0;
  for (const [start, step] of order)
    for (let y = start; y < rows; y += step, row++) canvas.set(frame.subarray(row * columns, (row + 1) * columns), (top + y) * width + left);
  if (palette === undefined || (transparent < 0 && palette.every((value, i) => value === Math.floor(i / 3)))) return new Image(canvas, 1, height, width);
  return coloured(canvas, palette, transparent, height, width);
}

const INTERLACED = [[0, 8], [4, 8], [2, 4], [1, 2]] as const;

// Entries that a palette does not have are black.
function coloured(indices: Uint8Array, palette: Uint8Array, transparent: number, height: number, width: number): Image<Uint8Array> {
  const channels = transparent < 0 ? 3 : 4;
  const out = new Uint8Array(indices.length * channels);
  indices.forEach((index, i) => {
    for (let c = 0; c < 3; c++) out[i * channels + c] = palette[index * 3 + c] ?? 0;
    if (channels === 4) out[i * 4 + 3] = index === transparent ? 0 : 255;
  });
  return new Image(out, channels, height, width);
}

/** The compressed data at `at`: codes of up to 12 bits, each a row of indices that is an earlier one and one more. */
function unpack(bytes: Uint8Array, at: number, out: Uint8Array, fail: (problem: string) => Error): void {
  const depth = bytes[at++]!;
  if (!(depth >= 1 && depth <= 11)) throw fail('corrupt: the code size is out of range');
  const clear = 1 << depth;
  const prefix = new Uint16Array(4096);
  const suffix = new Uint8Array(4096);
  const row = new Uint8Array(4097);
  let [size, next, before, first] = [depth + 1, clear + 2, -1, 0];
  let [bits, count, left] = [0, 0, 0];
  for (let written = 0; written < out.length; ) {
    while (count < size) {
      if (left === 0) left = bytes[at++] ?? 0;
      if (left === 0 || at >= bytes.length) throw fail('truncated');
      bits |= bytes[at++]! << count;
      count += 8;
      left--;
    }
    const code = bits & ((1 << size) - 1);
    bits >>>= size;
    count -= size;
    if (code === clear) {
      [size, next, before] = [depth + 1, clear + 2, -1];
      continue;
    }
    if (code === clear + 1) return;
    if (code > next || (code === next && before < 0)) throw fail('corrupt: a code that is not there');
    let length = 0;
    let walk = code;
    if (code === next) {
      row[length++] = first;
      walk = before;
    }
    while (walk >= clear) {
      if (walk < clear + 2) throw fail('corrupt: a code that is not there');
      row[length++] = suffix[walk]!;
      walk = prefix[walk]!;
    }
    row[length++] = first = walk;
    if (before >= 0 && next < 4096) {
      prefix[next] = before;
      suffix[next++] = first;
      if (next === 1 << size && size < 12) size++;
    }
    before = code;
    while (length > 0 && written < out.length) out[written++] = row[--length]!;
  }
}
