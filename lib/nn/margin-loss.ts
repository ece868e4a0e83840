// SPDX-License-Identifier: Apache-2.0
// Losses of margins, counts and variances as modules: the functions of the same names with their options fixed.
import type { OptionsOf } from '../native/options.js';
import type { LossOptions } from '../ops/loss-options.js';
import { lossOptions } from '../ops/loss-options.js';
import * as f from '../ops/margin-loss.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** What these modules share; a weight among the options is a buffer, so that it moves with the module. */
export abstract class OptionsLoss<A extends Tensor[], O extends LossOptions & { weight?: Tensor | null }> extends Module<A, Tensor> {
  declare readonly weight: Tensor | null;
  /** As given. */
  readonly options: Readonly<Omit<O, 'weight'>>;

  protected constructor(
    private readonly loss: (...args: [...A, O]) => Tensor,
    { weight, ...options }: O,
    private readonly weighted: boolean,
  ) {
    super();
    this.options = options;
    if (weighted) this.registerBuffer('weight', weight ?? null);
  }

  forward(...tensors: A): Tensor {
    const options = (this.weighted ? { ...this.options, weight: this.weight } : this.options) as O;
    return this.loss(...tensors, options);
  }
}

// The base class of a loss: its own class gives it a name.
function lossOf<A extends Tensor[], O extends LossOptions>(
  loss: (...args: [...A, O?]) => Tensor,
  checked: OptionsOf<O>,
): new (options?: O) => OptionsLoss<A, O> {
  return class extends OptionsLoss<A, O> {
    constructor(options?: O) {
      super(loss, checked(new.target.name, options, arguments.length > 1), 'weight' in checked.schema);
    }
  };
}

type Pair = [input: Tensor, target: Tensor];
type Pairs = [x1: Tensor, x2: Tensor, target: Tensor];
type Triplet = [anchor: Tensor, positive: Tensor, negative: Tensor];

/** max(0, -target (x1 - x2) + margin). Options: margin 0, reduction 'mean'. */
export class MarginRankingLoss extends lossOf<Pairs, f.MarginOptions>(f.marginRankingLoss, f.marginOptions) {}
/** x where target is 1, max(0, margin - x) where it is -1. Options: margin 1, reduction 'mean'. */
export class HingeEmbeddingLoss extends lossOf<Pair, f.MarginOptions>(f.hingeEmbeddingLoss, f.marginOptions) {}
/** log(1 + exp(-target x)); targets are 1 or -1. Option: reduction 'mean'. */
export class SoftMarginLoss extends lossOf<Pair, LossOptions>(f.softMarginLoss, lossOptions) {}
/** 1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1. Options: margin 0, reduction 'mean'. */
export class CosineEmbeddingLoss extends lossOf<Pairs, f.MarginOptions>(f.cosineEmbeddingLoss, f.marginOptions) {}
/** max(0, |anchor - positive| - |anchor - negative| + margin). Options: margin 1, p 2, eps 1e-6, swap false, reduction 'mean'. */
export class TripletMarginLoss extends lossOf<Triplet, f.TripletMarginOptions>(f.tripletMarginLoss, f.tripletMarginOptions) {}
/** TripletMarginLoss with a distance of one's own. Options: distanceFunction, margin 1, swap false, reduction 'mean'. */
export class TripletMarginWithDistanceLoss extends lossOf<Triplet, f.TripletMarginWithDistanceOptions>(
  f.tripletMarginWithDistanceLoss,
  f.tripletMarginWithDistanceOptions,
) {}
/** The hinge loss of classes: [N, C] scores and [N] class numbers. Options: p 1, margin 1, weight [C], reduction 'mean'. */
export class MultiMarginLoss extends lossOf<Pair, f.MultiMarginOptions>(f.multiMarginLoss, f.multiMarginOptions) {}
/** The hinge loss of several classes for each sample: [N, C] scores, and class numbers up to the first -1. */
export class MultiLabelMarginLoss extends lossOf<Pair, LossOptions>(f.multilabelMarginLoss, lossOptions) {}
/** Binary cross entropies of several classes: [N, C] scores and targets of 0 and 1. Options: weight [C], reduction 'mean'. */
export class MultiLabelSoftMarginLoss extends lossOf<Pair, f.WeightedLossOptions>(
  f.multilabelSoftMarginLoss,
  f.weightedLossOptions,
) {}
/** exp(x) - target x, for counts. Options: logInput true, full false, eps 1e-8, reduction 'mean'. */
export class PoissonNLLLoss extends lossOf<Pair, f.PoissonNllOptions>(f.poissonNllLoss, f.poissonNllOptions) {}
/** (log(var) + (x - target)^2 / var) / 2. Options: full false, eps 1e-6, reduction 'mean'. */
export class GaussianNLLLoss extends lossOf<[input: Tensor, target: Tensor, variance: Tensor], f.GaussianNllOptions>(
  f.gaussianNllLoss,
  f.gaussianNllOptions,
) {}
