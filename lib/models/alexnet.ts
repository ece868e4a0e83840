// SPDX-License-Identifier: Apache-2.0
import { number, optionsOf } from '../native/options.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { AdaptiveAvgPool2d } from '../nn/adaptive-pooling.js';
import { MaxPool2d } from '../nn/pooling.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, classifierOptions, type Builder, type ClassifierOptions } from './builder.js';
import { checkImages } from './images.js';

export interface AlexNetOptions extends ClassifierOptions {
  /** Probability of the dropout before each of the two hidden layers. Default 0.5. */
  dropout?: number;
}
/** @internal */
export const alexNetOptions = optionsOf<AlexNetOptions>({ ...classifierOptions.schema, dropout: number });

/**
 * The one-tower AlexNet of Krizhevsky, "One weird trick for parallelizing convolutional neural networks"
 * (arXiv:1404.5997), as in torchvision: no local response normalisation and no groups, for which see AlexNet2012.
 * 61,100,840 parameters for 1000 classes.
 *
 * forward: [N, 3, H, W] with H and W at least 63, 224 in the paper, to [N, numClasses] scores.
 */
export class AlexNet extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d([6, 6]);
  readonly classifier: Sequential;

  constructor(options?: AlexNetOptions) {
    const { numClasses = 1000, dropout = 0.5 } = alexNetOptions(new.target.name, options, arguments.length > 1);
    super();
    this.features = new Sequential(
      new Conv2d(3, 64, 11, { stride: 4, padding: 2 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
      new Conv2d(64, 192, 5, { padding: 2 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
      new Conv2d(192, 384, 3, { padding: 1 }),
      new ReLU(),
      new Conv2d(384, 256, 3, { padding: 1 }),
      new ReLU(),
      new Conv2d(256, 256, 3, { padding: 1 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
    );
    this.classifier = new Sequential(
      new Dropout(dropout),
      new Linear(256 * 6 * 6, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096),
      new ReLU(),
      new Linear(4096, numClasses),
    );
  }

  forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: 3, smallest: 63 });
    return this.classifier.forward(flatten(this.avgpool.forward(this.features.forward(x)), 1));
  }
}

/** torchvision's AlexNet with PyTorch's default initialisation; see AlexNet. */
export const alexnet: Builder<AlexNetOptions, AlexNet> = builder('alexnet', {
  options: alexNetOptions,
  make: (options: AlexNetOptions) => new AlexNet(options),
  head: 'classifier.6',
});
