// SPDX-License-Identifier: Apache-2.0
// Sliding windows as columns and back, and unpooling, as modules.
import { optionsOf } from '../native/options.js';
import { checkSizes, type Sizes } from '../ops/checks.js';
import { maxUnpool1d, maxUnpool2d, maxUnpool3d, unpoolOptions, type MaxUnpoolOptions } from '../ops/unpool.js';
import { fold, unfold, unfoldOptions, type UnfoldOptions } from '../ops/windows.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

const describe = (kernelSize: Sizes, { dilation = 1, padding = 0, stride = 1 }: UnfoldOptions): string =>
  `kernel_size=${repr.sizes(kernelSize)}, dilation=${repr.sizes(dilation)}, padding=${repr.sizes(padding)}, stride=${repr.sizes(stride)}`;

/** The windows of images as columns: [N, C, H, W] to [N, C kH kW, windows]. Options: dilation 1, padding 0, stride 1. */
export class Unfold extends Module {
  private readonly options: UnfoldOptions;

  constructor(
    readonly kernelSize: Sizes,
    options?: UnfoldOptions,
  ) {
    options = unfoldOptions(new.target.name, options, arguments.length > 2);
    super();
    checkSizes(kernelSize, 2, 1, 'Unfold', 'kernelSize');
    this.options = options;
  }
  forward(x: Tensor): Tensor {
    return unfold(x, this.kernelSize, this.options);
  }
  override extraRepr(): string {
    return describe(this.kernelSize, this.options);
  }
}

/** The sum of windows in images of `outputSize`: what Unfold gave, added up. Options: dilation 1, padding 0, stride 1. */
export class Fold extends Module {
  private readonly options: UnfoldOptions;

  constructor(
    readonly outputSize: Sizes,
    readonly kernelSize: Sizes,
    options?: UnfoldOptions,
  ) {
    options = unfoldOptions(new.target.name, options, arguments.length > 3);
    super();
    checkSizes(outputSize, 2, 1, 'Fold', 'outputSize');
    checkSizes(kernelSize, 2, 1, 'Fold', 'kernelSize');
    this.options = options;
  }
  forward(x: Tensor): Tensor {
    return fold(x, this.outputSize, this.kernelSize, this.options);
  }
  override extraRepr(): string {
    return `output_size=${repr.sizes(this.outputSize)}, ${describe(this.kernelSize, this.options)}`;
  }
}

// ---- unpooling -------------------------------------------------------------------------------------------------------

export type MaxUnpoolLayerOptions = Omit<MaxUnpoolOptions, 'outputSize'>;
const { outputSize: _, ...layerSchema } = unpoolOptions.schema;
const layerOptions = optionsOf<MaxUnpoolLayerOptions>(layerSchema);
const functions = [maxUnpool1d, maxUnpool2d, maxUnpool3d];

/** What layers share that undo maximum pooling. */
export abstract class MaxUnpoolNd extends Module<[x: Tensor, indices: Tensor, outputSize?: readonly number[]]> {
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];

  protected constructor(
    private readonly spatial: 1 | 2 | 3,
    kernelSize: Sizes,
    { stride, padding = 0 }: MaxUnpoolLayerOptions,
  ) {
    super();
    const where = new.target.name;
    this.kernelSize = checkSizes(kernelSize, spatial, 1, where, 'kernelSize');
    this.stride = checkSizes(stride ?? kernelSize, spatial, 1, where, 'stride');
    this.padding = checkSizes(padding, spatial, 0, where, 'padding');
  }

  /**
   * @param indices of the pooling, with returnIndices
   * @param outputSize the spatial size of the pooling's input, where that is not the only one possible
   */
  forward(x: Tensor, indices: Tensor, outputSize?: readonly number[]): Tensor {
    const { kernelSize, stride, padding } = this;
    return functions[this.spatial - 1]!(x, indices, kernelSize, { stride, padding, outputSize: outputSize ?? null });
  }
  override extraRepr(): string {
    const { kernelSize, stride, padding } = this;
    return `kernel_size=${repr.tuple(kernelSize)}, stride=${repr.tuple(stride)}, padding=${repr.tuple(padding)}`;
  }
}

/** What undoes MaxPool1d, but for what was not the maximum: [N, C, L] and positions to [N, C, L']. */
export class MaxUnpool1d extends MaxUnpoolNd {
  constructor(kernelSize: Sizes, options?: MaxUnpoolLayerOptions) {
    super(1, kernelSize, layerOptions(new.target.name, options, arguments.length > 2));
  }
}

/** What undoes MaxPool2d, but for what was not the maximum. Options, the pooling's: stride (kernelSize), padding 0. */
export class MaxUnpool2d extends MaxUnpoolNd {
  constructor(kernelSize: Sizes, options?: MaxUnpoolLayerOptions) {
    super(2, kernelSize, layerOptions(new.target.name, options, arguments.length > 2));
  }
}

/** What undoes MaxPool3d, but for what was not the maximum. */
export class MaxUnpool3d extends MaxUnpoolNd {
  constructor(kernelSize: Sizes, options?: MaxUnpoolLayerOptions) {
    super(3, kernelSize, layerOptions(new.target.name, options, arguments.length > 2));
  }
}

