// SPDX-License-Identifier: Apache-2.0
// LeNet-5 with every part as published in 1998.
import { Conv2d } from '../nn/conv.js';
import { uniform_, zeros_ } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { classifierOptions } from './builder.js';
import { Parameter } from '../nn/parameter.js';
import { conv2d } from '../ops/conv.js';
import { empty, tensor, zeros } from '../ops/creation.js';
import { cat } from '../ops/join.js';
import { indexSelect } from '../ops/pick.js';
import { tanh } from '../ops/activation.js';
import { add, mul, neg, square, sub } from '../ops/pointwise.js';
import { avgPool2d } from '../ops/pool.js';
import { sum } from '../ops/reduce.js';
import { flatten, narrow, reshape, unsqueeze } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkImages } from './images.js';
import { classCodes } from './lenet-codes.js';

/** 1.7159 tanh(2 x / 3), the paper's appendix A: a sigmoid that takes 1 to 1 and -1 to -1. */
export function scaledTanh(x: Tensor): Tensor {
  return mul(tanh(mul(x, 2 / 3)), 1.7159);
}

/** The sum of each 2 x 2 window, times a coefficient, plus a bias, of which each map has its own. */
class Subsampling extends Module {
  /** [maps] */
  readonly weight: Parameter;
  /** [maps] */
  readonly bias: Parameter;

  constructor(readonly maps: number) {
    super();
    this.weight = new Parameter(empty([maps]));
    this.bias = new Parameter(zeros([maps]));
    uniform_(this.weight, -2.4 / 4, 2.4 / 4); // four inputs
  }
  forward(x: Tensor): Tensor {
    const perMap = (t: Tensor) => reshape(t, [1, this.maps, 1, 1]);
    const sums = avgPool2d(x, 2, { divisorOverride: 1 });
    return add(mul(sums, perMap(this.weight as Tensor)), perMap(this.bias as Tensor));
  }
  override extraRepr(): string {
    return String(this.maps);
  }
}

// Table I of the paper: the maps of S2 that each map of C3 looks at.
const CONNECTIONS: readonly (readonly number[])[] = [
  [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5],
  [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5],
  [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 2, 3, 4, 5],
];

/** A convolution of which each output map sees some of the input maps only. */
class PartialConv2d extends Module {
  /** [connections, k, k]: the filters of output 0's inputs, then those of output 1's, and so on. */
  readonly weight: Parameter;
  /** [outputs] */
  readonly bias: Parameter;
  // Which filter stands at (output, input) of a full convolution's weight: one of zeros where there is no connection.
  declare readonly places: Tensor;

  constructor(
    readonly inputs: number,
    readonly connections: readonly (readonly number[])[],
    readonly kernelSize: number,
  ) {
    super();
    const count = connections.reduce((n, seen) => n + seen.length, 0);
    this.weight = new Parameter(empty([count, kernelSize, kernelSize]));
    this.bias = new Parameter(zeros([connections.length]));
    const places = new BigInt64Array(connections.length * inputs).fill(BigInt(count));
    let next = 0;
    connections.forEach((seen, output) => {
      const bound = 2.4 / (seen.length * kernelSize ** 2);
      uniform_(narrow(this.weight as Tensor, 0, next, seen.length), -bound, bound);
      for (const input of seen) places[output * inputs + input] = BigInt(next++);
    });
    this.registerBuffer('places', tensor(places), { persistent: false });
  }
  forward(x: Tensor): Tensor {
    const weight = this.weight as Tensor;
    const none = zeros([1, this.kernelSize, this.kernelSize], { dtype: weight.dtype, device: weight.device });
    const full = indexSelect(cat([weight, none], 0), 0, this.places);
    const shape = [this.connections.length, this.inputs, this.kernelSize, this.kernelSize];
    return conv2d(x, reshape(full, shape), this.bias as Tensor);
  }
  override extraRepr(): string {
    return `${this.inputs}, ${this.connections.length}, kernel_size=${this.kernelSize}, connections=${this.weight.shape[0]}`;
  }
}

/** Minus the squared distance of the input from each class's code. */
class RadialBasis extends Module {
  /** [classes, features], fixed */
  declare readonly weight: Tensor;

  constructor(codes: Tensor) {
    super();
    this.registerBuffer('weight', codes);
  }
  forward(x: Tensor): Tensor {
    return neg(sum(square(sub(unsqueeze(x, 1), this.weight)), 2));
  }
  override extraRepr(): string {
    return this.weight.shape.join(', ');
  }
}

/**
 * LeNet-5 as published (LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the
 * IEEE 86, 1998): trainable subsampling, a third layer whose maps see the inputs of the paper's table I, scaled tanh
 * after every layer, and outputs that measure the distance of the last layer's 84 values from a picture of the digit,
 * 7 x 12 pixels of -1 and 1. 60,000 parameters whatever the number of classes; the codes are fixed, a buffer. Weights
 * start uniform in +-2.4 / fan in, as in the paper's appendix A; biases at 0.
 *
 * forward: [N, 1, 32, 32] to [N, numClasses] scores: minus the paper's outputs, so that the largest is the answer and
 * cross entropy is the paper's equation 9 without its constant. The paper's images are digits of at most 20 x 20 pixels
 * amid 32 x 32, the background -0.1 and the ink 1.175.
 */
export class LeNet5Paper extends Module {
  /** Height and width of its images. */
  readonly imageSize = 32;
  readonly c1 = new Conv2d(1, 6, 5);
  readonly s2 = new Subsampling(6);
  readonly c3 = new PartialConv2d(6, CONNECTIONS, 5);
  readonly s4 = new Subsampling(16);
  readonly c5 = new Conv2d(16, 120, 5);
  readonly f6 = new Linear(120, 84);
  readonly output: RadialBasis;

  constructor(options?: { numClasses?: number }) {
    super();
    const { numClasses = 10 } = classifierOptions(new.target.name, options, arguments.length > 1);
    this.output = new RadialBasis(classCodes(numClasses));
    for (const { weight, bias } of [this.c1, this.c5, this.f6]) {
      const bound = 2.4 / (weight.numel / weight.shape[0]!);
      uniform_(weight, -bound, bound);
      zeros_(bias!);
    }
  }

  forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: 1, exactly: this.imageSize });
    let y = x;
    for (const layer of [this.c1, this.s2, this.c3, this.s4, this.c5] as Module[]) y = scaledTanh(layer.forward(y));
    return this.output.forward(scaledTanh(this.f6.forward(flatten(y, 1))));
  }
}
