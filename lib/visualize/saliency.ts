// SPDX-License-Identifier: Apache-2.0
import { grad } from '../autograd/engine.js';
import { enableGrad } from '../autograd/mode.js';
import { ArgumentError } from '../native/errors.js';
import { number, optionsOf } from '../native/options.js';
import type { Module } from '../nn/module.js';
import { abs } from '../ops/pointwise.js';
import { amax } from '../ops/reduce.js';
import { argmax } from '../ops/order.js';
import type { Tensor } from '../tensor/tensor.js';
import { amounts, grid, imagePicture, planePicture } from './picture.js';
import type { Drawn } from './layers.js';
import { inEvalMode, oneImage } from './trace.js';

const saliencyOptions = optionsOf<{ target?: number }>({ target: number });

/**
 * How much each pixel of an image matters for the score of a class: the largest absolute gradient over the channels
 * (Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", arXiv:1312.6034).
 *
 * @param image [C, H, W] or [1, C, H, W]
 * @param options target: the class, by default the one with the highest score
 * @returns values [H, W], and the picture: the image and its map side by side
 * @throws ArgumentError for a class that does not exist
 */
export async function saliency(model: Module, image: Tensor, options?: { target?: number }): Promise<Drawn & { target: number }> {
  const given = saliencyOptions('saliency', options, arguments.length > 3);
  const x = oneImage(image, 'saliency').detach().requiresGrad_();
  const scores = inEvalMode(model, () => enableGrad(() => model.forward(x)));
  const target = given.target ?? Number(await argmax(scores.detach(), 1).item());
  if (!Number.isInteger(target) || target < 0 || target >= scores.shape[1]!)
    throw new ArgumentError(`saliency: target must be a class from 0 to ${scores.shape[1]! - 1}, got ${String(target)}`);
  const [gradient] = grad(scores.select(1, target).sum(), x);
  const map = amax(abs(gradient!), 1);
  const [height, width] = map.shape.slice(1) as [number, number];
  const [values, pixels] = await Promise.all([map.to('float32').data(), x.detach().to('float32').data()]) as [Float32Array, Float32Array];
  const pictures = [imagePicture(pixels, x.shape.slice(1)), planePicture(values, width, height, amounts)];
  return { values, shape: [height, width], target, picture: grid(pictures, { columns: 2 }) };
}
