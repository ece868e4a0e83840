// SPDX-License-Identifier: Apache-2.0
// Parameters and buffers of lazy modules: objects that exist, for an optimizer to be given, before their shape is known.
import { UNINITIALIZED, view } from '../native/run.js';
import type { Device } from '../tensor/device.js';
import type { DType } from '../tensor/dtype.js';
import { channelsLastStrides, contiguousStrides, type Shape } from '../tensor/shape.js';
import { emptyTensor, fresh, type Tensor } from '../tensor/tensor.js';

/** A tensor that will get its shape by materialize(); till then its shape is [0], and using it throws UninitializedError. */
export function deferred(dtype: DType, device: Device): Tensor {
  const t: Tensor = fresh([0], dtype, device);
  t.handle = UNINITIALIZED;
  return t;
}

export function isDeferred(t: Tensor | null): boolean {
  return t?.handle === UNINITIALIZED;
}

/** Gives a deferred tensor its shape and memory, with undefined values. It stays the same object. */
export function materialize(t: Tensor, shape: Shape): void {
  const strides = shape.length > 2 ? channelsLastStrides(shape) : contiguousStrides(shape);
  const data = emptyTensor([...shape], t.dtype, t.device, strides);
  Object.assign(t, { shape: data.shape, strides });
  view(data, t, 0);
  data.dispose(); // t holds the memory
}
