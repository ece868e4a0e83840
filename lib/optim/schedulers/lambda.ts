// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../../native/errors.js';
import type { ParamGroup } from '../group.js';
import type { Optimizer } from '../optimizer.js';
import { forGroups, LRScheduler, schedulerOptions, type SchedulerOptions } from './base.js';

/** A function of the step, or one for each parameter group. */
export type LrLambda = ((epoch: number) => number) | readonly ((epoch: number) => number)[];

abstract class FunctionLR extends LRScheduler {
  protected readonly factors: readonly ((epoch: number) => number)[];

  constructor(optimizer: Optimizer, lrLambda: LrLambda, options?: SchedulerOptions) {
    options = schedulerOptions(new.target.name, options, arguments.length > 3);
    super(optimizer, {}, options);
    const where = this.constructor.name;
    this.factors = forGroups(lrLambda, optimizer, where, 'functions');
    if (!this.factors.every((f) => typeof f === 'function')) throw new ArgumentError(`${where}: lrLambda must be a function`);
    this.begin();
  }
}

/**
 * The first rate times a function of the step, or one function for each group. The functions are not saved with the
 * schedule.
 */
export class LambdaLR extends FunctionLR {
  protected rate(_group: ParamGroup, baseLr: number, index: number): number {
    return baseLr * this.factors[index]!(this.lastEpoch);
  }
}

/** The rate times what a function of the step gives, at every step. The functions are not saved with the schedule. */
export class MultiplicativeLR extends FunctionLR {
  protected rate({ lr }: ParamGroup, _baseLr: number, index: number): number {
    return this.isInitial ? lr : lr * this.factors[index]!(this.lastEpoch);
  }
}
