// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import type { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkNumber } from '../ops/checks.js';
import type { GroupOptions, ParamGroup } from './group.js';
import { Optimizer, type Batch } from './optimizer.js';

/** The rows of the op table that update a group and count its steps. */
type StepId =
  | typeof Op.adamStep
  | typeof Op.nadamStep
  | typeof Op.radamStep
  | typeof Op.adamaxStep
  | typeof Op.adagradStep
  | typeof Op.adadeltaStep
  | typeof Op.rmspropStep
  | typeof Op.rpropStep
  | typeof Op.asgdStep;

/** Options that many optimizers have. */
export interface DecayOptions extends GroupOptions {
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Go up instead of down. Default false. */
  maximize: boolean;
}

/** Options of the relatives of Adam. */
export interface MomentOptions extends DecayOptions {
  /** How slowly the means of the gradients and of their squares forget. Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the root of the mean square. Default 1e-8. */
  eps: number;
}

/**
 * Optimizers whose step is one native call for a group. How often a parameter was updated is counted on the device, so
 * that a recorded step counts on when it is replayed.
 */
export abstract class FusedOptimizer<O extends GroupOptions> extends Optimizer<O> {
  protected abstract readonly op: StepId;
  /** The attributes of its row. */
  protected abstract attributes(options: Readonly<O>): readonly number[];

  override get scalarNames(): readonly string[] {
    return ['step'];
  }

  protected override get skippable(): boolean {
    return this.update === FusedOptimizer.prototype.update;
  }

  protected update(group: ParamGroup<O>, { params, grads, lr, foundInf }: Batch): void {
    const names = this.stateNames(group, params[0]!);
    const attributes = this.attributes(group);
    for (const [scalars, indices] of this.counted(group, params)) {
      const states = indices.map((i) => this.remember(params[i]!, names, group));
      const tensors = [...indices.map((i) => params[i]!), ...names.flatMap((name) => states.map((state) => state[name]!))];
      run(this.op, [lr, foundInf, ...indices.map((i) => grads[i]!)], [...scalars, ...tensors] as never, attributes as never);
    }
  }
}

/** @throws ArgumentError unless betas are two numbers in [0, 1) */
export function checkBetas(betas: unknown, where: string): void {
  if (!Array.isArray(betas) || betas.length !== 2 || !betas.every((b) => typeof b === 'number' && b >= 0 && b < 1))
    throw new ArgumentError(`${where}: betas must be two numbers in [0, 1), got ${String(betas)}`);
}

/** @throws ArgumentError unless the options under these names are numbers of at least 0 */
export function checkPositive<O extends object>(options: Readonly<O>, names: readonly (keyof O & string)[], where: string): void {
  for (const name of names) checkNumber(options[name], 0, Number.MAX_VALUE, where, name);
}
