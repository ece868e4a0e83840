// SPDX-License-Identifier: Apache-2.0
import { boolean, optionsOf } from '../native/options.js';
import { release, UNINITIALIZED, view } from '../native/run.js';
import type { DType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';

const parameterOptions = optionsOf<{ requiresGrad?: boolean }>({ requiresGrad: boolean });

/**
 * A tensor that a module learns: a leaf that requires gradients unless told otherwise. A Module finds the parameters
 * among its own properties.
 */
export class Parameter<S extends Shape = Shape, D extends DType = DType> extends Tensor<S, D> {
  /**
   * @param data the values; their memory is shared
   * @param options requiresGrad: default true
   */
  constructor(data: Tensor<S, D>, options?: { requiresGrad?: boolean }) {
    const { requiresGrad = true } = parameterOptions('Parameter', options, arguments.length > 2);
    checkTensor(data, 'Parameter', 'data');
    super(data.shape, data.strides, data.dtype, data.device, data.version);
    if (data.handle === UNINITIALIZED) this.handle = UNINITIALIZED;
    else view(data, this, 0);
    this.requiresGrad = requiresGrad;
  }
}

/**
 * Puts the memory, dtype and device of `source` in the place of the target's. The target stays the same object, so
 * that an optimizer's references to a parameter survive a move to another device.
 */
export function rebind(target: Tensor, source: Tensor): void {
  const old = { handle: target.handle };
  const { strides, dtype, device } = source;
  // Whatever saved the target for a gradient must see that it is not the same any more.
  Object.assign(target, { strides, dtype, device, version: { count: target.version.count + 1 } });
  view(source, target, 0);
  release(old);
}
