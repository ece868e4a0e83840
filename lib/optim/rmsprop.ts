// SPDX-License-Identifier: Apache-2.0
import { Op } from '../native/ops.gen.js';
import { checkPositive, FusedOptimizer, type DecayOptions } from './fused.js';
import type { Params } from './group.js';

export interface RMSpropOptions extends DecayOptions {
  /** Default 1e-2. */
  lr: number;
  /** How slowly the mean square of the gradients forgets. Default 0.99. */
  alpha: number;
  /** Added to the root of the mean square. Default 1e-8. */
  eps: number;
  /** Default 0. */
  momentum: number;
  /** Divide by the deviation from the mean gradient instead. Default false. */
  centered: boolean;
}

/**
 * Gradients divided by the root of their running mean square (Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012; the
 * centered form: Graves, arXiv:1308.0850).
 *
 * @throws ArgumentError for options out of range
 */
export class RMSprop extends FusedOptimizer<RMSpropOptions> {
  protected readonly op = Op.rmspropStep;

  constructor(params: Params<RMSpropOptions>, options?: Partial<RMSpropOptions>) {
    const defaults: RMSpropOptions = {
      lr: 1e-2,
      momentum: 0,
      alpha: 0.99,
      eps: 1e-8,
      centered: false,
      weightDecay: 0,
      maximize: false,
    };
    super(params, defaults, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<RMSpropOptions>): void {
    checkPositive(options, ['lr', 'alpha', 'eps', 'weightDecay', 'momentum'], 'RMSprop');
  }

  stateNames({ momentum, centered }: Readonly<RMSpropOptions>): readonly string[] {
    return ['square_avg', ...(momentum > 0 ? ['momentum_buffer'] : []), ...(centered ? ['grad_avg'] : [])];
  }

  protected attributes({ alpha, eps, weightDecay, momentum, centered, maximize }: Readonly<RMSpropOptions>): number[] {
    return [alpha, eps, weightDecay, momentum, Number(centered), Number(maximize)];
  }
}
