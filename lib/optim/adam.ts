// SPDX-License-Identifier: Apache-2.0
import { given, kindsOf, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { checkBetas, checkPositive, FusedOptimizer, type MomentOptions } from './fused.js';
import type { Params } from './group.js';

export interface AdamOptions extends MomentOptions {
  /** Default 1e-3. */
  lr: number;
  /** L2 penalty, default 0; with decoupledWeightDecay the part of the parameters that each step takes off, times lr. */
  weightDecay: number;
  /** Divide by the largest mean square so far (Reddi et al., arXiv:1904.09237). Default false. */
  amsgrad: boolean;
  /** Whether weight decay acts on the parameters themselves. Default false; AdamW: true. */
  decoupledWeightDecay: boolean;
}

const adamDefaults: AdamOptions = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  amsgrad: false,
  maximize: false,
  decoupledWeightDecay: false,
};
const { decoupledWeightDecay: _, ...adamwDefaults } = adamDefaults;
type AdamWOptions = Omit<AdamOptions, 'decoupledWeightDecay'>;
const adamwOptions = optionsOf<Partial<AdamWOptions>>(kindsOf(adamwDefaults));

/**
 * Adam (Kingma and Ba, arXiv:1412.6980).
 *
 * @throws ArgumentError for options out of range
 */
export class Adam extends FusedOptimizer<AdamOptions> {
  protected readonly op = Op.adamStep;

  constructor(params: Params<AdamOptions>, options?: Partial<AdamOptions>) {
    super(params, adamDefaults, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<AdamOptions>): void {
    checkPositive(options, ['lr', 'eps', 'weightDecay'], this.constructor.name);
    checkBetas(options.betas, this.constructor.name);
  }

  stateNames({ amsgrad }: Readonly<AdamOptions>): readonly string[] {
    return ['exp_avg', 'exp_avg_sq', ...(amsgrad ? ['max_exp_avg_sq'] : [])];
  }

  protected attributes({ betas, eps, weightDecay, amsgrad, maximize, decoupledWeightDecay }: Readonly<AdamOptions>): number[] {
    return [betas[0], betas[1], eps, weightDecay, Number(amsgrad), Number(maximize), Number(decoupledWeightDecay)];
  }
}

/**
 * Adam with decoupled weight decay, by default 0.01 (Loshchilov and Hutter, arXiv:1711.05101).
 *
 * @throws ArgumentError for options out of range
 */
export class AdamW extends Adam {
  constructor(params: Params<AdamOptions>, options?: Partial<AdamWOptions>) {
    options = adamwOptions(new.target.name, options, arguments.length > 2);
    super(params, { weightDecay: 0.01, ...given(options), decoupledWeightDecay: true });
  }
}
