// SPDX-License-Identifier: Apache-2.0
// Tensors from one device to another.
import { isDeriving } from '../autograd/deriving.js';
import { defineOp, type Context } from '../autograd/op.js';
import { native } from '../native/binding.js';
import { refuse } from '../native/recording.js';
import { downloadSync } from '../native/faults.js';
import { view } from '../native/run.js';
import type { Device } from '../tensor/device.js';
import type { DType } from '../tensor/dtype.js';
import { stridesLike } from '../tensor/shape.js';
import { emptyTensor, Tensor } from '../tensor/tensor.js';
import { copyKernel } from './kernels.js';

/** x on another device; differentiable. Blocks until x has been computed. */
export const moveTo: (x: Tensor, device: Device) => Tensor = defineOp({
  name: 'to',
  forward(ctx: Context<Device>, x: Tensor, device: Device): Tensor {
    ctx.keep(x.device);
    return transfer(x, device);
  },
  gradients: [(g, ctx) => (isDeriving() ? moveTo(g, ctx.params) : transfer(g, ctx.params))],
});

// Through host memory, as the block lies in memory, so that the layout survives the move.
function transfer(x: Tensor, target: Device): Tensor {
  refuse('a move to another device', 'move the tensor before the step');
  const strides = stridesLike(x.shape, x.strides);
  const source = strides === x.strides ? x : copyKernel(x);
  const result = emptyTensor(x.shape, x.dtype, target, strides);
  if (x.nbytes > 0) {
    const bytes = new Uint8Array(x.nbytes);
    downloadSync(bytesOf(source), bytes);
    native().upload(bytesOf(result).handle, bytes);
  }
  return result;
}

function bytesOf(x: Tensor): Tensor {
  const bytes = new Tensor([x.nbytes], [1], 'uint8' as DType, x.device, x.version);
  view(x, bytes, 0);
  bytes.isView = true;
  return bytes;
}
