// SPDX-License-Identifier: Apache-2.0
// Schedules made of schedules.
import { ArgumentError, StateDictError } from '../../native/errors.js';
import { noMore, show } from '../../native/options.js';
import { hostStep } from '../../native/recording.js';
import { checkInteger } from '../../ops/checks.js';
import type { Optimizer } from '../optimizer.js';
import { checkKinds, checkOptimizer, LRScheduler, type Scheduler, type SchedulerState } from './base.js';

/** What a schedule must have to be part of another. */
export type Composable = LRScheduler | SequentialLR | ChainedScheduler;

abstract class Composite implements Scheduler {
  protected lastLr: number[] = [];
  protected constructor(
    readonly optimizer: Optimizer,
    protected readonly schedulers: readonly Composable[],
  ) {
    const where = this.constructor.name;
    checkOptimizer(optimizer, where);
    checkList(schedulers, where);
    if (schedulers.length === 0) throw new ArgumentError(`${where}: there are no schedules`);
    schedulers.forEach((s, i) => {
      if (!(s instanceof LRScheduler || s instanceof Composite))
        throw new ArgumentError(`${where}: schedule ${i} cannot be part of another: its step() takes arguments`);
      if (s.optimizer !== optimizer) throw new ArgumentError(`${where}: schedule ${i} is of another optimizer`);
    });
  }

  abstract step(): void;
  /** @internal */
  undo(): void {
    for (const s of this.schedulers) s.undo();
  }
  /** @internal As in PyTorch an ordinary step. */
  initialStep(): void {
    this.step();
  }
  /** @internal */
  restart(): void {
    this.step();
  }

  /** The learning rate of each group, as step() left it. */
  getLastLr(): number[] {
    return [...this.lastLr];
  }

  /** What is saved beside the schedules. */
  protected own(): SchedulerState {
    return { _last_lr: [...this.lastLr] };
  }
  protected setOwn(state: SchedulerState): void {
    this.lastLr = state['_last_lr'] as number[];
  }

  /** What loadStateDict() needs, under PyTorch's names. */
  stateDict(): SchedulerState {
    return { ...this.own(), _schedulers: this.schedulers.map((s) => s.stateDict()) };
  }

  /**
   * Goes on where another schedule of the same kind was.
   * @throws StateDictError when entries are missing or of the wrong type; the schedules are then as they were
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
    const parts = theirs['_schedulers'] as SchedulerState[];
    if (parts.length !== this.schedulers.length)
      throw new StateDictError(
        `loadStateDict: the state does not fit this ${name}: it has ${this.schedulers.length} schedules, ` +
          `the state ${parts.length}`,
      );
    const commits = this.schedulers.map((s, i) => s.prepareLoad(parts[i]!));
    return () => {
      for (const commit of commits) commit();
      this.setOwn(theirs);
    };
  }
}

/**
 * One schedule after the other: schedule i + 1 begins, from its own first rate, at step `milestones[i]`.
 *
 * @throws ArgumentError unless there is one milestone fewer than there are schedules, all of this optimizer
 */
export class SequentialLR extends Composite {
  lastEpoch = 0;
  #milestones: number[];

  constructor(optimizer: Optimizer, schedulers: readonly Composable[], milestones: readonly number[]) {
    noMore(new.target.name, arguments.length > 3);
    super(optimizer, schedulers);
    if (!Array.isArray(milestones)) throw new ArgumentError(`SequentialLR: milestones must be an array, got ${show(milestones)}`);
    for (const m of milestones) checkInteger(m, 1, 'SequentialLR', 'a milestone');
    if (milestones.length !== schedulers.length - 1)
      throw new ArgumentError(
        `SequentialLR: ${schedulers.length} schedules need ${schedulers.length - 1} milestones, got ${milestones.length}`,
      );
    if (milestones.some((m, i) => i > 0 && m < milestones[i - 1]!))
      throw new ArgumentError(`SequentialLR: milestones must go up, got ${milestones.join(', ')}`);
    this.#milestones = [...milestones];
    for (const group of optimizer.paramGroups) group.lr = group.initialLr ?? group.lr;
    // Each constructor has set its first rates: only the first schedule's count.
    this.undo();
    schedulers[0]!.initialStep();
    this.lastLr = schedulers[0]!.getLastLr();
  }

  /** Goes on to the next learning rate. */
  step(): void {
    hostStep(() => {
      this.lastEpoch++;
      const index = this.#milestones.filter((m) => m <= this.lastEpoch).length;
      const current = this.schedulers[index]!;
      if (this.#milestones[index - 1] === this.lastEpoch) current.restart();
      else current.step();
      this.lastLr = current.getLastLr();
    });
  }

  protected override own(): SchedulerState {
    return { ...super.own(), _milestones: [...this.#milestones], last_epoch: this.lastEpoch };
  }
  protected override setOwn(state: SchedulerState): void {
    super.setOwn(state);
    this.#milestones = state['_milestones'] as number[];
    this.lastEpoch = state['last_epoch'] as number;
  }
}

/** Several schedules at once: each changes what the one before left. */
export class ChainedScheduler extends Composite {
  constructor(schedulers: readonly Composable[], optimizer?: Optimizer) {
    noMore(new.target.name, arguments.length > 2);
    checkList(schedulers, new.target.name);
    const owner = optimizer ?? schedulers[0]?.optimizer;
    if (!owner) throw new ArgumentError('ChainedScheduler: there are no schedules');
    super(owner, schedulers);
    this.lastLr = owner.paramGroups.map(({ lr }) => lr);
  }

  /** Goes on to the next learning rate. */
  step(): void {
    hostStep(() => {
      for (const s of this.schedulers) s.step();
      this.lastLr = this.optimizer.paramGroups.map(({ lr }) => lr);
    });
  }
  /** @internal */
  override restart(): void {
    for (const s of this.schedulers) s.restart();
    this.lastLr = this.optimizer.paramGroups.map(({ lr }) => lr);
  }
}

function checkList(schedulers: unknown, where: string): void {
  if (!Array.isArray(schedulers)) throw new ArgumentError(`${where}: expected an array of schedules, got ${show(schedulers)}`);
}
