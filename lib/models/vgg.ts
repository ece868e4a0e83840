// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { boolean, number, optionsOf } from '../native/options.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { constant_, kaimingNormal_, normal_ } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { BatchNorm2d } from '../nn/normalization.js';
import { AdaptiveAvgPool2d } from '../nn/adaptive-pooling.js';
import { MaxPool2d } from '../nn/pooling.js';
import { checkInteger } from '../ops/checks.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, classifierOptions, type Builder, type ClassifierOptions } from './builder.js';
import { checkImages } from './images.js';

export interface VggOptions extends ClassifierOptions {
  /** Probability of the dropout after each of the two hidden layers. Default 0.5. */
  dropout?: number;
  /** Whether the weights start as torchvision's; else with PyTorch's defaults for each layer. Default true. */
  initWeights?: boolean;
}

/** The channels of each 3 x 3 convolution, and 'M' for a maximum pooling that halves the image. */
export type VggFeatures = readonly (number | 'M')[];

export interface VggLayerOptions {
  /** A batch normalisation after each convolution. Default false. */
  batchNorm?: boolean;
  /** Channels of the images. Default 3. */
  inChannels?: number;
}

const vggOptions = optionsOf<VggOptions>({ ...classifierOptions.schema, dropout: number, initWeights: boolean });
const layerOptions = optionsOf<VggLayerOptions>({ batchNorm: boolean, inChannels: number });
const vggLayersOptions = optionsOf<VggOptions & VggLayerOptions>({ ...vggOptions.schema, ...layerOptions.schema });

function makeLayers(layout: VggFeatures, options?: VggLayerOptions): Sequential {
  const { batchNorm = false, inChannels = 3 } = layerOptions('VGG.makeLayers', options, arguments.length > 2);
  const layers: Module[] = [];
  let channels = inChannels;
  for (const step of layout) {
    if (step === 'M') {
      layers.push(new MaxPool2d(2, { stride: 2 }));
      continue;
    }
    if (typeof step !== 'number') throw new ArgumentError(`VGG.makeLayers: expected channels or 'M', got ${String(step)}`);
    checkInteger(step, 1, 'VGG.makeLayers', 'channels');
    layers.push(new Conv2d(channels, step, 3, { padding: 1 }));
    if (batchNorm) layers.push(new BatchNorm2d(step));
    layers.push(new ReLU());
    channels = step;
  }
  return new Sequential<Module[]>(...layers);
}

/**
 * VGG (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", arXiv:1409.1556),
 * as in torchvision.
 *
 * forward: [N, 3, H, W] to [N, numClasses] scores. H and W are 224 in the paper; the published ones take 32 and more.
 */
export class VGG extends Module {
  readonly features: Module;
  readonly avgpool = new AdaptiveAvgPool2d([7, 7]);
  readonly classifier: Sequential;
  /** The convolutional part of a network by its layout. In those that VGG takes, the last convolution has 512 channels. */
  static readonly makeLayers = makeLayers;
  // What the images must be, where it is known.
  readonly #channels: number | undefined;
  readonly #smallest: number;

  /** @param features the convolutional part, to [N, 512, H', W'], or its layout: see makeLayers() */
  constructor(
    features: Module | VggFeatures,
    options?: VggOptions & VggLayerOptions,
  ) {
    super();
    const checked = vggLayersOptions(new.target.name, options, arguments.length > 2);
    const { numClasses = 1000, dropout = 0.5, initWeights = true, ...layers } = checked;
    this.features = features instanceof Module ? features : makeLayers(features, layers);
    this.classifier = new Sequential(
      new Linear(512 * 7 * 7, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, numClasses),
    );
    if (initWeights) for (const module of this.modules()) initialise(module);
    const parts = this.features.modules();
    this.#channels = parts.find((module) => module instanceof Conv2d)?.inChannels;
    this.#smallest = features instanceof Module ? 1 : 2 ** features.filter((step) => step === 'M').length;
  }

  forward(x: Tensor): Tensor {
    if (this.#channels !== undefined)
      checkImages(x, this.constructor.name, { channels: this.#channels, smallest: this.#smallest });
    return this.classifier.forward(flatten(this.avgpool.forward(this.features.forward(x)), 1));
  }
}

// Batch normalisations start from 1 and 0 by themselves.
function initialise(module: unknown): void {
  if (module instanceof Conv2d) kaimingNormal_(module.weight, { mode: 'fan_out', nonlinearity: 'relu' });
  else if (module instanceof Linear) normal_(module.weight, 0, 0.01);
  else return;
  if (module.bias) constant_(module.bias, 0);
}

// Configurations A, B, D and E of the paper's table 1.
const layouts = {
  11: [64, 'M', 128, 'M', 256, 256, 'M', 512, 512, 'M', 512, 512, 'M'],
  13: [64, 64, 'M', 128, 128, 'M', 256, 256, 'M', 512, 512, 'M', 512, 512, 'M'],
  16: [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M'],
  19: [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 256, 'M', 512, 512, 512, 512, 'M', 512, 512, 512, 512, 'M'],
} satisfies Record<number, VggFeatures>;

function vgg(depth: keyof typeof layouts, batchNorm: boolean): Builder<VggOptions, VGG> {
  return builder(`vgg${depth}${batchNorm ? 'Bn' : ''}`, {
    options: vggOptions,
    make: (options: VggOptions) => new VGG(layouts[depth], { ...options, batchNorm }),
    head: 'classifier.6',
    fromFile: (options) => ({ ...options, initWeights: false }),
  });
}

/** VGG with 11 layers, configuration A of the paper: 132,863,336 parameters for 1000 classes; see VGG. */
export const vgg11 = vgg(11, false);
/** VGG with 13 layers, configuration B of the paper: 133,047,848 parameters for 1000 classes; see VGG. */
export const vgg13 = vgg(13, false);
/** VGG with 16 layers, configuration D of the paper: 138,357,544 parameters for 1000 classes; see VGG. */
export const vgg16 = vgg(16, false);
/** VGG with 19 layers, configuration E of the paper: 143,667,240 parameters for 1000 classes; see VGG. */
export const vgg19 = vgg(19, false);
/** vgg11 with a batch normalisation after each convolution: 132,868,840 parameters for 1000 classes. */
export const vgg11Bn = vgg(11, true);
/** vgg13 with a batch normalisation after each convolution: 133,053,736 parameters for 1000 classes. */
export const vgg13Bn = vgg(13, true);
/** vgg16 with a batch normalisation after each convolution: 138,365,992 parameters for 1000 classes. */
export const vgg16Bn = vgg(16, true);
/** vgg19 with a batch normalisation after each convolution: 143,678,248 parameters for 1000 classes. */
export const vgg19Bn = vgg(19, true);
