// SPDX-License-Identifier: Apache-2.0
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { stridesLike, type Shape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkFloat } from './checks.js';
import { binaryKernel, copyKernel, fullKernel, reduceKernel, selectKernel, unaryKernel } from './kernels.js';
import { abs } from './pointwise.js';
import { cast } from './promote.js';
import { dimsOf, reduceOptions, sum, withDims, type Dims, type ReduceOptions } from './reduce.js';
import { reshape } from './view.js';

interface Layout {
  shape: Shape;
  strides: readonly number[];
}

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
      // sign(x) |x|^(p-1) g / y^(p-1), and 0 where the norm or, for p < 1, the element is 0.
      if (p < 1) {
        const magnitude = unless0(x, binaryKernel(Op.pow, unaryKernel(Op.abs, x), p - 1));
        const scale = binaryKernel(Op.mul, g, binaryKernel(Op.pow, y, 1 - p));
        return binaryKernel(Op.mul, binaryKernel(Op.mul, unaryKernel(Op.sign, x), magnitude), scale);
      }
      const scale = unless0(y, binaryKernel(Op.div, g, p === 2 ? y : binaryKernel(Op.pow, y, p - 1)), p === 2 ? g : undefined);
      if (p === 2) return binaryKernel(Op.mul, x, scale);
      const magnitude = binaryKernel(Op.pow, unaryKernel(Op.abs, x), p - 1);
      return binaryKernel(Op.mul, binaryKernel(Op.mul, unaryKernel(Op.sign, x), magnitude), scale);
    },
  ],
});

// `value` where x is not 0, else 0 (times `factor`, so that its infinities and NaN are seen).
function unless0(x: Tensor, value: Tensor, factor?: Tensor): Tensor {
  const isZero = binaryKernel(Op.eq, x, 0, [], '', 'bool');
  return selectKernel(isZero, factor ? binaryKernel(Op.mul, factor, 0) : 0, value);
}

// The largest or smallest absolute value: the elements that have it share the gradient.
const extremeOp = defineOp({
  name: 'norm',
  forward(ctx: Context<readonly number[]>, x: Tensor, p: number, dims: readonly number[], keepdim: boolean): Tensor {
    const y = reduceKernel(p > 0 ? Op.amax : Op.amin, unaryKernel(Op.abs, x), dims, keepdim);
    ctx.save(x, y);
    ctx.keep(dims);
    return y;
  },
  gradients: [
    (g, ctx) => {
      const [x, dims] = [ctx.saved(0), ctx.params];
      const y = withDims(ctx.saved(1), { shape: x.shape, dims });
      const same = binaryKernel(Op.eq, unaryKernel(Op.abs, x), y, [], '', 'bool');
      const hit = copyKernel(binaryKernel(Op.logicalOr, same, unaryKernel(Op.isnan, x, [], 'bool'), [], '', 'bool'), x.dtype);
      const share = binaryKernel(Op.div, withDims(g, { shape: x.shape, dims }), reduceKernel(Op.sum, hit, dims, true));
      return binaryKernel(Op.mul, binaryKernel(Op.mul, unaryKernel(Op.sign, x), hit), share);
    },
  ],
});

// The number of elements that are not 0: its gradient is 0.
const countOp = defineOp({
  name: 'norm',
  forward(ctx: Context<Layout>, x: Tensor, dims: readonly number[], keepdim: boolean): Tensor {
    ctx.keep({ shape: x.shape, strides: stridesLike(x.shape, x.strides) });
    return reduceKernel(Op.sum, copyKernel(binaryKernel(Op.ne, x, 0, [], '', 'bool'), x.dtype), dims, keepdim);
  },
  gradients: [(g, ctx) => fullKernel(ctx.params.shape, 0, g.dtype, g.device, ctx.params.strides)],
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
  const dims = dimsOf(x, dim, 'norm');
  const kept = { keepdim };
  if (Math.abs(p) === Infinity) return extremeOp(x, p, dims, keepdim);
  const narrow = x.dtype === 'float16' || x.dtype === 'bfloat16';
  const wide = narrow ? cast(x, 'float32') : x;
  let y: Tensor;
  if (p === 0) y = countOp(wide, dims, keepdim);
  else if (p === 1) y = sum(abs(wide), dims, kept);
  else {
    y = powerOp(wide, p, dims);
    if (!keepdim) y = reshape(y, x.shape.filter((_, i) => !dims.includes(i)));
  }
  return narrow ? cast(y, x.dtype) : y;
}
