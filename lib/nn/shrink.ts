// SPDX-License-Identifier: Apache-2.0
// Activations that shrink values, gate them, or draw their slope: any shape to the same shape.
import { noMore } from '../native/options.js';
import { checkNumber } from '../ops/checks.js';
import { checkSlopes, glu, hardshrink, rrelu, rreluOptions, softshrink, tanhshrink, type RReluOptions } from '../ops/shrink.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

/** x, but 0 within [-lambd, lambd]; default 0.5. */
export class Hardshrink extends Module {
  constructor(readonly lambd = 0.5) {
    noMore(new.target.name, arguments.length > 1);
    super();
    checkNumber(lambd, -Number.MAX_VALUE, Infinity, 'Hardshrink', 'lambd');
  }
  forward(x: Tensor): Tensor {
    return hardshrink(x, this.lambd);
  }
  override extraRepr(): string {
    return String(this.lambd);
  }
}

/** x moved by lambd towards 0, and 0 within [-lambd, lambd]; default 0.5. */
export class Softshrink extends Module {
  constructor(readonly lambd = 0.5) {
    noMore(new.target.name, arguments.length > 1);
    super();
    checkNumber(lambd, 0, Infinity, 'Softshrink', 'lambd');
  }
  forward(x: Tensor): Tensor {
    return softshrink(x, this.lambd);
  }
  override extraRepr(): string {
    return String(this.lambd);
  }
}

/** x - tanh(x) */
export class Tanhshrink extends Module {
  forward(x: Tensor): Tensor {
    return tanhshrink(x);
  }
}

/** The first half along `dim` (default -1) times the sigmoid of the second (Dauphin et al., arXiv:1612.08083). */
export class GLU extends Module {
  constructor(readonly dim = -1) {
    noMore(new.target.name, arguments.length > 1);
    super();
  }
  forward(x: Tensor): Tensor {
    return glu(x, this.dim);
  }
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/**
 * x where positive, else a slope times x: in training drawn for each element from [lower, upper], in use their mean (Xu et
 * al., arXiv:1505.00853). Options: lower 1/8, upper 1/3, inplace false.
 */
export class RReLU extends Module {
  readonly lower: number;
  readonly upper: number;
  readonly inplace: boolean;

  constructor(options?: Omit<RReluOptions, 'training'>) {
    const { lower = 1 / 8, upper = 1 / 3, inplace = false } = rreluOptions(new.target.name, options, arguments.length > 1);
    super();
    checkSlopes(lower, upper, 'RReLU');
    this.lower = lower;
    this.upper = upper;
    this.inplace = inplace;
  }
  forward(x: Tensor): Tensor {
    const { lower, upper, training, inplace } = this;
    return rrelu(x, { lower, upper, training, inplace });
  }
  override extraRepr(): string {
    return `lower=${repr.float(this.lower)}, upper=${repr.float(this.upper)}${this.inplace ? ', inplace=True' : ''}`;
  }
}
