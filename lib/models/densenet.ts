// SPDX-License-Identifier: Apache-2.0
import { isGradEnabled } from '../autograd/mode.js';
import { renames } from '../io/weights.js';
import { boolean, checked, number, optionsOf } from '../native/options.js';
import { ReLU } from '../nn/activation.js';
import { checkpoint } from '../nn/checkpoint.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { normRelu } from '../nn/fused.js';
import { constant_, kaimingNormal_ } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { BatchNorm2d } from '../nn/normalization.js';
import { AdaptiveAvgPool2d } from '../nn/adaptive-pooling.js';
import { AvgPool2d, MaxPool2d } from '../nn/pooling.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import { dropout } from '../ops/dropout.js';
import { cat } from '../ops/join.js';
import { relu } from '../ops/activation.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, classifierOptions, type Builder, type ClassifierOptions } from './builder.js';
import { checkImages } from './images.js';

export interface DenseNetOptions extends ClassifierOptions {
  /** Channels that each layer adds; k in the paper. Default 32, in densenet161 48. */
  growthRate?: number;
  /** Layers of each dense block. */
  blockConfig?: readonly number[];
  /** Channels of the first convolution. Default 64, in densenet161 96. */
  numInitFeatures?: number;
  /** Channels of the 1 x 1 convolutions, as a multiple of growthRate. Default 4. */
  bnSize?: number;
  /** Probability of the dropout after each layer. Default 0. */
  dropRate?: number;
  /**
   * Whether the joined inputs of each layer are computed again for the gradient instead of kept (Pleiss et al.,
   * arXiv:1707.06990): less memory, more time. Default false.
   */
  memoryEfficient?: boolean;
}
const denseNetOptions = optionsOf<DenseNetOptions>({
  ...classifierOptions.schema,
  growthRate: number,
  blockConfig: checked,
  numInitFeatures: number,
  bnSize: number,
  dropRate: number,
  memoryEfficient: boolean,
});

type LayerOptions = Required<Pick<DenseNetOptions, 'growthRate' | 'bnSize' | 'dropRate' | 'memoryEfficient'>>;

class DenseLayer extends Module<[inputs: readonly Tensor[]]> {
  readonly norm1: BatchNorm2d;
  readonly relu1 = new ReLU();
  readonly conv1: Conv2d;
  readonly norm2: BatchNorm2d;
  readonly relu2 = new ReLU();
  readonly conv2: Conv2d;
  readonly dropRate: number;
  readonly memoryEfficient: boolean;

  constructor(inputs: number, { growthRate, bnSize, dropRate, memoryEfficient }: LayerOptions) {
    super();
    this.norm1 = new BatchNorm2d(inputs);
    this.conv1 = new Conv2d(inputs, bnSize * growthRate, 1, { bias: false });
    this.norm2 = new BatchNorm2d(bnSize * growthRate);
    this.conv2 = new Conv2d(bnSize * growthRate, growthRate, 3, { padding: 1, bias: false });
    this.dropRate = dropRate;
    this.memoryEfficient = memoryEfficient;
  }

  forward(inputs: readonly Tensor[]): Tensor {
    const bottleneck = (...parts: Tensor[]) => this.conv1.forward(normRelu(this.norm1, this.relu1, cat(parts, 1)));
    const recompute = this.memoryEfficient && isGradEnabled() && inputs.some((x) => x.requiresGrad);
    const narrow = recompute ? checkpoint(bottleneck, ...inputs) : bottleneck(...inputs);
    const added = this.conv2.forward(normRelu(this.norm2, this.relu2, narrow));
    return this.dropRate > 0 ? dropout(added, { p: this.dropRate, training: this.training }) : added;
  }
}

class DenseBlock extends Module {
  constructor(layers: number, inputs: number, options: LayerOptions) {
    super();
    for (let i = 0; i < layers; i++)
      this.addModule(`denselayer${i + 1}`, new DenseLayer(inputs + i * options.growthRate, options));
  }
  forward(x: Tensor): Tensor {
    const features = [x];
    for (const layer of this.children() as DenseLayer[]) features.push(layer.forward(features));
    return cat(features, 1);
  }
}

