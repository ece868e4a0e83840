// SPDX-License-Identifier: Apache-2.0
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { ShapeError } from '../native/errors.js';
import { boolean, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { formatShape, isDense, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { inPlaceOptions, type InPlace } from './activation.js';
import { checkFloat, checkNumber } from './checks.js';
import { rewrite } from './inplace.js';
import { binaryKernel, copyKernel, fullKernel, like } from './kernels.js';
import { add, mul } from './pointwise.js';
import { generatorOf } from './random.js';

// y = x * mask / (1 - p); y may be x. Returns the mask.
function drop(x: Tensor, y: Tensor, p: number): Tensor {
  const mask = like(x, 'bool');
  run(Op.dropout, [x], [y, mask, generatorOf(x.device)], [p]);
  return mask;
}

const backwardKernel: (g: Tensor, mask: Tensor, p: number) => Tensor = defineKernel({
  name: 'dropout',
  forward(ctx: Context<number>, g: Tensor, mask: Tensor, p: number): Tensor {
    ctx.save(mask);
    ctx.keep(p);
    const dX = fresh(g.shape, g.dtype, g.device, mask.strides);
    run(Op.dropoutBackward, [g, mask], [dX], [p]);
    return dX;
  },
  gradients: [(g, ctx) => backwardKernel(g, ctx.saved(0), ctx.params)],
});

const gradients = [(g: Tensor, ctx: Context<number>) => backwardKernel(g, ctx.saved(0), ctx.params)];

const dropoutOp = defineOp({
  name: 'dropout',
  forward(ctx: Context<number>, x: Tensor, p: number): Tensor {
    const input = isDense(x.shape, x.strides) ? x : copyKernel(x);
    const y = like(input);
    ctx.save(drop(input, y, p));
    ctx.keep(p);
    return y;
  },
  gradients,
});

const dropoutInPlace = defineOp({
  name: 'dropout',
  forward(ctx: Context<number>, x: Tensor, p: number): Tensor {
    rewrite(x, 'dropout');
    const dense = isDense(x.shape, x.strides) ? x : copyKernel(x);
    const mask = drop(dense, dense, p);
    if (dense !== x) run(Op.copy, [dense], [x], []);
    ctx.save(mask);
    ctx.keep(p);
    return x;
  },
  gradients,
});

// x * factor + offset, over x.
const scaleInPlace = defineOp({
  name: 'dropout',
  forward(ctx: Context, x: Tensor, factor: Tensor, offset: Tensor | null): Tensor {
    rewrite(x, 'dropout');
    run(Op.mul, [x, factor], [x], [0]);
    if (offset) run(Op.add, [x, offset], [x], [0]);
    ctx.save(factor);
    return x;
  },
  gradients: [(g, ctx) => binaryKernel(Op.mul, g, ctx.saved(0))],
});

function scale(x: Tensor, factor: Tensor, offset: Tensor | null, inplace: boolean): Tensor {
  if (inplace) return scaleInPlace(x, factor, offset);
  const y = mul(x, factor);
  return offset ? add(y, offset) : y;
}

export interface DropoutOptions extends InPlace {
  /** Probability of each element, or each channel, to become 0. In [0, 1], default 0.5. */
  p?: number;
  /** x itself is returned if false. Default true. */
  training?: boolean;
}
const dropoutOptions = optionsOf<DropoutOptions>({ p: number, training: boolean, ...inPlaceOptions.schema });

function checkDropout(x: Tensor, p: number, where: string): void {
  checkTensor(x, where);
  checkNumber(p, 0, 1, where, 'p');
  checkFloat(x, where);
}

/**
 * Each element becomes 0 with probability p, and is divided by 1 - p otherwise (Srivastava et al., "Dropout: a simple
 * way to prevent neural networks from overfitting", JMLR 15, 2014).
 *
 * @param x any shape, floating
 * @throws ArgumentError for a p outside [0, 1]; DTypeError; with inplace AutogradError for a leaf that requires
 * gradients
 */
export function dropout(x: Tensor, options?: DropoutOptions): Tensor {
  const { p = 0.5, training = true, inplace = false } = dropoutOptions('dropout', options, arguments.length > 2);
  checkDropout(x, p, 'dropout');
  if (!training || p === 0) return x;
  if (p === 1) return scale(x, fullKernel([], 0, x.dtype, x.device), null, inplace);
  return inplace ? dropoutInPlace(x, p) : dropoutOp(x, p);
}

// ---- whole channels ----------------------------------------------------------------------------------------------------

// 0 with probability p, else `kept`, in a tensor that is broadcast to x.
function factors(shape: Shape, x: Tensor, p: number, kept: number): Tensor {
  if (p === 1) return fullKernel(shape, 0, x.dtype, x.device);
  const ones = fullKernel(shape, 1, x.dtype, x.device);
  return binaryKernel(Op.mul, copyKernel(drop(ones, ones, p), x.dtype), kept);
}

// Of an input without a batch dimension, the first one holds the channels; `rank` is that of a batch.
function channelShape(x: Tensor, rank: number): Shape {
  return x.shape.map((n, i) => (i < (x.ndim === rank - 1 ? 1 : 2) ? n : 1));
}

function featureDropout(name: string, dims: string, ranks: readonly number[], batchRank: number) {
  return function (x: Tensor, options?: DropoutOptions): Tensor {
    const { p = 0.5, training = true, inplace = false } = dropoutOptions(name, options, arguments.length > 2);
    checkDropout(x, p, name);
    if (!ranks.includes(x.ndim))
      throw new ShapeError(`${name}: expected input ${dims}, got ${formatShape(x.shape)}`);
    if (!training || p === 0) return x;
    return scale(x, factors(channelShape(x, batchRank), x, p, 1 / (1 - p)), null, inplace);
  };
}

/**
 * Each channel of each sequence becomes 0 with probability p, and is divided by 1 - p otherwise (Tompson et al.,
 * arXiv:1411.4280).
 *
 * @param x [N, C, L] or [C, L], floating
 * @throws ShapeError for other shapes, and as dropout
 */
export const dropout1d = featureDropout('dropout1d', '[N, C, L] or [C, L]', [2, 3], 3);
/**
 * As dropout1d for images.
 * @param x [N, C, H, W], floating; [N, C, L] counts as sequences, as in PyTorch
 */
export const dropout2d = featureDropout('dropout2d', '[N, C, H, W] or [N, C, L]', [3, 4], 0);
/**
 * As dropout1d for volumes.
 * @param x [N, C, D, H, W] or [C, D, H, W], floating
 */
export const dropout3d = featureDropout('dropout3d', '[N, C, D, H, W] or [C, D, H, W]', [4, 5], 5);

// ---- keeping mean and variance ------------------------------------------------------------------------------------------

const ALPHA = -1.7580993408473766; // where SELU saturates: minus its scale times its alpha

function alphaFamily(name: string, shapeOf: (x: Tensor) => Shape) {
  return function (x: Tensor, options?: DropoutOptions): Tensor {
    const { p = 0.5, training = true, inplace = false } = dropoutOptions(name, options, arguments.length > 2);
    checkDropout(x, p, name);
    const shape = shapeOf(x);
    if (!training || p === 0) return x;
    if (p === 1) return scale(x, fullKernel([], 0, x.dtype, x.device), null, inplace);
    // A kept element becomes a x + c, a dropped one a ALPHA + c: a and c restore mean 0 and variance 1.
    const a = 1 / Math.sqrt((ALPHA ** 2 * p + 1) * (1 - p));
    const factor = factors(shape, x, p, a);
    const dropped = binaryKernel(Op.mul, binaryKernel(Op.sub, a, factor), ALPHA);
    return scale(x, factor, binaryKernel(Op.add, dropped, -a * ALPHA * p), inplace);
  };
}

/**
 * Dropout that keeps mean 0 and variance 1: each element is set, with probability p, to what SELU saturates at, and all
 * are then scaled and shifted (Klambauer et al., arXiv:1706.02515).
 *
 * @param x any shape, floating
 * @throws as dropout
 */
export const alphaDropout = alphaFamily('alphaDropout', (x) => x.shape);
/**
 * alphaDropout of whole channels.
 * @param x [N, C, ...], floating
 * @throws ShapeError for fewer than two dimensions, and as dropout
 */
export const featureAlphaDropout = alphaFamily('featureAlphaDropout', (x) => {
  if (x.ndim < 2)
    throw new ShapeError(`featureAlphaDropout: expected input [N, C, ...], got ${formatShape(x.shape)}`);
  return x.shape.map((n, i) => (i < 2 ? n : 1));
});
