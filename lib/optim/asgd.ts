// SPDX-License-Identifier: Apache-2.0
import { Op } from '../native/ops.gen.js';
import { checkNumber } from '../ops/checks.js';
import { checkPositive, FusedOptimizer, type DecayOptions } from './fused.js';
import type { Params } from './group.js';

export interface ASGDOptions extends DecayOptions {
  /** Default 1e-2. */
  lr: number;
  /** What each step takes off the parameters, times the rate. Default 1e-4. */
  lambd: number;
  /** The power by which the rate goes down. Default 0.75. */
  alpha: number;
  /** The step after which the average begins. Default 1e6. */
  t0: number;
}

/**
 * Gradient descent that also averages its parameters, as `ax` in the state (Polyak and Juditsky, "Acceleration of
 * stochastic approximation by averaging", SIAM J. Control Optim. 30, 1992).
 *
 * @throws ArgumentError for options out of range
 */
export class ASGD extends FusedOptimizer<ASGDOptions> {
  protected readonly op = Op.asgdStep;

  constructor(params: Params<ASGDOptions>, options?: Partial<ASGDOptions>) {
    super(params, { lr: 1e-2, lambd: 1e-4, alpha: 0.75, t0: 1e6, weightDecay: 0, maximize: false }, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<ASGDOptions>): void {
    checkPositive(options, ['lr', 'weightDecay'], 'ASGD');
    for (const name of ['lambd', 'alpha', 't0'] as const)
      checkNumber(options[name], -Number.MAX_VALUE, Number.MAX_VALUE, 'ASGD', name);
  }

  override get scalarNames(): readonly string[] {
    return ['step', 'eta', 'mu'];
  }
  stateNames(): readonly string[] {
    return ['ax'];
  }
  protected override initial(name: string, { lr }: Readonly<ASGDOptions>): number {
    return name === 'eta' ? lr : name === 'mu' ? 1 : 0;
  }

  protected attributes({ lambd, alpha, t0, weightDecay, maximize }: Readonly<ASGDOptions>): number[] {
    return [lambd, alpha, t0, weightDecay, Number(maximize)];
  }
}
