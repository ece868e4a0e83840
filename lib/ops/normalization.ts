// SPDX-License-Identifier: Apache-2.0
// Batch normalisation, and what all normalisations share.
import { isDeriving } from '../autograd/deriving.js';
import { gradientsOf } from '../autograd/engine.js';
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, DTypeError, ShapeError } from '../native/errors.js';
import { boolean, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import type { DType } from '../tensor/dtype.js';
import {
  formatShape,
  isChannelsLast,
  isContiguous,
  sameShape,
} from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkNumber, checkSameDType } from './checks.js';
import { mutate } from './inplace.js';
import { binaryKernel, copyKernel } from './kernels.js';
import { add, gt, mul, rsqrt, square, sub, where } from './pointwise.js';
import { mean as meanOf } from './reduce.js';
import { contiguous, reshape, to } from './view.js';

/** Statistics of half types are float32. */
export const statisticsDType = (dtype: DType): DType => (dtype === 'float64' ? 'float64' : 'float32');

/** x as the native operations take it: row-major or channels-last. */
export function dense(x: Tensor): Tensor {
  if (isContiguous(x.shape, x.strides) || isChannelsLast(x.shape, x.strides)) return x;
  return contiguous(x, x.ndim > 2 ? 'channelsLast' : 'contiguous');
}

/** t laid out in memory as x is. */
export function laidOutAs(x: Tensor, t: Tensor): Tensor {
  const same = x.strides.every((stride, i) => stride === t.strides[i] || x.shape[i] === 1);
  return same ? t : copyKernel(t, t.dtype, x.strides);
}

export const freshLike = (t: Tensor): Tensor => fresh(t.shape, t.dtype, t.device, t.strides);
export const freshVector = (t: Tensor): Tensor => fresh(t.shape, t.dtype, t.device);

// ---- batch normalisation ---------------------------------------------------------------------------------------------

/** Running statistics, which a training pass updates. */
interface Running {
  readonly mean: Tensor | null;
  readonly var: Tensor | null;
  /** int64 count of the training passes, or null. */
  readonly batches: Tensor | null;
}

interface BatchNormRules {
  readonly training: boolean;
  /** NaN: 1 / batches. */
  readonly momentum: number;
  readonly eps: number;
  readonly relu: boolean;
}

// How the native backward pass finds where relu let its input pass. What it needs for that costs less to compute
// from x again than to read from y.
const NO_RELU = 0;
const BY_RESULT = 1;
const BY_INPUT = 2;

interface Kept {
  readonly training: boolean;
  readonly eps: number;
  readonly relu: typeof NO_RELU | typeof BY_RESULT | typeof BY_INPUT;
  readonly weight: boolean;
  readonly bias: boolean;
}

/** (x - mean) * factor * weight + bias over `dims`, from operations that are recorded; statistics of half types are float32. */
export function normalizedBy(x: Tensor, dims: readonly number[], eps: number, given?: { mean: Tensor; invStd: Tensor }): Tensor {
  const wide = to(x, statisticsDType(x.dtype));
  const centred = sub(wide, given ? given.mean : meanOf(wide, dims, { keepdim: true }));
  if (given) return mul(centred, given.invStd);
  return mul(centred, rsqrt(add(meanOf(square(centred), dims, { keepdim: true }), eps)));
}

// The gradients by a formula, where they are to be differentiated themselves. What relu lets pass is a constant.
function recordedGradients(grad: Tensor, ctx: Context<Kept>): (Tensor | null)[] {
  const { training, eps, relu, weight: hasWeight, bias: hasBias } = ctx.params;
  const x = ctx.saved(0);
  const byChannel = (t: Tensor) => reshape(t, x.shape.map((n, i) => (i === 1 ? n : 1)));
  const dims = [...x.shape.keys()].filter((i) => i !== 1);
  const given = training ? undefined : { mean: byChannel(ctx.constant(1)), invStd: byChannel(ctx.constant(2)) };
  const formula = (t: Tensor, w: Tensor | null, b: Tensor | null): Tensor => {
    let y = normalizedBy(t, dims, eps, given);
    if (w) y = mul(y, byChannel(w));
    if (b) y = add(y, byChannel(b));
    return to(y, t.dtype);
  };
  const inputs = [x, hasWeight ? ctx.saved(3) : null, hasBias ? ctx.saved(4) : null] as const;
  let g = grad;
  if (relu === BY_RESULT) g = binaryKernel(Op.reluBackward, g, ctx.saved(5));
  if (relu === BY_INPUT) g = where(gt(formula(...inputs), 0), g, 0);
  return [...gradientsOf((...own: [Tensor, Tensor | null, Tensor | null]) => formula(...own), [...inputs], ctx.needs, g), ctx.needs[3] ? g : null];
}

