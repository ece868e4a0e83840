// SPDX-License-Identifier: Apache-2.0
import { withoutGrad } from '../autograd/mode.js';
import { ArgumentError, UnsupportedError } from '../native/errors.js';
import { optionsOf } from '../native/options.js';
import { checkInteger } from '../ops/checks.js';
import { zero_ } from '../ops/inplace.js';
import { embedding, embeddingOptions } from '../ops/pick.js';
import { select } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { emptyParameter, factoryOptions, type FactoryOptions } from './factory.js';
import { normal_ } from './init.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

export interface EmbeddingLayerOptions extends FactoryOptions {
  /** A row that starts as 0 and is not learned. */
  paddingIdx?: number | null;
  /** Rows with a larger norm are scaled down to it when they are asked for. Default null: they are not. */
  maxNorm?: number | null;
  /** Of that norm. Default 2. */
  normType?: number;
  /** Divide each row's gradient by how often the batch asks for it. Default false. */
  scaleGradByFreq?: boolean;
}
const embeddingLayerOptions = optionsOf<EmbeddingLayerOptions>({ ...factoryOptions.schema, ...embeddingOptions.schema });

/**
 * A table of learned rows: int64 or int32 row numbers of any shape to [..., embeddingDim]. The rows start normal with
 * mean 0 and variance 1.
 *
 * @throws ArgumentError for sizes that are not positive and a paddingIdx out of range; UnsupportedError for
 * sparse. forward() throws DTypeError for other dtypes
 */
export class Embedding extends Module {
  /** [numEmbeddings, embeddingDim] */
  readonly weight: Parameter;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;

  constructor(
    readonly numEmbeddings: number,
    readonly embeddingDim: number,
    options?: EmbeddingLayerOptions,
  ) {
    super();
    if ((options as Record<string, unknown> | undefined)?.['sparse']) throw new UnsupportedError('Embedding: sparse is not supported');
    const { paddingIdx = null, maxNorm = null, normType = 2, scaleGradByFreq = false, ...factory } = embeddingLayerOptions(new.target.name, options, arguments.length > 3);
    checkInteger(numEmbeddings, 1, 'Embedding', 'numEmbeddings');
    checkInteger(embeddingDim, 1, 'Embedding', 'embeddingDim');
    if (paddingIdx !== null && (!Number.isInteger(paddingIdx) || paddingIdx < -numEmbeddings || paddingIdx >= numEmbeddings))
      throw new ArgumentError(`Embedding: paddingIdx must be one of ${numEmbeddings} rows, got ${paddingIdx}`);
    this.paddingIdx = paddingIdx !== null && paddingIdx < 0 ? paddingIdx + numEmbeddings : paddingIdx;
    this.maxNorm = maxNorm;
    this.normType = normType;
    this.scaleGradByFreq = scaleGradByFreq;
    this.weight = emptyParameter([numEmbeddings, embeddingDim], factory, 'Embedding');
    this.resetParameters();
  }

  /** Draws the rows anew. */
  resetParameters(): void {
    normal_(this.weight);
    const { paddingIdx } = this;
    if (paddingIdx !== null) withoutGrad(() => zero_(select(this.weight, 0, paddingIdx)));
  }

  forward(input: Tensor): Tensor {
    const { paddingIdx, maxNorm, normType, scaleGradByFreq } = this;
    return embedding(input, this.weight, { paddingIdx, maxNorm, normType, scaleGradByFreq });
  }

  override extraRepr(): string {
    const parts = [`${this.numEmbeddings}, ${this.embeddingDim}`];
    if (this.paddingIdx !== null) parts.push(`padding_idx=${this.paddingIdx}`);
    if (this.maxNorm !== null) parts.push(`max_norm=${repr.float(this.maxNorm)}`);
    if (this.normType !== 2) parts.push(`norm_type=${repr.float(this.normType)}`);
    if (this.scaleGradByFreq) parts.push('scale_grad_by_freq=True');
    return parts.join(', ');
  }
}
