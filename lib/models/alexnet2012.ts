// SPDX-License-Identifier: Apache-2.0
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { constant_, normal_ } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { LocalResponseNorm } from '../nn/response-norm.js';
import { AdaptiveAvgPool2d } from '../nn/adaptive-pooling.js';
import { MaxPool2d } from '../nn/pooling.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { alexNetOptions, type AlexNetOptions } from './alexnet.js';
import { builder, type Builder } from './builder.js';
import { checkImages } from './images.js';

/**
 * The network that won ImageNet 2012 (Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep
 * convolutional neural networks", NeurIPS 2012): channels in two groups in the second, fourth and fifth convolution
 * (the two GPUs of the paper), local response normalisation after the first two, and pooling of 3 x 3 windows in
 * steps of 2, which overlap. 60,965,224 parameters for 1000 classes, initialised as in the paper: weights normal with
 * standard deviation 0.01, biases 1 in the second, fourth and fifth convolution and in the hidden linear layers.
 *
 * The paper's normalisation sums squares over 5 channels with alpha 1e-4; PyTorch's layer takes their mean, so alpha
 * is 5e-4 here. The paper's 224 x 224 images fit its 55 x 55 outputs only with a border, which is a padding of 2.
 *
 * forward: [N, 3, H, W] with H and W at least 63, 224 in the paper, to [N, numClasses] scores. Other sizes than 223 to
 * 254 are averaged to the 6 x 6 positions that the linear layers take.
 */
export class AlexNet2012 extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d([6, 6]);
  readonly classifier: Sequential;

  constructor(options?: AlexNetOptions) {
    const { numClasses = 1000, dropout = 0.5 } = alexNetOptions(new.target.name, options, arguments.length > 1);
    super();
    const convolutions = [
      new Conv2d(3, 96, 11, { stride: 4, padding: 2 }),
      new Conv2d(96, 256, 5, { padding: 2, groups: 2 }),
      new Conv2d(256, 384, 3, { padding: 1 }),
      new Conv2d(384, 384, 3, { padding: 1, groups: 2 }),
      new Conv2d(384, 256, 3, { padding: 1, groups: 2 }),
    ] as const;
    const linears = [new Linear(256 * 6 * 6, 4096), new Linear(4096, 4096), new Linear(4096, numClasses)] as const;
    for (const { weight } of [...convolutions, ...linears]) normal_(weight, 0, 0.01);
    for (const [layers, ones] of [[convolutions, [1, 3, 4]], [linears, [0, 1]]] as const)
      layers.forEach(({ bias }, i) => constant_(bias!, (ones as readonly number[]).includes(i) ? 1 : 0));

    const responseNorm = () => new LocalResponseNorm(5, { alpha: 5e-4, beta: 0.75, k: 2 });
    this.features = new Sequential(
      convolutions[0],
      new ReLU(),
      responseNorm(),
      new MaxPool2d(3, { stride: 2 }),
      convolutions[1],
      new ReLU(),
      responseNorm(),
      new MaxPool2d(3, { stride: 2 }),
      convolutions[2],
      new ReLU(),
      convolutions[3],
      new ReLU(),
      convolutions[4],
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
    );
    this.classifier = new Sequential(
      linears[0],
      new ReLU(),
      new Dropout(dropout),
      linears[1],
      new ReLU(),
      new Dropout(dropout),
      linears[2],
    );
  }

  forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: 3, smallest: 63 });
    return this.classifier.forward(flatten(this.avgpool.forward(this.features.forward(x)), 1));
  }
}

/** AlexNet as published in 2012, with the paper's initialisation; see AlexNet2012. */
export const alexnet2012: Builder<AlexNetOptions, AlexNet2012> = builder('alexnet2012', {
  options: alexNetOptions,
  make: (options: AlexNetOptions) => new AlexNet2012(options),
  head: 'classifier.6',
});
