// SPDX-License-Identifier: Apache-2.0
// The gradients of the native gradients: each of these is the incoming gradient times a slope that depends on the operands.
// Where a gradient is differentiated itself, the native operation still computes it, and what stands here its derivatives:
// with respect to the incoming gradient the same operation once more, with respect to the operands by way of the slope.
import { gradientsOf } from '../autograd/engine.js';
import { defineOp, type Context } from '../autograd/op.js';
import { Op } from '../native/ops.gen.js';
import type { Tensor } from '../tensor/tensor.js';
import { logsigmoid, sigmoid, tanh } from './activation.js';
import { binaryKernel, recordedBy, sumTo, ternaryKernel, type BinaryId } from './kernels.js';
import { abs, add, clamp, div, erf, exp, ge, gt, le, log, logicalAnd, lt, mul, neg, pow, square, sub, where } from './pointwise.js';

type Side = Tensor | number;
type Slope = (s: Tensor, attrs: readonly number[]) => Tensor;

// ---- of one operand --------------------------------------------------------------------------------------------------

// Without a slope it is constant nearly everywhere.
function unaryGradient(name: string, op: BinaryId, slope: Slope | null): void {
  const apply = defineOp({
    name,
    forward(ctx: Context<readonly number[]>, g: Tensor, s: Tensor, attrs: readonly number[]): Tensor {
      ctx.save(g, s);
      ctx.keep(attrs);
      return binaryKernel(op, g, s, attrs);
    },
    gradients: [
      (u, ctx) => sumTo(binaryKernel(op, u, ctx.saved(1), ctx.params), ctx.saved(0).shape),
      slope &&
        ((u, ctx) => {
          const s = ctx.saved(1);
          return gradientsOf((t: Tensor) => slope(t, ctx.params), [s], [true], sumTo(binaryKernel(Op.mul, u, ctx.saved(0)), s.shape))[0]!;
        }),
    ],
  });
  recordedBy(op, ([g, s], attrs) => apply(g as Tensor, s as Tensor, attrs));
}

const constant: readonly [string, BinaryId][] = [
  ['abs', Op.absBackward],
  ['relu', Op.reluBackward],
  ['clamp', Op.clampBackward],
  ['leakyRelu', Op.leakyReluBackward],
  ['threshold', Op.thresholdBackward],
  ['hardtanh', Op.hardtanhBackward],
  ['hardsigmoid', Op.hardsigmoidBackward],
  ['hardshrink', Op.shrinkBackward],
];
for (const [name, op] of constant) unaryGradient(name, op, null);

const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;
const between = (x: Tensor, low: number, high: number) => logicalAnd(gt(x, low), lt(x, high));
const softplusOf = (x: Tensor) => neg(logsigmoid(neg(x)));
const normalDensity = (x: Tensor) => mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));

// Of the result y, where the gradient saves it, else of the argument x.
const slopes: readonly [string, BinaryId, Slope][] = [
  ['sqrt', Op.sqrtBackward, (y) => div(0.5, y)],
  ['rsqrt', Op.rsqrtBackward, (y) => mul(mul(square(y), y), -0.5)],
  ['reciprocal', Op.reciprocalBackward, (y) => neg(square(y))],
  ['erf', Op.erfBackward, (x) => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))],
  ['sigmoid', Op.sigmoidBackward, (y) => mul(sub(1, y), y)],
  ['tanh', Op.tanhBackward, (y) => sub(1, square(y))],
  ['silu', Op.siluBackward, (x) => mul(sigmoid(x), add(mul(x, sigmoid(neg(x))), 1))],
  ['logsigmoid', Op.logsigmoidBackward, (x) => sigmoid(neg(x))],
  ['hardswish', Op.hardswishBackward, (x) => where(between(x, -3, 3), add(div(x, 3), 0.5), where(gt(x, 0), 1, mul(x, 0)))],
  ['elu', Op.eluBackward, (x, [alpha]) => where(gt(x, 0), 1, mul(exp(clamp(x, null, 0)), alpha!))],
  ['selu', Op.seluBackward, (x) => where(gt(x, 0), SELU_SCALE, mul(exp(clamp(x, null, 0)), SELU_SCALE * SELU_ALPHA))],
  ['celu', Op.celuBackward, (x, [alpha]) => where(gt(x, 0), 1, exp(clamp(div(x, alpha!), alpha! > 0 ? null : 0, alpha! > 0 ? 0 : null)))],
  ['softplus', Op.softplusBackward, (x, [beta, threshold]) => where(gt(mul(x, beta!), threshold!), 1, sigmoid(mul(x, beta!)))],
  [
    'gelu',
    Op.geluBackward,
    (x, [approximate]) => {
      if (!approximate) return add(mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5), mul(x, normalDensity(x)));
      const root = Math.sqrt(2 / Math.PI);
      const t = tanh(mul(add(x, mul(mul(square(x), x), 0.044715)), root));
      const inner = mul(add(mul(square(x), 3 * 0.044715), 1), root);
      return add(mul(add(t, 1), 0.5), mul(mul(mul(x, 0.5), sub(1, square(t))), inner));
    },
  ],
  [
    'mish',
    Op.mishBackward,
    (x) => {
      const t = tanh(softplusOf(x));
      return add(t, mul(mul(x, sigmoid(x)), sub(1, square(t))));
    },
  ],
  [
    'smoothL1Loss',
    Op.smoothL1Backward,
    (x, [beta, scale]) => (beta === 0 ? mul(x, 0) : where(lt(abs(x), beta!), mul(x, scale! / beta!), where(gt(x, 0), scale!, mul(x, 0)))),
  ],
  ['prelu', Op.preluBackwardWeight, (x) => where(gt(x, 0), 0, x)],
];
for (const [name, op, slope] of slopes) unaryGradient(name, op, slope);

