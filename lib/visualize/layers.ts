// SPDX-License-Identifier: Apache-2.0
// Pictures of what a network has learned and of what it sees.
import { optionsOf } from '../native/options.js';
import type { AnyModule, Module } from '../nn/module.js';
import { ConvNd } from '../nn/conv.js';
import { type Tensor } from '../tensor/tensor.js';
import { amounts, count, grid, gridOptions, imagePicture, planePicture, rangeOf, signed, type GridOptions, type Picture } from './picture.js';
import { layerAt, trace } from './trace.js';

/** Numbers and the picture drawn of them. */
export interface Drawn {
  readonly values: Float32Array;
  readonly shape: readonly number[];
  readonly picture: Picture;
}

const isConv2d = (module: AnyModule): module is ConvNd => module instanceof ConvNd && module.weight.ndim === 4;

async function numbers(t: Tensor): Promise<Float32Array> {
  return (await t.detach().to('float32').data()) as Float32Array;
}

const mapsOptions = optionsOf<GridOptions & { most?: number }>({ most: count, ...gridOptions.schema });

/**
 * The filters of a 2-D convolution: those over three channels in colour, as they look at an image; others a row for each
 * filter, a column for each input channel, blue below zero and red above.
 *
 * @param layer the layer's path, such as 'features.0' or 'conv1'
 * @param options most: how many filters and channels are drawn, default 64
 * @returns values [K, C, kH, kW]
 * @throws ArgumentError when there is no such convolution
 */
export async function filters(model: AnyModule, layer: string, given?: GridOptions & { most?: number }): Promise<Drawn> {
  const { most = 64, ...options } = mapsOptions('filters', given, arguments.length > 3);
  const { weight } = layerAt(model, layer, isConv2d, 'filters') as ConvNd;
  const values = await numbers(weight as Tensor);
  const [k, c, height, width] = weight.shape as [number, number, number, number];
  const size = height * width;
  const drawn = Math.min(k, most);
  let picture: Picture;
  if (c === 3) {
    const one = (i: number) => imagePicture(values.subarray(i * 3 * size, (i + 1) * 3 * size), [3, height, width]);
    picture = grid(Array.from({ length: drawn }, (_, i) => one(i)), options);
  } else {
    const limit = Math.max(...rangeOf(values).map(Math.abs)) || 1;
    const planes: Picture[] = [];
    for (let i = 0; i < drawn; i++)
      for (let j = 0; j < Math.min(c, most); j++) {
        const at = (i * c + j) * size;
        planes.push(planePicture(values.subarray(at, at + size), width, height, signed, [-limit, limit]));
      }
    picture = grid(planes, { ...(c > 1 ? { columns: Math.min(c, most) } : {}), ...options });
  }
  return { values, shape: weight.shape, picture };
}

/** What a layer makes of an image. */
export interface FeatureMaps extends Drawn {
  readonly layer: string;
}

/**
 * The outputs [C, H, W] of every layer for one image in eval mode, drawn as one grid of maps for each.
 *
 * @param image [C, H, W] or [1, C, H, W], as the network takes it
 * @param options most: how many maps of a layer are drawn, default 64
 */
export async function featureMaps(model: Module, image: Tensor, given?: GridOptions & { most?: number }): Promise<FeatureMaps[]> {
  const { most = 64, ...options } = mapsOptions('featureMaps', given, arguments.length > 3);
  const { calls } = trace(model, image, 'featureMaps');
  const result: FeatureMaps[] = [];
  for (const { name, output } of calls) {
    if (output.ndim !== 4) continue;
    const values = await numbers(output);
    const [channels, height, width] = output.shape.slice(1) as [number, number, number];
    const plane = height * width;
    const maps = Array.from({ length: Math.min(channels, most) }, (_, i) =>
      planePicture(values.subarray(i * plane, (i + 1) * plane), width, height, amounts),
    );
    result.push({ layer: name, values, shape: [channels, height, width], picture: grid(maps, options) });
  }
  return result;
}
