// SPDX-License-Identifier: Apache-2.0
// Losses of the difference between a prediction and a target.
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkFloat, checkNumber } from './checks.js';
import { binaryKernel, reduceKernel, unaryKernel } from './kernels.js';
import { checkReduction, lossOptions, type LossOptions, type Reduction } from './loss-options.js';
import { sub } from './pointwise.js';
import { promote } from './promote.js';

// A loss of the difference between input and target; `gradient` is that of (incoming gradient, difference).
function differenceLoss(
  name: string,
  value: (d: Tensor, scale: number) => Tensor,
  gradient: (g: Tensor, d: Tensor, scale: number) => Tensor,
) {
  const apply = defineOp({
    name,
    forward(ctx: Context<{ reduction: Reduction; scale: number }>, d: Tensor, reduction: Reduction, scale: number): Tensor {
      ctx.save(d);
      ctx.keep({ reduction, scale });
      const losses = value(d, scale);
      if (reduction === 'none') return losses;
      return reduceKernel(reduction === 'sum' ? Op.sum : Op.mean, losses, [...losses.shape.keys()], false);
    },
    gradients: [
      (g, ctx) => {
        const d = ctx.saved(0);
        const { reduction, scale } = ctx.params;
        const scaled = reduction === 'mean' ? binaryKernel(Op.mul, g, 1 / d.numel) : g;
        return gradient(scaled, d, scale);
      },
    ],
  });
  return (input: Tensor, target: Tensor, options: LossOptions, scale: number): Tensor => {
    checkTensor(input, name);
    checkTensor(target, name, 'target');
    if (!sameShape(input.shape, target.shape))
      throw new ShapeError(
        `${name}: input and target must have one shape, got ${formatShape(input.shape)} and ${formatShape(target.shape)}`,
      );
    const [a, b] = promote(full(input), full(target), name) as [Tensor, Tensor];
    checkFloat(a, name);
    return apply(sub(a, b), checkReduction(options.reduction, name), scale);
  };
}

/**
 * Squared error (input - target)².
 *
 * @param input any shape, floating
 * @param target the same shape: unlike PyTorch, which only warns, other shapes are not broadcast
 * @throws ShapeError, DTypeError; ArgumentError for an unknown reduction
 */
export function mseLoss(input: Tensor, target: Tensor, options?: LossOptions): Tensor {
  return mseOp(input, target, lossOptions('mseLoss', options, arguments.length > 3), 0);
}
const mseOp = differenceLoss(
  'mseLoss',
  (d) => unaryKernel(Op.square, d),
  (g, d) => binaryKernel(Op.mul, binaryKernel(Op.mul, g, 2), d),
);

/** Absolute error |input - target|. Arguments and errors are those of mseLoss. */
export function l1Loss(input: Tensor, target: Tensor, options?: LossOptions): Tensor {
  return l1Op(input, target, lossOptions('l1Loss', options, arguments.length > 3), 0);
}
const l1Op = differenceLoss(
  'l1Loss',
  (d) => unaryKernel(Op.abs, d),
  (g, d) => binaryKernel(Op.absBackward, g, d),
);

export interface SmoothL1Options extends LossOptions {
  /** The difference at which the loss turns from a parabola into a line. Default 1; 0 gives l1Loss. */
  beta?: number;
}
/** @internal */
export const smoothL1Options = optionsOf<SmoothL1Options>({ ...lossOptions.schema, beta: number });

const smoothL1Op = differenceLoss(
  'smoothL1Loss',
  (d, beta) => unaryKernel(Op.smoothL1, d, [beta, 1]),
  (g, d, beta) => binaryKernel(Op.smoothL1Backward, g, d, [beta, 1]),
);
/**
 * Squared error / (2 beta) where |input - target| < beta, else |input - target| - beta / 2 (Girshick, "Fast R-CNN",
 * arXiv:1504.08083). Arguments and errors are those of mseLoss; ArgumentError for a negative beta.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options?: SmoothL1Options): Tensor {
  options = smoothL1Options('smoothL1Loss', options, arguments.length > 3);
  return smoothL1Op(input, target, options, checkNumber(options.beta ?? 1, 0, Number.MAX_VALUE, 'smoothL1Loss', 'beta'));
}

export interface HuberOptions extends LossOptions {
  /** The difference at which the loss turns from a parabola into a line. Default 1. */
  delta?: number;
}
/** @internal */
export const huberOptions = optionsOf<HuberOptions>({ ...lossOptions.schema, delta: number });

const huberOp = differenceLoss(
  'huberLoss',
  (d, delta) => unaryKernel(Op.smoothL1, d, [delta, delta]),
  (g, d, delta) => binaryKernel(Op.smoothL1Backward, g, d, [delta, delta]),
);
/**
 * Half the squared error where |input - target| < delta, else delta (|input - target| - delta / 2) (Huber, "Robust
 * estimation of a location parameter", 1964). Arguments and errors are those of mseLoss; ArgumentError unless delta is
 * positive.
 */
export function huberLoss(input: Tensor, target: Tensor, options?: HuberOptions): Tensor {
  options = huberOptions('huberLoss', options, arguments.length > 3);
  const delta = checkNumber(options.delta ?? 1, 0, Number.MAX_VALUE, 'huberLoss', 'delta');
  if (delta === 0) throw new ArgumentError('huberLoss: delta must be positive, got 0');
  return huberOp(input, target, options, delta);
}
