// SPDX-License-Identifier: Apache-2.0
import { boolean, noMore, optionsOf } from '../native/options.js';
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  checkOutputSize,
  type OutputSize,
} from '../ops/adaptive-pool.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

const avgPools = [undefined, adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d] as const;
const maxPools = [undefined, adaptiveMaxPool1d, adaptiveMaxPool2d, adaptiveMaxPool3d] as const;

// As Python writes it.
function sizeRepr(outputSize: OutputSize): string {
  const one = (n: number | null) => (n === null ? 'None' : String(n));
  if (outputSize === null || typeof outputSize === 'number') return `output_size=${one(outputSize)}`;
  return `output_size=(${outputSize.map(one).join(', ')}${outputSize.length === 1 ? ',' : ''})`;
}

/** What adaptive average pooling layers share. */
export abstract class AdaptiveAvgPoolNd extends Module {
  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    readonly outputSize: OutputSize,
  ) {
    super();
    checkOutputSize(outputSize, spatial, new.target.name);
  }

  forward(x: Tensor): Tensor {
    return avgPools[this.spatial](x, this.outputSize);
  }

  override extraRepr(): string {
    return sizeRepr(this.outputSize);
  }
}

/** Means over windows of sequences: [N, C, L] to [N, C, outputSize]. */
export class AdaptiveAvgPool1d extends AdaptiveAvgPoolNd {
  constructor(outputSize: OutputSize) {
    noMore(new.target.name, arguments.length > 1);
    super(1, outputSize);
  }
}

/**
 * Means over windows of images whose number is given: [N, C, H, W] to [N, C, ...outputSize], or both without N.
 * AdaptiveAvgPool2d(1) is global average pooling.
 *
 * @param outputSize [H', W'], one number for both, or null in the place of either to keep the input's
 */
export class AdaptiveAvgPool2d extends AdaptiveAvgPoolNd {
  constructor(outputSize: OutputSize) {
    noMore(new.target.name, arguments.length > 1);
    super(2, outputSize);
  }
}

/** Means over windows of volumes: [N, C, D, H, W] to [N, C, ...outputSize]. */
export class AdaptiveAvgPool3d extends AdaptiveAvgPoolNd {
  constructor(outputSize: OutputSize) {
    noMore(new.target.name, arguments.length > 1);
    super(3, outputSize);
  }
}

export interface AdaptiveMaxPoolLayerOptions<R extends boolean = boolean> {
  /** Whether forward() returns [maxima, positions] instead of the maxima. Default false. */
  returnIndices?: R;
}
const adaptiveMaxPoolLayerOptions = optionsOf<AdaptiveMaxPoolLayerOptions>({ returnIndices: boolean });

/** What adaptive maximum pooling layers share. @typeParam R whether forward() returns the positions, too */
export abstract class AdaptiveMaxPoolNd<R extends boolean> extends Module<
  [x: Tensor],
  R extends true ? [values: Tensor, indices: Tensor] : Tensor
> {
  readonly returnIndices: R;

  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    readonly outputSize: OutputSize,
    { returnIndices = false as R }: AdaptiveMaxPoolLayerOptions<R>,
  ) {
    super();
    checkOutputSize(outputSize, spatial, new.target.name);
    this.returnIndices = returnIndices;
  }

  forward(x: Tensor): R extends true ? [values: Tensor, indices: Tensor] : Tensor {
    const result: unknown = maxPools[this.spatial](x, this.outputSize, { returnIndices: this.returnIndices });
    return result as R extends true ? [values: Tensor, indices: Tensor] : Tensor;
  }

  override extraRepr(): string {
    return sizeRepr(this.outputSize);
  }
}

/** Maxima over windows of sequences: [N, C, L] to [N, C, outputSize]. Option: returnIndices, default false. */
export class AdaptiveMaxPool1d<R extends boolean = false> extends AdaptiveMaxPoolNd<R> {
  constructor(outputSize: OutputSize, options?: AdaptiveMaxPoolLayerOptions<R>) {
    options = adaptiveMaxPoolLayerOptions(new.target.name, options, arguments.length > 2);
    super(1, outputSize, options);
  }
}

/**
 * Maxima over windows of images whose number is given: [N, C, H, W] to [N, C, ...outputSize], or both without N.
 *
 * @param outputSize [H', W'], one number for both, or null in the place of either to keep the input's
 * @param options returnIndices: give [maxima, positions], where positions are int64 in the flattened plane; default false
 */
export class AdaptiveMaxPool2d<R extends boolean = false> extends AdaptiveMaxPoolNd<R> {
  constructor(outputSize: OutputSize, options?: AdaptiveMaxPoolLayerOptions<R>) {
    options = adaptiveMaxPoolLayerOptions(new.target.name, options, arguments.length > 2);
    super(2, outputSize, options);
  }
}

/** Maxima over windows of volumes: [N, C, D, H, W] to [N, C, ...outputSize]. Option: returnIndices, default false. */
export class AdaptiveMaxPool3d<R extends boolean = false> extends AdaptiveMaxPoolNd<R> {
  constructor(outputSize: OutputSize, options?: AdaptiveMaxPoolLayerOptions<R>) {
    options = adaptiveMaxPoolLayerOptions(new.target.name, options, arguments.length > 2);
    super(3, outputSize, options);
  }
}
