// SPDX-License-Identifier: Apache-2.0
// PyTorch's reductions of losses.
import { checked, optionsOf } from '../native/options.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkChoice } from './checks.js';
import { mean, sum } from './reduce.js';

/** What becomes of the single losses: their mean, their sum, or nothing. */
export type Reduction = 'mean' | 'sum' | 'none';

export interface LossOptions {
  /** Default 'mean'. */
  reduction?: Reduction;
}
/** @internal */
export const lossOptions = optionsOf<LossOptions>({ reduction: checked });

/** In the order of the native codes. */
export const reductions = ['none', 'mean', 'sum'] as const;
export const checkReduction = (value: unknown, where: string): Reduction =>
  value === undefined ? 'mean' : checkChoice(value, reductions, where, 'reduction');

export function reduced(losses: Tensor, reduction: Reduction): Tensor {
  return reduction === 'none' ? losses : reduction === 'sum' ? sum(losses) : mean(losses);
}
