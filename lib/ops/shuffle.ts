// SPDX-License-Identifier: Apache-2.0
// Channels against pixels, and channels among themselves: other orders of the same values. Channels-last input gives a
// channels-last result, at one copy as ever.
import { ShapeError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { formatShape, isChannelsLast, isContiguous } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { checkInteger } from './checks.js';
import { permute, reshape } from './view.js';

const channelsLast = (x: Tensor) => isChannelsLast(x.shape, x.strides) && !isContiguous(x.shape, x.strides);

/**
 * Channels as pixels: [..., C r^2, H, W] to [..., C, H r, W r] (Shi et al., "Real-Time Single Image and Video
 * Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", 2016).
 *
 * @param upscaleFactor r, a positive integer
 * @throws ShapeError for fewer than three dimensions and channels that r^2 does not divide; ArgumentError
 */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
  noMore('pixelShuffle', arguments.length > 2);
  const where = 'pixelShuffle';
  const r = checkInteger(upscaleFactor, 1, where, 'upscaleFactor');
  if (checkTensor(x, where).ndim < 3) throw new ShapeError(`${where}: expected input [..., C, H, W], got ${formatShape(x.shape)}`);
  const [channels, h, w] = x.shape.slice(-3) as [number, number, number];
  if (channels % r ** 2 !== 0)
    throw new ShapeError(`${where}: ${channels} channels of input ${formatShape(x.shape)} are not divisible by ${r}^2`);
  const c = channels / r ** 2;
  if (x.ndim === 4 && channelsLast(x)) {
    const parts = permute(reshape(x, [x.shape[0]!, c, r, r, h, w]), [0, 4, 2, 5, 3, 1]);
    return permute(reshape(parts, [x.shape[0]!, h * r, w * r, c]), [0, 3, 1, 2]);
  }
  const outer = x.shape.slice(0, -3);
  const k = outer.length;
  const parts = permute(reshape(x, [...outer, c, r, r, h, w]), [...outer.keys(), k, k + 3, k + 1, k + 4, k + 2]);
  return reshape(parts, [...outer, c, h * r, w * r]);
}

/**
 * Pixels as channels, what undoes pixelShuffle(): [..., C, H r, W r] to [..., C r^2, H, W].
 *
 * @param downscaleFactor r, a positive integer
 * @throws ShapeError for fewer than three dimensions and a height or width that r does not divide; ArgumentError
 */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
  noMore('pixelUnshuffle', arguments.length > 2);
  const where = 'pixelUnshuffle';
  const r = checkInteger(downscaleFactor, 1, where, 'downscaleFactor');
  if (checkTensor(x, where).ndim < 3) throw new ShapeError(`${where}: expected input [..., C, H, W], got ${formatShape(x.shape)}`);
  const [c, height, width] = x.shape.slice(-3) as [number, number, number];
  if (height % r !== 0 || width % r !== 0)
    throw new ShapeError(`${where}: height and width of input ${formatShape(x.shape)} are not divisible by ${r}`);
  const [h, w] = [height / r, width / r];
  if (x.ndim === 4 && channelsLast(x)) {
    const parts = permute(reshape(x, [x.shape[0]!, c, h, r, w, r]), [0, 2, 4, 1, 3, 5]);
    return permute(reshape(parts, [x.shape[0]!, h, w, c * r * r]), [0, 3, 1, 2]);
  }
  const outer = x.shape.slice(0, -3);
  const k = outer.length;
  const parts = permute(reshape(x, [...outer, c, h, r, w, r]), [...outer.keys(), k, k + 2, k + 4, k + 1, k + 3]);
  return reshape(parts, [...outer, c * r * r, h, w]);
}

/**
 * The channels of `groups` groups by turns: channel i of group g becomes channel i groups + g (Zhang et al.,
 * "ShuffleNet", arXiv:1707.01083).
 *
 * @param x [N, C, ...] of at least three dimensions
 * @throws ShapeError for fewer than three dimensions and channels that groups does not divide; ArgumentError
 */
export function channelShuffle(x: Tensor, groups: number): Tensor {
  noMore('channelShuffle', arguments.length > 2);
  const where = 'channelShuffle';
  checkInteger(groups, 1, where, 'groups');
  if (checkTensor(x, where).ndim < 3) throw new ShapeError(`${where}: expected input [N, C, ...], got ${formatShape(x.shape)}`);
  const [n, c, ...rest] = x.shape as [number, number, ...number[]];
  if (c % groups !== 0)
    throw new ShapeError(`${where}: ${c} channels of input ${formatShape(x.shape)} are not divisible by ${groups} groups`);
  const grouped = reshape(x, [n, groups, c / groups, ...rest]);
  const dims = [...rest.keys()];
  if (!channelsLast(x)) return reshape(permute(grouped, [0, 2, 1, ...dims.map((i) => i + 3)]), x.shape);
  const shuffled = reshape(permute(grouped, [0, ...dims.map((i) => i + 3), 2, 1]), [n, ...rest, c]);
  return permute(shuffled, [0, rest.length + 1, ...dims.map((i) => i + 1)]);
}
