// SPDX-License-Identifier: Apache-2.0
import { number, oneOf, optionsOf, text } from '../native/options.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { MaxPool2d } from '../nn/pooling.js';
import { checkInteger } from '../ops/checks.js';
import { conv2dRelu } from '../ops/conv.js';
import { linearRelu } from '../ops/matmul.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, classifierOptions, type Builder, type ClassifierOptions, type WeightsOptions } from './builder.js';
import { checkImages } from './images.js';
import { LeNet5Paper } from './lenet-paper.js';

/**
 * LeNet-5 (LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86, 1998),
 * with ReLU and maximum pooling: 61,706 parameters for 10 classes.
 *
 * forward: [N, 1, 28, 28] to [N, numClasses] scores.
 */
export class LeNet5 extends Module {
  /** Height and width of its images. */
  readonly imageSize = 28;
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor(options?: ClassifierOptions) {
    const { numClasses = 10 } = classifierOptions(new.target.name, options, arguments.length > 1);
    super();
    this.features = new Sequential(
      new Conv2d(1, 6, 5, { padding: 2 }),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(6, 16, 5),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(16, 120, 5),
      new ReLU(),
    );
    this.classifier = new Sequential(new Linear(120, 84), new ReLU(), new Linear(84, numClasses));
  }

  forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: 1, exactly: this.imageSize });
    return this.classifier.forward(flatten(this.features.forward(x), 1));
  }
}

export interface LeNet5TutorialOptions extends ClassifierOptions {
  /** Height and width of the images, at least 16. Default 224. */
  imageSize?: number;
  /** Channels of the images. Default 3. */
  inChannels?: number;
}
const leNet5TutorialOptions = optionsOf<LeNet5TutorialOptions>({
  ...classifierOptions.schema,
  imageSize: number,
  inChannels: number,
});

/**
 * LeNet-5 as tutorials have it for photographs: unpadded 5 x 5 convolutions of 6 and 16 channels, each with ReLU and
 * 2 x 2 maximum pooling, then linear layers of 120 and 84. By default for 224 x 224 images of two classes: 5,406,606
 * parameters, nearly all in the first linear layer. With imageSize 32 and 10 classes the CIFAR-10 network of PyTorch's
 * first tutorial: 62,006 parameters.
 *
 * forward: [N, inChannels, imageSize, imageSize] to [N, numClasses] scores.
 */
export class LeNet5Tutorial extends Module {
  readonly conv1: Conv2d;
  readonly pool = new MaxPool2d(2);
  readonly conv2 = new Conv2d(6, 16, 5);
  readonly fc1: Linear;
  readonly fc2 = new Linear(120, 84);
  readonly fc3: Linear;
  /** Height and width of its images. */
  readonly imageSize: number;

  constructor(options?: LeNet5TutorialOptions) {
    const { numClasses = 2, imageSize = 224, inChannels = 3 } = leNet5TutorialOptions(new.target.name, options, arguments.length > 1);
    super();
    checkInteger(imageSize, 16, 'LeNet5Tutorial', 'imageSize');
    const side = Math.floor((Math.floor((imageSize - 4) / 2) - 4) / 2);
    this.imageSize = imageSize;
    this.conv1 = new Conv2d(inChannels, 6, 5);
    this.fc1 = new Linear(16 * side * side, 120);
    this.fc3 = new Linear(84, numClasses);
  }

  forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: this.conv1.inChannels, exactly: this.imageSize });
    let y = this.pool.forward(conv2dRelu(x, this.conv1.weight, this.conv1.bias));
    y = flatten(this.pool.forward(conv2dRelu(y, this.conv2.weight, this.conv2.bias)), 1);
    for (const { weight, bias } of [this.fc1, this.fc2]) y = linearRelu(y, weight, bias);
    return this.fc3.forward(y);
  }
}

const relu = builder('lenet5', {
  options: classifierOptions,
  make: (options: ClassifierOptions) => new LeNet5(options),
  head: 'classifier.2',
});
const paper = builder('lenet5', {
  options: classifierOptions,
  make: (options: ClassifierOptions) => new LeNet5Paper(options),
  head: 'output',
});
const tutorial = builder('lenet5', {
  options: leNet5TutorialOptions,
  make: (options: LeNet5TutorialOptions) => new LeNet5Tutorial(options),
  head: 'fc3',
});
const variants = { relu, paper, tutorial };
const variantOptions = optionsOf<object>({
  variant: oneOf('relu', 'paper', 'tutorial'),
  ...leNet5TutorialOptions.schema,
  weights: text,
});

type Variant<V extends string, O, M> = {
  (options: O & { variant: V; weights: string }): Promise<M>;
  (options: O & { variant: V; weights?: undefined }): M;
};
type LeNet5Builder = Variant<'paper', ClassifierOptions, LeNet5Paper> &
  Variant<'tutorial', LeNet5TutorialOptions, LeNet5Tutorial> &
  Builder<ClassifierOptions & { variant?: 'relu' }, LeNet5>;

/**
 * LeNet-5 in one of three forms, with PyTorch's default initialisation or the paper's: `variant` 'relu', the default
 * (see LeNet5), 'paper' as published in 1998 (see LeNet5Paper), 'tutorial' for photographs (see LeNet5Tutorial).
 *
 * @throws ArgumentError for another variant
 */
export const lenet5 = function (options?: { variant?: keyof typeof variants } & WeightsOptions): unknown {
  const { variant = 'relu', ...rest } = variantOptions('lenet5', options, arguments.length > 1);
  return (variants[variant] as (options: object) => unknown)(rest);
} as LeNet5Builder;
