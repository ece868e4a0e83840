// SPDX-License-Identifier: Apache-2.0
// Activations: any shape to the same shape.
import { elu, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from '../ops/pointwise.js';
import { logSoftmax, softmax } from '../ops/softmax.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

/** max(x, 0) */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** 1 / (1 + exp(-x)) */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** x sigmoid(x), also called swish (Elfwing et al., arXiv:1702.03118). */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** x where positive, else `negativeSlope` times x; default 0.01. */
export class LeakyReLU extends Module {
  readonly negativeSlope: number;

  constructor({ negativeSlope = 0.01 }: { negativeSlope?: number } = {}) {
    super();
    this.negativeSlope = negativeSlope;
  }
  forward(x: Tensor): Tensor {
    return leakyRelu(x, this);
  }
  override extraRepr(): string {
    return `negative_slope=${repr.float(this.negativeSlope)}`;
  }
}

/** x where positive, else alpha (exp(x) - 1); default alpha 1 (Clevert et al., arXiv:1511.07289). */
export class ELU extends Module {
  readonly alpha: number;

  constructor({ alpha = 1 }: { alpha?: number } = {}) {
    super();
    this.alpha = alpha;
  }
  forward(x: Tensor): Tensor {
    return elu(x, this);
  }
  override extraRepr(): string {
    return `alpha=${repr.float(this.alpha)}`;
  }
}

/** x times the normal distribution function at x (Hendrycks and Gimpel, arXiv:1606.08415), or its tanh approximation. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';

  constructor({ approximate = 'none' }: { approximate?: 'none' | 'tanh' } = {}) {
    super();
    this.approximate = approximate;
  }
  forward(x: Tensor): Tensor {
    return gelu(x, this);
  }
  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/** log(1 + exp(beta x)) / beta, and x itself where beta x exceeds the threshold. Defaults: beta 1, threshold 20. */
export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;

  constructor({ beta = 1, threshold = 20 }: { beta?: number; threshold?: number } = {}) {
    super();
    this.beta = beta;
    this.threshold = threshold;
  }
  forward(x: Tensor): Tensor {
    return softplus(x, this);
  }
  override extraRepr(): string {
    return `beta=${repr.float(this.beta)}, threshold=${repr.float(this.threshold)}`;
  }
}

/** exp(x) divided by its sum along `dim`. */
export class Softmax extends Module {
  constructor(readonly dim: number) {
    super();
  }
  forward(x: Tensor): Tensor {
    return softmax(x, this.dim);
  }
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** The logarithm of softmax along `dim`, in one step and so without loss of precision. */
export class LogSoftmax extends Module {
  constructor(readonly dim: number) {
    super();
  }
  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.dim);
  }
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
