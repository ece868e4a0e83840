// SPDX-License-Identifier: Apache-2.0
import { defineOp, type Context } from '../autograd/op.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { isDense } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkNumber } from './checks.js';
import { copyKernel, like } from './kernels.js';
import { mul } from './pointwise.js';
import { generatorOf } from './random.js';

const dropoutOp = defineOp({
  name: 'dropout',
  forward(ctx: Context<number>, x: Tensor, p: number): Tensor {
    const input = isDense(x.shape, x.strides) ? x : copyKernel(x);
    const y = like(input);
    const mask = like(input, 'bool');
    run(Op.dropout, [input], [y, mask, generatorOf(x.device)], [p]);
    ctx.save(mask);
    ctx.keep(p);
    return y;
  },
  gradients: [
    (g, ctx) => {
      const mask = ctx.saved(0);
      const dX = fresh(g.shape, g.dtype, g.device, mask.strides);
      run(Op.dropoutBackward, [g, mask], [dX], [ctx.params]);
      return dX;
    },
  ],
});

export interface DropoutOptions {
  /** Probability of each element to become 0. In [0, 1], default 0.5. */
  p?: number;
  /** x itself is returned if false. Default true. */
  training?: boolean;
}

/**
 * Each element becomes 0 with probability p, and is divided by 1 - p otherwise (Srivastava et al., "Dropout: a simple
 * way to prevent neural networks from overfitting", JMLR 15, 2014).
 *
 * @param x any shape, floating
 * @throws ArgumentError for a p outside [0, 1]; DTypeError
 */
export function dropout(x: Tensor, { p = 0.5, training = true }: DropoutOptions = {}): Tensor {
  checkTensor(x, 'dropout');
  checkNumber(p, 0, 1, 'dropout', 'p');
  checkFloat(x, 'dropout');
  if (!training || p === 0) return x;
  return p === 1 ? mul(x, 0) : dropoutOp(x, p);
}
