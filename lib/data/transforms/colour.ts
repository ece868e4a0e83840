// SPDX-License-Identifier: Apache-2.0
// Colours, with the arithmetic of torchvision's kernels for tensors.
import { ArgumentError } from '../../native/errors.js';
import { Image } from '../image.js';
import { roundHalfEven } from './arguments.js';
import { bound } from './pixels.js';

const f = Math.fround;
const RED = f(0.2989);
const GREEN = f(0.587);
const BLUE = f(0.114);

function checkChannels(image: Image, where: string): void {
  if (image.channels !== 1 && image.channels !== 3)
    throw new ArgumentError(`${where}: expected an image of 1 or 3 channels, got ${image.channels}`);
}

const grey = (data: Image['data'], at: number): number => f(f(f(data[at]! * RED) + f(data[at + 1]! * GREEN)) + f(data[at + 2]! * BLUE));

/** Values of one channel, or the same ones in three. */
export function greyscale(image: Image, channels: 1 | 3, where: string): Image {
  checkChannels(image, where);
  if (image.channels === channels && channels === 1) return image;
  const result = image.blank(image.height, image.width, channels);
  const { data } = image;
  for (let i = 0, at = 0; at < data.length; i += channels, at += image.channels) {
    const value = image.channels === 1 ? data[at]! : grey(data, at);
    for (let c = 0; c < channels; c++) result.data[i + c] = value;
  }
  return result;
}

/** Each value mixed with another one: ratio · value + (1 - ratio) · other, held within the range. */
function blend(image: Image, ratio: number, other: (at: number) => number): Image {
  const result = image.blank();
  const { data, channels } = image;
  const most = bound(image);
  const rest = f(1 - ratio);
  ratio = f(ratio);
  for (let at = 0; at < data.length; at += channels) {
    const o = f(other(at) * rest);
    for (let c = 0; c < channels; c++) {
      const value = f(f(data[at + c]! * ratio) + o);
      result.data[at + c] = value < 0 ? 0 : value > most ? most : value;
    }
  }
  return result;
}

export function adjustBrightness(image: Image, factor: number): Image {
  checkChannels(image, 'adjustBrightness');
  return blend(image, factor, () => 0);
}

export function adjustSaturation(image: Image, factor: number): Image {
  checkChannels(image, 'adjustSaturation');
  if (image.channels === 1) return image;
  const { data } = image;
  const bytes = image.dtype === 'uint8';
  return blend(image, factor, (at) => (bytes ? Math.floor(grey(data, at)) : grey(data, at)));
}

export function adjustContrast(image: Image, factor: number): Image {
  checkChannels(image, 'adjustContrast');
  const { data, channels } = image;
  const bytes = image.dtype === 'uint8';
  let total = 0;
  for (let at = 0; at < data.length; at += channels) {
    const value = channels === 1 ? data[at]! : grey(data, at);
    total += bytes ? Math.floor(value) : value;
  }
  const mean = f(total / (data.length / channels));
  return blend(image, factor, () => mean);
}

/** @param shift in turns of the circle of hues, -0.5 to 0.5 */
export function adjustHue(image: Image, shift: number): Image {
  checkChannels(image, 'adjustHue');
  if (image.channels === 1) return image;
  const { data } = image;
  const result = image.blank();
  const bytes = image.dtype === 'uint8';
  const scale = bytes ? f(1 / 255) : 1;
  const unscale = bytes ? f(255.999) : 1;
  for (let at = 0; at < data.length; at += 3) {
    const r = f(data[at]! * scale);
    const g = f(data[at + 1]! * scale);
    const b = f(data[at + 2]! * scale);
    const v = Math.max(r, g, b);
    const range = f(v - Math.min(r, g, b));
    const s = range === 0 ? 0 : f(range / v);
    // The hue in sixths of a turn, from the channel that is largest.
    const d = range === 0 ? 1 : range;
    const rc = f(f(v - r) / d);
    const gc = f(f(v - g) / d);
    const bc = f(f(v - b) / d);
    const sixths = v === r ? bc - gc : v === g ? rc + 2 - bc : gc + 4 - rc;
    let h = f(f(f(f(sixths) * f(1 / 6)) + 1) % 1);
    h = f(h + shift);
    h = f(h - Math.floor(h));
    const h6 = f(h * 6);
    const sector = Math.floor(h6);
    const part = f(h6 - sector);
    const within = (x: number): number => (x < 0 ? 0 : x > 1 ? 1 : x);
    const p = within(f(f(1 - s) * v));
    const q = within(f(f(1 - f(s * part)) * v));
    const t = within(f(f(f(s * part) + f(1 - s)) * v));
    const rgb = [
      [v, t, p],
      [q, v, p],
      [p, v, t],
      [p, q, v],
      [t, p, v],
      [v, p, q],
    ][sector % 6]!;
    for (let c = 0; c < 3; c++) result.data[at + c] = f(rgb[c]! * unscale);
  }
  return result;
}

