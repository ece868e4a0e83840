// SPDX-License-Identifier: Apache-2.0
// `lenode visualize`: a page and pictures of what a trained network makes of an image.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { defaultCollate } from '../data/collate.js';
import { Image } from '../data/image.js';
import { CenterCrop, Compose, Normalize, Resize, ToDtype } from '../data/transforms/index.js';
import { decodeImage } from '../data/vision/decode.js';
import { CheckpointError, loadCheckpoint, type Json } from '../io/checkpoint.js';
import { loadWeights } from '../io/weights.js';
import { ArgumentError, FileError, FormatError } from '../native/errors.js';
import { ConvNd } from '../nn/conv.js';
import type { Tensor } from '../tensor/tensor.js';
import { featureMaps, filters, saliency, writePage } from '../visualize/index.js';
import { makeNetwork, networkNames, usualInput } from './networks.js';

interface Options {
  image: string;
  out: string;
  model?: string;
  classes?: string;
  invert?: boolean;
}

export function registerVisualize(program: Command): void {
  program
    .command('visualize')
    .description('walk an image through a trained network: a page, and pictures of filters, maps and saliency')
    .argument('<checkpoint>', "a checkpoint of `lenode train`, or a file of weights (.safetensors, .pth) with --model")
    .requiredOption('--image <file>', 'a JPEG, PNG, WebP or PPM file')
    .requiredOption('--out <folder>', 'where index.html and the pictures go')
    .option('--model <name>', `the network, if the file does not say: ${networkNames().join(', ')}`)
    .option('--classes <file>', "the classes' names, a line each")
    .option('--invert', 'for dark digits on light paper: MNIST has them the other way round')
    .action(visualize);
}

// What MNIST's and ImageNet's networks are trained on.
const GRAY = { mean: [0.1307], std: [0.3081] };
const COLOUR = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

async function visualize(checkpoint: string, options: Options): Promise<void> {
  const name = options.model ?? (await nameIn(checkpoint));
  const model = makeNetwork(name);
  if (options.model === undefined) await loadCheckpoint(checkpoint, { model, rng: false });
  else await loadInto(checkpoint, model);
  const image = await inputOf(options, usualInput(model));
  const classes = options.classes === undefined ? {} : { classes: await lines(options.classes) };
  const at = (...path: string[]) => join(options.out, ...path);

  await writePage(at('index.html'), model, image, { title: name, ...classes });
  for (const { layer, picture } of await featureMaps(model, image)) await picture.save(at('maps', `${layer || name}.png`));
  for (const [layer, module] of model.namedModules())
    if (module instanceof ConvNd && module.weight.ndim === 4) await (await filters(model, layer)).picture.save(at('filters', `${layer}.png`));
  await (await saliency(model, image)).picture.save(at('saliency.png'));
  console.log(`${at('index.html')}: how ${name} sees ${options.image}; pictures beside it`);
}

// The network that a checkpoint of `lenode train` names.
async function nameIn(path: string): Promise<string> {
  const { metadata } = await loadCheckpoint(path, { rng: false });
  const name = (metadata as { readonly [key: string]: Json } | null)?.['model'];
  if (typeof name !== 'string') throw new ArgumentError(`${path} does not say which network it is of: use --model`);
  return name;
}

async function loadInto(path: string, model: ReturnType<typeof makeNetwork>): Promise<void> {
  try {
    await loadCheckpoint(path, { model, rng: false });
  } catch (error) {
    // Weights alone, of whatever origin.
    if (!(error instanceof CheckpointError || error instanceof FormatError)) throw error;
    await loadWeights(model, path);
  }
}

async function inputOf({ image, invert = false }: Options, [, channels, height, width]: ReturnType<typeof usualInput>): Promise<Tensor> {
  const bytes = await readFile(image).catch((cause: Error) => {
    throw new FileError(`${image} cannot be read: ${cause.message}`, { cause });
  });
  const decoded = await decodeImage(bytes, image, { mode: channels === 1 ? 'L' : 'RGB' });
  const pixels = invert ? new Image(decoded.data.map((v) => 255 - v), decoded.channels, decoded.height, decoded.width) : decoded;
  const { mean, std } = channels === 1 ? GRAY : COLOUR;
  // The whole of a digit; of a photograph its middle, as classifiers are tested.
  const resize = channels === 1 ? [new Resize([height, width])] : [new Resize(Math.round((height * 256) / 224)), new CenterCrop([height, width])];
  const prepared = new Compose([...resize, new ToDtype('float32', { scale: true }), new Normalize(mean, std)]).forward(pixels);
  return defaultCollate([prepared]) as Tensor;
}

async function lines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new FileError(`${path} cannot be read: ${cause.message}`, { cause });
  });
  return text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
}
