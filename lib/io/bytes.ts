// SPDX-License-Identifier: Apache-2.0
// Tensors as the bytes of their row-major elements, whatever their dtype.
import { noGrad } from '../autograd/mode.js';
import { native } from '../native/binding.js';
import { DisposedError, fromNative } from '../native/errors.js';
import { download } from '../native/faults.js';
import { contiguous } from '../ops/view.js';
import type { Device } from '../tensor/device.js';
import type { DType } from '../tensor/dtype.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import { emptyTensor, type Tensor } from '../tensor/tensor.js';

/** Waits for the device without blocking the event loop. */
export async function toBytes(t: Tensor): Promise<Uint8Array> {
  if (t.disposed) throw new DisposedError(`save: a tensor of shape ${formatShape(t.shape)} was used after dispose()`);
  const source = noGrad(() => contiguous(t));
  const bytes = new Uint8Array(t.nbytes);
  try {
    await download(source, bytes);
  } finally {
    if (source !== t) source.dispose();
  }
  return bytes;
}

export function fromBytes(bytes: Uint8Array, shape: Shape, dtype: DType, device: Device): Tensor {
  const result = emptyTensor(shape, dtype, device);
  try {
    if (bytes.length > 0) native().upload(result.handle, bytes);
  } catch (error) {
    throw fromNative(error, 'load');
  }
  return result;
}
