// SPDX-License-Identifier: Apache-2.0
// Layers and the ReLU after them as one operation. Only where nobody could tell: not where either has hooks, which
// would miss what lies between, or a forward() of its own.
import { conv2dRelu } from '../ops/conv.js';
import { linearRelu } from '../ops/matmul.js';
import { add } from '../ops/pointwise.js';
import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { ReLU } from './activation.js';
import { Conv2d } from './conv.js';
import { Linear } from './linear.js';
import type { AnyModule, Module } from './module.js';
import { BatchNorm } from './normalization.js';

const isPlainRelu = (module: AnyModule | undefined): boolean =>
  module instanceof ReLU && module.forward === ReLU.prototype.forward;
const isPlainNorm = (module: AnyModule): module is BatchNorm =>
  module instanceof BatchNorm && module.forward === BatchNorm.prototype.forward;

/** @internal The layer and the ReLU after it as one function, or null where they must be called one by one. */
export function withRelu(layer: AnyModule, next: AnyModule | undefined): ((x: Tensor) => Tensor) | null {
  if (!isPlainRelu(next)) return null;
  if (layer instanceof Conv2d && layer.forward === Conv2d.prototype.forward)
    return (x) => conv2dRelu(x, layer.weight, layer.bias, layer);
  if (layer instanceof Linear && layer.forward === Linear.prototype.forward)
    return (x) => linearRelu(x, layer.weight, layer.bias);
  if (isPlainNorm(layer)) return (x) => layer.forwardRelu(x, null);
  return null;
}

/**
 * relu(norm(x)), or relu(norm(x) + residual) if there is a residual of x's shape (or one that broadcasts with it): one
 * operation where `norm` is a batch normalisation and `relu` a ReLU, both without hooks; else the modules are called.
 */
export function normRelu(norm: Module, relu: Module, x: Tensor, residual: Tensor | null = null): Tensor {
  if (isPlainRelu(relu) && isPlainNorm(norm)) {
    if (!residual || (sameShape(residual.shape, x.shape) && residual.dtype === x.dtype)) return norm.forwardRelu(x, residual);
  }
  const y = norm.forward(x);
  return relu.forward(residual ? add(y, residual) : y);
}
