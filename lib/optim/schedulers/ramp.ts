// SPDX-License-Identifier: Apache-2.0
// Rates that go from one value to another and stay there: warm-up and decay.
import { ArgumentError } from '../../native/errors.js';
import { number, optionsOf } from '../../native/options.js';
import { checkInteger, checkNumber } from '../../ops/checks.js';
import type { ParamGroup } from '../group.js';
import type { Optimizer } from '../optimizer.js';
import { LRScheduler, schedulerOptions, type SchedulerOptions } from './base.js';

export interface ConstantOptions extends SchedulerOptions {
  /** Within [0, 1]. Default 1/3. */
  factor?: number;
  /** The number of steps after which the rate is what it was. Default 5. */
  totalIters?: number;
}
const constantOptions = optionsOf<ConstantOptions>({
  factor: number,
  totalIters: number,
  ...schedulerOptions.schema,
});

/** The rate times `factor` for the first `totalIters` steps. @throws ArgumentError for a factor out of range */
export class ConstantLR extends LRScheduler<{ factor: number; totalIters: number }> {
  constructor(optimizer: Optimizer, options?: ConstantOptions) {
    options = constantOptions(new.target.name, options, arguments.length > 2);
    const { factor = 1 / 3, totalIters = 5 } = options;
    checkNumber(factor, 0, 1, 'ConstantLR', 'factor');
    super(optimizer, { factor, totalIters: checkInteger(totalIters, 0, 'ConstantLR', 'totalIters') }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    const { factor, totalIters } = this.settings;
    if (this.lastEpoch === 0) return lr * factor;
    return this.lastEpoch === totalIters ? lr * (1 / factor) : lr;
  }
  protected override firstRate(_group: ParamGroup, baseLr: number): number {
    const { factor, totalIters } = this.settings;
    return totalIters > 0 ? baseLr * factor : baseLr;
  }
}

export interface LinearOptions extends SchedulerOptions {
  /** Within (0, 1]. Default 1/3. */
  startFactor?: number;
  /** Within [0, 1]. Default 1. */
  endFactor?: number;
  /** The number of steps from the one to the other. Default 5. */
  totalIters?: number;
}
const linearOptions = optionsOf<LinearOptions>({
  startFactor: number,
  endFactor: number,
  totalIters: number,
  ...schedulerOptions.schema,
});

/** The rate times a factor that goes from `startFactor` to `endFactor`. @throws ArgumentError for factors out of range */
export class LinearLR extends LRScheduler<{ startFactor: number; endFactor: number; totalIters: number }> {
  constructor(optimizer: Optimizer, options?: LinearOptions) {
    options = linearOptions(new.target.name, options, arguments.length > 2);
    const { startFactor = 1 / 3, endFactor = 1, totalIters = 5 } = options;
    if (checkNumber(startFactor, 0, 1, 'LinearLR', 'startFactor') === 0)
      throw new ArgumentError('LinearLR: startFactor must be above 0');
    checkNumber(endFactor, 0, 1, 'LinearLR', 'endFactor');
    super(optimizer, { startFactor, endFactor, totalIters: checkInteger(totalIters, 1, 'LinearLR', 'totalIters') }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    const { startFactor, endFactor, totalIters } = this.settings;
    if (this.lastEpoch === 0) return lr * startFactor;
    if (this.isInitial || this.lastEpoch > totalIters) return lr;
    const rise = endFactor - startFactor;
    return lr * (1 + rise / (totalIters * startFactor + (this.lastEpoch - 1) * rise));
  }
  protected override firstRate(_group: ParamGroup, baseLr: number): number {
    return baseLr * this.settings.startFactor;
  }
}

export interface PolynomialOptions extends SchedulerOptions {
  /** The number of steps down to 0. Default 5. */
  totalIters?: number;
  /** Default 1: a straight line. */
  power?: number;
}
const polynomialOptions = optionsOf<PolynomialOptions>({
  totalIters: number,
  power: number,
  ...schedulerOptions.schema,
});

/** Down to 0 as (1 - step / totalIters) ** power. */
export class PolynomialLR extends LRScheduler<{ totalIters: number; power: number }> {
  constructor(optimizer: Optimizer, options?: PolynomialOptions) {
    options = polynomialOptions(new.target.name, options, arguments.length > 2);
    const { totalIters = 5, power = 1 } = options;
    checkInteger(totalIters, 1, 'PolynomialLR', 'totalIters');
    super(optimizer, { totalIters, power: checkNumber(power, -Number.MAX_VALUE, Number.MAX_VALUE, 'PolynomialLR', 'power') }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    const { totalIters, power } = this.settings;
    if (this.isInitial || this.lastEpoch > totalIters) return lr;
    return lr * ((1 - this.lastEpoch / totalIters) / (1 - (this.lastEpoch - 1) / totalIters)) ** power;
  }
  protected override firstRate(_group: ParamGroup, baseLr: number): number {
    return baseLr;
  }
}
