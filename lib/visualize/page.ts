// SPDX-License-Identifier: Apache-2.0
// One HTML file, without anything from a network, that walks an image through a network: every layer's maps, and for the
// pixel under the pointer the sum that made it.
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writing } from '../io/atomic.js';
import { arrayOf, number, optionsOf, text } from '../native/options.js';
import { libraryRoot } from '../native/paths.js';
import { ConvNd } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import type { AnyModule, Module } from '../nn/module.js';
import { AvgPoolNd, MaxPoolNd } from '../nn/pooling.js';
import { softmax } from '../ops/softmax.js';
import type { Tensor } from '../tensor/tensor.js';
import { count } from './picture.js';
import { oneImage, trace, type LayerCall } from './trace.js';

export interface PageOptions {
  /** What the page is called. Default: the network's class. */
  title?: string;
  /** Names of the classes, in order. Default: their numbers. */
  classes?: readonly string[];
  /** The class that the image belongs to, if it is known. */
  label?: number;
  /** How many maps of a layer are shown. Default 32. */
  most?: number;
}
const pageOptions = optionsOf<PageOptions>({ title: text, classes: arrayOf(text), label: number, most: count });

// Numbers are kept for the arithmetic as long as the page stays small; of larger layers there are pictures alone.
const MOST_NUMBERS = 1_000_000;
const MOST_PER_TENSOR = 250_000;
const LARGEST_MAP = 96;

interface Numbers {
  shape: readonly number[];
  /** Base64 of float32. */
  values?: string;
  /** Base64 of bytes: the first maps, each stretched to 0..255 and perhaps reduced. */
  maps?: { count: number; width: number; height: number; data: string };
}

interface Layer {
  name: string;
  type: string;
  text: string;
  input: number;
  output: number;
  /** What is computed, if the page can show it. */
  rule?: Record<string, unknown>;
}

const base64 = (view: ArrayBufferView): string => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('base64');

/** Collects the numbers that the page needs, each tensor once. */
class Collector {
  readonly tensors: Numbers[] = [];
  private readonly known = new Map<Tensor, number>();
  private left = MOST_NUMBERS;

  constructor(private readonly most: number) {}

  async add(t: Tensor): Promise<number> {
    const found = this.known.get(t);
    if (found !== undefined) return found;
    const index = this.tensors.length;
    this.known.set(t, index);
    const entry: Numbers = { shape: t.shape.slice(1) };
    this.tensors.push(entry);
    const values = (await t.to('float32').data()) as Float32Array;
    const kept = this.take(values);
    if (kept !== undefined) entry.values = kept;
    if (t.ndim === 4) entry.maps = mapsOf(values, entry.shape as [number, number, number], this.most);
    return index;
  }

  /** Base64 of the numbers, if there is room for them. */
  take(values: Float32Array): string | undefined {
    if (values.length > Math.min(this.left, MOST_PER_TENSOR)) return undefined;
    this.left -= values.length;
    return base64(values);
  }
}

function mapsOf(values: Float32Array, [channels, height, width]: [number, number, number], most: number): NonNullable<Numbers['maps']> {
  const count = Math.min(channels, most);
  const step = Math.max(1, Math.ceil(Math.max(height, width) / LARGEST_MAP));
  const [h, w] = [Math.ceil(height / step), Math.ceil(width / step)];
  const bytes = new Uint8Array(count * h * w);
  for (let c = 0; c < count; c++) {
    const plane = values.subarray(c * height * width, (c + 1) * height * width);
    let [low, high] = [Infinity, -Infinity];
    for (const value of plane) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const factor = high > low ? 255 / (high - low) : 0;
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++) bytes[(c * h + y) * w + x] = Math.round((plane[y * step * width + x * step]! - low) * factor);
  }
  return { count, width: w, height: h, data: base64(bytes) };
}

const pair = (sizes: number | readonly number[]): readonly number[] => (typeof sizes === 'number' ? [sizes, sizes] : sizes);

async function ruleOf(module: AnyModule, collector: Collector): Promise<Record<string, unknown> | undefined> {
  if (module instanceof ConvNd && module.weight.ndim === 4) {
    const { kernelSize, stride, dilation, groups } = module;
    const padding =
      module.padding === 'valid' ? [0, 0]
      : module.padding === 'same' ? kernelSize.map((k, i) => Math.floor((dilation[i]! * (k - 1)) / 2))
      : module.padding;
    const weight = collector.take((await module.weight.detach().to('float32').data()) as Float32Array);
    if (weight === undefined) return undefined;
    const bias = module.bias ? base64((await module.bias.detach().to('float32').data()) as Float32Array) : null;
    return { kind: 'conv', kernel: kernelSize, stride, padding, dilation, groups, weight, bias };
  }
  if (module instanceof MaxPoolNd || module instanceof AvgPoolNd) {
    const kernel = pair(module.kernelSize);
    const { stride = module.kernelSize, padding = 0 } = module.options;
    const dilation = module instanceof MaxPoolNd ? pair(module.options.dilation ?? 1) : [1, 1];
    return { kind: module instanceof MaxPoolNd ? 'max' : 'mean', kernel, stride: pair(stride), padding: pair(padding), dilation };
  }
  if (module instanceof Linear) return { kind: 'linear' };
  return undefined;
}

/**
 * A page that shows how a network looks at an image.
 *
 * @param image [C, H, W] or [1, C, H, W], as the network takes it
 * @returns one HTML document, without anything from a network
 */
export async function page(model: Module, image: Tensor, options?: PageOptions): Promise<string> {
  options = pageOptions('page', options, arguments.length > 3);
  const { title = model.constructor.name, classes, label, most = 32 } = options;
  const x = oneImage(image, 'page');
  const { calls, output } = trace(model, x, 'page');
  const collector = new Collector(most);
  const first = await collector.add(x);
  const layers: Layer[] = [];
  for (const call of calls) layers.push(await layerOf(call, collector));
  const probabilities = output.ndim === 2 ? Array.from((await softmax(output.to('float32'), 1).data()) as Float32Array) : [];
  const data = { title, image: first, label, classes, layers, tensors: collector.tensors, probabilities };
  const asset = (name: string): string => readFileSync(join(libraryRoot, 'visualize', 'page', name), 'utf8');
  // No text of the data can end the element it stands in.
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  const parts: Record<string, string> = {
    '/* page.css */': asset('page.css'),
    '/* page.js */': asset('page.js'),
    DATA: json,
    TITLE: title.replaceAll('&', '&amp;').replaceAll('<', '&lt;'),
  };
  return asset('page.html').replace(/\/\* page\.\w+ \*\/|DATA|TITLE/g, (name) => parts[name]!);
}

async function layerOf({ name, module, input, output }: LayerCall, collector: Collector): Promise<Layer> {
  const layer: Layer = {
    name,
    type: module.constructor.name,
    text: module.toString().split('\n')[0]!,
    input: await collector.add(input),
    output: await collector.add(output),
  };
  const rule = await ruleOf(module, collector);
  if (rule) layer.rule = rule;
  return layer;
}

/** Writes page() to a file; missing folders are made. */
export async function writePage(path: string, model: Module, image: Tensor, options?: PageOptions): Promise<void> {
  options = pageOptions('writePage', options, arguments.length > 4);
  const html = await page(model, image, options);
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, html);
  });
}
