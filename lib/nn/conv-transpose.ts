// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, optionsOf } from '../native/options.js';
import { checkInteger, checkSizes, type Sizes } from '../ops/checks.js';
import {
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  convTransposeOptions,
  type ConvTransposeOptions,
} from '../ops/conv.js';
import { checkList, formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { isDeferred } from './deferred.js';
import { emptyParameter, factoryOptions, type FactoryOptions } from './factory.js';
import { resetLinear } from './init.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

export interface ConvTransposeLayerOptions extends ConvTransposeOptions, FactoryOptions {
  /** Whether a learned number is added to each output channel. Default true. */
  bias?: boolean;
}
/** @internal */
export const convTransposeLayerOptions = optionsOf<ConvTransposeLayerOptions>({
  ...convTransposeOptions.schema,
  ...factoryOptions.schema,
  bias: boolean,
});

const convolutions = [undefined, convTranspose1d, convTranspose2d, convTranspose3d] as const;

/**
 * What transposed convolution layers share.
 *
 * Both parameters start uniform in +-1 / sqrt(fan in), where PyTorch takes outChannels / groups kernel elements for the
 * fan in. Shapes are PyTorch's; in memory, filters are channels-last.
 */
export abstract class ConvTransposeNd extends Module<[x: Tensor, outputSize?: readonly number[]]> {
  /** [inChannels, outChannels / groups, ...kernelSize] */
  readonly weight: Parameter;
  /** [outChannels], or null */
  readonly bias: Parameter | null;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;

  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Sizes,
    { stride = 1, padding = 0, outputPadding = 0, groups = 1, bias = true, dilation = 1, ...factory }: ConvTransposeLayerOptions,
  ) {
    super();
    const where = new.target.name;
    if (!this.isLazy) checkInteger(inChannels, 1, where, 'inChannels');
    checkInteger(outChannels, 1, where, 'outChannels');
    checkInteger(groups, 1, where, 'groups');
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw new ArgumentError(
        `${where}: inChannels ${inChannels} and outChannels ${outChannels} must be divisible by groups ${groups}`,
      );
    this.kernelSize = checkSizes(kernelSize, spatial, 1, where, 'kernelSize');
    this.stride = checkSizes(stride, spatial, 1, where, 'stride');
    this.padding = checkSizes(padding, spatial, 0, where, 'padding');
    this.outputPadding = checkSizes(outputPadding, spatial, 0, where, 'outputPadding');
    this.dilation = checkSizes(dilation, spatial, 1, where, 'dilation');
    this.groups = groups;
    const shape = this.isLazy ? null : [inChannels, outChannels / groups, ...this.kernelSize];
    this.weight = emptyParameter(shape, factory, where);
    this.bias = bias ? emptyParameter(shape && [outChannels], factory, where) : null;
    this.resetParameters();
  }

  /** @internal Whether inChannels is that of the first input. */
  protected get isLazy(): boolean {
    return false;
  }

  /** Draws the parameters anew. */
  resetParameters(): void {
    if (!isDeferred(this.weight)) resetLinear(this.weight, this.bias);
  }

  /**
   * @param outputSize the result's spatial size, of those that stride leaves open; a leading [N, C] is ignored. Left out,
   * outputPadding decides.
   * @throws ShapeError for an outputSize that no outputPadding gives
   */
  forward(x: Tensor, outputSize?: readonly number[]): Tensor {
    const outputPadding = outputSize ? this.#paddingFor(x, outputSize) : this.outputPadding;
    const { stride, padding, dilation, groups } = this;
    return convolutions[this.spatial](x, this.weight, this.bias, { stride, padding, outputPadding, groups, dilation });
  }

  #paddingFor(x: Tensor, outputSize: readonly number[]): number[] {
    const where = this.constructor.name;
    const { spatial, stride, padding, dilation, kernelSize } = this;
    const given = checkList(outputSize, where, 'outputSize');
    const sizes = given.length === x.ndim ? given.slice(-spatial) : given;
    if (sizes.length !== spatial)
      throw new ShapeError(`${where}: outputSize must have ${spatial} or ${x.ndim} sizes, got ${formatShape(given)}`);
    const least = kernelSize.map(
      (k, i) => (x.shape[x.ndim - spatial + i]! - 1) * stride[i]! - 2 * padding[i]! + dilation[i]! * (k - 1) + 1,
    );
    const extra = sizes.map((size, i) => size - least[i]!);
    if (!extra.every((n, i) => Number.isInteger(n) && n >= 0 && n < stride[i]!))
      throw new ShapeError(
        `${where}: outputSize must lie between ${formatShape(least)} and ${formatShape(least.map((n, i) => n + stride[i]! - 1))} ` +
          `for input ${formatShape(x.shape)}, got ${formatShape(given)}`,
      );
    return extra;
  }

  override extraRepr(): string {
    const { padding, outputPadding, dilation, groups } = this;
    const parts = [
      `${this.inChannels}, ${this.outChannels}`,
      `kernel_size=${repr.tuple(this.kernelSize)}`,
      `stride=${repr.tuple(this.stride)}`,
    ];
    if (padding.some((p) => p !== 0)) parts.push(`padding=${repr.tuple(padding)}`);
    if (dilation.some((d) => d !== 1)) parts.push(`dilation=${repr.tuple(dilation)}`);
    if (outputPadding.some((p) => p !== 0)) parts.push(`output_padding=${repr.tuple(outputPadding)}`);
    if (groups !== 1) parts.push(`groups=${groups}`);
    if (!this.bias) parts.push('bias=False');
    return parts.join(', ');
  }
}

/** Transposed convolution over sequences: [N, inChannels, L] to [N, outChannels, L']. Options as ConvTranspose2d's. */
export class ConvTranspose1d extends ConvTransposeNd {
  constructor(inChannels: number, outChannels: number, kernelSize: Sizes, options?: ConvTransposeLayerOptions) {
    options = convTransposeLayerOptions(new.target.name, options, arguments.length > 4);
    super(1, inChannels, outChannels, kernelSize, options);
  }
}

/**
 * Transposed convolution over images, which undoes the shapes of Conv2d: [N, inChannels, H, W] to [N, outChannels, H',
 * W'], or both without N, where H' = (H - 1) stride - 2 padding + dilation (kH - 1) + outputPadding + 1.
 *
 * Options and their defaults: stride 1, padding 0, outputPadding 0, groups 1, bias true, dilation 1, dtype float32,
 * device.
 *
 * @param kernelSize one number, or [kH, kW]
 * @throws ArgumentError for options out of range
 */
export class ConvTranspose2d extends ConvTransposeNd {
  constructor(inChannels: number, outChannels: number, kernelSize: Sizes, options?: ConvTransposeLayerOptions) {
    options = convTransposeLayerOptions(new.target.name, options, arguments.length > 4);
    super(2, inChannels, outChannels, kernelSize, options);
  }
}

/** Transposed convolution over volumes: [N, inChannels, D, H, W] to [N, outChannels, D', H', W']. Options as ConvTranspose2d's. */
export class ConvTranspose3d extends ConvTransposeNd {
  constructor(inChannels: number, outChannels: number, kernelSize: Sizes, options?: ConvTransposeLayerOptions) {
    options = convTransposeLayerOptions(new.target.name, options, arguments.length > 4);
    super(3, inChannels, outChannels, kernelSize, options);
  }
}
