// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkNumber } from '../ops/checks.js';
import { copyKernel, fullKernel } from '../ops/kernels.js';
import type { Tensor } from '../tensor/tensor.js';
import type { GroupOptions, ParamGroup, Params } from './group.js';
import { Optimizer, type Batch } from './optimizer.js';

export interface AdamOptions extends GroupOptions {
  /** Default 1e-3. */
  lr: number;
  /** How slowly the means of the gradients and of their squares forget. Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the root of the mean square. Default 1e-8. */
  eps: number;
  /** Adam: L2 penalty, default 0. AdamW: part of the parameters that each step takes off, times lr; default 0.01. */
  weightDecay: number;
  /** Divide by the largest mean square so far (Reddi et al., arXiv:1904.09237). Default false. */
  amsgrad: boolean;
  /** Go up instead of down. Default false. */
  maximize: boolean;
}

const defaults: AdamOptions = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  amsgrad: false,
  maximize: false,
};

/**
 * Adam (Kingma and Ba, arXiv:1412.6980).
 *
 * @throws ArgumentError for options out of range
 */
export class Adam extends Optimizer<AdamOptions> {
  /** Whether weight decay acts on the parameters themselves. */
  protected readonly decoupled: boolean = false;

  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, { ...defaults, ...options });
  }

  protected checkOptions(options: Readonly<AdamOptions>): void {
    const name = this.constructor.name;
    for (const key of ['lr', 'eps', 'weightDecay'] as const) checkNumber(options[key], 0, Number.MAX_VALUE, name, key);
    const { betas } = options;
    if (!Array.isArray(betas) || betas.length !== 2 || !betas.every((b) => typeof b === 'number' && b >= 0 && b < 1))
      throw new ArgumentError(`${name}: betas must be two numbers in [0, 1), got ${String(betas)}`);
  }

  stateNames({ amsgrad }: Readonly<AdamOptions>): readonly string[] {
    return ['step', 'exp_avg', 'exp_avg_sq', ...(amsgrad ? ['max_exp_avg_sq'] : [])];
  }

  protected update(group: ParamGroup<AdamOptions>, { params, grads, lr }: Batch): void {
    const { betas, eps, weightDecay, amsgrad, maximize } = group;
    const names = this.stateNames(group).slice(1);
    for (const [step, indices] of this.#counted(group, params)) {
      const states = indices.map((i) => this.remember(params[i]!, names));
      run(
        Op.adamStep,
        [lr, ...indices.map((i) => grads[i]!)],
        [step, ...indices.map((i) => params[i]!), ...names.flatMap((name) => states.map((state) => state[name]!))],
        [betas[0], betas[1], eps, weightDecay, amsgrad ? 1 : 0, maximize ? 1 : 0, this.decoupled ? 1 : 0],
      );
    }
  }

  // Which parameters share a counter of steps. It lives on the device, and each native call advances one: those that
  // get no gradient this time must not share with those that do.
  #counted(group: ParamGroup<AdamOptions>, params: readonly Tensor[]): Map<Tensor, number[]> {
    const sharers = new Map<Tensor, number>();
    for (const p of group.params) {
      const step = this.state.get(p)?.['step'];
      if (step) sharers.set(step, (sharers.get(step) ?? 0) + 1);
    }
    const newcomers: number[] = [];
    const byStep = new Map<Tensor, number[]>();
    params.forEach((p, i) => {
      const step = this.state.get(p)?.['step'];
      if (!step) newcomers.push(i);
      else if (!byStep.get(step)?.push(i)) byStep.set(step, [i]);
    });
    const result = new Map<Tensor, number[]>();
    const assign = (step: Tensor, indices: number[]) => {
      for (const i of indices) this.remember(params[i]!, [])['step'] = step;
      result.set(step, indices);
    };
    for (const [step, indices] of byStep)
      if (indices.length === sharers.get(step)) result.set(step, indices);
      else assign(copyKernel(step), indices);
    if (newcomers.length > 0) assign(fullKernel([], 0, 'float32', params[0]!.device), newcomers);
    return result;
  }
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).
 *
 * @throws ArgumentError for options out of range
 */
export class AdamW extends Adam {
  protected override readonly decoupled = true;

  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, { weightDecay: 0.01, ...options });
  }
}