// ---- of two operands -------------------------------------------------------------------------------------------------

type TernaryId = Parameters<typeof ternaryKernel>[0];
type Slope2 = (b: Side, c: Side) => Tensor;

// The slope as a function of both operands; null: constant nearly everywhere.
function binaryGradient(name: string, op: TernaryId, slope: Slope2 | null): void {
  const apply = defineOp({
    name,
    inputs: 3,
    forward(ctx: Context<readonly [Side | null, Side | null]>, g: Tensor, b: Tensor | null, c: Tensor | null, x: Side, y: Side): Tensor {
      const tensors = [b, c].filter((t): t is Tensor => t !== null);
      ctx.save(g, ...tensors);
      ctx.keep([b ? null : x, c ? null : y]);
      return ternaryKernel(op, g, x, y);
    },
    backward([u], ctx) {
      const g = ctx.saved(0);
      const [x, y] = ctx.params;
      const b = x ?? ctx.saved(1);
      const c = y ?? ctx.saved(x === null ? 2 : 1);
      const dG = ctx.needs[0] ? sumTo(ternaryKernel(op, u!, b, c), g.shape) : null;
      if (!slope || !(ctx.needs[1] || ctx.needs[2])) return [dG, zerosFor(ctx.needs[1], b), zerosFor(ctx.needs[2], c)];
      const own = [x === null ? (b as Tensor) : null, y === null ? (c as Tensor) : null] as const;
      const formula = (p: Tensor | null, q: Tensor | null) => slope(p ?? b, q ?? c);
      const scaled = binaryKernel(Op.mul, u!, g);
      return [dG, ...gradientsOf(formula, [...own], [ctx.needs[1]!, ctx.needs[2]!], scaled)];
    },
  });
  recordedBy(op, ([g, b, c]) => apply(g as Tensor, tensorOrNull(b!), tensorOrNull(c!), b!, c!));
}

const tensorOrNull = (x: Side) => (typeof x === 'number' ? null : x);
const zerosFor = (needed: boolean | undefined, x: Side) => (needed ? binaryKernel(Op.mul, (x as Tensor).detach(), 0) : null);

binaryGradient('div', Op.divBackward, (a, b) => neg(div(div(a, b), b)));
binaryGradient('pow', Op.powBackwardBase, (a, b) => {
  if (typeof b === 'number') return b === 0 ? mul(a, 0) : mul(pow(a, b - 1), b);
  return mul(b, pow(a, sub(b, 1)));
});
binaryGradient('pow', Op.powBackwardExponent, (a, b) => {
  if (typeof a === 'number') return mul(pow(a, b), Math.log(a));
  // As in the native operation: 0 at a base of 0.
  const zero = typeof b === 'number' ? logicalAnd(le(abs(a), 0), ge(mul(a, 0), -b)) : logicalAnd(le(abs(a), 0), ge(b, 0));
  return where(zero, 0, mul(pow(a, b), log(where(zero, 1, a))));
});
binaryGradient('maximum', Op.maximumBackward, null);
binaryGradient('minimum', Op.minimumBackward, null);
binaryGradient('binaryCrossEntropyWithLogits', Op.bceWithLogitsBackward, (x, t) => sub(sigmoid(x as Tensor), t));
binaryGradient('binaryCrossEntropy', Op.bceBackward, (x, t) => div(sub(x, t), clamp(mul(sub(1, x), x), 1e-12)));
binaryGradient('prelu', Op.preluBackward, (x, w) => where(gt(x, 0), 1, w));
