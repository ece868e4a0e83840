// SPDX-License-Identifier: Apache-2.0
// Losses between probabilities: binary cross entropies and the Kullback-Leibler divergence.
import { defineOp, type Context } from '../autograd/op.js';
import { ShapeError } from '../native/errors.js';
import { boolean, checked, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { broadcastShapes, formatShape, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkChoice, checkFloat } from './checks.js';
import { binaryKernel, ternaryKernel, unaryKernel } from './kernels.js';
import { checkReduction, reduced, lossOptions, type LossOptions, type Reduction } from './loss-options.js';
import { add, div, mul, sub } from './pointwise.js';
import { promote } from './promote.js';
import { sum } from './reduce.js';

export interface BinaryCrossEntropyOptions extends LossOptions {
  /** Factor of each loss; broadcast to the input's shape. */
  weight?: Tensor | null;
}
/** @internal */
export const binaryCrossEntropyOptions = optionsOf<BinaryCrossEntropyOptions>({ ...lossOptions.schema, weight: checked });

export interface BinaryCrossEntropyWithLogitsOptions extends BinaryCrossEntropyOptions {
  /** Factor of the positive targets' part, often one number per class; broadcast to the input's shape. */
  posWeight?: Tensor | null;
}
/** @internal */
export const binaryCrossEntropyWithLogitsOptions = optionsOf<BinaryCrossEntropyWithLogitsOptions>({
  ...binaryCrossEntropyOptions.schema,
  posWeight: checked,
});

function checkPair(input: Tensor, target: Tensor, where: string): void {
  checkTensor(input, where);
  checkTensor(target, where, 'target');
  checkFloat(input, where);
  if (!sameShape(input.shape, target.shape))
    throw new ShapeError(
      `${where}: target must have the input's shape ${formatShape(input.shape)}, got ${formatShape(target.shape)}`,
    );
}

function factor(w: Tensor | null | undefined, input: Tensor, where: string, name: string): Tensor | null {
  if (!w) return null;
  checkTensor(w, where, name);
  if (!sameShape(broadcastShapes(w.shape, input.shape, where), input.shape))
    throw new ShapeError(`${where}: ${name} ${formatShape(w.shape)} cannot be broadcast to the input's shape ${formatShape(input.shape)}`);
  return w;
}

const withLogitsOp = defineOp({
  name: 'binaryCrossEntropyWithLogits',
  forward(ctx: Context, x: Tensor, target: Tensor): Tensor {
    ctx.save(x, target);
    return binaryKernel(Op.bceWithLogits, x, target);
  },
  gradients: [
    (g, ctx) => ternaryKernel(Op.bceWithLogitsBackward, g, ctx.saved(0), ctx.saved(1)),
    (g, ctx) => unaryKernel(Op.neg, binaryKernel(Op.mul, g, ctx.saved(0))),
  ],
});

// log(1 + exp(-x)): the loss of a positive target.
const positiveLossOp = defineOp({
  name: 'binaryCrossEntropyWithLogits',
  forward(ctx: Context, x: Tensor): Tensor {
    ctx.save(x);
    return binaryKernel(Op.bceWithLogits, x, 1);
  },
  gradients: [(g, ctx) => ternaryKernel(Op.bceWithLogitsBackward, g, ctx.saved(0), 1)],
});

/**
 * Cross entropy of sigmoid(input) with probabilities, without overflow: for tasks in which several classes may hold.
 *
 * @param input any shape, floating: scores
 * @param target the same shape: probabilities
 * @throws ShapeError, DTypeError; ArgumentError for an unknown reduction
 */
export function binaryCrossEntropyWithLogits(input: Tensor, target: Tensor, options?: BinaryCrossEntropyWithLogitsOptions): Tensor {
  options = binaryCrossEntropyWithLogitsOptions('binaryCrossEntropyWithLogits', options, arguments.length > 3);
  const where = 'binaryCrossEntropyWithLogits';
  checkPair(input, target, where);
  const reduction = checkReduction(options.reduction, where);
  const weight = factor(options.weight, input, where, 'weight');
  const posWeight = factor(options.posWeight, input, where, 'posWeight');
  const [x, y] = promote(full(input), full(target), where) as [Tensor, Tensor];
  let losses: Tensor;
  if (posWeight) {
    // (1 - y) x + (1 + (posWeight - 1) y) log(1 + exp(-x))
    const positive = add(mul(sub(posWeight, 1), y), 1);
    losses = add(mul(sub(1, y), x), mul(positive, positiveLossOp(x)));
  } else {
    losses = withLogitsOp(x, y);
  }
  if (weight) losses = mul(losses, weight);
  return reduced(losses, reduction);
}

const bceOp = defineOp({
  name: 'binaryCrossEntropy',
  forward(ctx: Context, x: Tensor, target: Tensor): Tensor {
    ctx.save(x, target);
    return binaryKernel(Op.bce, x, target);
  },
  gradients: [
    (g, ctx) => ternaryKernel(Op.bceBackward, g, ctx.saved(0), ctx.saved(1)),
    (g, ctx) => {
      // log(1 - x) - log(x)
      const x = ctx.saved(0);
      const no = unaryKernel(Op.log, binaryKernel(Op.sub, 1, x));
      return binaryKernel(Op.mul, g, binaryKernel(Op.sub, no, unaryKernel(Op.log, x)));
    },
  ],
});

/**
 * Cross entropy of two probabilities. binaryCrossEntropyWithLogits() takes scores instead, and loses no precision.
 *
 * @param input any shape, floating: probabilities; outside [0, 1] the loss is NaN
 * @param target the same shape: probabilities
 * @returns logarithms count as at least -100, as in PyTorch, so that the loss is finite
 * @throws ShapeError, DTypeError; ArgumentError for an unknown reduction
 */
export function binaryCrossEntropy(input: Tensor, target: Tensor, options?: BinaryCrossEntropyOptions): Tensor {
  options = binaryCrossEntropyOptions('binaryCrossEntropy', options, arguments.length > 3);
  const where = 'binaryCrossEntropy';
  checkPair(input, target, where);
  const reduction = checkReduction(options.reduction, where);
  const weight = factor(options.weight, input, where, 'weight');
  const [x, y] = promote(full(input), full(target), where) as [Tensor, Tensor];
  const losses = bceOp(x, y);
  return reduced(weight ? mul(losses, weight) : losses, reduction);
}

// ---- Kullback-Leibler ------------------------------------------------------------------------------------------------

export interface KLDivOptions {
  /** As other losses', or 'batchmean': the sum divided by the first size, which is the mathematical mean. Default 'mean'. */
  reduction?: Reduction | 'batchmean';
  /** Whether target holds logarithms too. Default false. */
  logTarget?: boolean;
}
/** @internal */
export const klDivOptions = optionsOf<KLDivOptions>({ reduction: checked, logTarget: boolean });

const klDivOp = defineOp({
  name: 'klDiv',
  forward(ctx: Context<boolean>, x: Tensor, target: Tensor, logTarget: boolean): Tensor {
    ctx.save(x, target);
    ctx.keep(logTarget);
    return binaryKernel(Op.klDiv, x, target, [logTarget ? 1 : 0]);
  },
  gradients: [
    (g, ctx) => {
      const target = ctx.saved(1);
      const p = ctx.params ? unaryKernel(Op.exp, target) : target;
      return unaryKernel(Op.neg, binaryKernel(Op.mul, g, p));
    },
    (g, ctx) => {
      const [x, target] = [ctx.saved(0), ctx.saved(1)];
      const logP = ctx.params ? target : unaryKernel(Op.log, target);
      const slope = binaryKernel(Op.add, binaryKernel(Op.sub, logP, x), 1);
      return binaryKernel(Op.mul, ctx.params ? binaryKernel(Op.mul, g, unaryKernel(Op.exp, target)) : g, slope);
    },
  ],
});

/**
 * Kullback-Leibler divergence target (log target - input): how far one distribution is from another.
 *
 * @param input any shape, floating: logarithms of probabilities
 * @param target the same shape: probabilities, or their logarithms with logTarget
 * @throws ShapeError, DTypeError; ArgumentError for an unknown reduction
 */
export function klDiv(input: Tensor, target: Tensor, options?: KLDivOptions): Tensor {
  const { reduction = 'mean', logTarget = false } = klDivOptions('klDiv', options, arguments.length > 3);
  checkPair(input, target, 'klDiv');
  checkChoice(reduction, ['none', 'mean', 'sum', 'batchmean'], 'klDiv', 'reduction');
  const [x, y] = promote(full(input), full(target), 'klDiv') as [Tensor, Tensor];
  const losses = klDivOp(x, y, logTarget);
  if (reduction !== 'batchmean') return reduced(losses, reduction);
  return x.ndim === 0 ? losses : div(sum(losses), x.shape[0]!);
}
