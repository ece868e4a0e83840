// SPDX-License-Identifier: Apache-2.0
// Normalisation by sample: of groups of channels, of the last dimensions, of single channels. One native operation
// serves all: a layer is a group of one row, an instance a group of one channel.
import { withoutGrad } from '../autograd/mode.js';
import { isDeriving } from '../autograd/deriving.js';
import { gradientsOf } from '../autograd/engine.js';
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import type { DType } from '../tensor/dtype.js';
import { givenShape, formatShape, sameShape, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkInteger, checkNumber } from './checks.js';
import { add_, mul_ } from './inplace.js';
import { batchNormFused, checkRank, checkVector, dense, freshLike, freshVector, laidOutAs, normalizedBy, statisticsDType } from './normalization.js';
import { fullKernel } from './kernels.js';
import { add, mul } from './pointwise.js';
import { cast } from './promote.js';
import { mean as meanOf, variance } from './reduce.js';
import { reshape } from './view.js';

interface GroupsKept {
  readonly groups: number;
  readonly eps: number;
  readonly weight: boolean;
  readonly bias: { shape: Shape; dtype: DType } | null;
}

// The gradients by a formula, where they are to be differentiated themselves.
function recordedGradients(grad: Tensor, ctx: Context<GroupsKept>): (Tensor | null)[] {
  const { groups, eps, weight: hasWeight, bias } = ctx.params;
  const x = ctx.saved(0);
  const byChannel = (t: Tensor) => reshape(t, x.shape.map((n, i) => (i === 1 ? n : 1)));
  const grouped = [x.shape[0]!, groups, x.numel / Math.max(1, x.shape[0]! * groups)];
  const formula = (t: Tensor, w: Tensor | null, b: Tensor | null): Tensor => {
    let y = reshape(normalizedBy(reshape(t, grouped), [2], eps), x.shape);
    if (w) y = mul(y, byChannel(w));
    if (b) y = add(y, byChannel(b));
    return cast(y, t.dtype);
  };
  // Its value does not matter for any gradient.
  const anyBias = ctx.needs[2] ? fullKernel(bias!.shape, 0, bias!.dtype, x.device).requiresGrad_() : null;
  return gradientsOf(formula, [x, hasWeight ? ctx.saved(3) : null, anyBias], ctx.needs, grad);
}

const groupNormOp = (name: string) => defineOp({
  name,
  inputs: 3,
  forward(ctx: Context<GroupsKept>, x: Tensor, weight: Tensor | null, bias: Tensor | null, groups: number, eps: number): Tensor {
    const y = freshLike(x);
    const statistic = () => fresh([x.shape[0]!, groups], statisticsDType(x.dtype), x.device);
    const [mean, invStd] = [statistic(), statistic()];
    run(Op.groupNorm, [x, weight, bias], [y, mean, invStd], [groups, eps]);
    ctx.keep({ groups, eps, weight: weight !== null, bias });
    ctx.save(x, mean, invStd, weight ?? x);
    return y;
  },
  backward([grad], ctx) {
    if (isDeriving()) return recordedGradients(grad!, ctx);
    const { groups, weight: hasWeight, bias } = ctx.params;
    const [needsX, needsWeight, needsBias] = ctx.needs;
    const x = ctx.saved(0);
    const weight = hasWeight ? ctx.saved(3) : null;
    const dX = needsX ? freshLike(x) : null;
    const dWeight = needsWeight ? freshVector(weight!) : null;
    const dBias = needsBias ? fresh(bias!.shape, bias!.dtype, x.device) : null;
    run(Op.groupNormBackward, [laidOutAs(x, grad!), x, ctx.saved(1), ctx.saved(2), weight], [dX, dWeight, dBias], [groups]);
    return [dX, dWeight, dBias];
  },
});

const [groupNormCall, layerNormCall, instanceNormCall] = ['groupNorm', 'layerNorm', 'instanceNorm'].map(groupNormOp) as [
  ReturnType<typeof groupNormOp>,
  ReturnType<typeof groupNormOp>,
  ReturnType<typeof groupNormOp>,
];

export interface NormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
}
const normOptions = optionsOf<NormOptions>({ eps: number });

/**
 * Group normalisation (Wu and He, arXiv:1803.08494): channels are divided into groups, and each group of each sample is
 * normalised by its own mean and (biased) variance; then weight and bias are applied by channel.
 *
 * @param x [N, C] or [N, C, spatial...] of at most 5 dimensions, floating
 * @param numGroups divides C
 * @param weight [C], by default 1; of x's dtype, or of float32 where that is float16 or bfloat16
 * @param bias [C], by default 0
 * @returns x's shape, dtype and memory layout
 * @throws ShapeError for groups that do not divide the channels, a wrong weight or bias, and an input of a single value
 * per group; DTypeError; ArgumentError for options out of range
 */
export function groupNorm(
  x: Tensor,
  numGroups: number,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options?: NormOptions,
): Tensor {
  const { eps = 1e-5 } = normOptions('groupNorm', options, arguments.length > 5);
  const where = 'groupNorm';
  checkRank(x, where);
  checkInteger(numGroups, 1, where, 'numGroups');
  checkNumber(eps, 0, Infinity, where, 'eps');
  if (x.shape[1]! % numGroups !== 0)
    throw new ShapeError(`${where}: ${numGroups} groups do not divide the ${x.shape[1]} channels of input ${formatShape(x.shape)}`);
  if (weight) checkVector(x, weight, where, 'weight');
  if (bias) checkVector(x, bias, where, 'bias');
  if (x.numel === numGroups)
    throw new ShapeError(`${where}: more than one value per group is needed, got input ${formatShape(x.shape)}`);
  return groupNormCall(dense(x), weight, bias, numGroups, eps);
}

