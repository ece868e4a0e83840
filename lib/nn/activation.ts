// SPDX-License-Identifier: Apache-2.0
// Activations: any shape to the same shape. With `inplace` (default false) the result is written over the input, which
// then is the result; it must not be a leaf that requires gradients.
import { withoutGrad } from '../autograd/mode.js';
import { ShapeError } from '../native/errors.js';
import { noMore, number, optionsOf } from '../native/options.js';
import {
  alphaOptions,
  celu,
  checkBounds,
  elu,
  gelu,
  geluOptions,
  hardsigmoid,
  hardswish,
  hardtanh,
  hardtanhOptions,
  inPlaceOptions,
  leakyRelu,
  leakyReluOptions,
  logsigmoid,
  mish,
  prelu,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softplus,
  softplusOptions,
  softsign,
  tanh,
  threshold,
  type InPlace,
} from '../ops/activation.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import { fill_ } from '../ops/inplace.js';
import { logSoftmax, softmax, softmin } from '../ops/softmax.js';
import { formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { emptyParameter, factoryOptions, type FactoryOptions } from './factory.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

const preluOptions = optionsOf<{ init?: number } & FactoryOptions>({ init: number, ...factoryOptions.schema });

abstract class InPlaceActivation extends Module {
  readonly inplace: boolean;

  constructor(options?: InPlace) {
    super();
    const { inplace = false } = inPlaceOptions(new.target.name, options, arguments.length > 1);
    this.inplace = inplace;
  }
  /** What extraRepr() says before `inplace`. */
  protected describe(): string[] {
    return [];
  }
  override extraRepr(): string {
    return [...this.describe(), ...(this.inplace ? ['inplace=True'] : [])].join(', ');
  }
}

/** max(x, 0) */
export class ReLU extends InPlaceActivation {
  forward(x: Tensor): Tensor {
    return relu(x, { inplace: this.inplace });
  }
}

/** min(max(x, 0), 6) */
export class ReLU6 extends InPlaceActivation {
  forward(x: Tensor): Tensor {
    return relu6(x, { inplace: this.inplace });
  }
}

/** 1 / (1 + exp(-x)) */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** log(sigmoid(x)), without overflow. */
export class LogSigmoid extends Module {
  forward(x: Tensor): Tensor {
    return logsigmoid(x);
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** x / (1 + |x|) */
export class Softsign extends Module {
  forward(x: Tensor): Tensor {
    return softsign(x);
  }
}

/** x sigmoid(x), also called swish (Elfwing et al., arXiv:1702.03118). */
export class SiLU extends InPlaceActivation {
  forward(x: Tensor): Tensor {
    return silu(x, { inplace: this.inplace });
  }
}

/** x tanh(log(1 + exp(x))) (Misra, arXiv:1908.08681). */
export class Mish extends InPlaceActivation {
  forward(x: Tensor): Tensor {
    return mish(x, { inplace: this.inplace });
  }
}

// PyTorch prints these two without their option.
abstract class HardActivation extends InPlaceActivation {
  override extraRepr(): string {
    return '';
  }
}

/** min(max(x + 3, 0), 6) / 6 */
export class Hardsigmoid extends HardActivation {
  forward(x: Tensor): Tensor {
    return hardsigmoid(x, { inplace: this.inplace });
  }
}

/** x hardsigmoid(x) (Howard et al., arXiv:1905.02244). */
export class Hardswish extends HardActivation {
  forward(x: Tensor): Tensor {
    return hardswish(x, { inplace: this.inplace });
  }
}

/** The scaled ELU that keeps mean 0 and variance 1 (Klambauer et al., arXiv:1706.02515). */
export class SELU extends InPlaceActivation {
  forward(x: Tensor): Tensor {
    return selu(x, { inplace: this.inplace });
  }
}

/** x limited to [minVal, maxVal], by default [-1, 1]. @throws ArgumentError unless minVal < maxVal */
export class Hardtanh extends InPlaceActivation {
  readonly minVal: number;
  readonly maxVal: number;

  constructor(options?: { minVal?: number; maxVal?: number } & InPlace) {
    const { minVal = -1, maxVal = 1, ...rest } = hardtanhOptions(new.target.name, options, arguments.length > 1);
    super(rest);
    checkBounds(minVal, maxVal, 'Hardtanh');
    this.minVal = minVal;
    this.maxVal = maxVal;
  }
  forward(x: Tensor): Tensor {
    const { minVal, maxVal, inplace } = this;
    return hardtanh(x, { minVal, maxVal, inplace });
  }
  protected override describe(): string[] {
    return [`min_val=${repr.float(this.minVal)}, max_val=${repr.float(this.maxVal)}`];
  }
}

/** x where it exceeds the threshold, else `value`. */
export class Threshold extends InPlaceActivation {
  constructor(
    readonly threshold: number,
    readonly value: number,
    options?: InPlace,
  ) {
    options = inPlaceOptions(new.target.name, options, arguments.length > 3);
    super(options);
  }
  forward(x: Tensor): Tensor {
    return threshold(x, this.threshold, this.value, { inplace: this.inplace });
  }
  protected override describe(): string[] {
    return [`threshold=${this.threshold}, value=${this.value}`];
  }
}

/** x where positive, else `negativeSlope` times x; default 0.01. */
export class LeakyReLU extends InPlaceActivation {
  readonly negativeSlope: number;

  constructor(options?: { negativeSlope?: number } & InPlace) {
    const { negativeSlope = 0.01, ...rest } = leakyReluOptions(new.target.name, options, arguments.length > 1);
    super(rest);
    this.negativeSlope = negativeSlope;
  }
  forward(x: Tensor): Tensor {
    return leakyRelu(x, { negativeSlope: this.negativeSlope, inplace: this.inplace });
  }
  protected override describe(): string[] {
    return [`negative_slope=${repr.float(this.negativeSlope)}`];
  }
}

/**
 * x where positive, else a learned slope times x (He et al., arXiv:1502.01852): [N, C, ...] to the same.
 *
 * Options and their defaults: init 0.25, the slope at first; dtype float32; device.
 *
 * @param numParameters 1, or one slope per channel
 * @throws ArgumentError for other numbers; forward() throws ShapeError for another number of channels
 */
export class PReLU extends Module {
  /** [numParameters] */
  readonly weight: Parameter;
  readonly init: number;

  constructor(
    readonly numParameters = 1,
    options?: { init?: number } & FactoryOptions,
  ) {
    super();
    const { init = 0.25, ...factory } = preluOptions(new.target.name, options, arguments.length > 2);
    checkInteger(numParameters, 1, 'PReLU', 'numParameters');
    this.init = checkNumber(init, -Number.MAX_VALUE, Number.MAX_VALUE, 'PReLU', 'init');
    this.weight = emptyParameter([numParameters], factory, 'PReLU');
    this.resetParameters();
  }
  /** Sets the slopes to `init`. */
  resetParameters(): void {
    withoutGrad(() => fill_(this.weight, this.init));
  }
  forward(x: Tensor): Tensor {
    return prelu(x, this.weight);
  }
  override extraRepr(): string {
    return `num_parameters=${this.numParameters}`;
  }
}

/** x where positive, else alpha (exp(x) - 1); default alpha 1 (Clevert et al., arXiv:1511.07289). */
export class ELU extends InPlaceActivation {
  readonly alpha: number;

  constructor(options?: { alpha?: number } & InPlace) {
    const { alpha = 1, ...rest } = alphaOptions(new.target.name, options, arguments.length > 1);
    super(rest);
    this.alpha = alpha;
  }
  forward(x: Tensor): Tensor {
    return elu(x, { alpha: this.alpha, inplace: this.inplace });
  }
  protected override describe(): string[] {
    return [`alpha=${repr.float(this.alpha)}`];
  }
}

/** x where positive, else alpha (exp(x / alpha) - 1); default alpha 1 (Barron, arXiv:1704.07483). */
export class CELU extends InPlaceActivation {
  readonly alpha: number;

  constructor(options?: { alpha?: number } & InPlace) {
    const { alpha = 1, ...rest } = alphaOptions(new.target.name, options, arguments.length > 1);
    super(rest);
    this.alpha = alpha;
  }
  forward(x: Tensor): Tensor {
    return celu(x, { alpha: this.alpha, inplace: this.inplace });
  }
  protected override describe(): string[] {
    return [`alpha=${repr.float(this.alpha)}`];
  }
}

/** x times the normal distribution function at x (Hendrycks and Gimpel, arXiv:1606.08415), or its tanh approximation. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';

  constructor(options?: { approximate?: 'none' | 'tanh' }) {
    super();
    const { approximate = 'none' } = geluOptions(new.target.name, options, arguments.length > 1);
    this.approximate = approximate;
  }
  forward(x: Tensor): Tensor {
    return gelu(x, { approximate: this.approximate });
  }
  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/** log(1 + exp(beta x)) / beta, and x itself where beta x exceeds the threshold. Defaults: beta 1, threshold 20. */
export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;

  constructor(options?: { beta?: number; threshold?: number }) {
    super();
    const { beta = 1, threshold = 20 } = softplusOptions(new.target.name, options, arguments.length > 1);
    this.beta = beta;
    this.threshold = threshold;
  }
  forward(x: Tensor): Tensor {
    return softplus(x, { beta: this.beta, threshold: this.threshold });
  }
  override extraRepr(): string {
    return `beta=${repr.float(this.beta)}, threshold=${repr.float(this.threshold)}`;
  }
}

// The dimension that PyTorch takes where none is given, which it calls deprecated.
const implicitDim = (x: Tensor): number => (x.ndim === 0 || x.ndim === 1 || x.ndim === 3 ? 0 : 1);

abstract class AlongDim extends Module {
  /** @param dim by default, as in PyTorch, 0 for inputs of 0, 1 or 3 dimensions, else 1; better given */
  constructor(readonly dim: number | null = null) {
    noMore(new.target.name, arguments.length > 1);
    super();
  }
  protected dimOf(x: Tensor): number {
    return this.dim ?? implicitDim(x);
  }
  override extraRepr(): string {
    return `dim=${this.dim ?? 'None'}`;
  }
}

/** exp(x) divided by its sum along `dim`. */
export class Softmax extends AlongDim {
  forward(x: Tensor): Tensor {
    return softmax(x, this.dimOf(x));
  }
}

/** The logarithm of softmax along `dim`, in one step and so without loss of precision. */
export class LogSoftmax extends AlongDim {
  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.dimOf(x));
  }
}

/** exp(-x) divided by its sum along `dim`. */
export class Softmin extends AlongDim {
  forward(x: Tensor): Tensor {
    return softmin(x, this.dimOf(x));
  }
}

/** Softmax over the channels of images: [N, C, H, W] or [C, H, W]. @throws ShapeError for other shapes */
export class Softmax2d extends Module {
  forward(x: Tensor): Tensor {
    if (x.ndim !== 3 && x.ndim !== 4)
      throw new ShapeError(`Softmax2d: expected input [N, C, H, W] or [C, H, W], got ${formatShape(x.shape)}`);
    return softmax(x, -3);
  }
}