const batchNormOp = defineOp({
  name: 'batchNorm',
  inputs: 4,
  forward(
    ctx: Context<Kept>,
    x: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    residual: Tensor | null,
    running: Running,
    { training, momentum, eps, relu }: BatchNormRules,
  ): Tensor {
    const added = residual && laidOutAs(x, residual);
    const y = freshLike(x);
    const statistic = () => fresh([x.shape[1]!], statisticsDType(x.dtype), x.device);
    const invStd = statistic();
    let mean = running.mean;
    if (training) {
      mean = statistic();
      for (const t of [running.mean, running.var, running.batches]) if (t) mutate(t, 'batchNorm');
      run(Op.batchNorm, [x, weight, bias, added], [y, mean, invStd, running.mean, running.var, running.batches], [
        momentum,
        eps,
        relu ? 1 : 0,
      ]);
    } else {
      run(Op.batchNormInference, [x, mean!, running.var!, weight, bias, added], [y, invStd], [eps, relu ? 1 : 0]);
    }
    const mask = !relu ? NO_RELU : residual ? BY_RESULT : BY_INPUT;
    ctx.keep({ training, relu: mask, weight: weight !== null, bias: bias !== null, eps });
    ctx.save(x, mean!, invStd, weight ?? x, bias ?? x, mask === BY_RESULT ? y : x);
    return y;
  },
  backward([grad], ctx) {
    if (isDeriving()) return recordedGradients(grad!, ctx);
    const { training, relu, weight: hasWeight, bias: hasBias } = ctx.params;
    const [needsX, needsWeight, needsBias, needsResidual] = ctx.needs;
    const [x, mean, invStd] = [ctx.saved(0), ctx.saved(1), ctx.saved(2)];
    const weight = hasWeight ? ctx.saved(3) : null;
    const bias = hasBias ? ctx.saved(4) : null;
    const y = relu === BY_RESULT ? ctx.saved(5) : null;
    const g = laidOutAs(x, grad!);
    const masked = needsResidual && relu !== NO_RELU;
    if (!needsX && !needsWeight && !needsBias)
      return [null, null, null, masked ? binaryKernel(Op.reluBackward, g, y!) : grad!];
    const dX = needsX ? freshLike(x) : null;
    const dWeight = needsWeight ? freshVector(weight!) : null;
    const dBias = needsBias ? freshVector(bias!) : null;
    const dResidual = masked ? freshLike(x) : null;
    run(Op.batchNormBackward, [g, x, mean, invStd, weight, bias, y], [dX, dWeight, dBias, dResidual], [training ? 1 : 0, relu]);
    return [dX, dWeight, dBias, needsResidual ? (dResidual ?? grad!) : null];
  },
});

/** What all but layerNorm take. */
export function checkRank(x: Tensor, where: string): void {
  checkTensor(x, where);
  if (x.ndim < 2 || x.ndim > 5)
    throw new ShapeError(`${where}: expected input [N, C] or [N, C, ...] of at most 5 dimensions, got ${formatShape(x.shape)}`);
  checkFloat(x, where);
}

