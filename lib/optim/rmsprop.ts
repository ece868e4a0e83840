// SPDX-License-Identifier: Apache-2.0
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkNumber } from '../ops/checks.js';
import type { GroupOptions, ParamGroup, Params } from './group.js';
import { Optimizer, type Batch } from './optimizer.js';

export interface RMSpropOptions extends GroupOptions {
  /** Default 1e-2. */
  lr: number;
  /** How slowly the mean square of the gradients forgets. Default 0.99. */
  alpha: number;
  /** Added to the root of the mean square. Default 1e-8. */
  eps: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Default 0. */
  momentum: number;
  /** Divide by the deviation from the mean gradient instead. Default false. */
  centered: boolean;
  /** Go up instead of down. Default false. */
  maximize: boolean;
}

/**
 * Gradients divided by the root of their running mean square (Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012; the
 * centered form: Graves, arXiv:1308.0850).
 *
 * @throws ArgumentError for options out of range
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  constructor(params: Params<RMSpropOptions>, options: Partial<RMSpropOptions> = {}) {
    super(params, {
      lr: 1e-2,
      momentum: 0,
      alpha: 0.99,
      eps: 1e-8,
      centered: false,
      weightDecay: 0,
      maximize: false,
      ...options,
    });
  }

  protected checkOptions(options: Readonly<RMSpropOptions>): void {
    for (const name of ['lr', 'alpha', 'eps', 'weightDecay', 'momentum'] as const)
      checkNumber(options[name], 0, Number.MAX_VALUE, 'RMSprop', name);
  }

  stateNames({ momentum, centered }: Readonly<RMSpropOptions>): readonly string[] {
    return ['square_avg', ...(momentum > 0 ? ['momentum_buffer'] : []), ...(centered ? ['grad_avg'] : [])];
  }

  protected update(group: ParamGroup<RMSpropOptions>, { params, grads, lr }: Batch): void {
    const { alpha, eps, weightDecay, momentum, centered, maximize } = group;
    const names = this.stateNames(group);
    const states = params.map((p) => this.remember(p, names));
    run(
      Op.rmspropStep,
      [lr, ...grads],
      [...params, ...names.flatMap((name) => states.map((state) => state[name]!))],
      [alpha, eps, weightDecay, momentum, centered ? 1 : 0, maximize ? 1 : 0],
    );
  }
}
