// SPDX-License-Identifier: Apache-2.0
import { Image } from '../image.js';
import { MAX_PIXELS } from './limits.js';

/**
 * PBM, PGM and PPM files, binary (P4, P5, P6) and plain (P1, P2, P3). Values are scaled to 255 with Python's rounding. Grey
 * values above 255 become 255: so Pillow converts its wide greys, to which PGM files of two bytes are scaled.
 * @param fail makes the error of a problem
 */
export function decodeNetpbm(bytes: Uint8Array, fail: (problem: string) => Error): Image<Uint8Array> {
  const kind = bytes[1]! - 0x30;
  const plain = kind <= 3;
  const bitmap = kind === 1 || kind === 4;
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  let at = 2;
  const skip = (): void => {
    for (;;) {
      const c = bytes[at];
      if (c === 0x23) while (at < bytes.length && bytes[at] !== 0x0a && bytes[at] !== 0x0d) at++;
      else if (c === 0x20 || (c !== undefined && c >= 9 && c <= 13)) at++;
      else break;
    }
  };
  const number = (what: string): number => {
    skip();
    if (at >= bytes.length) throw fail('truncated');
    let value = 0;
    const start = at;
    for (; at < bytes.length && bytes[at]! >= 0x30 && bytes[at]! <= 0x39; at++) value = value * 10 + (bytes[at]! - 0x30);
    if (at === start || at - start > 9) throw fail(`its ${what} is no number`);
    return value;
  };
  const width = number('width');
  const height = number('height');
  const most = bitmap ? 1 : number('largest value');
  if (most < 1 || most > 65535) throw fail(`its largest value must be between 1 and 65535, it is ${most}`);
  if (width < 1 || height < 1 || width * height > MAX_PIXELS) throw fail(`its size is ${width} x ${height}`);
  if (!plain) at++; // one blank, then data

  const length = width * height * channels;
  const row = Math.ceil(width / 8);
  const size = bitmap ? row * height : most > 255 ? length * 2 : length;
  if (bytes.length - at < (plain ? length : size)) throw fail(`truncated: ${width} x ${height} pixels need more bytes than the ${bytes.length - at} that are left`);
  const data = new Uint8Array(length);
  if (kind === 4) {
    for (let i = 0; i < length; i++) {
      const x = i % width;
      data[i] = (bytes[at + ((i - x) / width) * row + (x >> 3)]! >> (7 - (x & 7))) & 1 ? 0 : 255;
    }
  } else if (kind === 1) {
    for (let i = 0; i < length; i++) {
      skip();
      const c = bytes[at++];
      if (c !== 0x30 && c !== 0x31) throw fail(c === undefined ? 'truncated' : 'a plain PBM file has digits 0 and 1 only');
      data[i] = c === 0x30 ? 255 : 0;
    }
  } else {
    const full = most > 255 && channels === 1 ? 65535 : 255;
    const wide = most > 255;
    for (let i = 0; i < length; i++) {
      const value = plain ? number('value') : wide ? (bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]! : bytes[at + i]!;
      if (plain && value > most) throw fail(`it has the value ${value}, above its largest of ${most}`);
      data[i] = most === full ? Math.min(255, value) : Math.min(255, roundHalfEven((value / most) * full));
    }
  }
  return new Image(data, channels, height, width);
}

function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + (down & 1) : Math.round(x);
}
