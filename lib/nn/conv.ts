// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { boolean, oneOf, optionsOf } from '../native/options.js';
import { checkChoice, checkInteger, checkSizes, type Sizes } from '../ops/checks.js';
import { conv1d, conv2d, conv3d, convOptions, type ConvOptions } from '../ops/conv.js';
import { pad } from '../ops/pad.js';
import type { Tensor } from '../tensor/tensor.js';
import { isDeferred } from './deferred.js';
import { emptyParameter, factoryOptions, type FactoryOptions } from './factory.js';
import { resetLinear } from './init.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

const paddingModes = ['zeros', 'reflect', 'replicate', 'circular'] as const;

export interface ConvLayerOptions extends ConvOptions, FactoryOptions {
  /** What the padding is made of: zeros, or the input's own values as in F.pad. Default 'zeros'. */
  paddingMode?: (typeof paddingModes)[number];
  /** Whether a learned number is added to each output channel. Default true. */
  bias?: boolean;
}
/** @internal */
export const convLayerOptions = optionsOf<ConvLayerOptions>({
  ...convOptions.schema,
  ...factoryOptions.schema,
  paddingMode: oneOf(...paddingModes),
  bias: boolean,
});

const convolutions = [undefined, conv1d, conv2d, conv3d] as const;

/**
 * What convolution layers share.
 *
 * Both parameters start uniform in +-1 / sqrt(fan in), as PyTorch's do (the weight's bound is He's with a = sqrt(5),
 * arXiv:1502.01852). Shapes are PyTorch's; in memory, filters are channels-last.
 */
export abstract class ConvNd extends Module {
  /** [outChannels, inChannels / groups, ...kernelSize] */
  readonly weight: Parameter;
  /** [outChannels], or null */
  readonly bias: Parameter | null;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[] | 'same' | 'valid';
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly paddingMode: (typeof paddingModes)[number];
  readonly #border: readonly number[] | null;

  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Sizes,
    { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true, paddingMode = 'zeros', ...factory }: ConvLayerOptions,
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
    this.dilation = checkSizes(dilation, spatial, 1, where, 'dilation');
    this.padding = typeof padding === 'string' ? padding : checkSizes(padding, spatial, 0, where, 'padding');
    if (typeof padding === 'string') {
      if (padding !== 'same' && padding !== 'valid')
        throw new ArgumentError(`${where}: padding must be a number, numbers, 'same' or 'valid', got '${String(padding)}'`);
      if (padding === 'same' && this.stride.some((s) => s !== 1))
        throw new ArgumentError(`${where}: padding 'same' is for stride 1, got ${repr.tuple(this.stride)}`);
    }
    this.groups = groups;
    this.paddingMode = checkChoice(paddingMode, paddingModes, where, 'paddingMode');
    this.#border = paddingMode === 'zeros' ? null : this.#borderSizes();
    const shape = [outChannels, inChannels / groups, ...this.kernelSize];
    this.weight = emptyParameter(this.isLazy ? null : shape, factory, where);
    this.bias = bias ? emptyParameter(this.isLazy ? null : [outChannels], factory, where) : null;
    this.resetParameters();
  }

  /** @internal Whether the first input is to tell inChannels. */
  protected get isLazy(): boolean {
    return false;
  }

  /** Draws the parameters anew. */
  resetParameters(): void {
    if (!isDeferred(this.weight)) resetLinear(this.weight, this.bias);
  }

  // As F.pad takes them. 'same' puts what is over behind.
  #borderSizes(): number[] {
    const { padding, dilation, kernelSize } = this;
    const pairs = kernelSize.map((k, i) => {
      if (padding === 'valid') return [0, 0];
      if (padding !== 'same') return [padding[i]!, padding[i]!];
      const total = dilation[i]! * (k - 1);
      return [total >> 1, total - (total >> 1)];
    });
    return pairs.toReversed().flat();
  }

  /** @internal What the convolution itself is told: a border of another kind is made before it. */
  get window(): ConvOptions {
    const { stride, padding, dilation, groups } = this;
    return { stride, padding: this.#border ? 0 : padding, dilation, groups };
  }

  /** @internal x with the border of a paddingMode other than 'zeros'. */
  withBorder(x: Tensor): Tensor {
    const mode = this.paddingMode;
    return this.#border && mode !== 'zeros' ? pad(x, this.#border, { mode }) : x;
  }

  forward(x: Tensor): Tensor {
    return convolutions[this.spatial](this.withBorder(x), this.weight, this.bias, this.window);
  }

  override extraRepr(): string {
    const { padding, dilation, groups } = this;
    const parts = [
      `${this.inChannels}, ${this.outChannels}`,
      `kernel_size=${repr.tuple(this.kernelSize)}`,
      `stride=${repr.tuple(this.stride)}`,
    ];
    if (typeof padding === 'string') parts.push(`padding=${padding}`);
    else if (padding.some((p) => p !== 0)) parts.push(`padding=${repr.tuple(padding)}`);
    if (dilation.some((d) => d !== 1)) parts.push(`dilation=${repr.tuple(dilation)}`);
    if (groups !== 1) parts.push(`groups=${groups}`);
    if (!this.bias) parts.push('bias=False');
    if (this.paddingMode !== 'zeros') parts.push(`padding_mode=${this.paddingMode}`);
    return parts.join(', ');
  }
}

/** Convolution over sequences: [N, inChannels, L] to [N, outChannels, L'], or both without N. Options as Conv2d's. */
export class Conv1d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: Sizes, options?: ConvLayerOptions) {
    options = convLayerOptions(new.target.name, options, arguments.length > 4);
    super(1, inChannels, outChannels, kernelSize, options);
  }
}

/**
 * Convolution over images: [N, inChannels, H, W] to [N, outChannels, H', W'], or both without N, where
 * H' = floor((H + 2 padding - dilation (kH - 1) - 1) / stride) + 1.
 *
 * Options and their defaults: stride 1, padding 0 (or 'same', 'valid'), dilation 1, groups 1, bias true, paddingMode
 * 'zeros' (or 'reflect', 'replicate', 'circular'), dtype float32, device.
 *
 * @param kernelSize one number, or [kH, kW]
 * @throws ArgumentError for options out of range; forward() throws ShapeError for another number of channels and an
 * image smaller than the kernel
 */
export class Conv2d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: Sizes, options?: ConvLayerOptions) {
    options = convLayerOptions(new.target.name, options, arguments.length > 4);
    super(2, inChannels, outChannels, kernelSize, options);
  }
}

/** Convolution over volumes: [N, inChannels, D, H, W] to [N, outChannels, D', H', W']. Options as Conv2d's. */
export class Conv3d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: Sizes, options?: ConvLayerOptions) {
    options = convLayerOptions(new.target.name, options, arguments.length > 4);
    super(3, inChannels, outChannels, kernelSize, options);
  }
}
