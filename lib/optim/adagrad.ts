// SPDX-License-Identifier: Apache-2.0
import { Op } from '../native/ops.gen.js';
import { checkNumber } from '../ops/checks.js';
import { checkPositive, FusedOptimizer, type DecayOptions } from './fused.js';
import type { Params } from './group.js';

export interface AdagradOptions extends DecayOptions {
  /** Default 1e-2. */
  lr: number;
  /** The rate of step n is lr / (1 + (n - 1) * lrDecay). Default 0. */
  lrDecay: number;
  /** What the sums of squares begin with. Default 0. */
  initialAccumulatorValue: number;
  /** Added to the root of the sum. Default 1e-10. */
  eps: number;
}

/**
 * Gradients divided by the root of the sum of their squares (Duchi, Hazan and Singer, "Adaptive Subgradient Methods for
 * Online Learning and Stochastic Optimization", JMLR 12, 2011).
 *
 * @throws ArgumentError for options out of range
 */
export class Adagrad extends FusedOptimizer<AdagradOptions> {
  protected readonly op = Op.adagradStep;

  constructor(params: Params<AdagradOptions>, options?: Partial<AdagradOptions>) {
    const defaults: AdagradOptions = {
      lr: 1e-2,
      lrDecay: 0,
      weightDecay: 0,
      initialAccumulatorValue: 0,
      eps: 1e-10,
      maximize: false,
    };
    super(params, defaults, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<AdagradOptions>): void {
    checkPositive(options, ['lr', 'lrDecay', 'weightDecay', 'initialAccumulatorValue', 'eps'], 'Adagrad');
  }

  stateNames(): readonly string[] {
    return ['sum'];
  }
  protected override initial(name: string, { initialAccumulatorValue }: Readonly<AdagradOptions>): number {
    return name === 'sum' ? initialAccumulatorValue : 0;
  }

  protected attributes({ lrDecay, weightDecay, eps, maximize }: Readonly<AdagradOptions>): number[] {
    return [lrDecay, weightDecay, eps, Number(maximize)];
  }
}

export interface AdadeltaOptions extends DecayOptions {
  /** Default 1. */
  lr: number;
  /** How slowly the mean squares forget. Default 0.9. */
  rho: number;
  /** Added to the mean squares. Default 1e-6. */
  eps: number;
}

/**
 * Steps as large as the recent ones were, in the gradient's units (Zeiler, arXiv:1212.5701).
 *
 * @throws ArgumentError for options out of range
 */
export class Adadelta extends FusedOptimizer<AdadeltaOptions> {
  protected readonly op = Op.adadeltaStep;

  constructor(params: Params<AdadeltaOptions>, options?: Partial<AdadeltaOptions>) {
    super(params, { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false }, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<AdadeltaOptions>): void {
    checkPositive(options, ['lr', 'eps', 'weightDecay'], 'Adadelta');
    checkNumber(options.rho, 0, 1, 'Adadelta', 'rho');
  }

  stateNames(): readonly string[] {
    return ['square_avg', 'acc_delta'];
  }

  protected attributes({ rho, eps, weightDecay, maximize }: Readonly<AdadeltaOptions>): number[] {
    return [rho, eps, weightDecay, Number(maximize)];
  }
}