/** @throws unless t is one number per channel, of the input's dtype or, for half types, of float32 */
export function checkVector(x: Tensor, t: Tensor, where: string, name: string): void {
  checkTensor(t, where, name);
  const channels = x.shape[1]!;
  if (t.ndim !== 1 || t.shape[0] !== channels)
    throw new ShapeError(
      `${where}: ${name} must be [${channels}], one number per channel of input ${formatShape(x.shape)}, got ${formatShape(t.shape)}`,
    );
  if (t.dtype !== x.dtype && !(t.dtype === 'float32' && (x.dtype === 'float16' || x.dtype === 'bfloat16')))
    throw new DTypeError(
      `${where}: ${name} must have the input's dtype, or float32 where that is float16 or bfloat16; got ${t.dtype} for ${x.dtype}`,
    );
}

/** @internal batchNorm(), then + residual if given, then relu if asked for, as one operation. */
export function batchNormFused(
  where: string,
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  running: Running,
  rules: BatchNormRules,
  residual: Tensor | null = null,
): Tensor {
  checkRank(x, where);
  for (const [t, name] of [
    [weight, 'weight'],
    [bias, 'bias'],
    [running.mean, 'runningMean'],
    [running.var, 'runningVar'],
  ] as const)
    if (t) checkVector(x, t, where, name);
  checkNumber(rules.eps, 0, Infinity, where, 'eps');
  if (!rules.training && !(running.mean && running.var))
    throw new ArgumentError(`${where}: runningMean and runningVar are needed when training is false`);
  if (rules.training && x.numel === x.shape[1])
    throw new ShapeError(
      `${where}: training needs more than one value per channel, got input ${formatShape(x.shape)}`,
    );
  if (residual) {
    checkTensor(residual, where, 'residual');
    checkSameDType(x, residual, where, 'input', 'residual');
    if (!sameShape(x.shape, residual.shape))
      throw new ShapeError(
        `${where}: residual must have the input's shape ${formatShape(x.shape)}, got ${formatShape(residual.shape)}`,
      );
  }
  return batchNormOp(dense(x), weight, bias, residual, running, rules);
}

export interface BatchNormOptions {
  /** Normalise by the batch's own statistics and update the running ones. Default false. */
  training?: boolean;
  /** How much of the batch's statistics goes into the running ones. Default 0.1. */
  momentum?: number;
  /** Added to the variance. Default 1e-5. */
  eps?: number;
}
const batchNormOptions = optionsOf<BatchNormOptions>({ training: boolean, momentum: number, eps: number });

/**
 * Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167):
 * (x - mean) / sqrt(var + eps) * weight + bias, by channel. In training, mean and variance are the batch's, over all
 * dimensions but the second; the running ones, if given, become (1 - momentum) * running + momentum * the batch's (with
 * the unbiased variance), in place. Otherwise they are the running ones.
 *
 * @param x [N, C] or [N, C, spatial...] of at most 5 dimensions, floating
 * @param runningMean [C]; as all parameters of x's dtype, or of float32 where that is float16 or bfloat16
 * @param runningVar [C]
 * @param weight [C], by default 1
 * @param bias [C], by default 0
 * @returns x's shape, dtype and memory layout
 * @throws ShapeError for another number of channels, and in training for a single value per channel; DTypeError;
 * ArgumentError for options out of range, and without running statistics when not training
 */
export function batchNorm(
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options?: BatchNormOptions,
): Tensor {
  const { training = false, momentum = 0.1, eps = 1e-5 } = batchNormOptions('batchNorm', options, arguments.length > 6);
  checkNumber(momentum, 0, 1, 'batchNorm', 'momentum');
  const running = { mean: runningMean, var: runningVar, batches: null };
  return batchNormFused('batchNorm', x, weight, bias, running, { training, momentum, eps, relu: false });
}

/** @internal relu(batchNorm(...) + residual) in one operation. */
export function batchNormRelu(
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  weight: Tensor | null,
  bias: Tensor | null,
  residual: Tensor | null,
  { training = false, momentum = 0.1, eps = 1e-5 }: BatchNormOptions = {},
): Tensor {
  const running = { mean: runningMean, var: runningVar, batches: null };
  return batchNormFused('batchNorm', x, weight, bias, running, { training, momentum, eps, relu: true }, residual);
}
