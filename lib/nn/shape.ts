// SPDX-License-Identifier: Apache-2.0
// Layers that compute nothing.
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** Joins the dimensions startDim to endDim; by default all but the first: [N, C, H, W] to [N, C H W]. */
export class Flatten extends Module {
  constructor(
    readonly startDim = 1,
    readonly endDim = -1,
  ) {
    super();
  }
  forward(x: Tensor): Tensor {
    return flatten(x, this.startDim, this.endDim);
  }
  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

/** Its input. Takes and ignores any arguments, so that it can stand in for another layer. */
export class Identity extends Module {
  constructor(..._ignored: unknown[]) {
    super();
  }
  forward(x: Tensor): Tensor {
    return x;
  }
}
