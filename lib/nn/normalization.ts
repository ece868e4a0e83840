// SPDX-License-Identifier: Apache-2.0
import { withoutGrad } from '../autograd/mode.js';
import { isRecomputing } from '../autograd/recompute.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, nullable, number, optionsOf } from '../native/options.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import { full, placeOf, zeros } from '../ops/creation.js';
import { groupNorm, instanceNormFrom, layerNorm } from '../ops/group-norm.js';
import { fill_, zero_ } from '../ops/inplace.js';
import { batchNormFused } from '../ops/normalization.js';
import { squeeze, unsqueeze } from '../ops/view.js';
import { givenShape, formatShape, type Shape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { deferred, isDeferred } from './deferred.js';
import { emptyParameter, factoryOptions, type FactoryOptions } from './factory.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

function resetAffine(weight: Parameter | null, bias: Parameter | null): void {
  withoutGrad(() => {
    if (weight) fill_(weight, 1);
    if (bias) zero_(bias);
  });
}

const spatialLetters = ['', ', L', ', H, W', ', D, H, W'];

/** Expected shapes for people, with or without a batch dimension and by rank. */
function expectedShapes(channels: number, ranks: readonly number[], batched: boolean): string {
  return ranks
    .map((rank) => `[${batched ? 'N, ' : ''}${channels}${spatialLetters[rank - (batched ? 2 : 1)]}]`)
    .join(' or ');
}

// ---- with running statistics: batches and instances ------------------------------------------------------------------

export interface BatchNormLayerOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** How much of a batch's statistics goes into the running ones; null for their plain average. Default 0.1. */
  momentum?: number | null;
  /** Whether there are a learned weight and bias. Default true for BatchNorm, false for InstanceNorm. */
  affine?: boolean;
  /** Whether, with affine, there is a bias. Default true. */
  bias?: boolean;
  /** Whether running statistics are kept, for use after eval(). Default true for BatchNorm, false for InstanceNorm. */
  trackRunningStats?: boolean;
}
/** @internal */
export const batchNormLayerOptions = optionsOf<BatchNormLayerOptions>({
  ...factoryOptions.schema,
  eps: number,
  momentum: nullable(number),
  affine: boolean,
  bias: boolean,
  trackRunningStats: boolean,
});

/** What batch and instance normalisation layers share. */
export abstract class RunningNorm extends Module {
  /** [numFeatures], at first 1; null without affine */
  readonly weight: Parameter | null;
  /** [numFeatures], at first 0; null without affine or bias */
  readonly bias: Parameter | null;
  /** [numFeatures], at first 0; null without trackRunningStats */
  declare readonly runningMean: Tensor | null;
  /** [numFeatures], at first 1; null without trackRunningStats */
  declare readonly runningVar: Tensor | null;
  /** int64 scalar; null without trackRunningStats */
  declare readonly numBatchesTracked: Tensor | null;
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;

  protected constructor(numFeatures: number, options: BatchNormLayerOptions & { affine: boolean; trackRunningStats: boolean }) {
    super();
    const { eps = 1e-5, momentum = 0.1, affine, bias = true, trackRunningStats, ...factory } = options;
    const where = new.target.name;
    this.numFeatures = checkInteger(numFeatures, 0, where, 'numFeatures');
    this.eps = checkNumber(eps, 0, Infinity, where, 'eps');
    this.momentum = momentum === null ? null : checkNumber(momentum, 0, 1, where, 'momentum');
    this.affine = affine;
    this.trackRunningStats = trackRunningStats;
    const shape = this.isLazy ? null : [numFeatures];
    this.weight = affine ? emptyParameter(shape, factory, where) : null;
    this.bias = affine && bias ? emptyParameter(shape, factory, where) : null;
    const place = { device: placeOf(factory), dtype: factory.dtype ?? 'float32' } as const;
    const buffer = (make: () => Tensor) => (trackRunningStats ? make() : null);
    const statistic = () => (shape ? zeros(shape, place) : deferred(place.dtype, place.device));
    this.registerBuffer('runningMean', buffer(statistic), { key: 'running_mean' });
    this.registerBuffer('runningVar', buffer(statistic), { key: 'running_var' });
    this.registerBuffer('numBatchesTracked', buffer(() => full([], 0, { ...place, dtype: 'int64' })), {
      key: 'num_batches_tracked',
    });
    this.resetParameters();
  }

