// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { checkPositive, FusedOptimizer } from './fused.js';
import type { GroupOptions, Params } from './group.js';

export interface RpropOptions extends GroupOptions {
  /** The size of each element's first step; it is not read later. Default 1e-2. */
  lr: number;
  /** What a step's size is multiplied by when the gradient's sign has changed, and when it has not. Default [0.5, 1.2]. */
  etas: readonly [number, number];
  /** The smallest and the largest step. Default [1e-6, 50]. */
  stepSizes: readonly [number, number];
  /** Go up instead of down. Default false. */
  maximize: boolean;
}

/**
 * Resilient backpropagation: only the signs of the gradients count, so it is for whole data sets, not for batches
 * (Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning", ICNN 1993).
 *
 * @throws ArgumentError for options out of range
 */
export class Rprop extends FusedOptimizer<RpropOptions> {
  protected readonly op = Op.rpropStep;

  constructor(params: Params<RpropOptions>, options?: Partial<RpropOptions>) {
    super(params, { lr: 1e-2, etas: [0.5, 1.2], stepSizes: [1e-6, 50], maximize: false }, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<RpropOptions>): void {
    checkPositive(options, ['lr'], 'Rprop');
    const [minus, plus] = pair(options.etas, 'etas');
    if (!(minus > 0 && minus < 1 && plus > 1))
      throw new ArgumentError(`Rprop: etas must be a number in (0, 1) and one above 1, got ${String(options.etas)}`);
    const [least, most] = pair(options.stepSizes, 'stepSizes');
    if (!(least >= 0 && least <= most))
      throw new ArgumentError(`Rprop: stepSizes must be the smallest and the largest step, got ${String(options.stepSizes)}`);
  }

  stateNames(): readonly string[] {
    return ['prev', 'step_size'];
  }
  protected override initial(name: string, { lr }: Readonly<RpropOptions>): number {
    return name === 'step_size' ? lr : 0;
  }

  protected attributes({ etas, stepSizes, maximize }: Readonly<RpropOptions>): number[] {
    return [...etas, ...stepSizes, Number(maximize)];
  }
}

function pair(value: unknown, name: string): [number, number] {
  if (!Array.isArray(value) || value.length !== 2 || !value.every((x) => typeof x === 'number'))
    throw new ArgumentError(`Rprop: ${name} must be two numbers, got ${String(value)}`);
  return value as [number, number];
}
