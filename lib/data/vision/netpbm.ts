// SPDX-License-Identifier: Apache-2.0
import { Image } from '../image.js';

const MAX_PIXELS = 2 ** 28;

/**
 * Binary PGM (P5) and PPM (P6) files with values of one byte.
 * @param fail makes the error of a problem
 */
export function decodeNetpbm(bytes: Uint8Array, fail: (problem: string) => Error): Image<Uint8Array> {
  const channels = bytes[1] === 0x36 ? 3 : 1;
  let at = 2;
  const number = (): number => {
    for (;;) {
      const c = bytes[at];
      if (c === 0x23) while (at < bytes.length && bytes[at] !== 0x0a) at++;
      else if (c === 0x20 || (c !== undefined && c >= 9 && c <= 13)) at++;
      else break;
    }
    let value = 0;
    const start = at;
    for (; at < bytes.length && bytes[at]! >= 0x30 && bytes[at]! <= 0x39; at++) value = value * 10 + (bytes[at]! - 0x30);
    if (at === start || at - start > 9) throw fail('its header is no PGM or PPM header');
    return value;
  };
  const width = number();
  const height = number();
  const most = number();
  at++;
  if (most < 1 || most > 255) throw fail(`PGM and PPM files are read with values up to 255, this one has ${most}`);
  if (width < 1 || height < 1 || width * height > MAX_PIXELS) throw fail(`its size is ${width} x ${height}`);
  const length = width * height * channels;
  if (bytes.length - at < length) throw fail(`truncated: ${width} x ${height} pixels need ${length} bytes, ${bytes.length - at} are left`);
  const data = bytes.slice(at, at + length);
  if (most < 255) for (let i = 0; i < length; i++) data[i] = Math.min(255, Math.round((data[i]! * 255) / most));
  return new Image(data, channels, height, width);
}