  /** @internal Whether the first input is to tell numFeatures. */
  protected get isLazy(): boolean {
    return false;
  }

  /** Forgets the running statistics. */
  resetRunningStats(): void {
    if (!this.runningMean || isDeferred(this.runningMean)) return;
    zero_(this.runningMean);
    fill_(this.runningVar!, 1);
    zero_(this.numBatchesTracked!);
  }

  /** Forgets the running statistics and sets weight to 1 and bias to 0. */
  resetParameters(): void {
    this.resetRunningStats();
    if (!isDeferred(this.weight)) resetAffine(this.weight, this.bias);
  }

  override extraRepr(): string {
    const { momentum } = this;
    return [
      `${this.numFeatures}`,
      `eps=${repr.float(this.eps)}`,
      `momentum=${momentum === null ? 'None' : repr.float(momentum)}`,
      `affine=${repr.bool(this.affine)}`,
      `bias=${repr.bool(this.bias !== null)}`,
      `track_running_stats=${repr.bool(this.trackRunningStats)}`,
    ].join(', ');
  }
}

/** What batch normalisation layers share. */
export abstract class BatchNorm extends RunningNorm {
  protected constructor(
    private readonly ranks: readonly number[],
    numFeatures: number,
    { affine = true, trackRunningStats = true, ...options }: BatchNormLayerOptions,
  ) {
    super(numFeatures, { affine, trackRunningStats, ...options });
  }

  forward(x: Tensor): Tensor {
    return this.#apply(x, false, null);
  }

  /** @internal relu(forward(x) + residual) in one operation. */
  forwardRelu(x: Tensor, residual: Tensor | null): Tensor {
    return this.#apply(x, true, residual);
  }

  #apply(x: Tensor, relu: boolean, residual: Tensor | null): Tensor {
    const where = this.constructor.name;
    checkTensor(x, where);
    if (!this.ranks.includes(x.ndim) || x.shape[1] !== this.numFeatures)
      throw new ShapeError(
        `${where}: expected input ${expectedShapes(this.numFeatures, this.ranks, true)}, got ${formatShape(x.shape)}`,
      );
    const training = this.training || !this.runningMean || !this.runningVar;
    // A checkpointed pass counts once, although it is computed twice.
    const running =
      training && isRecomputing()
        ? { mean: null, var: null, batches: null }
        : { mean: this.runningMean, var: this.runningVar, batches: this.numBatchesTracked };
    const rules = { training, momentum: this.momentum ?? NaN, eps: this.eps, relu };
    return batchNormFused(where, x, this.weight, this.bias, running, rules, residual);
  }
}

/** Batch normalisation of [N, numFeatures] or of sequences [N, numFeatures, L]. Options as BatchNorm2d's. */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 2);
    super([2, 3], numFeatures, options);
  }
}

/**
 * Batch normalisation of images [N, numFeatures, H, W] (Ioffe and Szegedy, arXiv:1502.03167). In training, channels are
 * normalised by the batch's mean and variance, and the running statistics are updated; after eval(), by the running ones.
 *
 * Options and their defaults: eps 1e-5, momentum 0.1 (null for the plain average), affine true, bias true,
 * trackRunningStats true, dtype float32, device. Without trackRunningStats eval() too normalises by the batch's own.
 *
 * @throws ArgumentError for options out of range; forward() throws ShapeError for another shape and, in training, for a
 * single value per channel
 */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 2);
    super([4], numFeatures, options);
  }
}

