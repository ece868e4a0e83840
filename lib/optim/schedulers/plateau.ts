// SPDX-License-Identifier: Apache-2.0
import { StateDictError } from '../../native/errors.js';
import { checked, number, oneOf, optionsOf } from '../../native/options.js';
import { refuse } from '../../native/recording.js';
import { checkChoice, checkInteger, checkNumber } from '../../ops/checks.js';
import { camelCase, snakeCase } from '../keys.js';
import type { Optimizer } from '../optimizer.js';
import { checkKinds, forGroups, type SchedulerState } from './base.js';

export interface PlateauOptions {
  /** Whether the measure is to go down or up. Default 'min'. */
  mode?: 'min' | 'max';
  /** What the rates are multiplied by; below 1. Default 0.1. */
  factor?: number;
  /** How many steps without improvement are allowed. Default 10. */
  patience?: number;
  /** How much better is better. Default 1e-4. */
  threshold?: number;
  /** Whether that is a part of the best measure, or a difference to it. Default 'rel'. */
  thresholdMode?: 'rel' | 'abs';
  /** Steps after a reduction in which nothing is counted. Default 0. */
  cooldown?: number;
  /** The lowest rate: one number, or one for each group. Default 0. */
  minLr?: number | readonly number[];
  /** Smaller changes of a rate are left out. Default 1e-8. */
  eps?: number;
}
const plateauOptions = optionsOf<PlateauOptions>({
  mode: oneOf('min', 'max'),
  factor: number,
  patience: number,
  threshold: number,
  thresholdMode: oneOf('rel', 'abs'),
  cooldown: number,
  minLr: checked,
  eps: number,
});

/**
 * Lowers the rates when a measure, such as the validation loss, has stopped getting better.
 *
 * @throws ArgumentError for options out of range
 */
export class ReduceLROnPlateau {
  lastEpoch = 0;
  /** The best measure so far. */
  best: number;
  cooldownCounter = 0;
  numBadEpochs = 0;
  #settings: { [K in Exclude<keyof PlateauOptions, 'minLr'>]-?: NonNullable<PlateauOptions[K]> } & { minLrs: number[] };
  #lastLr: number[];

  constructor(
    readonly optimizer: Optimizer,
    options?: PlateauOptions,
  ) {
    options = plateauOptions(new.target.name, options, arguments.length > 2);
    const { mode = 'min', factor = 0.1, patience = 10, threshold = 1e-4 } = options;
    const { thresholdMode = 'rel', cooldown = 0, minLr = 0, eps = 1e-8 } = options;
    const where = 'ReduceLROnPlateau';
    checkChoice(mode, ['min', 'max'], where, 'mode');
    checkChoice(thresholdMode, ['rel', 'abs'], where, 'thresholdMode');
    checkNumber(factor, 0, 1 - Number.EPSILON, where, 'factor');
    checkInteger(patience, 0, where, 'patience');
    checkInteger(cooldown, 0, where, 'cooldown');
    checkNumber(threshold, 0, Number.MAX_VALUE, where, 'threshold');
    checkNumber(eps, 0, Number.MAX_VALUE, where, 'eps');
    const minLrs = forGroups<number>(minLr, optimizer, where, 'values of minLr');
    this.#settings = { mode, factor, patience, threshold, thresholdMode, cooldown, eps, minLrs };
    this.best = mode === 'min' ? Infinity : -Infinity;
    this.#lastLr = optimizer.paramGroups.map(({ lr }) => lr);
  }

  /** @param metric the measure of this step: a number, which item() gives for a tensor */
  step(metric: number): void {
    checkMetric(metric);
    refuse('ReduceLROnPlateau.step()', 'its measure is a number, which would stay the same; call it outside');
    const { patience, cooldown } = this.#settings;
    this.lastEpoch++;
    if (this.#isBetter(metric)) {
      this.best = metric;
      this.numBadEpochs = 0;
    } else {
      this.numBadEpochs++;
    }
    if (this.cooldownCounter > 0) {
      this.cooldownCounter--;
      this.numBadEpochs = 0;
    }
    if (this.numBadEpochs > patience) {
      this.#reduce();
      this.cooldownCounter = cooldown;
      this.numBadEpochs = 0;
    }
    this.#lastLr = this.optimizer.paramGroups.map(({ lr }) => lr);
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#settings;
    const sign = mode === 'min' ? -1 : 1;
    const bound = thresholdMode === 'rel' ? this.best * (1 + sign * threshold) : this.best + sign * threshold;
    return mode === 'min' ? metric < bound : metric > bound;
  }

  #reduce(): void {
    const { factor, minLrs, eps } = this.#settings;
    this.optimizer.paramGroups.forEach((group, i) => {
      const lr = Math.max(group.lr * factor, minLrs[i] ?? minLrs[0]!);
      if (group.lr - lr > eps) group.lr = lr;
    });
  }

  /** The learning rate of each group, as step() left it. */
  getLastLr(): number[] {
    return [...this.#lastLr];
  }

  /** What loadStateDict() needs, under PyTorch's names. Before the first step `best` is "inf" or "-inf", for JSON. */
  stateDict(): SchedulerState {
    const { best, cooldownCounter, numBadEpochs, lastEpoch } = this;
    const values = { ...this.#settings, cooldownCounter, numBadEpochs, lastEpoch };
    const entries = Object.entries(values).map(([name, value]) => [snakeCase(name), value] as const);
    return structuredClone({
      ...Object.fromEntries(entries),
      best: Number.isFinite(best) ? best : best > 0 ? 'inf' : '-inf',
      _last_lr: this.#lastLr,
    });
  }

  /** @throws StateDictError when entries are missing or of the wrong type; the schedule is then as it was */
  loadStateDict(state: SchedulerState): void {
    this.prepareLoad(state)();
  }

  /** @internal Checks everything; what it returns does the loading. */
  prepareLoad(state: SchedulerState): () => void {
    if (typeof state !== 'object' || state === null)
      throw new StateDictError(`loadStateDict: expected the state of a ReduceLROnPlateau, got ${String(state)}`);
    const { best, ...theirs } = structuredClone(state);
    const { best: _, ...mine } = this.stateDict();
    checkKinds(mine, theirs, 'ReduceLROnPlateau');
    const value = best === 'inf' ? Infinity : best === '-inf' ? -Infinity : best;
    if (typeof value !== 'number')
      throw new StateDictError(`loadStateDict: the state does not fit this ReduceLROnPlateau: best should be a number, is ${String(best)}`);
    return () => {
      const settings = this.#settings as Record<string, unknown>;
      for (const [key, entry] of Object.entries(theirs)) {
        const name = camelCase(key);
        if (Object.hasOwn(settings, name)) settings[name] = entry;
      }
      this.best = value;
      this.cooldownCounter = theirs['cooldown_counter'] as number;
      this.numBadEpochs = theirs['num_bad_epochs'] as number;
      this.lastEpoch = theirs['last_epoch'] as number;
      this.#lastLr = theirs['_last_lr'] as number[];
    };
  }
}

function checkMetric(metric: unknown): void {
  // NaN is a measure: one that is never better.
  if (typeof metric !== 'number' || !Number.isNaN(metric)) checkNumber(metric, -Infinity, Infinity, 'ReduceLROnPlateau.step', 'metric');
}
