// SPDX-License-Identifier: Apache-2.0
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { xavierUniform_, zeros_ } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { MaxPool2d } from '../nn/pooling.js';
import { Flatten } from '../nn/shape.js';
import type { Module } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, type Builder, type ClassifierOptions } from './builder.js';
import { checkImages } from './images.js';

export interface CifarCnnOptions extends ClassifierOptions {
  /** Probability of all dropouts. Default 0.25 after each pooling and 0.5 before the last layer. */
  dropout?: number;
}

/**
 * A network for CIFAR-10 as Keras's tutorials build them: 3 x 3 convolutions of 32, 36, 72 and 144 channels, each with
 * ReLU, 2 x 2 maximum pooling and dropout, and two linear layers. 203,302 parameters for 10 classes, initialised as
 * Keras does: Glorot's uniform distribution, biases 0.
 *
 * forward: [N, 3, 32, 32] to [N, numClasses] scores.
 */
export class CifarCnn extends Sequential<readonly Module[]> {
  /** Height and width of its images. */
  readonly imageSize = 32;

  constructor({ numClasses = 10, dropout }: CifarCnnOptions = {}) {
    super();
    let inputs = 3;
    for (const channels of [32, 36, 72, 144]) {
      this.append(new Conv2d(inputs, channels, 3, { padding: 'same' }), new ReLU(), new MaxPool2d(2), new Dropout(dropout ?? 0.25));
      inputs = channels;
    }
    this.append(new Flatten(), new Linear(inputs * 2 * 2, 128), new ReLU(), new Dropout(dropout ?? 0.5), new Linear(128, numClasses));
    for (const layer of this)
      if (layer instanceof Conv2d || layer instanceof Linear) {
        xavierUniform_(layer.weight);
        zeros_(layer.bias!);
      }
  }

  override forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: 3, exactly: this.imageSize });
    return super.forward(x);
  }
}

/** The network of Keras's tutorials for CIFAR-10; see CifarCnn. */
export const cifarCnn: Builder<CifarCnnOptions, CifarCnn> = builder('cifarCnn', {
  make: (options: CifarCnnOptions) => new CifarCnn(options),
  head: '20',
});
