// SPDX-License-Identifier: Apache-2.0
import { boolean, optionsOf } from '../native/options.js';
import { checkInteger } from '../ops/checks.js';
import { linear } from '../ops/matmul.js';
import type { Tensor } from '../tensor/tensor.js';
import { isDeferred } from './deferred.js';
import { emptyParameter, factoryOptions, type FactoryOptions } from './factory.js';
import { resetLinear } from './init.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

export interface LinearOptions extends FactoryOptions {
  /** Default true. */
  bias?: boolean;
}
/** @internal */
export const linearOptions = optionsOf<LinearOptions>({ ...factoryOptions.schema, bias: boolean });

/**
 * Fully connected layer: [..., inFeatures] to [..., outFeatures].
 *
 * Both parameters start uniform in +-1 / sqrt(inFeatures), as PyTorch's do.
 */
export class Linear extends Module {
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures], or null */
  readonly bias: Parameter | null;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    options?: LinearOptions,
  ) {
    const { bias = true, ...factory } = linearOptions(new.target.name, options, arguments.length > 3);
    super();
    const where = new.target.name;
    if (!this.isLazy) checkInteger(inFeatures, 1, where, 'inFeatures');
    checkInteger(outFeatures, 1, where, 'outFeatures');
    this.weight = emptyParameter(this.isLazy ? null : [outFeatures, inFeatures], factory, where);
    this.bias = bias ? emptyParameter(this.isLazy ? null : [outFeatures], factory, where) : null;
    this.resetParameters();
  }

  /** @internal Whether the first input is to tell inFeatures. */
  protected get isLazy(): boolean {
    return false;
  }

  /** Draws the parameters anew. */
  resetParameters(): void {
    if (!isDeferred(this.weight)) resetLinear(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }

  override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${repr.bool(this.bias !== null)}`;
  }
}
