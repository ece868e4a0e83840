// SPDX-License-Identifier: Apache-2.0
import { withoutGrad } from '../autograd/mode.js';
import { ShapeError } from '../native/errors.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import { full, ones, placeOf, zeros } from '../ops/creation.js';
import { fill_, zero_ } from '../ops/inplace.js';
import { batchNormFused } from '../ops/normalization.js';
import { formatShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { emptyParameter, type FactoryOptions } from './factory.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

export interface BatchNormLayerOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** How much of a batch's statistics goes into the running ones; null for their plain average. Default 0.1. */
  momentum?: number | null;
  /** Whether there are a learned weight and bias. Default true. */
  affine?: boolean;
  /** Whether running statistics are kept. Without them eval() too normalises by the batch's own. Default true. */
  trackRunningStats?: boolean;
}

/** What batch normalisation layers share. */
export abstract class BatchNorm extends Module {
  /** [numFeatures], at first 1; null without affine */
  readonly weight: Parameter | null;
  /** [numFeatures], at first 0; null without affine */
  readonly bias: Parameter | null;
  /** [numFeatures], at first 0; null without trackRunningStats */
  declare readonly runningMean: Tensor | null;
  /** [numFeatures], at first 1; null without trackRunningStats */
  declare readonly runningVar: Tensor | null;
  /** int64 scalar; null without trackRunningStats */
  declare readonly numBatchesTracked: Tensor | null;
  readonly eps: number;
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;

  protected constructor(
    private readonly ranks: readonly number[],
    readonly numFeatures: number,
    { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true, ...factory }: BatchNormLayerOptions,
  ) {
    super();
    const where = new.target.name;
    checkInteger(numFeatures, 0, where, 'numFeatures');
    checkNumber(eps, 0, Infinity, where, 'eps');
    if (momentum !== null) checkNumber(momentum, 0, 1, where, 'momentum');
    this.eps = eps;
    this.momentum = momentum;
    this.affine = affine;
    this.trackRunningStats = trackRunningStats;
    this.weight = affine ? emptyParameter([numFeatures], factory, where) : null;
    this.bias = affine ? emptyParameter([numFeatures], factory, where) : null;
    const place = { device: placeOf(factory), dtype: factory.dtype ?? 'float32' } as const;
    const buffer = (make: () => Tensor) => (trackRunningStats ? make() : null);
    this.registerBuffer('runningMean', buffer(() => zeros([numFeatures], place)), { key: 'running_mean' });
    this.registerBuffer('runningVar', buffer(() => ones([numFeatures], place)), { key: 'running_var' });
    this.registerBuffer('numBatchesTracked', buffer(() => full([], 0, { ...place, dtype: 'int64' })), {
      key: 'num_batches_tracked',
    });
    this.resetParameters();
  }

  /** Forgets the running statistics. */
  resetRunningStats(): void {
    if (!this.runningMean) return;
    zero_(this.runningMean);
    fill_(this.runningVar!, 1);
    zero_(this.numBatchesTracked!);
  }

  /** Forgets the running statistics and sets weight to 1 and bias to 0. */
  resetParameters(): void {
    this.resetRunningStats();
    withoutGrad(() => {
      if (this.weight) fill_(this.weight, 1);
      if (this.bias) zero_(this.bias);
    });
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
        `${where}: expected input ${this.ranks.map((rank) => shapeOfRank(rank, this.numFeatures)).join(' or ')}, ` +
          `got ${formatShape(x.shape)}`,
      );
    const running = { mean: this.runningMean, var: this.runningVar, batches: this.numBatchesTracked };
    const training = this.training || !this.runningMean || !this.runningVar;
    const rules = { training, momentum: this.momentum ?? NaN, eps: this.eps, relu };
    return batchNormFused(where, x, this.weight, this.bias, running, rules, residual);
  }

  override extraRepr(): string {
    const { momentum } = this;
    return [
      `${this.numFeatures}`,
      `eps=${repr.float(this.eps)}`,
      `momentum=${momentum === null ? 'None' : repr.float(momentum)}`,
      `affine=${repr.bool(this.affine)}`,
      `track_running_stats=${repr.bool(this.trackRunningStats)}`,
    ].join(', ');
  }
}

const shapeOfRank = (rank: number, channels: number): string =>
  `[N, ${channels}${['', '', '', ', L', ', H, W', ', D, H, W'][rank]}]`;

/** Batch normalisation of [N, numFeatures] or of sequences [N, numFeatures, L]. Options as BatchNorm2d's. */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormLayerOptions = {}) {
    super([2, 3], numFeatures, options);
  }
}

/**
 * Batch normalisation of images [N, numFeatures, H, W] (Ioffe and Szegedy, arXiv:1502.03167). In training, channels are
 * normalised by the batch's mean and variance, and the running statistics are updated; after eval(), by the running ones.
 *
 * Options and their defaults: eps 1e-5, momentum 0.1 (null for the plain average), affine true, trackRunningStats true,
 * dtype float32, device.
 *
 * @throws ArgumentError for options out of range; forward() throws ShapeError for another shape and, in training, for a
 * single value per channel
 */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormLayerOptions = {}) {
    super([4], numFeatures, options);
  }
}

/** Batch normalisation of volumes [N, numFeatures, D, H, W]. Options as BatchNorm2d's. */
export class BatchNorm3d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormLayerOptions = {}) {
    super([5], numFeatures, options);
  }
}
