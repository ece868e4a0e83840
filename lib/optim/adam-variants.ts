// SPDX-License-Identifier: Apache-2.0
import { Op } from '../native/ops.gen.js';
import { checkBetas, checkPositive, FusedOptimizer, type MomentOptions } from './fused.js';
import type { Params } from './group.js';

interface DecoupledOptions extends MomentOptions {
  /** Whether weight decay acts on the parameters themselves, as in AdamW. Default false. */
  decoupledWeightDecay: boolean;
}

export interface NAdamOptions extends DecoupledOptions {
  /** Default 2e-3. */
  lr: number;
  /** How fast the momentum comes up to the first beta. Default 4e-3. */
  momentumDecay: number;
}

/**
 * Adam with Nesterov's momentum (Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop).
 *
 * @throws ArgumentError for options out of range
 */
export class NAdam extends FusedOptimizer<NAdamOptions> {
  protected readonly op = Op.nadamStep;

  constructor(params: Params<NAdamOptions>, options?: Partial<NAdamOptions>) {
    const defaults: NAdamOptions = {
      lr: 2e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      momentumDecay: 4e-3,
      decoupledWeightDecay: false,
      maximize: false,
    };
    super(params, defaults, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<NAdamOptions>): void {
    checkPositive(options, ['lr', 'eps', 'weightDecay', 'momentumDecay'], 'NAdam');
    checkBetas(options.betas, 'NAdam');
  }

  override get scalarNames(): readonly string[] {
    return ['step', 'mu_product'];
  }
  stateNames(): readonly string[] {
    return ['exp_avg', 'exp_avg_sq'];
  }
  protected override initial(name: string): number {
    return name === 'mu_product' ? 1 : 0;
  }

  protected attributes(options: Readonly<NAdamOptions>): number[] {
    const { betas, eps, weightDecay, momentumDecay, decoupledWeightDecay, maximize } = options;
    return [betas[0], betas[1], eps, weightDecay, momentumDecay, Number(decoupledWeightDecay), Number(maximize)];
  }
}

export interface RAdamOptions extends DecoupledOptions {
  /** Default 1e-3. */
  lr: number;
}

/**
 * Adam that does without the mean square until that is reliable (Liu et al., "On the Variance of the Adaptive Learning
 * Rate and Beyond", arXiv:1908.03265).
 *
 * @throws ArgumentError for options out of range
 */
export class RAdam extends FusedOptimizer<RAdamOptions> {
  protected readonly op = Op.radamStep;

  constructor(params: Params<RAdamOptions>, options?: Partial<RAdamOptions>) {
    const defaults: RAdamOptions = {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      decoupledWeightDecay: false,
      maximize: false,
    };
    super(params, defaults, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<RAdamOptions>): void {
    checkPositive(options, ['lr', 'eps', 'weightDecay'], 'RAdam');
    checkBetas(options.betas, 'RAdam');
  }

  stateNames(): readonly string[] {
    return ['exp_avg', 'exp_avg_sq'];
  }

  protected attributes({ betas, eps, weightDecay, decoupledWeightDecay, maximize }: Readonly<RAdamOptions>): number[] {
    return [betas[0], betas[1], eps, weightDecay, Number(decoupledWeightDecay), Number(maximize)];
  }
}

export interface AdamaxOptions extends MomentOptions {
  /** Default 2e-3. */
  lr: number;
}

/**
 * Adam with the largest gradient in place of the mean square (Kingma and Ba, arXiv:1412.6980, section 7.1).
 *
 * @throws ArgumentError for options out of range
 */
export class Adamax extends FusedOptimizer<AdamaxOptions> {
  protected readonly op = Op.adamaxStep;

  constructor(params: Params<AdamaxOptions>, options?: Partial<AdamaxOptions>) {
    super(params, { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maximize: false }, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<AdamaxOptions>): void {
    checkPositive(options, ['lr', 'eps', 'weightDecay'], 'Adamax');
    checkBetas(options.betas, 'Adamax');
  }

  stateNames(): readonly string[] {
    return ['exp_avg', 'exp_inf'];
  }

  protected attributes({ betas, eps, weightDecay, maximize }: Readonly<AdamaxOptions>): number[] {
    return [betas[0], betas[1], eps, weightDecay, Number(maximize)];
  }
}
