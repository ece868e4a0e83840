// SPDX-License-Identifier: Apache-2.0
import { checked, optionsOf } from '../native/options.js';
import type { Sizes } from '../ops/checks.js';
import { checkInterpolation, interpolate, interpolateOptions, type InterpolateOptions } from '../ops/interpolate.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

export type UpsampleOptions = Omit<InterpolateOptions, 'antialias'>;
const { antialias: _, ...upsampleSchema } = interpolateOptions.schema;
const upsampleOptions = optionsOf<UpsampleOptions>(upsampleSchema);

/**
 * Resizes sequences, images or volumes: [N, C, ...] to [N, C, ...size], or to floor(size scaleFactor); see F.interpolate.
 *
 * Options and their defaults: size or scaleFactor, mode 'nearest', alignCorners (false, with the linear and cubic modes
 * only), recomputeScaleFactor false.
 */
export class Upsample extends Module {
  private readonly options: UpsampleOptions;

  constructor(options: UpsampleOptions) {
    super();
    this.options = upsampleOptions(new.target.name, options, arguments.length > 1);
    checkInterpolation(this.options, new.target.name);
  }

  forward(x: Tensor): Tensor {
    return interpolate(x, this.options);
  }

  override extraRepr(): string {
    const { size, scaleFactor, mode = 'nearest' } = this.options;
    const factors = typeof scaleFactor === 'number' ? repr.float(scaleFactor) : `(${scaleFactor?.map(repr.float).join(', ')})`;
    return `${size == null ? `scale_factor=${factors}` : `size=${repr.sizes(size)}`}, mode='${mode}'`;
  }
}

export interface Upsampling2dOptions {
  /** The result's height and width, or one number for both. */
  size?: Sizes;
  /** Instead of size: how much larger the result is. */
  scaleFactor?: Sizes;
}
const upsampling2dOptions = optionsOf<Upsampling2dOptions>({ size: checked, scaleFactor: checked });

/** Resizes images [N, C, H, W] by their nearest pixels. Options: size or scaleFactor. */
export class UpsamplingNearest2d extends Upsample {
  constructor(options: Upsampling2dOptions) {
    options = upsampling2dOptions(new.target.name, options, arguments.length > 1);
    super({ ...options, mode: 'nearest' });
  }
}

/** Resizes images [N, C, H, W] by bilinear interpolation with aligned corners. Options: size or scaleFactor. */
export class UpsamplingBilinear2d extends Upsample {
  constructor(options: Upsampling2dOptions) {
    options = upsampling2dOptions(new.target.name, options, arguments.length > 1);
    super({ ...options, mode: 'bilinear', alignCorners: true });
  }
}
