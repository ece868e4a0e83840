// SPDX-License-Identifier: Apache-2.0
import { checkSizes, type Sizes } from '../ops/checks.js';
import {
  avgPool1d,
  avgPool2d,
  avgPool3d,
  avgPoolOptions,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  maxPoolOptions,
  type AvgPoolOptions,
  type MaxPoolOptions,
} from '../ops/pool.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

/** Those of F.maxPool2d. */
export interface MaxPoolLayerOptions<I extends boolean = boolean> extends MaxPoolOptions {
  /** Give the positions of the maxima, too: forward() returns both. Default false. */
  returnIndices?: I;
}

/** What forward() of a maximum pooling layer gives. */
export type Maxima<I extends boolean> = I extends true ? [values: Tensor, indices: Tensor] : Tensor;

type Pool<O, R = Tensor> = (x: Tensor, kernelSize: Sizes, options: O) => R;
const maxPools: readonly Pool<MaxPoolOptions, unknown>[] = [maxPool1d, maxPool2d, maxPool3d];
const avgPools: readonly Pool<AvgPoolOptions>[] = [avgPool1d, avgPool2d, avgPool3d];

/** What maximum pooling layers share. */
export abstract class MaxPoolNd<I extends boolean = false> extends Module<[x: Tensor], Maxima<I>> {
  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    readonly kernelSize: Sizes,
    /** @internal */
    readonly options: MaxPoolLayerOptions<I>,
  ) {
    super();
    checkSizes(kernelSize, spatial, 1, new.target.name, 'kernelSize');
  }

  forward(x: Tensor): Maxima<I> {
    return maxPools[this.spatial - 1]!(x, this.kernelSize, this.options) as Maxima<I>;
  }

  override extraRepr(): string {
    const { stride = this.kernelSize, padding = 0, dilation = 1, ceilMode = false } = this.options;
    return (
      `kernel_size=${repr.sizes(this.kernelSize)}, stride=${repr.sizes(stride)}, padding=${repr.sizes(padding)}, ` +
      `dilation=${repr.sizes(dilation)}, ceil_mode=${repr.bool(ceilMode)}`
    );
  }
}

/** Maximum over windows of sequences: [N, C, L] to [N, C, L']. Options as MaxPool2d's. */
export class MaxPool1d<I extends boolean = false> extends MaxPoolNd<I> {
  constructor(kernelSize: Sizes, options?: MaxPoolLayerOptions<I>) {
    options = maxPoolOptions(new.target.name, options, arguments.length > 2);
    super(1, kernelSize, options);
  }
}

/**
 * Maximum over windows of images: [N, C, H, W] to [N, C, H', W'], or both without N.
 *
 * Options and their defaults: stride (kernelSize), padding 0, dilation 1, ceilMode false, returnIndices false: forward()
 * gives [values, indices] with it.
 */
export class MaxPool2d<I extends boolean = false> extends MaxPoolNd<I> {
  constructor(kernelSize: Sizes, options?: MaxPoolLayerOptions<I>) {
    options = maxPoolOptions(new.target.name, options, arguments.length > 2);
    super(2, kernelSize, options);
  }
}

/** Maximum over windows of volumes: [N, C, D, H, W] to [N, C, D', H', W']. Options as MaxPool2d's. */
export class MaxPool3d<I extends boolean = false> extends MaxPoolNd<I> {
  constructor(kernelSize: Sizes, options?: MaxPoolLayerOptions<I>) {
    options = maxPoolOptions(new.target.name, options, arguments.length > 2);
    super(3, kernelSize, options);
  }
}

/** What average pooling layers share. */
export abstract class AvgPoolNd extends Module {
  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    readonly kernelSize: Sizes,
    /** @internal */
    readonly options: AvgPoolOptions,
  ) {
    super();
    checkSizes(kernelSize, spatial, 1, new.target.name, 'kernelSize');
  }

  forward(x: Tensor): Tensor {
    return avgPools[this.spatial - 1]!(x, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    // PyTorch's AvgPool1d alone shows all sizes as tuples.
    const show = (value: Sizes) => (this.spatial === 1 && typeof value === 'number' ? repr.tuple([value]) : repr.sizes(value));
    const { stride = this.kernelSize, padding = 0 } = this.options;
    return `kernel_size=${show(this.kernelSize)}, stride=${show(stride)}, padding=${show(padding)}`;
  }
}

/** Mean over windows of sequences: [N, C, L] to [N, C, L']. Options as AvgPool2d's. */
export class AvgPool1d extends AvgPoolNd {
  constructor(kernelSize: Sizes, options?: AvgPoolOptions) {
    options = avgPoolOptions(new.target.name, options, arguments.length > 2);
    super(1, kernelSize, options);
  }
}

/**
 * Mean over windows of images: [N, C, H, W] to [N, C, H', W'], or both without N.
 *
 * Options and their defaults: stride (kernelSize), padding 0, ceilMode false, countIncludePad true, divisorOverride
 * null (the window's size).
 */
export class AvgPool2d extends AvgPoolNd {
  constructor(kernelSize: Sizes, options?: AvgPoolOptions) {
    options = avgPoolOptions(new.target.name, options, arguments.length > 2);
    super(2, kernelSize, options);
  }
}

/** Mean over windows of volumes: [N, C, D, H, W] to [N, C, D', H', W']. Options as AvgPool2d's. */
export class AvgPool3d extends AvgPoolNd {
  constructor(kernelSize: Sizes, options?: AvgPoolOptions) {
    options = avgPoolOptions(new.target.name, options, arguments.length > 2);
    super(3, kernelSize, options);
  }
}
