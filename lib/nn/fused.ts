// SPDX-License-Identifier: Apache-2.0
// Layers and the ReLU after them as one operation. Only where nobody could tell: not where either has hooks, which
// would miss what lies between, or a forward() of its own.
import { noMore } from '../native/options.js';
import { relu } from '../ops/activation.js';
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
import { MaxPool2d } from './pooling.js';

const isPlainRelu = (module: AnyModule | undefined): boolean =>
  module instanceof ReLU && module.forward === ReLU.prototype.forward;
const isPlainNorm = (module: AnyModule): module is BatchNorm =>
  module instanceof BatchNorm && module.forward === BatchNorm.prototype.forward;

const isPlainMaxPool = (module: AnyModule | undefined): module is MaxPool2d =>
  module instanceof MaxPool2d && module.forward === MaxPool2d.prototype.forward;

/** @internal Some layers from one on as one function. */
export interface Fused {
  readonly count: number;
  readonly run: (x: Tensor) => Tensor;
}

/**
 * @internal The layers from `i` on that can be computed at once, or null where layer `i` must be called by itself.
 *
 * The greatest value and ReLU can change places: max(0, .) of the pooled values is the pooled max(0, .), and so are the
 * gradients. It is then a fraction of the values that ReLU goes through, and only these are kept for its gradient.
 */
export function fusedFrom(layers: readonly AnyModule[], i: number): Fused | null {
  const [layer, next] = [layers[i]!, layers[i + 1]];
  // The first layer's input is the caller's, who may have asked for it to be changed.
  const overwrites = i === 0 && layer instanceof ReLU && layer.inplace;
  if (isPlainRelu(layer) && !overwrites && isPlainMaxPool(next)) return { count: 2, run: (x) => relu(next.forward(x)) };
  if (!isPlainRelu(next) || isPlainMaxPool(layers[i + 2])) return null;
  const run = withRelu(layer);
  return run && { count: 2, run };
}

function withRelu(layer: AnyModule): ((x: Tensor) => Tensor) | null {
  if (layer instanceof Conv2d && layer.forward === Conv2d.prototype.forward)
    return (x) => conv2dRelu(layer.withBorder(x), layer.weight, layer.bias, layer.window);
  if (layer instanceof Linear && layer.forward === Linear.prototype.forward)
    return (x) => linearRelu(x, layer.weight, layer.bias);
  if (isPlainNorm(layer)) return (x) => layer.forwardRelu(x, null);
  return null;
}

/**
 * relu(norm(x)), or relu(norm(x) + residual) if there is a residual of x's shape (or one that broadcasts with it): one
 * operation where `norm` is a batch normalisation and `activation` a ReLU, both without hooks; else the modules are called.
 */
export function normRelu(norm: Module, activation: Module, x: Tensor, residual: Tensor | null = null): Tensor {
  noMore('normRelu', arguments.length > 4);
  if (isPlainRelu(activation) && isPlainNorm(norm)) {
    if (!residual || (sameShape(residual.shape, x.shape) && residual.dtype === x.dtype)) return norm.forwardRelu(x, residual);
  }
  const y = norm.forward(x);
  return activation.forward(residual ? add(y, residual) : y);
}

/** maxPool(relu(norm(x))) as normRelu() does it, with the pooling before the ReLU where nobody could tell. */
export function normReluPool(norm: Module, activation: Module, pool: Module, x: Tensor): Tensor {
  if (isPlainRelu(activation) && isPlainMaxPool(pool)) return relu(pool.forward(norm.forward(x)));
  return pool.forward(normRelu(norm, activation, x));
}
