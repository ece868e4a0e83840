// SPDX-License-Identifier: Apache-2.0
import { checked, number, type Schema } from '../native/options.js';
import type { Tensor } from '../tensor/tensor.js';

/** What every optimizer's options have. */
export interface GroupOptions {
  lr: number;
}

/** What schedules read and write in groups. */
export interface Scheduled {
  momentum?: number;
  betas?: readonly [number, number];
  initialLr?: number;
  maxLr?: number;
  minLr?: number;
  swaLr?: number;
  baseMomentum?: number;
  maxMomentum?: number;
}
/** @internal */
export const scheduledSchema: Schema<Scheduled> = {
  momentum: number,
  betas: checked,
  initialLr: number,
  maxLr: number,
  minLr: number,
  swaLr: number,
  baseMomentum: number,
  maxMomentum: number,
};

/** Parameters that are updated with one set of options. The options may be changed at any time. */
export type ParamGroup<O extends GroupOptions = GroupOptions> = O & Scheduled & { params: Tensor[] };

/** Parameters, or groups of them with options of their own; what a group leaves out has the optimizer's default. */
export type Params<O extends GroupOptions = GroupOptions> =
  | Iterable<Tensor>
  | Iterable<Partial<O> & { params: Tensor | Iterable<Tensor> }>;

/** What an optimizer remembers of one parameter, by PyTorch's names. */
export type ParamState = Record<string, Tensor>;
