// SPDX-License-Identifier: Apache-2.0
import { bilinear } from '../ops/bilinear.js';
import { checkInteger } from '../ops/checks.js';
import type { Tensor } from '../tensor/tensor.js';
import { emptyParameter } from './factory.js';
import { uniform_ } from './init.js';
import { linearOptions, type LinearOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

/**
 * A bilinear form for each output: [..., in1Features] and [..., in2Features] to [..., outFeatures].
 *
 * Both parameters start uniform in +-1 / sqrt(in1Features), as PyTorch's do.
 */
export class Bilinear extends Module<[x1: Tensor, x2: Tensor], Tensor> {
  /** [outFeatures, in1Features, in2Features] */
  readonly weight: Parameter;
  /** [outFeatures], or null */
  readonly bias: Parameter | null;

  constructor(
    readonly in1Features: number,
    readonly in2Features: number,
    readonly outFeatures: number,
    options?: LinearOptions,
  ) {
    const { bias = true, ...factory } = linearOptions(new.target.name, options, arguments.length > 4);
    super();
    checkInteger(in1Features, 1, 'Bilinear', 'in1Features');
    checkInteger(in2Features, 1, 'Bilinear', 'in2Features');
    checkInteger(outFeatures, 1, 'Bilinear', 'outFeatures');
    this.weight = emptyParameter([outFeatures, in1Features, in2Features], factory, 'Bilinear');
    this.bias = bias ? emptyParameter([outFeatures], factory, 'Bilinear') : null;
    this.resetParameters();
  }

  /** Draws the parameters anew. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.in1Features);
    uniform_(this.weight, -bound, bound);
    if (this.bias) uniform_(this.bias, -bound, bound);
  }

  forward(x1: Tensor, x2: Tensor): Tensor {
    return bilinear(x1, x2, this.weight, this.bias);
  }

  override extraRepr(): string {
    return (
      `in1_features=${this.in1Features}, in2_features=${this.in2Features}, out_features=${this.outFeatures}, ` +
      `bias=${repr.bool(this.bias !== null)}`
    );
  }
}
