// SPDX-License-Identifier: Apache-2.0
// Learning rates that change from step to step. As in PyTorch each rate follows from the one before where it can, so
// that several schedules, or changes by hand, combine.
import { ArgumentError, StateDictError } from '../../native/errors.js';
import { integer, optionsOf, show } from '../../native/options.js';
import { hostStep } from '../../native/recording.js';
import { checkInteger } from '../../ops/checks.js';
import type { ParamGroup } from '../group.js';
import { camelCase, snakeCase } from '../keys.js';
import type { Optimizer } from '../optimizer.js';

/** Plain values, as JSON holds them. */
export type SchedulerState = Record<string, unknown>;

/** What training loops and checkpoints need of a schedule. */
export interface Scheduler {
  /** @param metric what ReduceLROnPlateau follows; others need none */
  step(metric?: number): void;
  stateDict(): SchedulerState;
  loadStateDict(state: SchedulerState): void;
}

export interface SchedulerOptions {
  /** The number of steps made before: to go on with groups that have an initialLr. Default -1: none, a new schedule. */
  lastEpoch?: number;
}
/** @internal */
export const schedulerOptions = optionsOf<SchedulerOptions>({ lastEpoch: integer });

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
  private initial = false;

  protected constructor(
    readonly optimizer: Optimizer,
    /** What describes the schedule. */
    protected readonly settings: S,
    { lastEpoch = -1 }: SchedulerOptions,
  ) {
    checkOptimizer(optimizer, new.target.name);
    this.lastEpoch = checkInteger(lastEpoch, -1, this.constructor.name, 'lastEpoch');
  }

  /** The rate of a group now that lastEpoch has gone up by one; `baseLr` is what it began with. */
  protected abstract rate(group: ParamGroup, baseLr: number, index: number): number;

  /** The rate of epoch 0 when a sequence of schedules comes to this one. */
  protected firstRate(group: ParamGroup, baseLr: number, index: number): number {
    return this.rate(group, baseLr, index);
  }

  /** Ends the constructors: sets the rates of the first epoch. */
  protected begin(): void {
    this.optimizer.paramGroups.forEach((group, i) => {
      if (this.lastEpoch === -1) group.initialLr ??= group.lr;
      else if (group.initialLr === undefined)
        throw new ArgumentError(`${this.constructor.name}: lastEpoch is ${this.lastEpoch}, but group ${i} has no initialLr`);
      this.baseLrs[i] = group.initialLr!;
    });
    this.initialStep();
  }

  /** @internal The step that the constructor makes; the first of a sequence makes it again. */
  initialStep(): void {
    this.stepCount = 0;
    this.initial = true;
    this.step();
    this.initial = false;
  }

  /** Whether this is the step that the constructor makes. */
  protected get isInitial(): boolean {
    return this.initial;
  }

  /** Goes on to the next learning rate. */
  step(): void {
    hostStep(() => {
      this.stepCount++;
      this.lastEpoch++;
      this.#apply((group, baseLr, i) => this.rate(group, baseLr, i));
    }, () => this.step());
  }

  /** @internal Takes back the step of the constructor, but for the rates: a sequence begins with another schedule. */
  undo(): void {
    this.lastEpoch--;
  }
  /** @internal Begins at epoch 0: a sequence has come to this schedule. */
  restart(): void {
    this.lastEpoch = 0;
    this.#apply((group, baseLr, i) => this.firstRate(group, baseLr, i));
  }

  #apply(rate: (group: ParamGroup, baseLr: number, index: number) => number): void {
    const { paramGroups } = this.optimizer;
    const rates = paramGroups.map((group, i) => rate(group, this.baseLrs[i] ?? group.lr, i));
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
    const theirs = structuredClone(state);
    checkKinds(this.stateDict(), theirs, name);
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

/** @throws StateDictError unless `theirs` has the entries of `mine`, of the same types */
export function checkKinds(mine: SchedulerState, theirs: SchedulerState, name: string): void {
  for (const key of Object.keys(mine))
    if (kindOf(theirs[key]) !== kindOf(mine[key]))
      throw new StateDictError(
        `loadStateDict: the state does not fit this ${name}: ${key} should be ${kindOf(mine[key])}, is ${kindOf(theirs[key])}`,
      );
}

function kindOf(value: unknown): string {
  if (!Array.isArray(value)) return value === null ? 'null' : typeof value;
  return value.every((x) => typeof x === 'number') ? 'a list of numbers' : 'a list';
}

/** @throws ArgumentError unless it is one */
export function checkOptimizer(optimizer: unknown, where: string): void {
  if (!Array.isArray((optimizer as Optimizer | null | undefined)?.paramGroups))
    throw new ArgumentError(`${where}: expected an optimizer, got ${show(optimizer)}`);
}

/** One value for each parameter group. @throws ArgumentError when there are more or fewer */
export function forGroups<T>(value: T | readonly T[], optimizer: Optimizer, where: string, what: string): T[] {
  checkOptimizer(optimizer, where);
  const { paramGroups } = optimizer;
  const list = Array.isArray(value) ? [...(value as readonly T[])] : paramGroups.map(() => value as T);
  if (list.length !== paramGroups.length)
    throw new ArgumentError(`${where}: expected ${paramGroups.length} ${what}, one for each parameter group, got ${list.length}`);
  return list;
}

/** Sets momentum, or the first beta. */
export function setMomentum(group: ParamGroup, value: number): void {
  if (group.betas) group.betas = [value, group.betas[1]];
  else group.momentum = value;
}

/** @throws ArgumentError unless the optimizer has a momentum to cycle */
export function checkMomentum({ paramGroups }: Optimizer, where: string): void {
  if (paramGroups.some(({ momentum, betas }) => momentum === undefined && betas === undefined))
    throw new ArgumentError(`${where}: cycleMomentum needs an optimizer with momentum or betas`);
}
