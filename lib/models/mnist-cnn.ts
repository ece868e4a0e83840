// SPDX-License-Identifier: Apache-2.0
import { number, optionsOf } from '../native/options.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { xavierUniform_ } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { MaxPool2d } from '../nn/pooling.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, classifierOptions, type Builder, type ClassifierOptions } from './builder.js';
import { checkImages } from './images.js';

export interface MnistCnnOptions extends ClassifierOptions {
  /** Probability of the dropout before the last layer. Default 0.5. */
  dropout?: number;
}
const mnistCnnOptions = optionsOf<MnistCnnOptions>({ ...classifierOptions.schema, dropout: number });

/**
 * A common network for MNIST: three 3 x 3 convolutions of 32, 64 and 128 channels, each with ReLU and 2 x 2 maximum
 * pooling (28, 14, 7, 4 pixels wide: the last pooling is padded), and two linear layers.
 *
 * forward: [N, 1, 28, 28] to [N, numClasses] scores.
 */
export class MnistCnn extends Module {
  /** Height and width of its images. */
  readonly imageSize = 28;
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor(options?: MnistCnnOptions) {
    const { numClasses = 10, dropout = 0.5 } = mnistCnnOptions(new.target.name, options, arguments.length > 1);
    super();
    this.features = new Sequential(
      new Conv2d(1, 32, 3, { padding: 1 }),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(32, 64, 3, { padding: 1 }),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(64, 128, 3, { padding: 1 }),
      new ReLU(),
      new MaxPool2d(2, { padding: 1 }),
    );
    const [hidden, output] = [new Linear(2048, 625), new Linear(625, numClasses)];
    xavierUniform_(hidden.weight);
    xavierUniform_(output.weight);
    this.classifier = new Sequential(hidden, new ReLU(), new Dropout(dropout), output);
  }

  forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: 1, exactly: this.imageSize });
    return this.classifier.forward(flatten(this.features.forward(x), 1));
  }
}

/** The network that `npm start -- --model mnist-cnn` trains; see MnistCnn. */
export const mnistCnn: Builder<MnistCnnOptions, MnistCnn> = builder('mnistCnn', {
  options: mnistCnnOptions,
  make: (options: MnistCnnOptions) => new MnistCnn(options),
  head: 'classifier.3',
});