function transition(inputs: number, outputs: number): Sequential {
  return Sequential.named({
    norm: new BatchNorm2d(inputs),
    relu: new ReLU(),
    conv: new Conv2d(inputs, outputs, 1, { bias: false }),
    pool: new AvgPool2d(2, { stride: 2 }),
  });
}

/**
 * DenseNet-BC (Huang et al., "Densely connected convolutional networks", arXiv:1608.06993), as in torchvision: each
 * layer of a block sees the outputs of all before it.
 *
 * forward: [N, 3, H, W] with H and W at least 29, 224 in the paper, to [N, numClasses] scores.
 */
export class DenseNet extends Module {
  readonly features: Sequential;
  /** The last layer: put another one in its place to train the network for other classes. */
  classifier: Linear;
  readonly #pool = new AdaptiveAvgPool2d([1, 1]);

  constructor(options?: DenseNetOptions) {
    options = denseNetOptions(new.target.name, options, arguments.length > 1);
    super();
    const { growthRate = 32, blockConfig = [6, 12, 24, 16], numInitFeatures = 64, bnSize = 4 } = options;
    const { dropRate = 0, numClasses = 1000, memoryEfficient = false } = options;
    for (const [name, value] of Object.entries({ growthRate, numInitFeatures, bnSize }))
      checkInteger(value, 1, 'DenseNet', name);
    blockConfig.forEach((count) => checkInteger(count, 1, 'DenseNet', 'blockConfig'));
    checkNumber(dropRate, 0, 1, 'DenseNet', 'dropRate');

    let channels = numInitFeatures;
    this.features = Sequential.named({
      conv0: new Conv2d(3, channels, 7, { stride: 2, padding: 3, bias: false }),
      norm0: new BatchNorm2d(channels),
      relu0: new ReLU(),
      pool0: new MaxPool2d(3, { stride: 2, padding: 1 }),
    });
    blockConfig.forEach((layers, i) => {
      const block = new DenseBlock(layers, channels, { growthRate, bnSize, dropRate, memoryEfficient });
      this.features.addModule(`denseblock${i + 1}`, block);
      channels += layers * growthRate;
      if (i === blockConfig.length - 1) return;
      this.features.addModule(`transition${i + 1}`, transition(channels, Math.floor(channels / 2)));
      channels = Math.floor(channels / 2);
    });
    this.features.addModule('norm5', new BatchNorm2d(channels));
    this.classifier = new Linear(channels, numClasses);

    // Normalisations start from 1 and 0 by themselves.
    for (const module of this.modules()) if (module instanceof Conv2d) kaimingNormal_(module.weight);
    constant_(this.classifier.bias!, 0);
  }

  forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: 3, smallest: 29 });
    return this.classifier.forward(flatten(this.#pool.forward(relu(this.features.forward(x))), 1));
  }
}

function densenet(
  name: string,
  blockConfig: readonly number[],
  defaults: DenseNetOptions = {},
): Builder<DenseNetOptions, DenseNet> {
  return builder(name, {
    options: denseNetOptions,
    make: (options: DenseNetOptions) => new DenseNet({ blockConfig, ...defaults, ...options }),
    head: 'classifier',
    rename: renames.densenet,
  });
}

/** DenseNet-121: 7,978,856 parameters for 1000 classes; see DenseNet. */
export const densenet121 = densenet('densenet121', [6, 12, 24, 16]);
/** DenseNet-161: 28,681,000 parameters for 1000 classes; see DenseNet. */
export const densenet161 = densenet('densenet161', [6, 12, 36, 24], { growthRate: 48, numInitFeatures: 96 });
/** DenseNet-169: 14,149,480 parameters for 1000 classes; see DenseNet. */
export const densenet169 = densenet('densenet169', [6, 12, 32, 32]);
/** DenseNet-201: 20,013,928 parameters for 1000 classes; see DenseNet. */
export const densenet201 = densenet('densenet201', [6, 12, 48, 32]);
