// SPDX-License-Identifier: Apache-2.0
import { gradientsOf } from '../autograd/engine.js';
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { Op } from '../native/ops.gen.js';
import { checked, optionsOf } from '../native/options.js';
import { run } from '../native/run.js';
import { checkDType, type DType } from '../tensor/dtype.js';
import { normalizeDim } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkFloat } from './checks.js';
import { like } from './kernels.js';
import { exp, mul, neg, sub } from './pointwise.js';
import { cast } from './promote.js';
import { sum } from './reduce.js';

type SoftmaxId = typeof Op.softmax | typeof Op.logSoftmax;
type BackwardId = typeof Op.softmaxBackward | typeof Op.logSoftmaxBackward;

const dtypeOptions = optionsOf<{ dtype?: DType }>({ dtype: checked });

// `formula` is what the native backward operation computes.
function normalized(name: string, forwardOp: SoftmaxId, backwardOp: BackwardId, formula: (g: Tensor, y: Tensor, dim: number) => Tensor) {
  const backward: (g: Tensor, y: Tensor, dim: number) => Tensor = defineKernel({
    name,
    forward(ctx: Context<number>, g: Tensor, y: Tensor, dim: number): Tensor {
      ctx.save(g, y);
      ctx.keep(dim);
      const dX = like(y);
      run(backwardOp, [g, y], [dX], [dim]);
      return dX;
    },
    inputs: 2,
    backward: ([u], ctx) =>
      gradientsOf((g: Tensor, y: Tensor) => formula(g, y, ctx.params), [ctx.saved(0), ctx.saved(1)], ctx.needs, u!),
  });
  const apply = defineOp({
    name,
    forward(ctx: Context<number>, x: Tensor, dim: number): Tensor {
      const y = like(x);
      run(forwardOp, [x], [y], [dim]);
      ctx.save(y);
      ctx.keep(dim);
      return y;
    },
    gradients: [
      (g, ctx) => backward(g, ctx.saved(0), ctx.params),
    ],
  });
  return function (given: Tensor, dim: number, options?: { dtype?: DType }): Tensor {
    const { dtype } = dtypeOptions(name, options, arguments.length > 3);
    const x = full(checkTensor(given, name));
    const at = normalizeDim(dim, x.ndim, name);
    const input = dtype === undefined || checkDType(dtype, name) === x.dtype ? x : cast(x, dtype);
    checkFloat(input, name);
    return apply(input, at);
  };
}

/**
 * exp(x) divided by its sum along `dim`, without overflow.
 *
 * @param x any shape, floating unless options.dtype makes it so
 * @param dim the dimension whose elements add up to 1
 * @param options dtype: convert x to it first
 * @throws ShapeError when there is no such dimension; DTypeError
 */
export const softmax = normalized('softmax', Op.softmax, Op.softmaxBackward, (g, y, dim) =>
  mul(y, sub(g, sum(mul(g, y), dim, { keepdim: true }))),
);

/**
 * The logarithm of softmax(x, dim), computed in one step and so without loss of precision.
 * Arguments and errors are those of softmax.
 */
export const logSoftmax = normalized('logSoftmax', Op.logSoftmax, Op.logSoftmaxBackward, (g, y, dim) =>
  sub(g, mul(exp(y), sum(g, dim, { keepdim: true }))),
);

/** softmax(-x, dim): the largest part for the smallest element. Arguments and errors are those of softmax. */
export function softmin(x: Tensor, dim: number, options?: { dtype?: DType }): Tensor {
  options = dtypeOptions('softmin', options, arguments.length > 3);
  return softmax(neg(checkTensor(x, 'softmin')), dim, options);
}
