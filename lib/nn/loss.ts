// SPDX-License-Identifier: Apache-2.0
// Losses as modules: the functions of the same names with their options fixed.
import {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  l1Loss,
  mseLoss,
  nllLoss,
  type BinaryCrossEntropyOptions,
  type CrossEntropyOptions,
  type LossOptions,
  type NllLossOptions,
  type Reduction,
} from '../ops/loss.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** A function of predictions and targets. Its weights are buffers, so that they move with it. */
export abstract class Loss extends Module<[input: Tensor, target: Tensor], Tensor> {
  readonly reduction: Reduction;

  constructor({ reduction = 'mean' }: LossOptions) {
    super();
    this.reduction = reduction;
  }
}

/**
 * Cross entropy of softmax(input): [N, C, ...] raw scores and [N, ...] class numbers (or probabilities of the input's
 * shape). Options: weight [C], ignoreIndex -100, reduction 'mean', labelSmoothing 0.
 */
export class CrossEntropyLoss extends Loss {
  declare readonly weight: Tensor | null;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;

  constructor(options: CrossEntropyOptions = {}) {
    super(options);
    this.registerBuffer('weight', options.weight ?? null);
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.labelSmoothing = options.labelSmoothing ?? 0;
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return crossEntropy(input, target, this);
  }
}

/** Minus the log-probability of the right class: [N, C, ...] log-probabilities and [N, ...] class numbers. */
export class NLLLoss extends Loss {
  declare readonly weight: Tensor | null;
  readonly ignoreIndex: number;

  constructor(options: NllLossOptions = {}) {
    super(options);
    this.registerBuffer('weight', options.weight ?? null);
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return nllLoss(input, target, this);
  }
}

/** Squared difference of two tensors of one shape. */
export class MSELoss extends Loss {
  constructor(options: LossOptions = {}) {
    super(options);
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, this);
  }
}

/** Absolute difference of two tensors of one shape. */
export class L1Loss extends Loss {
  constructor(options: LossOptions = {}) {
    super(options);
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, this);
  }
}

/** Binary cross entropy of sigmoid(input), without loss of precision; targets in [0, 1]. Options: weight, posWeight. */
export class BCEWithLogitsLoss extends Loss {
  declare readonly weight: Tensor | null;
  declare readonly posWeight: Tensor | null;

  constructor(options: BinaryCrossEntropyOptions = {}) {
    super(options);
    this.registerBuffer('weight', options.weight ?? null);
    this.registerBuffer('posWeight', options.posWeight ?? null, { key: 'pos_weight' });
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropyWithLogits(input, target, this);
  }
}
