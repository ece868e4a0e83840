// SPDX-License-Identifier: Apache-2.0
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { normalizeDims } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkFloat } from './checks.js';
import { binaryKernel, like, reduceKernel, unaryKernel } from './kernels.js';
import { abs, ne } from './pointwise.js';
import { cast } from './promote.js';
import { amax, amin, reduceOptions, sum, type Dims, type ReduceOptions } from './reduce.js';
import { reshape } from './view.js';

// (sum |x|^p)^(1/p) with the reduced dimensions kept.
const powerOp = defineOp({
  name: 'norm',
  forward(ctx: Context<number>, x: Tensor, p: number, dims: readonly number[]): Tensor {
    const powers = p === 2 ? unaryKernel(Op.square, x) : binaryKernel(Op.pow, unaryKernel(Op.abs, x), p);
    const total = reduceKernel(Op.sum, powers, dims, true);
    const y = p === 2 ? unaryKernel(Op.sqrt, total) : binaryKernel(Op.pow, total, 1 / p);
    ctx.save(x, y);
    ctx.keep(p);
    return y;
  },
  gradients: [
    (g, ctx) => {
      const [x, y, p] = [ctx.saved(0), ctx.saved(1), ctx.params];
      // sign(x) |x|^(p-1) g / y^(p-1), and 0 where the norm is 0.
      const quotient = binaryKernel(Op.div, g, p === 2 ? y : binaryKernel(Op.pow, y, p - 1));
      const scale = like(quotient);
      run(Op.where, [binaryKernel(Op.eq, y, 0, [], '', 'bool'), null, quotient], [scale], [0, 0]);
      if (p === 2) return binaryKernel(Op.mul, x, scale);
      const magnitude = binaryKernel(Op.pow, unaryKernel(Op.abs, x), p - 1);
      return binaryKernel(Op.mul, binaryKernel(Op.mul, unaryKernel(Op.sign, x), magnitude), scale);
    },
  ],
});

/**
 * The p-norm of all elements, or along dimensions: (sum |x|^p)^(1/p). Infinity gives the largest absolute value,
 * -Infinity the smallest, 0 the number of elements that are not 0.
 *
 * @param input floating; float16 and bfloat16 are computed in float32
 * @throws DTypeError; ShapeError for dimensions that do not exist; ArgumentError when p is not a number
 */
export function norm(input: Tensor, p = 2, dim?: Dims, options?: ReduceOptions): Tensor {
  const { keepdim = false } = reduceOptions('norm', options, arguments.length > 4);
  const x = full(checkTensor(input, 'norm'));
  checkFloat(x, 'norm');
  if (typeof p !== 'number' || Number.isNaN(p)) throw new ArgumentError(`norm: p must be a number, got ${String(p)}`);
  const dims = normalizeDims(dim ?? undefined, x.ndim, 'norm');
  const kept = { keepdim };
  if (Math.abs(p) === Infinity) return (p > 0 ? amax : amin)(abs(x), dims, kept);
  const narrow = x.dtype === 'float16' || x.dtype === 'bfloat16';
  const wide = narrow ? cast(x, 'float32') : x;
  let y: Tensor;
  if (p === 0) y = sum(cast(ne(wide, 0), wide.dtype), dims, kept);
  else if (p === 1) y = sum(abs(wide), dims, kept);
  else {
    y = powerOp(wide, p, dims);
    if (!keepdim) y = reshape(y, x.shape.filter((_, i) => !dims.includes(i)));
  }
  return narrow ? cast(y, x.dtype) : y;
}
