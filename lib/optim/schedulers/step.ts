// SPDX-License-Identifier: Apache-2.0
// Rates that are multiplied by a constant now and then.
import { ArgumentError } from '../../native/errors.js';
import { number, optionsOf, show } from '../../native/options.js';
import { checkInteger, checkNumber } from '../../ops/checks.js';
import type { ParamGroup } from '../group.js';
import type { Optimizer } from '../optimizer.js';
import { LRScheduler, schedulerOptions, type SchedulerOptions } from './base.js';

export interface GammaOptions extends SchedulerOptions {
  /** Default 0.1. */
  gamma?: number;
}
const gammaOptions = optionsOf<GammaOptions>({ gamma: number, ...schedulerOptions.schema });

/** The rate times gamma every `stepSize` steps. */
export class StepLR extends LRScheduler<{ stepSize: number; gamma: number }> {
  constructor(optimizer: Optimizer, stepSize: number, options?: GammaOptions) {
    options = gammaOptions(new.target.name, options, arguments.length > 3);
    const { gamma = 0.1 } = options;
    super(optimizer, { stepSize: checkInteger(stepSize, 1, 'StepLR', 'stepSize'), gamma }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    const { stepSize, gamma } = this.settings;
    return this.lastEpoch === 0 || this.lastEpoch % stepSize !== 0 ? lr : lr * gamma;
  }
  protected override firstRate(_group: ParamGroup, baseLr: number): number {
    return baseLr;
  }
}

/** The rate times gamma at each of the given steps. */
export class MultiStepLR extends LRScheduler<{ milestones: readonly number[]; gamma: number }> {
  constructor(optimizer: Optimizer, milestones: readonly number[], options?: GammaOptions) {
    options = gammaOptions(new.target.name, options, arguments.length > 3);
    const { gamma = 0.1 } = options;
    if (!Array.isArray(milestones)) throw new ArgumentError(`MultiStepLR: milestones must be an array, got ${show(milestones)}`);
    for (const m of milestones) checkInteger(m, 0, 'MultiStepLR', 'a milestone');
    super(optimizer, { milestones: [...milestones].sort((a, b) => a - b), gamma }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    const { milestones, gamma } = this.settings;
    return lr * gamma ** milestones.filter((m) => m === this.lastEpoch).length;
  }
  protected override firstRate(_group: ParamGroup, baseLr: number): number {
    const { milestones, gamma } = this.settings;
    return baseLr * gamma ** milestones.filter((m) => m <= 0).length;
  }
}

/** The rate times gamma at every step. */
export class ExponentialLR extends LRScheduler<{ gamma: number }> {
  constructor(optimizer: Optimizer, gamma: number, options?: SchedulerOptions) {
    options = schedulerOptions(new.target.name, options, arguments.length > 3);
    super(optimizer, { gamma: checkNumber(gamma, -Number.MAX_VALUE, Number.MAX_VALUE, 'ExponentialLR', 'gamma') }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    return this.isInitial ? lr : lr * this.settings.gamma;
  }
  protected override firstRate(_group: ParamGroup, baseLr: number): number {
    return baseLr;
  }
}
