// SPDX-License-Identifier: Apache-2.0
// Layers that learn the size of their input from the first one. Their parameters exist from the beginning, so that an
// optimizer may be made before; reading, saving or updating them before the first forward() throws UninitializedError.
// With it, the layer becomes one of the ordinary class.
import { ArgumentError, ShapeError } from '../native/errors.js';
import type { Sizes } from '../ops/checks.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { Conv1d, Conv2d, Conv3d, convLayerOptions, type ConvLayerOptions, type ConvNd } from './conv.js';
import {
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  convTransposeLayerOptions,
  type ConvTransposeLayerOptions,
  type ConvTransposeNd,
} from './conv-transpose.js';
import { isDeferred, materialize } from './deferred.js';
import { Linear, linearOptions, type LinearOptions } from './linear.js';
import {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  batchNormLayerOptions,
  type BatchNorm,
  type BatchNormLayerOptions,
} from './normalization.js';

interface Resettable {
  resetParameters(): void;
}

// Gives shapes to what has none yet, then sets the sizes and makes the module one of the class `settled`. A state dict may
// have been loaded before, and then the values are there.
function settle(
  module: Resettable,
  tensors: readonly (readonly [Tensor | null, Shape])[],
  sizes: object,
  settled: { readonly prototype: object },
): void {
  const missing = tensors.filter(([t]) => isDeferred(t));
  for (const [t, shape] of missing) materialize(t!, shape);
  Object.assign(module, sizes);
  Object.setPrototypeOf(module, settled.prototype);
  if (missing.length > 0) module.resetParameters();
}

