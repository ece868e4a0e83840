// SPDX-License-Identifier: Apache-2.0
import { withoutGrad } from '../autograd/mode.js';
import { ArgumentError, UnsupportedError } from '../native/errors.js';
import { nullable, number, optionsOf } from '../native/options.js';
import { checkInteger } from '../ops/checks.js';
import { zero_ } from '../ops/inplace.js';
import { embedding } from '../ops/pick.js';
import { select } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { emptyParameter, factoryOptions, type FactoryOptions } from './factory.js';
import { normal_ } from './init.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';

export interface EmbeddingLayerOptions extends FactoryOptions {
  /** A row that starts as 0 and is not learned. */
  paddingIdx?: number | null;
}
const embeddingLayerOptions = optionsOf<EmbeddingLayerOptions>({
  ...factoryOptions.schema,
  paddingIdx: nullable(number),
});

/**
 * A table of learned rows: int64 or int32 row numbers of any shape to [..., embeddingDim]. The rows start normal with
 * mean 0 and variance 1.
 *
 * @throws ArgumentError for sizes that are not positive and a paddingIdx out of range; UnsupportedError for maxNorm,
 * scaleGradByFreq and sparse. forward() throws DTypeError for other dtypes
 */
export class Embedding extends Module {
  /** [numEmbeddings, embeddingDim] */
  readonly weight: Parameter;
  readonly paddingIdx: number | null;

  constructor(
    readonly numEmbeddings: number,
    readonly embeddingDim: number,
    options?: EmbeddingLayerOptions,
  ) {
    super();
    for (const name of ['maxNorm', 'scaleGradByFreq', 'sparse'])
      if ((options as Record<string, unknown> | undefined)?.[name]) throw new UnsupportedError(`Embedding: ${name} is not supported`);
    const { paddingIdx = null, ...factory } = embeddingLayerOptions(new.target.name, options, arguments.length > 3);
    checkInteger(numEmbeddings, 1, 'Embedding', 'numEmbeddings');
    checkInteger(embeddingDim, 1, 'Embedding', 'embeddingDim');
    if (paddingIdx !== null && (!Number.isInteger(paddingIdx) || paddingIdx < -numEmbeddings || paddingIdx >= numEmbeddings))
      throw new ArgumentError(`Embedding: paddingIdx must be one of ${numEmbeddings} rows, got ${paddingIdx}`);
    this.paddingIdx = paddingIdx !== null && paddingIdx < 0 ? paddingIdx + numEmbeddings : paddingIdx;
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
    return embedding(input, this.weight, { paddingIdx: this.paddingIdx });
  }

  override extraRepr(): string {
    const padding = this.paddingIdx === null ? '' : `, padding_idx=${this.paddingIdx}`;
    return `${this.numEmbeddings}, ${this.embeddingDim}${padding}`;
  }
}
