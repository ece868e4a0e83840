// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkNumber } from '../ops/checks.js';
import type { Tensor } from '../tensor/tensor.js';
import type { GroupOptions, ParamGroup, Params } from './group.js';
import { Optimizer, type Batch } from './optimizer.js';

export interface SGDOptions extends GroupOptions {
  /** Default 1e-3. */
  lr: number;
  /** Default 0. */
  momentum: number;
  /** The part of the gradient that does not enter the momentum. Default 0. */
  dampening: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Look ahead along the momentum. Default false. */
  nesterov: boolean;
  /** Go up instead of down. Default false. */
  maximize: boolean;
}

/**
 * Stochastic gradient descent, with momentum as in Sutskever et al., "On the importance of initialization and momentum
 * in deep learning" (ICML 2013).
 *
 * @throws ArgumentError for options out of range; nesterov needs momentum and no dampening
 */
export class SGD extends Optimizer<SGDOptions> {
  constructor(params: Params<SGDOptions>, options?: Partial<SGDOptions>) {
    const defaults: SGDOptions = {
      lr: 1e-3,
      momentum: 0,
      dampening: 0,
      weightDecay: 0,
      nesterov: false,
      maximize: false,
    };
    super(params, defaults, options, arguments.length > 2);
  }

  protected checkOptions({ lr, momentum, dampening, weightDecay, nesterov }: Readonly<SGDOptions>): void {
    checkNumber(lr, 0, Number.MAX_VALUE, 'SGD', 'lr');
    checkNumber(momentum, 0, Number.MAX_VALUE, 'SGD', 'momentum');
    checkNumber(dampening, -Number.MAX_VALUE, Number.MAX_VALUE, 'SGD', 'dampening');
    checkNumber(weightDecay, 0, Number.MAX_VALUE, 'SGD', 'weightDecay');
    if (nesterov && (momentum <= 0 || dampening !== 0))
      throw new ArgumentError('SGD: nesterov needs momentum above 0 and dampening 0');
  }

  stateNames({ momentum }: Readonly<SGDOptions>): readonly string[] {
    return momentum === 0 ? [] : ['momentum_buffer'];
  }

  protected override get skippable(): boolean {
    return this.update === SGD.prototype.update;
  }

  protected update(group: ParamGroup<SGDOptions>, { params, grads, lr, foundInf }: Batch): void {
    const { momentum, dampening, weightDecay, nesterov, maximize } = group;
    const apply = (indices: readonly number[], buffers: readonly Tensor[], first: boolean) =>
      run(
        Op.sgdStep,
        [lr, foundInf, ...indices.map((i) => grads[i]!)],
        [...indices.map((i) => params[i]!), ...buffers],
        [momentum, dampening, weightDecay, nesterov ? 1 : 0, maximize ? 1 : 0, first ? 1 : 0],
      );
    const all = [...params.keys()];
    if (momentum === 0) return apply(all, [], false);
    // A buffer begins as the first gradient. With dampening this is not what comes of 0: newcomers are updated apart, and
    // only once it is known here that they are, so that the next step knows, too.
    const started = params.map((p) => dampening === 0 || this.state.get(p)?.['momentum_buffer'] !== undefined);
    for (const first of [true, false]) {
      const indices = all.filter((i) => started[i] !== first);
      if (first && indices.length > 0 && foundInf && foundInf.itemSync() !== 0) continue;
      const buffers = indices.map((i) => this.remember(params[i]!, ['momentum_buffer'], group)['momentum_buffer']!);
      if (indices.length > 0) apply(indices, buffers, first);
    }
  }
}