/**
 * Layer normalisation (Ba et al., arXiv:1607.06450): over the last dimensions, those of `normalizedShape`, of each
 * sample; then weight and bias are applied by element.
 *
 * @param x [..., ...normalizedShape], floating
 * @param weight normalizedShape, by default 1; of x's dtype, or of float32 where that is float16 or bfloat16
 * @param bias normalizedShape, by default 0
 * @returns x's shape and dtype, row-major
 * @throws ShapeError for another shape of x, weight or bias; DTypeError; ArgumentError for options out of range
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: number | readonly number[],
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options?: NormOptions,
): Tensor {
  const { eps = 1e-5 } = normOptions('layerNorm', options, arguments.length > 5);
  const where = 'layerNorm';
  checkTensor(x, where);
  const shape = givenShape(typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape, where);
  checkNumber(eps, 0, Infinity, where, 'eps');
  checkFloat(x, where);
  const outer = x.ndim - shape.length;
  if (shape.length === 0) throw new ArgumentError(`${where}: normalizedShape must have at least one dimension`);
  if (outer < 0 || !sameShape(x.shape.slice(outer), shape))
    throw new ShapeError(
      `${where}: expected input [${['...', ...shape].join(', ')}], got ${formatShape(x.shape)}`,
    );
  const size = shape.reduce((a, b) => a * b, 1);
  const rows = x.shape.slice(0, outer).reduce((a, b) => a * b, 1);
  const flat = reshape(x, [rows, size]);
  const vector = (t: Tensor | null, name: string) => {
    if (!t) return null;
    checkTensor(t, where, name);
    if (!sameShape(t.shape, shape))
      throw new ShapeError(`${where}: ${name} must be ${formatShape(shape)}, as normalizedShape, got ${formatShape(t.shape)}`);
    const result = reshape(t, [size]);
    checkVector(flat, result, where, name);
    return result;
  };
  return reshape(layerNormCall(dense(flat), vector(weight, 'weight'), vector(bias, 'bias'), 1, eps), x.shape);
}

export interface InstanceNormOptions extends NormOptions {
  /** Normalise by each sample's own statistics, and update the running ones if given. Default true. */
  useInputStats?: boolean;
  /** How much of the samples' mean statistics goes into the running ones. Default 0.1. */
  momentum?: number;
}
const instanceNormOptions = optionsOf<InstanceNormOptions>({
  ...normOptions.schema,
  useInputStats: boolean,
  momentum: number,
});

/**
 * Instance normalisation (Ulyanov et al., arXiv:1607.08022): each channel of each sample by its own mean and variance,
 * or, without useInputStats, by the running ones.
 *
 * @param x [N, C, spatial...] of at most 5 dimensions, floating
 * @param runningMean [C]; as all parameters of x's dtype, or of float32 where that is float16 or bfloat16
 * @param runningVar [C]
 * @param weight [C], by default 1
 * @param bias [C], by default 0
 * @returns x's shape, dtype and memory layout
 * @throws ShapeError for another number of channels, and for a single value per channel; DTypeError; ArgumentError for
 * options out of range, and without running statistics when they are to be used
 */
export function instanceNorm(
  x: Tensor,
  runningMean: Tensor | null = null,
  runningVar: Tensor | null = null,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options?: InstanceNormOptions,
): Tensor {
  const { useInputStats = true, momentum = 0.1, eps = 1e-5 } = instanceNormOptions('instanceNorm', options, arguments.length > 6);
  return instanceNormFrom('instanceNorm', x, runningMean, runningVar, weight, bias, { useInputStats, momentum, eps });
}

/** @internal instanceNorm() under another name. */
export function instanceNormFrom(
  where: string,
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  weight: Tensor | null,
  bias: Tensor | null,
  { useInputStats, momentum, eps }: Required<InstanceNormOptions>,
): Tensor {
  checkRank(x, where);
  checkNumber(momentum, 0, 1, where, 'momentum');
  checkNumber(eps, 0, Infinity, where, 'eps');
  if (!useInputStats) {
    if (!runningMean || !runningVar)
      throw new ArgumentError(`${where}: runningMean and runningVar are needed when useInputStats is false`);
    const running = { mean: runningMean, var: runningVar, batches: null };
    return batchNormFused(where, x, weight, bias, running, { training: false, momentum, eps, relu: false });
  }
  for (const [t, name] of [
    [weight, 'weight'],
    [bias, 'bias'],
    [runningMean, 'runningMean'],
    [runningVar, 'runningVar'],
  ] as const)
    if (t) checkVector(x, t, where, name);
  const [samples, channels] = [x.shape[0]!, x.shape[1]!];
  if (x.numel === samples * channels && x.numel > 0)
    throw new ShapeError(`${where}: more than one value per channel is needed, got input ${formatShape(x.shape)}`);
  if (x.numel > 0)
    withoutGrad(() => {
      const spatial = [...x.shape.keys()].slice(2);
      const update = (running: Tensor, statistic: (wide: Tensor) => Tensor) => {
        const wide = running.dtype === x.dtype ? x : cast(x, running.dtype);
        add_(mul_(running, 1 - momentum), mul(meanOf(statistic(wide), 0), momentum));
      };
      if (runningMean) update(runningMean, (t) => meanOf(t, spatial));
      if (runningVar) update(runningVar, (t) => variance(t, spatial));
    });
  return channels === 0 ? x : instanceNormCall(dense(x), weight, bias, channels, eps);
}
