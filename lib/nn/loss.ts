// SPDX-License-Identifier: Apache-2.0
// Losses as modules: the functions of the same names with their options fixed.
import {
  crossEntropy,
  crossEntropyOptions,
  nllLoss,
  nllLossOptions,
  type CrossEntropyOptions,
  type NllLossOptions,
} from '../ops/loss.js';
import { lossOptions, type LossOptions, type Reduction } from '../ops/loss-options.js';
import {
  binaryCrossEntropy,
  binaryCrossEntropyOptions,
  binaryCrossEntropyWithLogits,
  binaryCrossEntropyWithLogitsOptions,
  klDiv,
  klDivOptions,
  type BinaryCrossEntropyOptions,
  type BinaryCrossEntropyWithLogitsOptions,
  type KLDivOptions,
} from '../ops/probability-loss.js';
import {
  huberLoss,
  huberOptions,
  l1Loss,
  mseLoss,
  smoothL1Loss,
  smoothL1Options,
  type HuberOptions,
  type SmoothL1Options,
} from '../ops/regression-loss.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** A function of predictions and targets. Its weights are buffers, so that they move with it. */
export abstract class Loss<R extends string = Reduction> extends Module<[input: Tensor, target: Tensor], Tensor> {
  readonly reduction: R | 'mean';

  constructor({ reduction = 'mean' }: { reduction?: R | 'mean' }) {
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

  constructor(options?: CrossEntropyOptions) {
    options = crossEntropyOptions(new.target.name, options, arguments.length > 1);
    super(options);
    this.registerBuffer('weight', options.weight ?? null);
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.labelSmoothing = options.labelSmoothing ?? 0;
  }
  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignoreIndex, reduction, labelSmoothing } = this;
    return crossEntropy(input, target, { weight, ignoreIndex, reduction, labelSmoothing });
  }
}

/** Minus the log-probability of the right class: [N, C, ...] log-probabilities and [N, ...] class numbers. */
export class NLLLoss extends Loss {
  declare readonly weight: Tensor | null;
  readonly ignoreIndex: number;

  constructor(options?: NllLossOptions) {
    options = nllLossOptions(new.target.name, options, arguments.length > 1);
    super(options);
    this.registerBuffer('weight', options.weight ?? null);
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }
  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignoreIndex, reduction } = this;
    return nllLoss(input, target, { weight, ignoreIndex, reduction });
  }
}

/** Squared difference of two tensors of one shape. */
export class MSELoss extends Loss {
  constructor(options?: LossOptions) {
    options = lossOptions(new.target.name, options, arguments.length > 1);
    super(options);
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, { reduction: this.reduction });
  }
}

/** Absolute difference of two tensors of one shape. */
export class L1Loss extends Loss {
  constructor(options?: LossOptions) {
    options = lossOptions(new.target.name, options, arguments.length > 1);
    super(options);
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, { reduction: this.reduction });
  }
}

/** A parabola for differences below `beta` (default 1), a line above (Girshick, arXiv:1504.08083). */
export class SmoothL1Loss extends Loss {
  readonly beta: number;

  constructor(options?: SmoothL1Options) {
    options = smoothL1Options(new.target.name, options, arguments.length > 1);
    super(options);
    this.beta = options.beta ?? 1;
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, { reduction: this.reduction, beta: this.beta });
  }
}

/** Half the squared difference up to `delta` (default 1), a line beyond. */
export class HuberLoss extends Loss {
  readonly delta: number;

  constructor(options?: HuberOptions) {
    options = huberOptions(new.target.name, options, arguments.length > 1);
    super(options);
    this.delta = options.delta ?? 1;
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return huberLoss(input, target, { reduction: this.reduction, delta: this.delta });
  }
}

/** Binary cross entropy of probabilities in [0, 1], such as sigmoid() gives. Option: weight. */
export class BCELoss extends Loss {
  declare readonly weight: Tensor | null;

  constructor(options?: BinaryCrossEntropyOptions) {
    options = binaryCrossEntropyOptions(new.target.name, options, arguments.length > 1);
    super(options);
    this.registerBuffer('weight', options.weight ?? null);
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropy(input, target, { reduction: this.reduction, weight: this.weight });
  }
}

/**
 * Kullback-Leibler divergence of log-probabilities `input` from probabilities `target`. Options: reduction 'mean', which
 * is over all elements ('batchmean' is the mathematical one); logTarget false, whether target holds logarithms too.
 */
export class KLDivLoss extends Loss<Reduction | 'batchmean'> {
  readonly logTarget: boolean;

  constructor(options?: KLDivOptions) {
    options = klDivOptions(new.target.name, options, arguments.length > 1);
    super(options);
    this.logTarget = options.logTarget ?? false;
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return klDiv(input, target, { reduction: this.reduction, logTarget: this.logTarget });
  }
}

/** Binary cross entropy of sigmoid(input), without loss of precision; targets in [0, 1]. Options: weight, posWeight. */
export class BCEWithLogitsLoss extends Loss {
  declare readonly weight: Tensor | null;
  declare readonly posWeight: Tensor | null;

  constructor(options?: BinaryCrossEntropyWithLogitsOptions) {
    options = binaryCrossEntropyWithLogitsOptions(new.target.name, options, arguments.length > 1);
    super(options);
    this.registerBuffer('weight', options.weight ?? null);
    this.registerBuffer('posWeight', options.posWeight ?? null, { key: 'pos_weight' });
  }
  forward(input: Tensor, target: Tensor): Tensor {
    const { reduction, weight, posWeight } = this;
    return binaryCrossEntropyWithLogits(input, target, { reduction, weight, posWeight });
  }
}
