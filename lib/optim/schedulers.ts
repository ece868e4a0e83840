// SPDX-License-Identifier: Apache-2.0
// Learning rates that change from step to step. As in PyTorch each rate follows from the one before where it can, so
// that several schedules, or changes by hand, combine.
import { ArgumentError, StateDictError } from '../native/errors.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import type { ParamGroup } from './group.js';
import { camelCase, snakeCase } from './keys.js';
import type { Optimizer } from './optimizer.js';

/** Plain values, as JSON holds them. */
export type SchedulerState = Record<string, unknown>;

/** What training loops and checkpoints need of a schedule. */
export interface Scheduler {
  step(): void;
  stateDict(): SchedulerState;
  loadStateDict(state: SchedulerState): void;
}

export interface SchedulerOptions {
  /** The number of steps made before: to go on with groups that have an initialLr. Default -1: none, a new schedule. */
  lastEpoch?: number;
}

/**
 * Base class of schedules. Call step() after the optimizer's step(), once an epoch or once a batch as the schedule was
 * made for.
 *
 * @typeParam S what describes the schedule; saved with it
 */
export abstract class LRScheduler<S extends object = object> implements Scheduler {
  baseLrs: number[] = [];
  lastEpoch: number;
  protected stepCount = 0;
  private lastLr: number[] = [];

  protected constructor(
    readonly optimizer: Optimizer,
    /** What describes the schedule. */
    protected readonly settings: S,
    { lastEpoch = -1 }: SchedulerOptions,
  ) {
    this.lastEpoch = checkInteger(lastEpoch, -1, this.constructor.name, 'lastEpoch');
  }

  /** The rate of a group now that lastEpoch has gone up by one; `baseLr` is what it began with. */
  protected abstract rate(group: ParamGroup, baseLr: number, index: number): number;

  /** Ends the constructors: sets the rates of the first epoch. */
  protected begin(): void {
    this.optimizer.paramGroups.forEach((group, i) => {
      if (this.lastEpoch === -1) group.initialLr ??= group.lr;
      else if (group.initialLr === undefined)
        throw new ArgumentError(`${this.constructor.name}: lastEpoch is ${this.lastEpoch}, but group ${i} has no initialLr`);
      this.baseLrs[i] = group.initialLr!;
    });
    this.step();
  }

  /** Whether this is the step that the constructor makes. */
  protected get isInitial(): boolean {
    return this.stepCount === 1 && this.lastEpoch === 0;
  }

  /** Goes on to the next learning rate. */
  step(): void {
    this.stepCount++;
    this.lastEpoch++;
    const { paramGroups } = this.optimizer;
    const rates = paramGroups.map((group, i) => this.rate(group, this.baseLrs[i] ?? group.lr, i));
    paramGroups.forEach((group, i) => (group.lr = rates[i]!));
    this.lastLr = rates;
  }

  /** The learning rate of each group, as step() left it. */
  getLastLr(): number[] {
    return [...this.lastLr];
  }

  /** What loadStateDict() needs, under PyTorch's names. */
  stateDict(): SchedulerState {
    const { settings, baseLrs, lastEpoch, stepCount, lastLr } = this;
    const values = { ...settings, baseLrs, lastEpoch, _stepCount: stepCount, _lastLr: lastLr };
    return structuredClone(Object.fromEntries(Object.entries(values).map(([name, value]) => [snakeCase(name), value])));
  }

  /**
   * Goes on where another schedule of the same kind was. The groups' present rates are part of the optimizer's state.
   * @throws StateDictError when entries are missing or of the wrong type; the schedule is then as it was
   */
  loadStateDict(state: SchedulerState): void {
    this.prepareLoad(state)();
  }

  /** @internal Checks everything; what it returns does the loading. */
  prepareLoad(state: SchedulerState): () => void {
    const name = this.constructor.name;
    if (typeof state !== 'object' || state === null)
      throw new StateDictError(`loadStateDict: expected the state of a ${name}, got ${String(state)}`);
    const mine = this.stateDict();
    const theirs = structuredClone(state);
    for (const key of Object.keys(mine))
      if (kindOf(theirs[key]) !== kindOf(mine[key]))
        throw new StateDictError(
          `loadStateDict: the state does not fit this ${name}: ${key} should be ${kindOf(mine[key])}, is ${kindOf(theirs[key])}`,
        );
    const groups = this.optimizer.paramGroups.length;
    for (const key of ['base_lrs', '_last_lr'])
      if ((theirs[key] as unknown[]).length !== groups)
        throw new StateDictError(
          `loadStateDict: the state does not fit this ${name}: ${key} is for ${(theirs[key] as unknown[]).length} ` +
            `parameter groups, there are ${groups}`,
        );
    return () => {
      this.baseLrs = theirs['base_lrs'] as number[];
      this.lastEpoch = theirs['last_epoch'] as number;
      this.stepCount = theirs['_step_count'] as number;
      this.lastLr = theirs['_last_lr'] as number[];
      for (const key of Object.keys(theirs)) {
        const setting = camelCase(key);
        if (Object.hasOwn(this.settings, setting)) (this.settings as Record<string, unknown>)[setting] = theirs[key];
      }
    };
  }
}

function kindOf(value: unknown): string {
  if (!Array.isArray(value)) return value === null ? 'null' : typeof value;
  return value.every((x) => typeof x === 'number') ? 'a list of numbers' : 'a list';
}

