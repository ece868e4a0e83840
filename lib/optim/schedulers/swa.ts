// SPDX-License-Identifier: Apache-2.0
import { number, oneOf, optionsOf } from '../../native/options.js';
import { checkChoice, checkInteger, checkNumber } from '../../ops/checks.js';
import type { ParamGroup } from '../group.js';
import type { Optimizer } from '../optimizer.js';
import { forGroups, LRScheduler, schedulerOptions, type SchedulerOptions } from './base.js';

export interface SWAOptions extends SchedulerOptions {
  /** The number of steps to the new rate. Default 10. */
  annealEpochs?: number;
  /** Default 'cos'. */
  annealStrategy?: 'cos' | 'linear';
}
const swaOptions = optionsOf<SWAOptions>({
  annealEpochs: number,
  annealStrategy: oneOf('cos', 'linear'),
  ...schedulerOptions.schema,
});

/**
 * From the present rate to a constant one, for the part of a training whose weights are averaged (Izmailov et al.,
 * arXiv:1803.05407). @see AveragedModel
 *
 * @param swaLr one number, or one for each group
 * @throws ArgumentError for options out of range
 */
export class SWALR extends LRScheduler<{ annealEpochs: number; annealStrategy: string }> {
  constructor(optimizer: Optimizer, swaLr: number | readonly number[], options?: SWAOptions) {
    options = swaOptions(new.target.name, options, arguments.length > 3);
    const { annealEpochs = 10, annealStrategy = 'cos' } = options;
    checkChoice(annealStrategy, ['cos', 'linear'], 'SWALR', 'annealStrategy');
    super(optimizer, { annealEpochs: checkInteger(annealEpochs, 0, 'SWALR', 'annealEpochs'), annealStrategy }, options);
    const rates = forGroups<number>(swaLr, optimizer, 'SWALR', 'values of swaLr');
    for (const rate of rates) checkNumber(rate, 0, Number.MAX_VALUE, 'SWALR', 'swaLr');
    optimizer.paramGroups.forEach((group, i) => (group.swaLr = rates[i]!));
    this.begin();
  }

  protected rate({ lr, swaLr }: ParamGroup): number {
    const { annealEpochs, annealStrategy } = this.settings;
    const step = annealEpochs === 0 ? Math.max(1, this.stepCount - 1) : this.stepCount - 1;
    // How much of the way is behind after n steps.
    const part = (n: number) => {
      const t = Math.max(0, Math.min(1, n / Math.max(1, annealEpochs)));
      return annealStrategy === 'cos' ? (1 - Math.cos(Math.PI * t)) / 2 : t;
    };
    const before = part(step - 1);
    const start = before === 1 ? swaLr! : (lr - before * swaLr!) / (1 - before);
    return swaLr! * part(step) + start * (1 - part(step));
  }
}