/** Batch normalisation of volumes [N, numFeatures, D, H, W]. Options as BatchNorm2d's. */
export class BatchNorm3d extends BatchNorm {
  constructor(numFeatures: number, options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 2);
    super([5], numFeatures, options);
  }
}

/** What instance normalisation layers share. */
export abstract class InstanceNorm extends RunningNorm {
  protected constructor(
    private readonly spatial: number,
    numFeatures: number,
    { affine = false, trackRunningStats = false, ...options }: BatchNormLayerOptions,
  ) {
    super(numFeatures, { affine, trackRunningStats, ...options });
  }

  forward(x: Tensor): Tensor {
    const where = this.constructor.name;
    checkTensor(x, where);
    const batched = x.ndim === this.spatial + 2;
    if ((!batched && x.ndim !== this.spatial + 1) || x.shape[batched ? 1 : 0] !== this.numFeatures)
      throw new ShapeError(
        `${where}: expected input ${expectedShapes(this.numFeatures, [this.spatial + 2], true)} or, for one sample, ` +
          `${expectedShapes(this.numFeatures, [this.spatial + 1], false)}, got ${formatShape(x.shape)}`,
      );
    const y = instanceNormFrom(where, batched ? x : unsqueeze(x, 0), this.runningMean, this.runningVar, this.weight, this.bias, {
      useInputStats: this.training || !this.trackRunningStats,
      momentum: this.momentum ?? 0,
      eps: this.eps,
    });
    return batched ? y : squeeze(y, 0);
  }
}

/** Instance normalisation of sequences [N, numFeatures, L], or without N. Options as InstanceNorm2d's. */
export class InstanceNorm1d extends InstanceNorm {
  constructor(numFeatures: number, options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 2);
    super(1, numFeatures, options);
  }
}

/**
 * Instance normalisation of images [N, numFeatures, H, W], or without N (Ulyanov et al., arXiv:1607.08022): each channel
 * of each image by its own mean and variance, after eval() too unless running statistics are tracked.
 *
 * Options and their defaults: eps 1e-5, momentum 0.1, affine false, bias true, trackRunningStats false, dtype float32,
 * device. As in PyTorch, numBatchesTracked stays 0 and a momentum of null leaves the running statistics as they are.
 *
 * @throws ArgumentError for options out of range; forward() throws ShapeError for another shape and for a single pixel
 */
export class InstanceNorm2d extends InstanceNorm {
  constructor(numFeatures: number, options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 2);
    super(2, numFeatures, options);
  }
}

/** Instance normalisation of volumes [N, numFeatures, D, H, W], or without N. Options as InstanceNorm2d's. */
export class InstanceNorm3d extends InstanceNorm {
  constructor(numFeatures: number, options?: BatchNormLayerOptions) {
    options = batchNormLayerOptions(new.target.name, options, arguments.length > 2);
    super(3, numFeatures, options);
  }
}

// ---- without: groups and layers --------------------------------------------------------------------------------------

export interface GroupNormLayerOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether there are a learned weight and bias. Default true. */
  affine?: boolean;
  /** Whether, with affine, there is a bias. Default true. */
  bias?: boolean;
}
const groupNormLayerOptions = optionsOf<GroupNormLayerOptions>({
  ...factoryOptions.schema,
  eps: number,
  affine: boolean,
  bias: boolean,
});

/**
 * Group normalisation (Wu and He, arXiv:1803.08494) of [N, numChannels] or [N, numChannels, spatial...]: each group of
 * channels of each sample by its own mean and variance.
 *
 * @throws ArgumentError for options out of range and groups that do not divide the channels; forward() as F.groupNorm
 */
export class GroupNorm extends Module {
  /** [numChannels], at first 1; null without affine */
  readonly weight: Parameter | null;
  /** [numChannels], at first 0; null without affine or bias */
  readonly bias: Parameter | null;
  readonly eps: number;
  readonly affine: boolean;

