// SPDX-License-Identifier: Apache-2.0
import { checkSizes, type Sizes } from '../ops/checks.js';
import { checkNormType, lpPool1d, lpPool2d, lpPool3d, lpPoolOptions, type LPPoolOptions } from '../ops/lp-pool.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

const lpPools = [undefined, lpPool1d, lpPool2d, lpPool3d] as const;

/** What power-average pooling layers share. */
abstract class LPPoolNd extends Module {
  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    readonly normType: number,
    readonly kernelSize: Sizes,
    private readonly options: LPPoolOptions,
  ) {
    super();
    checkNormType(normType, new.target.name);
    checkSizes(kernelSize, spatial, 1, new.target.name, 'kernelSize');
  }

  forward(x: Tensor): Tensor {
    return lpPools[this.spatial](x, this.normType, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    const { stride, ceilMode = false } = this.options;
    return (
      `norm_type=${repr.float(this.normType)}, kernel_size=${repr.sizes(this.kernelSize)}, ` +
      `stride=${stride === undefined ? 'None' : repr.sizes(stride)}, ceil_mode=${repr.bool(ceilMode)}`
    );
  }
}

/** p-norms of windows of sequences: [N, C, L] to [N, C, L']. Options as LPPool2d's. */
export class LPPool1d extends LPPoolNd {
  constructor(normType: number, kernelSize: Sizes, options?: LPPoolOptions) {
    options = lpPoolOptions(new.target.name, options, arguments.length > 3);
    super(1, normType, kernelSize, options);
  }
}

/**
 * p-norms of windows of images: [N, C, H, W] to [N, C, H', W'], or both without N; see F.lpPool2d.
 *
 * Options and their defaults: stride (kernelSize), ceilMode false.
 */
export class LPPool2d extends LPPoolNd {
  constructor(normType: number, kernelSize: Sizes, options?: LPPoolOptions) {
    options = lpPoolOptions(new.target.name, options, arguments.length > 3);
    super(2, normType, kernelSize, options);
  }
}

/** p-norms of windows of volumes: [N, C, D, H, W] to [N, C, D', H', W']. Options as LPPool2d's. */
export class LPPool3d extends LPPoolNd {
  constructor(normType: number, kernelSize: Sizes, options?: LPPoolOptions) {
    options = lpPoolOptions(new.target.name, options, arguments.length > 3);
    super(3, normType, kernelSize, options);
  }
}
