// SPDX-License-Identifier: Apache-2.0
// Losses of classification into one of several classes.
import { isGradEnabled } from '../autograd/mode.js';
import { isDeriving } from '../autograd/deriving.js';
import { gradientsOf } from '../autograd/engine.js';
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, AutogradError, DTypeError, ShapeError } from '../native/errors.js';
import { checked, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { rememberOrigin, run } from '../native/run.js';
import { isFloating, type DType } from '../tensor/dtype.js';
import { formatShape, sameShape, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkFloat, checkNumber, checkSameDType } from './checks.js';
import { fullKernel, like } from './kernels.js';
import { checkReduction, reductions, lossOptions, type LossOptions } from './loss-options.js';
import { gather, indexSelect } from './pick.js';
import { add, div, mul, ne, neg, where } from './pointwise.js';
import { cast } from './promote.js';
import { mean, sum } from './reduce.js';
import { logSoftmax } from './softmax.js';
import { reshape, squeeze, unsqueeze } from './view.js';

export interface NllLossOptions extends LossOptions {
  /** [C]: how much each class counts. Default: all alike. */
  weight?: Tensor | null;
  /** Targets of this value do not count. Default -100. */
  ignoreIndex?: number;
}
/** @internal */
export const nllLossOptions = optionsOf<NllLossOptions>({ ...lossOptions.schema, weight: checked, ignoreIndex: number });

export interface CrossEntropyOptions extends NllLossOptions {
  /** The part of each target that is spread evenly over all classes. In [0, 1], default 0. */
  labelSmoothing?: number;
}
/** @internal */
export const crossEntropyOptions = optionsOf<CrossEntropyOptions>({ ...nllLossOptions.schema, labelSmoothing: number });

interface ClassKept {
  reduction: number;
  ignoreIndex: number;
  labelSmoothing: number;
  shape: Shape;
  weighted: boolean;
}

// What the native losses accumulate in.
const accumulator = (dtype: DType): DType => (dtype === 'float16' || dtype === 'bfloat16' ? 'float32' : dtype);

// What the native losses compute, from operations that are recorded.
function formula(logProbs: Tensor, target: Tensor, weight: Tensor | null, kept: ClassKept): Tensor {
  const { reduction, ignoreIndex, labelSmoothing } = kept;
  const dim = logProbs.ndim === 1 ? 0 : 1;
  const classes = logProbs.shape[dim]!;
  const wide = cast(target, 'int64');
  const counts = ne(wide, ignoreIndex);
  const labels = where(counts, wide, 0);
  const one = cast(counts, logProbs.dtype);
  const weights = weight ? mul(one, reshape(indexSelect(weight, 0, reshape(labels, [labels.numel])), labels.shape)) : one;
  let losses = neg(mul(squeeze(gather(logProbs, dim, unsqueeze(labels, dim)), dim), weights));
  if (labelSmoothing > 0) {
    const all = weight ? mul(logProbs, reshape(weight, logProbs.shape.map((_, i) => (i === dim ? classes : 1)))) : logProbs;
    const even = neg(mul(sum(all, dim), one));
    losses = add(mul(losses, 1 - labelSmoothing), mul(even, labelSmoothing / classes));
  }
  if (reduction === 0) return losses;
  return reduction === 2 ? sum(losses) : div(sum(losses), sum(weights));
}

const crossEntropyOp = defineOp({
  name: 'crossEntropy',
  forward(ctx: Context<ClassKept>, logits: Tensor, target: Tensor, weight: Tensor | null, kept: ClassKept): Tensor {
    const { device, dtype } = logits;
    const loss = fresh(kept.reduction === 0 ? target.shape : [], dtype, device);
    const logSumExp = fresh(target.shape, accumulator(dtype), device);
    const totalWeight = fresh([], accumulator(dtype), device);
    run(Op.crossEntropy, [logits, target, weight], [loss, logSumExp, totalWeight], [kept.reduction, kept.ignoreIndex, kept.labelSmoothing]);
    rememberOrigin();
    ctx.save(logits, target, logSumExp, totalWeight, ...(weight ? [weight] : []));
    ctx.keep(kept);
    return loss;
  },
  gradients: [
    (g, ctx) => {
      const { reduction, ignoreIndex, labelSmoothing, weighted } = ctx.params;
      const logits = ctx.saved(0);
      if (isDeriving()) {
        const weight = weighted ? ctx.saved(4) : null;
        const loss = (x: Tensor) => formula(logSoftmax(x, x.ndim === 1 ? 0 : 1), ctx.saved(1), weight, ctx.params);
        return gradientsOf(loss, [logits], ctx.needs, g)[0]!;
      }
      const dLogits = like(logits);
      const inputs = [g, logits, ctx.saved(1), weighted ? ctx.saved(4) : null, ctx.saved(2), ctx.saved(3)] as const;
      run(Op.crossEntropyBackward, [...inputs], [dLogits], [reduction, ignoreIndex, labelSmoothing]);
      return dLogits;
    },
  ],
});

const nllLossOp = defineOp({
  name: 'nllLoss',
  forward(ctx: Context<ClassKept>, logProbs: Tensor, target: Tensor, weight: Tensor | null, kept: ClassKept): Tensor {
    const { device, dtype } = logProbs;
    const loss = fresh(kept.reduction === 0 ? target.shape : [], dtype, device);
    const totalWeight = fresh([], accumulator(dtype), device);
    run(Op.nllLoss, [logProbs, target, weight], [loss, totalWeight], [kept.reduction, kept.ignoreIndex]);
    rememberOrigin();
    ctx.save(target, totalWeight, ...(weight ? [weight] : []));
    ctx.keep(kept);
    return loss;
  },
  gradients: [
    (g, ctx) => {
      const { reduction, ignoreIndex, shape, weighted } = ctx.params;
      if (isDeriving()) {
        // It is linear: where it is differentiated does not matter.
        const at = fullKernel(shape, 0, g.dtype, g.device).requiresGrad_();
        const loss = (x: Tensor) => formula(x, ctx.saved(0), weighted ? ctx.saved(2) : null, ctx.params);
        return gradientsOf(loss, [at], [true], g)[0]!;
      }
      const dLogProbs = fresh(shape, g.dtype, g.device);
      run(Op.nllLossBackward, [g, ctx.saved(0), weighted ? ctx.saved(2) : null, ctx.saved(1)], [dLogProbs], [reduction, ignoreIndex]);
      return dLogProbs;
    },
  ],
});

function checkClasses(input: Tensor, weight: Tensor | null | undefined, where: string): number {
  checkFloat(input, where);
  if (input.ndim === 0)
    throw new ShapeError(`${where}: expected input [N, C, ...] or [C], got a tensor without dimensions`);
  const classes = input.shape[input.ndim === 1 ? 0 : 1]!;
  if (classes === 0) throw new ShapeError(`${where}: input ${formatShape(input.shape)} has no classes`);
  if (weight) {
    checkTensor(weight, where, 'weight');
    if (weight.ndim !== 1 || weight.shape[0] !== classes)
      throw new ShapeError(`${where}: weight must be [${classes}], one number per class, got ${formatShape(weight.shape)}`);
    checkSameDType(input, weight, where, 'input', 'weight');
    if (weight.requiresGrad && isGradEnabled())
      throw new AutogradError(`${where}: there is no gradient with respect to weight; pass weight.detach()`);
  }
  return classes;
}

// One class number for each sample, or place in one.
const labelShape = (input: Tensor): Shape => (input.ndim === 1 ? [] : [input.shape[0]!, ...input.shape.slice(2)]);
// tensor([0, 1, 2]) is float32.
const CONVERT = "give tensor(labels, { dtype: 'int64' }) or target.to('int64')";

function classLoss(
  op: typeof crossEntropyOp,
  where: string,
  input: Tensor,
  target: Tensor,
  { weight = null, ignoreIndex = -100, reduction, labelSmoothing = 0 }: CrossEntropyOptions,
): Tensor {
  if (target.dtype !== 'int64' && target.dtype !== 'int32' && target.dtype !== 'uint8')
    throw new DTypeError(`${where}: targets that are class numbers must be int64, int32 or uint8, got ${target.dtype}; ${CONVERT}`);
  const shape = labelShape(input);
  if (!sameShape(target.shape, shape))
    throw new ShapeError(
      `${where}: expected target ${formatShape(shape)} for input ${formatShape(input.shape)}, got ${formatShape(target.shape)}`,
    );
  if (!Number.isSafeInteger(ignoreIndex))
    throw new ArgumentError(`${where}: ignoreIndex must be an integer, got ${String(ignoreIndex)}`);
  const code = reductions.indexOf(checkReduction(reduction, where));
  return op(input, target, weight, { reduction: code, ignoreIndex, labelSmoothing, shape: input.shape, weighted: weight !== null });
}

/**
 * Cross entropy of softmax(input): the loss of classification networks, from their raw scores.
 *
 * @param scores [N, C], [N, C, ...] or [C]: one per class, floating
 * @param target class numbers, int64, int32 or uint8: [N], [N, ...] or []; or probabilities: floating, the scores' shape
 * @param options labelSmoothing is that of Szegedy et al., arXiv:1512.00567. The mean of class-number targets is
 * weighted: it divides by the sum of the weights of the targets that count.
 * @returns a scalar; with reduction 'none' one loss per target
 * @throws ShapeError when the shapes do not fit; DTypeError; ArgumentError for options out of range. A class number
 * outside [0, C) other than ignoreIndex is found while the operation runs: reading the loss, or anything computed from
 * it, throws IndexError.
 */
export function crossEntropy(scores: Tensor, target: Tensor, options?: CrossEntropyOptions): Tensor {
  options = crossEntropyOptions('crossEntropy', options, arguments.length > 3);
  const where = 'crossEntropy';
  const input = full(checkTensor(scores, where));
  checkTensor(target, where, 'target');
  checkClasses(input, options.weight, where);
  if (options.labelSmoothing !== undefined) checkNumber(options.labelSmoothing, 0, 1, where, 'labelSmoothing');
  return isFloating(target.dtype) ? softCrossEntropy(input, full(target), options) : classLoss(crossEntropyOp, where, input, target, options);
}

function softCrossEntropy(input: Tensor, target: Tensor, options: CrossEntropyOptions): Tensor {
  const { weight = null, labelSmoothing = 0 } = options;
  const reduction = checkReduction(options.reduction, 'crossEntropy');
  if (!sameShape(input.shape, target.shape))
    throw new ShapeError(
      `crossEntropy: targets that are probabilities must have the input's shape ${formatShape(input.shape)}, ` +
        `got ${formatShape(target.shape)}${sameShape(target.shape, labelShape(input)) ? `; for class numbers ${CONVERT}` : ''}`,
    );
  if (options.ignoreIndex !== undefined && options.ignoreIndex >= 0)
    throw new ArgumentError('crossEntropy: ignoreIndex is for targets that are class numbers');
  checkSameDType(input, target, 'crossEntropy', 'input', 'probabilities');
  const dim = input.ndim === 1 ? 0 : 1;
  const classes = input.shape[dim]!;
  const smooth = labelSmoothing > 0 ? add(mul(target, 1 - labelSmoothing), labelSmoothing / classes) : target;
  let losses = neg(mul(logSoftmax(input, dim), smooth));
  if (weight) losses = mul(losses, reshape(weight, input.shape.map((_, i) => (i === dim ? classes : 1))));
  if (reduction === 'none') return sum(losses, dim);
  return reduction === 'sum' ? sum(losses) : mul(mean(losses), classes);
}

/**
 * Negative log likelihood, from the logarithms of probabilities such as logSoftmax() gives.
 *
 * @param logProbs [N, C], [N, C, ...] or [C], floating
 * @param target class numbers, int64, int32 or uint8: [N], [N, ...] or []
 * @returns and throws as crossEntropy
 */
export function nllLoss(logProbs: Tensor, target: Tensor, options?: NllLossOptions): Tensor {
  options = nllLossOptions('nllLoss', options, arguments.length > 3);
  const input = full(checkTensor(logProbs, 'nllLoss'));
  checkTensor(target, 'nllLoss', 'target');
  checkClasses(input, options.weight, 'nllLoss');
  return classLoss(nllLossOp, 'nllLoss', input, target, options);
}