  constructor(
    readonly numGroups: number,
    readonly numChannels: number,
    options?: GroupNormLayerOptions,
  ) {
    const { eps = 1e-5, affine = true, bias = true, ...factory } = groupNormLayerOptions(new.target.name, options, arguments.length > 3);
    super();
    const where = new.target.name;
    checkInteger(numGroups, 1, where, 'numGroups');
    checkInteger(numChannels, 1, where, 'numChannels');
    if (numChannels % numGroups !== 0)
      throw new ArgumentError(`${where}: numChannels ${numChannels} must be divisible by numGroups ${numGroups}`);
    this.eps = checkNumber(eps, 0, Infinity, where, 'eps');
    this.affine = affine;
    this.weight = affine ? emptyParameter([numChannels], factory, where) : null;
    this.bias = affine && bias ? emptyParameter([numChannels], factory, where) : null;
    this.resetParameters();
  }

  /** Sets weight to 1 and bias to 0. */
  resetParameters(): void {
    resetAffine(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    checkTensor(x, this.constructor.name);
    if (x.shape[1] !== this.numChannels)
      throw new ShapeError(`${this.constructor.name}: expected input [N, ${this.numChannels}, ...], got ${formatShape(x.shape)}`);
    return groupNorm(x, this.numGroups, this.weight, this.bias, { eps: this.eps });
  }

  override extraRepr(): string {
    const { numGroups, numChannels, eps, affine, bias } = this;
    return `${numGroups}, ${numChannels}, eps=${repr.float(eps)}, affine=${repr.bool(affine)}, bias=${repr.bool(bias !== null)}`;
  }
}

export interface LayerNormLayerOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether there are a learned weight and bias. Default true. */
  elementwiseAffine?: boolean;
  /** Whether, with elementwiseAffine, there is a bias. Default true. */
  bias?: boolean;
}
const layerNormLayerOptions = optionsOf<LayerNormLayerOptions>({
  ...factoryOptions.schema,
  eps: number,
  elementwiseAffine: boolean,
  bias: boolean,
});

/**
 * Layer normalisation (Ba et al., arXiv:1607.06450) of [..., ...normalizedShape] over the last dimensions.
 *
 * @param normalizedShape the sizes of those dimensions, or one number for the last one
 * @throws ArgumentError for options out of range; forward() as F.layerNorm
 */
export class LayerNorm extends Module {
  readonly normalizedShape: Shape;
  /** normalizedShape, at first 1; null without elementwiseAffine */
  readonly weight: Parameter | null;
  /** normalizedShape, at first 0; null without elementwiseAffine or bias */
  readonly bias: Parameter | null;
  readonly eps: number;
  readonly elementwiseAffine: boolean;

  constructor(
    normalizedShape: number | Shape,
    options?: LayerNormLayerOptions,
  ) {
    const { eps = 1e-5, elementwiseAffine = true, bias = true, ...factory } = layerNormLayerOptions(new.target.name, options, arguments.length > 2);
    super();
    const where = new.target.name;
    const shape = givenShape(typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape, where);
    if (shape.length === 0) throw new ArgumentError(`${where}: normalizedShape must have at least one dimension`);
    this.normalizedShape = [...shape];
    this.eps = checkNumber(eps, 0, Infinity, where, 'eps');
    this.elementwiseAffine = elementwiseAffine;
    this.weight = elementwiseAffine ? emptyParameter(shape, factory, where, 'contiguous') : null;
    this.bias = elementwiseAffine && bias ? emptyParameter(shape, factory, where, 'contiguous') : null;
    this.resetParameters();
  }

  /** Sets weight to 1 and bias to 0. */
  resetParameters(): void {
    resetAffine(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, this.weight, this.bias, { eps: this.eps });
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine, bias } = this;
    return (
      `${repr.tuple(normalizedShape)}, eps=${repr.float(eps)}, elementwise_affine=${repr.bool(elementwiseAffine)}, ` +
      `bias=${repr.bool(bias !== null)}`
    );
  }
}
