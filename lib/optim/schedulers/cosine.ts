// SPDX-License-Identifier: Apache-2.0
import { number, optionsOf } from '../../native/options.js';
import { checkInteger } from '../../ops/checks.js';
import type { ParamGroup } from '../group.js';
import type { Optimizer } from '../optimizer.js';
import { LRScheduler, schedulerOptions, type SchedulerOptions } from './base.js';

export interface CosineOptions extends SchedulerOptions {
  /** The lowest rate. Default 0. */
  etaMin?: number;
}
const cosineOptions = optionsOf<CosineOptions>({ etaMin: number, ...schedulerOptions.schema });

/** Half a period of a cosine, from the first rate down to etaMin in `TMax` steps (Loshchilov and Hutter, arXiv:1608.03983). */
export class CosineAnnealingLR extends LRScheduler<{ TMax: number; etaMin: number }> {
  constructor(optimizer: Optimizer, TMax: number, options?: CosineOptions) {
    options = cosineOptions(new.target.name, options, arguments.length > 3);
    const { etaMin = 0 } = options;
    super(optimizer, { TMax: checkInteger(TMax, 1, 'CosineAnnealingLR', 'TMax'), etaMin }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup, baseLr: number): number {
    const { TMax, etaMin } = this.settings;
    const n = this.lastEpoch;
    const height = (step: number) => 1 + Math.cos((Math.PI * step) / TMax);
    if (this.isInitial) return lr;
    // At the lowest point there is no ratio to the rate before.
    if ((n - 1 - TMax) % (2 * TMax) === 0) return lr + ((baseLr - etaMin) * (1 - Math.cos(Math.PI / TMax))) / 2;
    return (height(n) / height(n - 1)) * (lr - etaMin) + etaMin;
  }
  protected override firstRate(_group: ParamGroup, baseLr: number): number {
    return baseLr;
  }
}

export interface WarmRestartOptions extends CosineOptions {
  /** How many times longer each period is than the one before; an integer of at least 1. Default 1. */
  TMult?: number;
}
const warmRestartOptions = optionsOf<WarmRestartOptions>({ TMult: number, ...cosineOptions.schema });

interface Period {
  T0: number;
  TMult: number;
  etaMin: number;
  /** The length of the present period, and the steps made of it. */
  TI: number;
  TCur: number;
}

/**
 * Half periods of a cosine, each from the first rate down to etaMin; the first takes `T0` steps (SGDR: Loshchilov and
 * Hutter, arXiv:1608.03983).
 */
export class CosineAnnealingWarmRestarts extends LRScheduler<Period> {
  constructor(optimizer: Optimizer, T0: number, options?: WarmRestartOptions) {
    options = warmRestartOptions(new.target.name, options, arguments.length > 3);
    const { TMult = 1, etaMin = 0 } = options;
    checkInteger(T0, 1, 'CosineAnnealingWarmRestarts', 'T0');
    checkInteger(TMult, 1, 'CosineAnnealingWarmRestarts', 'TMult');
    super(optimizer, { T0, TMult, etaMin, TI: T0, TCur: options.lastEpoch ?? -1 }, options);
    this.begin();
  }

  override step(): void {
    const period = this.settings;
    if (this.lastEpoch < 0) {
      Object.assign(period, { TI: period.T0, TCur: 0 });
    } else if (++period.TCur >= period.TI) {
      period.TCur %= period.TI;
      period.TI *= period.TMult;
    }
    super.step();
  }
  protected rate(_group: ParamGroup, baseLr: number): number {
    const { etaMin, TCur, TI } = this.settings;
    return etaMin + ((baseLr - etaMin) * (1 + Math.cos((Math.PI * TCur) / TI))) / 2;
  }
}
