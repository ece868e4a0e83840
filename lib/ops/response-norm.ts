// SPDX-License-Identifier: Apache-2.0
import { isDeriving } from '../autograd/deriving.js';
import { gradientsOf } from '../autograd/engine.js';
import { defineOp, type Context } from '../autograd/op.js';
import { ShapeError } from '../native/errors.js';
import { number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { formatShape, numelOf } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkInteger, checkNumber } from './checks.js';
import { like } from './kernels.js';
import { pad } from './pad.js';
import { add, div, mul, pow, square } from './pointwise.js';
import { narrow, reshape } from './view.js';

export interface LocalResponseNormOptions {
  /** Weight of the mean square. Default 1e-4. */
  alpha?: number;
  /** Exponent. Default 0.75. */
  beta?: number;
  /** What the base begins with. Default 1. */
  k?: number;
}
/** @internal */
export const localResponseNormOptions = optionsOf<LocalResponseNormOptions>({ alpha: number, beta: number, k: number });

type Attributes = [size: number, alpha: number, beta: number, k: number];

const responseNormOp = defineOp({
  name: 'localResponseNorm',
  forward(ctx: Context<Attributes>, x: Tensor, attrs: Attributes): Tensor {
    const y = like(x);
    run(Op.localResponseNorm, [x], [y], attrs);
    ctx.save(x);
    ctx.keep(attrs);
    return y;
  },
  gradients: [
    (g, ctx) => {
      const x = ctx.saved(0);
      if (isDeriving()) return gradientsOf((t: Tensor) => formula(t, ctx.params), [x], ctx.needs, g)[0]!;
      const dX = like(x);
      run(Op.localResponseNormBackward, [g, x], [dX], ctx.params);
      return dX;
    },
  ],
});

// What the native operation computes.
function formula(x: Tensor, [size, alpha, beta, k]: Attributes): Tensor {
  const [n, c, ...rest] = x.shape as [number, number, ...number[]];
  const before = size >> 1;
  const squares = pad(reshape(square(x), [n, c, numelOf(rest)]), [0, 0, before, size - 1 - before]);
  const sums = Array.from({ length: size }, (_, i) => narrow(squares, 1, i, c)).reduce((a, b) => add(a, b));
  return div(x, pow(add(mul(reshape(sums, x.shape), alpha / size), k), beta));
}

/** @throws ArgumentError */
export function checkResponseNorm(size: number, { alpha = 1e-4, beta = 0.75, k = 1 }: LocalResponseNormOptions, where: string): Attributes {
  return [
    checkInteger(size, 1, where, 'size'),
    checkNumber(alpha, -Number.MAX_VALUE, Number.MAX_VALUE, where, 'alpha'),
    checkNumber(beta, -Number.MAX_VALUE, Number.MAX_VALUE, where, 'beta'),
    checkNumber(k, -Number.MAX_VALUE, Number.MAX_VALUE, where, 'k'),
  ];
}

/**
 * Divides each activation by (k + alpha m)^beta, where m is the mean square over `size` neighbouring channels at the same
 * place, with zeros beyond the first and the last channel (Krizhevsky, Sutskever and Hinton, "ImageNet Classification
 * with Deep Convolutional Neural Networks", 2012, section 3.3; the paper's sum is a mean here, as in PyTorch).
 *
 * @param x [N, C, ...] of at least three dimensions, floating
 * @param size how many channels; of an even number, one more lies before than behind
 * @throws ShapeError for fewer than three dimensions; DTypeError; ArgumentError for options out of range
 */
export function localResponseNorm(x: Tensor, size: number, options?: LocalResponseNormOptions): Tensor {
  options = localResponseNormOptions('localResponseNorm', options, arguments.length > 3);
  const where = 'localResponseNorm';
  checkFloat(checkTensor(x, where), where);
  if (x.ndim < 3) throw new ShapeError(`${where}: expected input [N, C, ...] of at least 3 dimensions, got ${formatShape(x.shape)}`);
  return responseNormOp(x, checkResponseNorm(size, options, where));
}
