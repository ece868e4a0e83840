// SPDX-License-Identifier: Apache-2.0
import { withoutGrad } from '../autograd/mode.js';
import { number, optionsOf } from '../native/options.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { xavierUniform_, zeros_ } from '../nn/init.js';
import { LazyConv2d, LazyLinear } from '../nn/lazy.js';
import { Linear } from '../nn/linear.js';
import type { Module } from '../nn/module.js';
import { MaxPool2d } from '../nn/pooling.js';
import { Flatten } from '../nn/shape.js';
import { zeros } from '../ops/creation.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, classifierOptions, type Builder, type ClassifierOptions } from './builder.js';
import { checkImages } from './images.js';

export interface CifarCnnOptions extends ClassifierOptions {
  /** Probability of all dropouts. Default 0.25 after each pooling and 0.5 before the last layer. */
  dropout?: number;
}
const cifarCnnOptions = optionsOf<CifarCnnOptions>({ ...classifierOptions.schema, dropout: number });

/**
 * A network for CIFAR-10 as Keras's tutorials build them: 3 x 3 convolutions of 32, 36, 72 and 144 channels, each with
 * ReLU, 2 x 2 maximum pooling and dropout, and two linear layers, all of which learn their inputs' sizes from an image.
 * 203,302 parameters for 10 classes, initialised as Keras does: Glorot's uniform distribution, biases 0.
 *
 * forward: [N, 3, 32, 32] to [N, numClasses] scores.
 */
export class CifarCnn extends Sequential<readonly Module[]> {
  /** Height and width of its images. */
  readonly imageSize = 32;

  constructor(options?: CifarCnnOptions) {
    const { numClasses = 10, dropout } = cifarCnnOptions(new.target.name, options, arguments.length > 1);
    super();
    for (const channels of [32, 36, 72, 144])
      this.append(new LazyConv2d(channels, 3, { padding: 'same' }), new ReLU(), new MaxPool2d(2), new Dropout(dropout ?? 0.25));
    this.append(new Flatten(), new LazyLinear(128), new ReLU(), new Dropout(dropout ?? 0.5), new LazyLinear(numClasses));
    // As Keras's input_shape does: one image tells the layers the sizes of their inputs. Not in training, in which
    // dropout would draw random numbers.
    withoutGrad(() => this.eval().forward(zeros([1, 3, this.imageSize, this.imageSize])));
    this.train();
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
  options: cifarCnnOptions,
  make: (options: CifarCnnOptions) => new CifarCnn(options),
  head: '20',
});