/** Linear whose inFeatures is the last size of its first input. */
export class LazyLinear extends Linear {
  constructor(outFeatures: number, options?: LinearOptions) {
    options = linearOptions(new.target.name, options, arguments.length > 2);
    super(0, outFeatures, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor): Tensor {
    const inFeatures = checkTensor(x, 'LazyLinear').shape.at(-1);
    if (!inFeatures) throw new ShapeError(`LazyLinear: expected input [..., inFeatures], got ${formatShape(x.shape)}`);
    const size = isDeferred(this.weight) ? inFeatures : this.weight.shape[1]!;
    settle(this, [[this.weight, [this.outFeatures, size]], [this.bias, [this.outFeatures]]], { inFeatures: size }, Linear);
    return super.forward(x);
  }
}

// `x`'s channels, for a convolution over `spatial` dimensions.
function channelsOf(x: Tensor, name: string, spatial: number): number {
  const rank = checkTensor(x, name).ndim;
  const channels = rank === spatial + 2 ? x.shape[1]! : rank === spatial + 1 ? x.shape[0]! : 0;
  if (channels === 0)
    throw new ShapeError(
      `${name}: expected input with channels and ${spatial} spatial dimensions, with or without a batch, got ${formatShape(x.shape)}`,
    );
  return channels;
}

function checkGroups(inChannels: number, groups: number, name: string): void {
  if (inChannels % groups !== 0)
    throw new ArgumentError(`${name}: the input's ${inChannels} channels must be divisible by groups ${groups}`);
}

function settleConv(layer: ConvNd, x: Tensor, name: string, spatial: number, settled: { readonly prototype: object }): void {
  const { outChannels, groups, kernelSize, weight, bias } = layer;
  const channels = channelsOf(x, name, spatial);
  const inChannels = isDeferred(weight) ? channels : weight.shape[1]! * groups;
  checkGroups(inChannels, groups, name);
  settle(layer, [[weight, [outChannels, inChannels / groups, ...kernelSize]], [bias, [outChannels]]], { inChannels }, settled);
}

/** Conv1d whose inChannels is that of its first input. */
export class LazyConv1d extends Conv1d {
  constructor(outChannels: number, kernelSize: Sizes, options?: ConvLayerOptions) {
    options = convLayerOptions(new.target.name, options, arguments.length > 3);
    super(0, outChannels, kernelSize, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor): Tensor {
    settleConv(this, x, 'LazyConv1d', 1, Conv1d);
    return super.forward(x);
  }
}

/** Conv2d whose inChannels is that of its first input. */
export class LazyConv2d extends Conv2d {
  constructor(outChannels: number, kernelSize: Sizes, options?: ConvLayerOptions) {
    options = convLayerOptions(new.target.name, options, arguments.length > 3);
    super(0, outChannels, kernelSize, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor): Tensor {
    settleConv(this, x, 'LazyConv2d', 2, Conv2d);
    return super.forward(x);
  }
}

/** Conv3d whose inChannels is that of its first input. */
export class LazyConv3d extends Conv3d {
  constructor(outChannels: number, kernelSize: Sizes, options?: ConvLayerOptions) {
    options = convLayerOptions(new.target.name, options, arguments.length > 3);
    super(0, outChannels, kernelSize, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor): Tensor {
    settleConv(this, x, 'LazyConv3d', 3, Conv3d);
    return super.forward(x);
  }
}

function settleTransposed(layer: ConvTransposeNd, x: Tensor, name: string, spatial: number, settled: { readonly prototype: object }): void {
  const { outChannels, groups, kernelSize, weight, bias } = layer;
  const channels = channelsOf(x, name, spatial);
  const inChannels = isDeferred(weight) ? channels : weight.shape[0]!;
  checkGroups(inChannels, groups, name);
  settle(layer, [[weight, [inChannels, outChannels / groups, ...kernelSize]], [bias, [outChannels]]], { inChannels }, settled);
}

/** ConvTranspose1d whose inChannels is that of its first input. */
export class LazyConvTranspose1d extends ConvTranspose1d {
  constructor(outChannels: number, kernelSize: Sizes, options?: ConvTransposeLayerOptions) {
    options = convTransposeLayerOptions(new.target.name, options, arguments.length > 3);
    super(0, outChannels, kernelSize, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor, outputSize?: readonly number[]): Tensor {
    settleTransposed(this, x, 'LazyConvTranspose1d', 1, ConvTranspose1d);
    return super.forward(x, outputSize);
  }
}

/** ConvTranspose2d whose inChannels is that of its first input. */
export class LazyConvTranspose2d extends ConvTranspose2d {
  constructor(outChannels: number, kernelSize: Sizes, options?: ConvTransposeLayerOptions) {
    options = convTransposeLayerOptions(new.target.name, options, arguments.length > 3);
    super(0, outChannels, kernelSize, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor, outputSize?: readonly number[]): Tensor {
    settleTransposed(this, x, 'LazyConvTranspose2d', 2, ConvTranspose2d);
    return super.forward(x, outputSize);
  }
}

/** ConvTranspose3d whose inChannels is that of its first input. */
export class LazyConvTranspose3d extends ConvTranspose3d {
  constructor(outChannels: number, kernelSize: Sizes, options?: ConvTransposeLayerOptions) {
    options = convTransposeLayerOptions(new.target.name, options, arguments.length > 3);
    super(0, outChannels, kernelSize, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor, outputSize?: readonly number[]): Tensor {
    settleTransposed(this, x, 'LazyConvTranspose3d', 3, ConvTranspose3d);
    return super.forward(x, outputSize);
  }
}

function settleNorm(layer: BatchNorm, x: Tensor, name: string, settled: { readonly prototype: object }): void {
  const { weight, bias, runningMean, runningVar } = layer;
  if (checkTensor(x, name).ndim < 2)
    throw new ShapeError(`${name}: expected input [N, numFeatures, ...], got ${formatShape(x.shape)}`);
  const known = [weight, runningMean].find((t) => t && !isDeferred(t));
  const numFeatures = known ? known.shape[0]! : x.shape[1]!;
  settle(layer, [weight, bias, runningMean, runningVar].map((t) => [t, [numFeatures]] as const), { numFeatures }, settled);
}

/** BatchNorm1d whose numFeatures is that of its first input. */
export class LazyBatchNorm1d extends BatchNorm1d {
  constructor(options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 1);
    super(0, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor): Tensor {
    settleNorm(this, x, 'LazyBatchNorm1d', BatchNorm1d);
    return super.forward(x);
  }
}

/** BatchNorm2d whose numFeatures is that of its first input. */
export class LazyBatchNorm2d extends BatchNorm2d {
  constructor(options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 1);
    super(0, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor): Tensor {
    settleNorm(this, x, 'LazyBatchNorm2d', BatchNorm2d);
    return super.forward(x);
  }
}

/** BatchNorm3d whose numFeatures is that of its first input. */
export class LazyBatchNorm3d extends BatchNorm3d {
  constructor(options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 1);
    super(0, options);
  }
  protected override get isLazy(): boolean {
    return true;
  }
  override forward(x: Tensor): Tensor {
    settleNorm(this, x, 'LazyBatchNorm3d', BatchNorm3d);
    return super.forward(x);
  }
}
