// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../../native/errors.js';
import { boolean, callable, checked, nullable, number, oneOf, optionsOf } from '../../native/options.js';
import { checkChoice, checkInteger, checkNumber } from '../../ops/checks.js';
import type { ParamGroup } from '../group.js';
import type { Optimizer } from '../optimizer.js';
import { checkMomentum, checkOptimizer, forGroups, LRScheduler, setMomentum, schedulerOptions, type SchedulerOptions } from './base.js';

const modes = ['triangular', 'triangular2', 'exp_range'] as const;
const scaleModes = ['cycle', 'iterations'] as const;

export interface CyclicOptions extends SchedulerOptions {
  /** The number of steps up. Default 2000. */
  stepSizeUp?: number;
  /** The number of steps down. Default: as up. */
  stepSizeDown?: number | null;
  /**
   * How the cycles' heights go down: not at all, by half from cycle to cycle, or as gamma ** step. Default 'triangular'.
   */
  mode?: (typeof modes)[number];
  /** Of mode 'exp_range'. Default 1. */
  gamma?: number;
  /** The height of a cycle (from 1) or at a step (from 0), instead of a mode. It is not saved with the schedule. */
  scaleFn?: (x: number) => number;
  /** What scaleFn is given. Default 'cycle'. */
  scaleMode?: (typeof scaleModes)[number];
  /** Whether momentum (Adam: the first beta) goes down while the rate goes up. Default true. */
  cycleMomentum?: boolean;
  /** One number, or one for each group. Default 0.8. */
  baseMomentum?: number | readonly number[];
  /** One number, or one for each group. Default 0.9. */
  maxMomentum?: number | readonly number[];
}
const cyclicOptions = optionsOf<CyclicOptions>({
  stepSizeUp: number,
  stepSizeDown: nullable(number),
  mode: oneOf(...modes),
  gamma: number,
  scaleFn: callable,
  scaleMode: oneOf(...scaleModes),
  cycleMomentum: boolean,
  baseMomentum: checked,
  maxMomentum: checked,
  ...schedulerOptions.schema,
});

interface Cycle {
  totalSize: number;
  stepRatio: number;
  mode: string;
  gamma: number;
  scaleMode: string;
  cycleMomentum: boolean;
  maxLrs: number[];
  baseMomentums: number[];
  maxMomentums: number[];
}

/**
 * Up from `baseLr` to `maxLr` and down again, over and over (Smith, "Cyclical Learning Rates for Training Neural
 * Networks", arXiv:1506.01186). Made to be stepped after every batch.
 *
 * @param baseLr one number, or one for each group @param maxLr likewise
 * @throws ArgumentError for options out of range; with cycleMomentum, for an optimizer without momentum
 */
export class CyclicLR extends LRScheduler<Cycle> {
  readonly #scale: (x: number) => number;

  constructor(
    optimizer: Optimizer,
    baseLr: number | readonly number[],
    maxLr: number | readonly number[],
    options?: CyclicOptions,
  ) {
    options = cyclicOptions(new.target.name, options, arguments.length > 4);
    const { stepSizeUp = 2000, stepSizeDown, mode = 'triangular', gamma = 1, scaleFn, cycleMomentum = true } = options;
    const { baseMomentum = 0.8, maxMomentum = 0.9, scaleMode = 'cycle' } = options;
    checkOptimizer(optimizer, 'CyclicLR');
    checkInteger(stepSizeUp, 1, 'CyclicLR', 'stepSizeUp');
    const totalSize = stepSizeUp + checkInteger(stepSizeDown ?? stepSizeUp, 1, 'CyclicLR', 'stepSizeDown');
    if (!scaleFn) checkChoice(mode, modes, 'CyclicLR', 'mode');
    else if (typeof scaleFn !== 'function') throw new ArgumentError('CyclicLR: scaleFn must be a function');
    checkChoice(scaleMode, scaleModes, 'CyclicLR', 'scaleMode');
    const each = (value: number | readonly number[], name: string) =>
      forGroups<number>(value, optimizer, 'CyclicLR', `values of ${name}`);
    if (cycleMomentum) checkMomentum(optimizer, 'CyclicLR');
    const bases = each(baseLr, 'baseLr');
    const tops = each(maxLr, 'maxLr');
    for (const rate of bases) checkNumber(rate, 0, Number.MAX_VALUE, 'CyclicLR', 'baseLr');
    for (const rate of tops) checkNumber(rate, 0, Number.MAX_VALUE, 'CyclicLR', 'maxLr');
    const settings: Cycle = {
      totalSize,
      stepRatio: stepSizeUp / totalSize,
      mode,
      gamma,
      scaleMode: scaleFn ? scaleMode : mode === 'exp_range' ? 'iterations' : 'cycle',
      cycleMomentum,
      maxLrs: tops,
      baseMomentums: each(baseMomentum, 'baseMomentum'),
      maxMomentums: each(maxMomentum, 'maxMomentum'),
    };
    super(optimizer, settings, options);
    this.#scale = scaleFn ?? ((x) => (mode === 'triangular' ? 1 : mode === 'triangular2' ? 0.5 ** (x - 1) : gamma ** x));
    if (this.lastEpoch === -1)
      optimizer.paramGroups.forEach((group, i) => {
        group.lr = bases[i]!;
        if (cycleMomentum) {
          group.maxMomentum = settings.maxMomentums[i]!;
          group.baseMomentum = settings.baseMomentums[i]!;
        }
      });
    this.#bases = bases;
    this.begin();
    this.baseLrs = bases;
  }
  // What groups have as initialLr does not count.
  #bases: readonly number[] = [];

  protected rate(group: ParamGroup, _baseLr: number, index: number): number {
    const { totalSize, stepRatio, scaleMode, cycleMomentum, maxLrs, baseMomentums, maxMomentums } = this.settings;
    const cycle = Math.floor(1 + this.lastEpoch / totalSize);
    const x = 1 + this.lastEpoch / totalSize - cycle;
    const height = (x <= stepRatio ? x / stepRatio : (x - 1) / (stepRatio - 1)) *
      this.#scale(scaleMode === 'cycle' ? cycle : this.lastEpoch);
    const base = this.#bases[index] ?? group.lr;
    if (cycleMomentum) {
      const [low, high] = [baseMomentums[index]!, maxMomentums[index]!];
      setMomentum(group, high - (high - low) * height);
    }
    return base + (maxLrs[index]! - base) * height;
  }
}
