// SPDX-License-Identifier: Apache-2.0
// Distances of vectors as modules, and the normalisation by their length.
import { boolean, nullable, number, optionsOf } from '../native/options.js';
import {
  cosineSimilarity,
  cosineSimilarityOptions,
  pairwiseDistance,
  pairwiseDistanceOptions,
  rmsNorm,
  type CosineSimilarityOptions,
  type PairwiseDistanceOptions,
} from '../ops/distance.js';
import { withoutGrad } from '../autograd/mode.js';
import { ArgumentError } from '../native/errors.js';
import { fill_ } from '../ops/inplace.js';
import { givenShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { emptyParameter, factoryOptions, type FactoryOptions } from './factory.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import * as repr from './repr.js';

/** The cosine of the angles between vectors along a dimension. Options: dim 1, eps 1e-8. */
export class CosineSimilarity extends Module<[x1: Tensor, x2: Tensor]> {
  readonly dim: number;
  readonly eps: number;

  constructor(options?: CosineSimilarityOptions) {
    const { dim = 1, eps = 1e-8 } = cosineSimilarityOptions(new.target.name, options, arguments.length > 1);
    super();
    this.dim = dim;
    this.eps = eps;
  }
  forward(x1: Tensor, x2: Tensor): Tensor {
    return cosineSimilarity(x1, x2, { dim: this.dim, eps: this.eps });
  }
}

/** The p-norm of the differences along the last dimension. Options: p 2, eps 1e-6, keepdim false. */
export class PairwiseDistance extends Module<[x1: Tensor, x2: Tensor]> {
  readonly norm: number;
  readonly eps: number;
  readonly keepdim: boolean;

  constructor(options?: PairwiseDistanceOptions) {
    const { p = 2, eps = 1e-6, keepdim = false } = pairwiseDistanceOptions(new.target.name, options, arguments.length > 1);
    super();
    this.norm = p;
    this.eps = eps;
    this.keepdim = keepdim;
  }
  forward(x1: Tensor, x2: Tensor): Tensor {
    return pairwiseDistance(x1, x2, { p: this.norm, eps: this.eps, keepdim: this.keepdim });
  }
}

export interface RMSNormLayerOptions extends FactoryOptions {
  /** Added to the mean square. Default null: the distance of 1 to the next number. */
  eps?: number | null;
  /** Whether there is a weight. Default true. */
  elementwiseAffine?: boolean;
}
const rmsNormLayerOptions = optionsOf<RMSNormLayerOptions>({
  ...factoryOptions.schema,
  eps: nullable(number),
  elementwiseAffine: boolean,
});

/**
 * Division by the root mean square over the last dimensions, those of `normalizedShape` (Zhang and Sennrich,
 * arXiv:1910.07467), then a learned factor for each element. Options: eps null, elementwiseAffine true, dtype float32,
 * device.
 */
export class RMSNorm extends Module {
  readonly normalizedShape: Shape;
  /** normalizedShape, at first 1; null without elementwiseAffine */
  readonly weight: Parameter | null;
  readonly eps: number | null;
  readonly elementwiseAffine: boolean;

  constructor(normalizedShape: number | Shape, options?: RMSNormLayerOptions) {
    const { eps = null, elementwiseAffine = true, ...factory } = rmsNormLayerOptions(new.target.name, options, arguments.length > 2);
    super();
    const where = new.target.name;
    const shape = givenShape(typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape, where);
    if (shape.length === 0) throw new ArgumentError(`${where}: normalizedShape must have at least one dimension`);
    this.normalizedShape = [...shape];
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
    this.weight = elementwiseAffine ? emptyParameter(shape, factory, where, 'contiguous') : null;
    this.resetParameters();
  }

  /** Sets the weight to 1. */
  resetParameters(): void {
    const { weight } = this;
    if (weight) withoutGrad(() => fill_(weight, 1));
  }
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.normalizedShape, this.weight, { eps: this.eps });
  }
  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine } = this;
    return `${repr.tuple(normalizedShape)}, eps=${eps === null ? 'None' : repr.float(eps)}, elementwise_affine=${repr.bool(elementwiseAffine)}`;
  }
}

