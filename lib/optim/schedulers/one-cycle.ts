// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../../native/errors.js';
import { boolean, checked, number, oneOf, optionsOf } from '../../native/options.js';
import { checkInteger, checkNumber } from '../../ops/checks.js';
import type { ParamGroup } from '../group.js';
import type { Optimizer } from '../optimizer.js';
import { checkMomentum, forGroups, LRScheduler, setMomentum, schedulerOptions, type SchedulerOptions } from './base.js';

export interface OneCycleOptions extends SchedulerOptions {
  /** Steps of the whole cycle; or else `epochs` and `stepsPerEpoch`. */
  totalSteps?: number;
  epochs?: number;
  stepsPerEpoch?: number;
  /** The part of the cycle in which the rate goes up. Default 0.3. */
  pctStart?: number;
  /** Default 'cos'. */
  annealStrategy?: 'cos' | 'linear';
  /** Whether momentum (Adam: the first beta) goes down while the rate goes up. Default true. */
  cycleMomentum?: boolean;
  /** One number, or one for each group. Default 0.85. */
  baseMomentum?: number | readonly number[];
  /** One number, or one for each group. Default 0.95. */
  maxMomentum?: number | readonly number[];
  /** The cycle begins at maxLr / divFactor. Default 25. */
  divFactor?: number;
  /** The cycle ends at its first rate / finalDivFactor. Default 1e4. */
  finalDivFactor?: number;
  /** Down to the first rate as it went up, and only then on to the last one. Default false. */
  threePhase?: boolean;
}
const oneCycleOptions = optionsOf<OneCycleOptions>({
  totalSteps: number,
  epochs: number,
  stepsPerEpoch: number,
  pctStart: number,
  annealStrategy: oneOf('cos', 'linear'),
  cycleMomentum: boolean,
  baseMomentum: checked,
  maxMomentum: checked,
  divFactor: number,
  finalDivFactor: number,
  threePhase: boolean,
  ...schedulerOptions.schema,
});

interface Phase {
  /** The step that ends it. */
  end: number;
  lr: readonly [from: 'initialLr' | 'maxLr', to: 'initialLr' | 'maxLr' | 'minLr'];
  momentum: readonly ['baseMomentum' | 'maxMomentum', 'baseMomentum' | 'maxMomentum'];
}

type OneCycleSettings = Required<Pick<OneCycleOptions, 'totalSteps' | 'pctStart' | 'annealStrategy' | 'cycleMomentum' | 'threePhase'>>;

/**
 * One cycle: from a low rate up to `maxLr`, and down to a much lower one; momentum the other way (Smith and Topin,
 * arXiv:1708.07120). Made to be stepped after every batch.
 *
 * @param maxLr one number, or one for each group
 * @throws ArgumentError without a number of steps, for options out of range, and when step() goes beyond the cycle
 */
export class OneCycleLR extends LRScheduler<OneCycleSettings> {
  constructor(optimizer: Optimizer, maxLr: number | readonly number[], options: OneCycleOptions) {
    options = oneCycleOptions(new.target.name, options, arguments.length > 3);
    const { pctStart = 0.3, annealStrategy = 'cos', cycleMomentum = true, threePhase = false } = options;
    checkNumber(pctStart, 0, 1, 'OneCycleLR', 'pctStart');
    if (annealStrategy !== 'cos' && annealStrategy !== 'linear')
      throw new ArgumentError(`OneCycleLR: annealStrategy must be 'cos' or 'linear', got '${String(annealStrategy)}'`);
    super(optimizer, { totalSteps: stepsOf(options), pctStart, annealStrategy, cycleMomentum, threePhase }, options);
    if (this.lastEpoch === -1) this.#prepare(maxLr, options);
    this.begin();
  }

  // What the cycle moves between is kept in the groups, where PyTorch keeps it.
  #prepare(maxLr: number | readonly number[], options: OneCycleOptions): void {
    const { baseMomentum = 0.85, maxMomentum = 0.95, divFactor = 25, finalDivFactor = 1e4 } = options;
    const { paramGroups } = this.optimizer;
    const each = (value: number | readonly number[], name: string) =>
      forGroups<number>(value, this.optimizer, 'OneCycleLR', `values of ${name}`);
    const [rates, bases, tops] = [each(maxLr, 'maxLr'), each(baseMomentum, 'baseMomentum'), each(maxMomentum, 'maxMomentum')];
    if (this.settings.cycleMomentum) checkMomentum(this.optimizer, 'OneCycleLR');
    paramGroups.forEach((group, i) => {
      group.maxLr = rates[i]!;
      group.initialLr = group.maxLr / divFactor;
      group.minLr = group.initialLr / finalDivFactor;
      if (!this.settings.cycleMomentum) return;
      group.baseMomentum = bases[i]!;
      group.maxMomentum = tops[i]!;
    });
  }

  get #phases(): Phase[] {
    const { totalSteps, pctStart, threePhase } = this.settings;
    const up: Phase = { end: pctStart * totalSteps - 1, lr: ['initialLr', 'maxLr'], momentum: ['maxMomentum', 'baseMomentum'] };
    const end = totalSteps - 1;
    if (!threePhase) return [up, { end, lr: ['maxLr', 'minLr'], momentum: ['baseMomentum', 'maxMomentum'] }];
    return [
      up,
      { end: 2 * pctStart * totalSteps - 2, lr: ['maxLr', 'initialLr'], momentum: ['baseMomentum', 'maxMomentum'] },
      { end, lr: ['initialLr', 'minLr'], momentum: ['maxMomentum', 'maxMomentum'] },
    ];
  }

  override step(): void {
    const { totalSteps } = this.settings;
    if (this.lastEpoch + 1 > totalSteps)
      throw new ArgumentError(`OneCycleLR: the cycle has ${totalSteps} steps and is over`);
    super.step();
  }

  protected rate(group: ParamGroup): number {
    const phases = this.#phases;
    const found = phases.findIndex(({ end }) => this.lastEpoch <= end);
    const at = found < 0 ? phases.length - 1 : found;
    const { end, lr, momentum } = phases[at]!;
    const start = at === 0 ? 0 : phases[at - 1]!.end;
    const progress = end === start ? 1 : (this.lastEpoch - start) / (end - start);
    if (this.settings.cycleMomentum) {
      setMomentum(group, this.#between(group[momentum[0]]!, group[momentum[1]]!, progress));
    }
    return this.#between(group[lr[0]]!, group[lr[1]]!, progress);
  }

  #between(from: number, to: number, progress: number): number {
    if (this.settings.annealStrategy === 'linear') return (to - from) * progress + from;
    return to + ((from - to) / 2) * (Math.cos(Math.PI * progress) + 1);
  }
}

function stepsOf({ totalSteps, epochs, stepsPerEpoch }: OneCycleOptions): number {
  if (totalSteps !== undefined) return checkInteger(totalSteps, 1, 'OneCycleLR', 'totalSteps');
  if (epochs === undefined || stepsPerEpoch === undefined)
    throw new ArgumentError('OneCycleLR: give totalSteps, or epochs and stepsPerEpoch');
  return checkInteger(epochs, 1, 'OneCycleLR', 'epochs') * checkInteger(stepsPerEpoch, 1, 'OneCycleLR', 'stepsPerEpoch');
}
