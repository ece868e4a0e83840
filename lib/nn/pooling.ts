// SPDX-License-Identifier: Apache-2.0
import { optionsOf } from '../native/options.js';
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

/** Maxima alone; for their positions, use F.maxPool2d with returnIndices. */
export type MaxPoolLayerOptions = Omit<MaxPoolOptions, 'returnIndices'>;
const { returnIndices: _, ...maxPoolLayerSchema } = maxPoolOptions.schema;
const maxPoolLayerOptions = optionsOf<MaxPoolLayerOptions>(maxPoolLayerSchema);

type Pool<O> = (x: Tensor, kernelSize: Sizes, options: O) => Tensor;
const maxPools: readonly Pool<MaxPoolLayerOptions>[] = [maxPool1d, maxPool2d, maxPool3d];
const avgPools: readonly Pool<AvgPoolOptions>[] = [avgPool1d, avgPool2d, avgPool3d];

/** What maximum pooling layers share. */
export abstract class MaxPoolNd extends Module {
  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    readonly kernelSize: Sizes,
    /** @internal */
    readonly options: MaxPoolLayerOptions,
  ) {
    super();
    checkSizes(kernelSize, spatial, 1, new.target.name, 'kernelSize');
  }

  forward(x: Tensor): Tensor {
    return maxPools[this.spatial - 1]!(x, this.kernelSize, this.options);
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
export class MaxPool1d extends MaxPoolNd {
  constructor(kernelSize: Sizes, options?: MaxPoolLayerOptions) {
    options = maxPoolLayerOptions(new.target.name, options, arguments.length > 2);
    super(1, kernelSize, options);
  }
}

/**
 * Maximum over windows of images: [N, C, H, W] to [N, C, H', W'], or both without N.
 *
 * Options and their defaults: stride (kernelSize), padding 0, dilation 1, ceilMode false.
 */
export class MaxPool2d extends MaxPoolNd {
  constructor(kernelSize: Sizes, options?: MaxPoolLayerOptions) {
    options = maxPoolLayerOptions(new.target.name, options, arguments.length > 2);
    super(2, kernelSize, options);
  }
}

/** Maximum over windows of volumes: [N, C, D, H, W] to [N, C, D', H', W']. Options as MaxPool2d's. */
export class MaxPool3d extends MaxPoolNd {
  constructor(kernelSize: Sizes, options?: MaxPoolLayerOptions) {
    options = maxPoolLayerOptions(new.target.name, options, arguments.length > 2);
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
