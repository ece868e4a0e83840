// SPDX-License-Identifier: Apache-2.0
import { checkNumber } from '../ops/checks.js';
import { dropout } from '../ops/dropout.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

/**
 * In training, each element becomes 0 with probability p (default 0.5), and is divided by 1 - p otherwise; in use,
 * nothing happens (Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
 * 2014). Any shape to the same shape.
 *
 * @throws ArgumentError for a p outside [0, 1]
 */
export class Dropout extends Module {
  constructor(readonly p = 0.5) {
    super();
    checkNumber(p, 0, 1, 'Dropout', 'p');
  }

  forward(x: Tensor): Tensor {
    return dropout(x, this);
  }

  override extraRepr(): string {
    return `p=${Number.isInteger(this.p) ? this.p : repr.float(this.p)}, inplace=False`;
  }
}