/** Mixed with an image smoothed by a 3 x 3 window; the edge stays as it is. */
export function adjustSharpness(image: Image, factor: number): Image {
  checkChannels(image, 'adjustSharpness');
  const { data, channels, height, width } = image;
  if (height <= 2 || width <= 2) return image;
  const result = image.clone();
  const most = bound(image);
  const bytes = image.dtype === 'uint8';
  const row = width * channels;
  for (let y = 1; y < height - 1; y++)
    for (let at = y * row + channels, end = (y + 1) * row - channels; at < end; at++) {
      let sum = 4 * data[at]!;
      for (let dy = -row; dy <= row; dy += row) for (let dx = -channels; dx <= channels; dx += channels) sum += data[at + dy + dx]!;
      const smooth = bytes ? roundHalfEven(f(sum / 13)) : sum / 13;
      const value = data[at]! + (smooth - data[at]!) * (1 - factor);
      result.data[at] = value < 0 ? 0 : value > most ? most : value;
    }
  return result;
}

function map(image: Image, change: (value: number) => number): Image {
  const result = image.blank();
  const { data } = image;
  for (let i = 0; i < data.length; i++) result.data[i] = change(data[i]!);
  return result;
}

export function invert(image: Image): Image {
  const most = bound(image);
  return map(image, (v) => most - v);
}

/** Values of at least the threshold inverted. */
export function solarize(image: Image, threshold: number): Image {
  const most = bound(image);
  if (!(threshold <= most)) throw new ArgumentError(`solarize: the threshold must be at most ${most}, got ${threshold}`);
  return map(image, (v) => (v >= threshold ? most - v : v));
}

/** Only the highest bits of each value kept. */
export function posterize(image: Image, bits: number): Image {
  if (!Number.isInteger(bits) || bits < 0 || bits > 8) throw new ArgumentError(`posterize: bits must be an integer from 0 to 8, got ${bits}`);
  if (image.dtype === 'uint8') {
    const mask = ((1 << bits) - 1) << (8 - bits);
    return map(image, (v) => v & mask);
  }
  const levels = 1 << bits;
  return map(image, (v) => Math.min(levels - 1, Math.max(0, Math.floor(v * levels))) / levels);
}

/** Each channel stretched to the whole range. */
export function autocontrast(image: Image): Image {
  checkChannels(image, 'autocontrast');
  const { data, channels } = image;
  const most = bound(image);
  const result = image.blank();
  for (let c = 0; c < channels; c++) {
    let low = Infinity;
    let high = -Infinity;
    for (let i = c; i < data.length; i += channels) {
      low = Math.min(low, data[i]!);
      high = Math.max(high, data[i]!);
    }
    const flat = high === low;
    const scale = flat ? 1 : f(f(high - low) * f(1 / most));
    if (flat) low = 0;
    for (let i = c; i < data.length; i += channels)
      result.data[i] = Math.min(most, Math.max(0, f(f(data[i]! - low) / scale)));
  }
  return result;
}

/** Each channel's histogram made even, by Pillow's table; floats are taken through bytes. */
export function equalize(image: Image): Image {
  const { channels, height, width } = image;
  const bytes = image.dtype === 'uint8' ? image.data : Uint8Array.from(image.data, (v) => f(v * f(255.999)));
  const out = new Uint8Array(bytes.length);
  for (let c = 0; c < channels; c++) {
    const histogram = new Int32Array(256);
    for (let i = c; i < bytes.length; i += channels) histogram[bytes[i]!]!++;
    const last = histogram.findLastIndex((n) => n > 0);
    const step = last < 0 ? 0 : Math.floor((height * width - histogram[last]!) / 255);
    const table = Uint8Array.from({ length: 256 }, (_, i) => i);
    if (step > 0)
      for (let i = 0, sum = Math.floor(step / 2); i < 256; sum += histogram[i++]!) table[i] = Math.min(255, Math.floor(sum / step));
    for (let i = c; i < bytes.length; i += channels) out[i] = table[bytes[i]!]!;
  }
  if (image.dtype === 'uint8') return new Image(out, channels, height, width);
  return new Image(
    Float32Array.from(out, (v) => v * f(1 / 255)),
    channels,
    height,
    width,
  );
}