// ---- steps and powers ------------------------------------------------------------------------------------------------

export interface GammaOptions extends SchedulerOptions {
  /** Default 0.1. */
  gamma?: number;
}

/** The rate times gamma every `stepSize` steps. */
export class StepLR extends LRScheduler<{ stepSize: number; gamma: number }> {
  constructor(optimizer: Optimizer, stepSize: number, { gamma = 0.1, ...options }: GammaOptions = {}) {
    super(optimizer, { stepSize: checkInteger(stepSize, 1, 'StepLR', 'stepSize'), gamma }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    const { stepSize, gamma } = this.settings;
    return this.lastEpoch === 0 || this.lastEpoch % stepSize !== 0 ? lr : lr * gamma;
  }
}

/** The rate times gamma at each of the given steps. */
export class MultiStepLR extends LRScheduler<{ milestones: readonly number[]; gamma: number }> {
  constructor(optimizer: Optimizer, milestones: readonly number[], { gamma = 0.1, ...options }: GammaOptions = {}) {
    for (const m of milestones) checkInteger(m, 0, 'MultiStepLR', 'a milestone');
    super(optimizer, { milestones: [...milestones].sort((a, b) => a - b), gamma }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    const { milestones, gamma } = this.settings;
    return lr * gamma ** milestones.filter((m) => m === this.lastEpoch).length;
  }
}

/** The rate times gamma at every step. */
export class ExponentialLR extends LRScheduler<{ gamma: number }> {
  constructor(optimizer: Optimizer, gamma: number, options: SchedulerOptions = {}) {
    super(optimizer, { gamma: checkNumber(gamma, -Number.MAX_VALUE, Number.MAX_VALUE, 'ExponentialLR', 'gamma') }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup): number {
    return this.isInitial ? lr : lr * this.settings.gamma;
  }
}

/**
 * The first rate times a function of the step, or one function for each group. The functions are not saved with the
 * schedule.
 */
export class LambdaLR extends LRScheduler {
  readonly #factors: readonly ((epoch: number) => number)[];

  constructor(
    optimizer: Optimizer,
    lrLambda: ((epoch: number) => number) | readonly ((epoch: number) => number)[],
    options: SchedulerOptions = {},
  ) {
    const groups = optimizer.paramGroups.length;
    const factors = typeof lrLambda === 'function' ? new Array(groups).fill(lrLambda) : [...lrLambda];
    if (factors.length !== groups)
      throw new ArgumentError(`LambdaLR: expected ${groups} functions, one for each parameter group, got ${factors.length}`);
    super(optimizer, {}, options);
    this.#factors = factors;
    this.begin();
  }
  protected rate(_group: ParamGroup, baseLr: number, index: number): number {
    return baseLr * this.#factors[index]!(this.lastEpoch);
  }
}

// ---- cosine ----------------------------------------------------------------------------------------------------------

export interface CosineOptions extends SchedulerOptions {
  /** The lowest rate. Default 0. */
  etaMin?: number;
}

/** Half a period of a cosine, from the first rate down to etaMin in `TMax` steps (Loshchilov and Hutter, arXiv:1608.03983). */
export class CosineAnnealingLR extends LRScheduler<{ TMax: number; etaMin: number }> {
  constructor(optimizer: Optimizer, TMax: number, { etaMin = 0, ...options }: CosineOptions = {}) {
    super(optimizer, { TMax: checkInteger(TMax, 1, 'CosineAnnealingLR', 'TMax'), etaMin }, options);
    this.begin();
  }
  protected rate({ lr }: ParamGroup, baseLr: number): number {
    const { TMax, etaMin } = this.settings;
    const n = this.lastEpoch;
    const height = (step: number) => 1 + Math.cos((Math.PI * step) / TMax);
    if (this.isInitial) return lr;
    if (this.stepCount === 1) return etaMin + ((baseLr - etaMin) * height(n)) / 2;
    // At the lowest point there is no ratio to the rate before.
    if ((n - 1 - TMax) % (2 * TMax) === 0) return lr + ((baseLr - etaMin) * (1 - Math.cos(Math.PI / TMax))) / 2;
    return (height(n) / height(n - 1)) * (lr - etaMin) + etaMin;
  }
}

// ---- one cycle -------------------------------------------------------------------------------------------------------

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
    const each = (value: number | readonly number[], name: string) => {
      const list = typeof value === 'number' ? paramGroups.map(() => value) : value;
      if (list.length !== paramGroups.length)
        throw new ArgumentError(`OneCycleLR: expected ${paramGroups.length} values of ${name}, got ${list.length}`);
      return list;
    };
    const [rates, bases, tops] = [each(maxLr, 'maxLr'), each(baseMomentum, 'baseMomentum'), each(maxMomentum, 'maxMomentum')];
    paramGroups.forEach((group, i) => {
      group.maxLr = rates[i]!;
      group.initialLr = group.maxLr / divFactor;
      group.minLr = group.initialLr / finalDivFactor;
      if (!this.settings.cycleMomentum) return;
      if (group.momentum === undefined && group.betas === undefined)
        throw new ArgumentError('OneCycleLR: cycleMomentum needs an optimizer with momentum or betas');
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
      const value = this.#between(group[momentum[0]]!, group[momentum[1]]!, progress);
      if (group.betas) group.betas = [value, group.betas[1]];
      else group.momentum = value;
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
