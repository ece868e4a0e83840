// SPDX-License-Identifier: Apache-2.0
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { MaxPool2d } from '../nn/pooling.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';

export interface ClassifierOptions {
  /** How many scores there are for each image. Default 10. */
  numClasses?: number;
}

/**
 * LeNet-5 (LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86, 1998),
 * with ReLU and maximum pooling: 61,706 parameters for 10 classes.
 *
 * forward: [N, 1, 28, 28] to [N, numClasses] scores.
 */
export class LeNet5 extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor({ numClasses = 10 }: ClassifierOptions = {}) {
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
    return this.classifier.forward(flatten(this.features.forward(x), 1));
  }
}

/** LeNet-5 with PyTorch's default initialisation; see LeNet5. */
export function lenet5(options: ClassifierOptions = {}): LeNet5 {
  return new LeNet5(options);
}
