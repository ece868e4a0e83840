// SPDX-License-Identifier: Apache-2.0
import { checkResponseNorm, localResponseNorm, localResponseNormOptions, type LocalResponseNormOptions } from '../ops/response-norm.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

/**
 * Local response normalisation across `size` neighbouring channels of [N, C, ...] (Krizhevsky, Sutskever and Hinton,
 * "ImageNet Classification with Deep Convolutional Neural Networks", 2012); see F.localResponseNorm.
 *
 * Options and their defaults: alpha 1e-4, beta 0.75, k 1.
 */
export class LocalResponseNorm extends Module {
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;

  constructor(
    readonly size: number,
    options?: LocalResponseNormOptions,
  ) {
    options = localResponseNormOptions(new.target.name, options, arguments.length > 2);
    super();
    [, this.alpha, this.beta, this.k] = checkResponseNorm(size, options, 'LocalResponseNorm');
  }

  forward(x: Tensor): Tensor {
    const { alpha, beta, k } = this;
    return localResponseNorm(x, this.size, { alpha, beta, k });
  }

  override extraRepr(): string {
    return `${this.size}, alpha=${repr.float(this.alpha)}, beta=${repr.float(this.beta)}, k=${repr.float(this.k)}`;
  }
}
