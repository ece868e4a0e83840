// SPDX-License-Identifier: Apache-2.0
// Elementwise operations. Binary ones broadcast their operands as NumPy does and promote dtypes as PyTorch does.
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError } from '../native/errors.js';
import { noMore, nullable, oneOf, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { rememberOrigin, run } from '../native/run.js';
import { isFloating, promoteDTypes, type DType } from '../tensor/dtype.js';
import { broadcastShapes } from '../tensor/shape.js';
import { checkTensor, describeValue, fresh, Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import {
  binaryKernel,
  copyKernel,
  fullKernel,
  recordedBy,
  selectKernel,
  sumTo,
  ternaryKernel,
  unaryKernel,
  zerosLikeKernel,
  type BinaryId,
  type UnaryId,
} from './kernels.js';
import { alphaOf, cast, promote, refuseBool, resultDType, type AlphaOptions, type Operand } from './promote.js';
import { by, unary } from './unary.js';

// ---- unary -----------------------------------------------------------------------------------------------------

export const neg = unary('neg', Op.neg, { notOfBool: 'negative', gradient: (g) => unaryKernel(Op.neg, g) });
export const abs = unary('abs', Op.abs, { notOfBool: 'absolute value', gradient: by(Op.absBackward) });
export const sign = unary('sign', Op.sign, {});
export const square = unary('square', Op.square, {
  counts: true,
  gradient: (g, x) => binaryKernel(Op.mul, binaryKernel(Op.mul, g, 2), x),
});
// Integers are whole already: they give a copy.
function rounding(name: string, op: UnaryId) {
  const apply = unary(name, op, {});
  return function (x: Tensor): Tensor {
    noMore(name, arguments.length > 1);
    return isFloating(checkTensor(x, name).dtype) ? apply(x) : copyKernel(x);
  };
}
export const floor = rounding('floor', Op.floor);
export const ceil = rounding('ceil', Op.ceil);
/** To the nearest integer, halves to the even one. */
export const round = rounding('round', Op.round);
/** Towards zero. */
export const trunc = rounding('trunc', Op.trunc);
export const exp = unary('exp', Op.exp, { float: true, full: true, save: 'output', gradient: by(Op.mul) });
export const log = unary('log', Op.log, { float: true, full: true, gradient: by(Op.div) });
export const sqrt = unary('sqrt', Op.sqrt, { float: true, save: 'output', gradient: by(Op.sqrtBackward) });
export const rsqrt = unary('rsqrt', Op.rsqrt, { float: true, full: true, save: 'output', gradient: by(Op.rsqrtBackward) });
export const reciprocal = unary('reciprocal', Op.reciprocal, {
  float: true,
  full: true,
  save: 'output',
  gradient: by(Op.reciprocalBackward),
});
export const sin = unary('sin', Op.sin, {
  float: true,
  gradient: (g, x) => binaryKernel(Op.mul, g, unaryKernel(Op.cos, x)),
});
export const cos = unary('cos', Op.cos, {
  float: true,
  gradient: (g, x) => binaryKernel(Op.mul, g, unaryKernel(Op.neg, unaryKernel(Op.sin, x))),
});
export const erf = unary('erf', Op.erf, { float: true, gradient: by(Op.erfBackward) });

const clampOp = unary<[min: number, max: number]>('clamp', Op.clamp, { attributes: 2, gradient: by(Op.clampBackward) });

// With tensors as bounds: a bound that is absent is null.
interface Bounds {
  shapes: readonly [x: readonly number[], min: readonly number[], max: readonly number[]];
  open: readonly [min: boolean, max: boolean];
}

const clampBetween = defineOp({
  name: 'clamp',
  inputs: 3,
  forward(ctx: Context<Bounds>, x: Tensor, min: Tensor | null, max: Tensor | null): Tensor {
    const raised = min ? binaryKernel(Op.maximum, x, min, [], 'clamp') : x;
    ctx.save(x, min ?? x, max ?? x);
    ctx.keep({ shapes: [x.shape, min?.shape ?? [], max?.shape ?? []], open: [!min, !max] });
    return max ? binaryKernel(Op.minimum, raised, max, [], 'clamp') : raised;
  },
  backward([g], ctx) {
    const { shapes, open } = ctx.params;
    const [x, min, max] = [ctx.saved(0), open[0] ? null : ctx.saved(1), open[1] ? null : ctx.saved(2)];
    const compare = (op: BinaryId, a: Tensor, b: Tensor) => binaryKernel(op, a, b, [], 'clamp', 'bool');
    const joined = (op: BinaryId, a: Tensor | null, b: Tensor | null) => (a && b ? compare(op, a, b) : (a ?? b)!);
    const where = (mask: Tensor, i: 0 | 1 | 2) => sumTo(selectKernel(mask, g!, 0), shapes[i]);
    const inside = () => joined(Op.logicalAnd, min && compare(Op.ge, x, min), max && compare(Op.le, x, max));
    // Where the lower bound is above the upper one, the result is the upper one.
    const below = () => joined(Op.logicalAnd, compare(Op.lt, x, min!), max && compare(Op.lt, min!, max));
    const above = () => joined(Op.logicalOr, compare(Op.gt, x, max!), min && compare(Op.lt, max!, min));
    const masks = [inside, below, above] as const;
    return masks.map((mask, i) => (ctx.needs[i] ? where(mask(), i as 0 | 1 | 2) : null));
  },
});

/** A bound of clamp(): a number, a tensor that is broadcast, or null for none. */
export type Bound = Tensor | number | null;

/**
 * Limits values to [min, max]; either side may be left open. NaN stays NaN, and a bound that is NaN makes all NaN. Where
 * min is greater than max, the result is max. Dtypes are promoted; bounds that are tensors have gradients.
 *
 * @throws ArgumentError unless there is a bound, and for one that is neither a number nor a tensor
 */
export function clamp(x: Tensor, min: Bound = null, max: Bound = null): Tensor {
  noMore('clamp', arguments.length > 3);
  checkTensor(x, 'clamp');
  let dtype: DType = x.dtype;
  let plain = true;
  for (const bound of [min, max]) {
    if (bound === null) continue;
    if (typeof bound !== 'number' && !(bound instanceof Tensor))
      throw new ArgumentError(`clamp: a bound must be a number, a Tensor or null, got ${describeValue(bound)}`);
    plain &&= typeof bound === 'number' && bound === bound;
    const other = resultDType(x, bound, 'clamp');
    if (other !== dtype) dtype = promoteDTypes(dtype, other);
  }
  if (min === null && max === null) throw new ArgumentError('clamp: min, max or both must be given');
  const input = dtype === x.dtype ? x : cast(x, dtype);
  if (plain) return clampOp(input, (min as number | null) ?? -Infinity, (max as number | null) ?? Infinity);
  const tensorOf = (bound: Bound) => {
    if (bound instanceof Tensor) return bound.dtype === dtype ? bound : cast(bound, dtype);
    return bound === null ? null : (fullKernel([], bound, dtype, x.device) as Tensor);
  };
  return clampBetween(input, tensorOf(min), tensorOf(max));
}

function predicate(name: string, op: UnaryId) {
  return function (x: Tensor): Tensor {
    noMore(name, arguments.length > 1);
    return unaryKernel(op, checkTensor(x, name), [], 'bool');
  };
}
export const logicalNot = predicate('logicalNot', Op.logicalNot);
export const isnan = predicate('isnan', Op.isnan);
export const isfinite = predicate('isfinite', Op.isfinite);
/** Whether an element is an infinity, of either sign. */
export const isinf = predicate('isinf', Op.isinf);

// ---- binary ----------------------------------------------------------------------------------------------------

type Side = Tensor | number;
type BinaryGradient = (g: Tensor, a: Side, b: Side) => Tensor;

interface BinarySpec {
  float?: boolean;
  full?: boolean;
  /** Instead of the native operation alone. */
  forward?: (a: Side, b: Side) => Tensor;
  /** Whether the gradients look at the operands' values. */
  save?: boolean;
  /** Whether integers cannot be divided by 0. */
  divides?: boolean;
  /** What it is that there is none of for bool; absent: there is. */
  notOfBool?: string;
  gradients?: readonly [a: BinaryGradient, b: BinaryGradient];
}

function binary(name: string, op: BinaryId, spec: BinarySpec) {
  const { float = false, full: precise = false, forward, save = true, divides = false, notOfBool, gradients } = spec;
  interface Kept {
    shapes: readonly [readonly number[], readonly number[]];
    sides: readonly [Side | null, Side | null]; // numbers; null stands for a saved tensor
  }
  const side = (ctx: Context<Kept>, i: 0 | 1): Side => {
    const kept = ctx.params.sides[i];
    return kept ?? ctx.saved(i === 1 && ctx.params.sides[0] !== null ? 0 : i);
  };
  const shapeOf = (x: Side) => (typeof x === 'number' ? [] : x.shape);
  const gradient = (i: 0 | 1) => (g: Tensor, ctx: Context<Kept>) =>
    sumTo(save ? gradients![i](g, side(ctx, 0), side(ctx, 1)) : gradients![i](g, 0, 0), ctx.params.shapes[i]);
  const apply = defineOp({
    name,
    forward(ctx: Context<Kept>, a: Side, b: Side): Tensor {
      if (ctx.recording && gradients) {
        const tensors = [a, b].filter((x): x is Tensor => x instanceof Tensor);
        if (save) ctx.save(...tensors);
        ctx.keep({
          shapes: [shapeOf(a), shapeOf(b)],
          sides: [typeof a === 'number' ? a : null, typeof b === 'number' ? b : null],
        });
      }
      return forward ? forward(a, b) : binaryKernel(op, a, b, [], name);
    },
    gradients: gradients ? [gradient(0), gradient(1)] : [null, null],
  });
  recordedBy(op, ([a, b]) => apply(a as Side, b as Side));
  return function (a: Operand, b: Operand): Tensor {
    noMore(name, arguments.length > 2);
    const [x, y] = precise ? promote(full(a), full(b), name, float) : promote(a, b, name, float);
    if (notOfBool !== undefined) refuseBool(name, notOfBool, x, y);
    if (!divides || isFloating((x instanceof Tensor ? x : (y as Tensor)).dtype)) return apply(x, y);
    if (y === 0 && (x as Tensor).numel > 0) throw new ArgumentError(`${name}: integer division by zero`);
    const quotient = apply(x, y);
    rememberOrigin();
    return quotient;
  };
}

const mulBy = (g: Tensor, x: Side) => binaryKernel(Op.mul, g, x);
const negate = (g: Tensor) => unaryKernel(Op.neg, g);

const plus = binary('add', Op.add, { save: false, gradients: [(g) => g, (g) => g] });
const minus = binary('sub', Op.sub, { save: false, gradients: [(g) => g, negate] });
export const mul = binary('mul', Op.mul, { gradients: [(g, _, b) => mulBy(g, b), (g, a) => mulBy(g, a)] });

// a and alpha b, in the dtype that a and b have together.
function scaled(a: Operand, b: Operand, alpha: number, where: string): [Operand, Operand] {
  const dtype = resultDType(a, b, where);
  const converted = (x: Operand) => (x instanceof Tensor && x.dtype !== dtype ? cast(x, dtype) : x);
  if (!(b instanceof Tensor)) return [converted(a), Number(b) * alpha];
  return [a, mul(converted(b), dtype === 'bool' ? alpha !== 0 : alpha)];
}

/** a + alpha b. @throws ArgumentError for an alpha with a fraction where the result is of integers */
export function add(a: Operand, b: Operand, options?: AlphaOptions): Tensor {
  const alpha = alphaOf(a, b, options, arguments.length > 3, 'add');
  return alpha === 1 ? plus(a, b) : plus(...scaled(a, b, alpha, 'add'));
}
/** a - alpha b. @throws ArgumentError as add(); DTypeError for bool, as in PyTorch */
export function sub(a: Operand, b: Operand, options?: AlphaOptions): Tensor {
  refuseBool('sub', 'difference', a, b);
  const alpha = alphaOf(a, b, options, arguments.length > 3, 'sub');
  return alpha === 1 ? minus(a, b) : minus(...scaled(a, b, alpha, 'sub'));
}
const quotient = binary('div', Op.div, {
  float: true,
  gradients: [
    (g, _, b) => binaryKernel(Op.div, g, b),
    (g, a, b) => ternaryKernel(Op.divBackward, g, a, b),
  ],
});

// Square roots for what they are, as in PyTorch: that of -Infinity is NaN, whereas its power 0.5 would be Infinity.
function power(a: Side, b: Side): Tensor {
  if (b === 0.5 || b === -0.5) return unaryKernel(b > 0 ? Op.sqrt : Op.rsqrt, a as Tensor);
  return binaryKernel(Op.pow, a, b, [], 'pow');
}
const powered = binary('pow', Op.pow, {
  notOfBool: 'power',
  full: true,
  forward: power,
  gradients: [
    (g, a, b) =>
      b === 0.5 || b === 1.5 ? mulBy(g, mulBy(power(a, b - 1), b)) : ternaryKernel(Op.powBackwardBase, g, a, b),
    (g, a, b) => ternaryKernel(Op.powBackwardExponent, g, a, b),
  ],
});
/**
 * a to the power of b. An integer to a negative power in a tensor is cut to an integer.
 * @throws ArgumentError for integers and a negative integer, as in PyTorch; DTypeError for bool
 */
export function pow(a: Operand, b: Operand): Tensor {
  noMore('pow', arguments.length > 2);
  if (typeof b === 'number' && b < 0 && Number.isInteger(b) && a instanceof Tensor && !isFloating(a.dtype))
    throw new ArgumentError(`pow: integers have no power of ${b}; convert them to a floating dtype`);
  return powered(a, b);
}
/** Elementwise maximum; NaN wins. Ties share the gradient. */
export const maximum = binary('maximum', Op.maximum, {
  gradients: [
    (g, a, b) => ternaryKernel(Op.maximumBackward, g, a, b),
    (g, a, b) => ternaryKernel(Op.maximumBackward, g, b, a),
  ],
});
/** Elementwise minimum; NaN wins. Ties share the gradient. */
export const minimum = binary('minimum', Op.minimum, {
  gradients: [
    (g, a, b) => ternaryKernel(Op.minimumBackward, g, a, b),
    (g, a, b) => ternaryKernel(Op.minimumBackward, g, b, a),
  ],
});
/**
 * a - floorDivide(a, b) * b: has the sign of the divisor, as in Python.
 * @throws as floorDivide
 */
export const remainder = binary('remainder', Op.remainder, {
  notOfBool: 'remainder',
  divides: true,
  gradients: [(g) => g, (g, a, b) => negate(mulBy(g, binaryKernel(Op.floorDivide, a, b)))],
});
/**
 * floor(a / b), exactly.
 * @throws DTypeError for bool. ArgumentError for integers divided by 0; on the CPU a 0 in a tensor is found while the
 * operation runs, on a GPU it gives 0.
 */
export const floorDivide = binary('floorDivide', Op.floorDivide, { notOfBool: 'quotient', divides: true });

/** a - truncation(a / b) * b: has the sign of the dividend, as in C. @throws as floorDivide */
export const fmod = binary('fmod', Op.fmod, {
  notOfBool: 'remainder',
  divides: true,
  gradients: [(g) => g, (g, a, b) => negate(mulBy(g, trunc(binaryKernel(Op.div, a, b))))],
});
export interface DivOptions {
  /** Round the result towards 0 or downwards; integers then stay integers. Default null: neither. */
  roundingMode?: 'trunc' | 'floor' | null;
}
const zero = (g: Tensor) => zerosLikeKernel(g);
const floorQuotient = binary('div', Op.floorDivide, { save: false, gradients: [zero, zero] });
const truncatedQuotient = binary('div', Op.div, {
  save: false,
  forward: (a, b) => unaryKernel(Op.trunc, binaryKernel(Op.div, a, b)),
  gradients: [zero, zero],
});
const divOptions = optionsOf<DivOptions>({ roundingMode: nullable(oneOf('trunc', 'floor')) });

/**
 * a / b. Without rounding integers give float32.
 * @throws with a roundingMode as floorDivide
 */
export function div(a: Operand, b: Operand, options?: DivOptions): Tensor {
  const extra = arguments.length > 3;
  const mode = options === undefined && !extra ? null : divOptions('div', options, extra).roundingMode;
  if (!mode) return quotient(a, b);
  const dtype = resultDType(a, b, 'div');
  if (isFloating(dtype)) return (mode === 'trunc' ? truncatedQuotient : floorQuotient)(a, b);
  return floorDivide(mode === 'trunc' ? sub(a, fmod(a, b)) : a, b);
}

/** The angle of the point (b, a) from the first axis, in (-pi, pi]. */
export const atan2 = binary('atan2', Op.atan2, {
  float: true,
  full: true,
  gradients: [
    (g, a, b) => aroundOrigin(g, b, a, b),
    (g, a, b) => negate(aroundOrigin(g, a, a, b)),
  ],
});
// g x / (a^2 + b^2), and 0 where both are 0, as in PyTorch.
function aroundOrigin(g: Tensor, x: Side, a: Side, b: Side): Tensor {
  const length = binaryKernel(Op.hypot, a, b);
  const divisor = selectKernel(binaryKernel(Op.eq, length, 0, [], '', 'bool'), 1, length);
  return binaryKernel(Op.div, mulBy(g, binaryKernel(Op.div, x, divisor)), divisor);
}
/** sqrt(a^2 + b^2), without overflow in between. */
export const hypot = binary('hypot', Op.hypot, {
  float: true,
  gradients: [(g, a, b) => mulBy(g, overHypot(a, a, b)), (g, a, b) => mulBy(g, overHypot(b, a, b))],
});
const overHypot = (x: Side, a: Side, b: Side) => binaryKernel(Op.div, x, binaryKernel(Op.hypot, a, b));
/** log(exp(a) + exp(b)), without overflow in between. */
export const logaddexp = binary('logaddexp', Op.logaddexp, {
  float: true,
  full: true,
  gradients: [(g, a, b) => mulBy(g, share(a, b)), (g, a, b) => mulBy(g, share(b, a))],
});
// exp(a) / (exp(a) + exp(b))
const share = (a: Side, b: Side) => unaryKernel(Op.sigmoid, binaryKernel(Op.sub, a, b));

function comparison(name: string, op: BinaryId) {
  return function (a: Operand, b: Operand): Tensor {
    noMore(name, arguments.length > 2);
    const [x, y] = promote(a, b, name);
    return binaryKernel(op, x, y, [], name, 'bool');
  };
}
export const eq = comparison('eq', Op.eq);
export const ne = comparison('ne', Op.ne);
export const lt = comparison('lt', Op.lt);
export const le = comparison('le', Op.le);
export const gt = comparison('gt', Op.gt);
export const ge = comparison('ge', Op.ge);
export const logicalAnd = comparison('logicalAnd', Op.logicalAnd);
export const logicalOr = comparison('logicalOr', Op.logicalOr);
export const logicalXor = comparison('logicalXor', Op.logicalXor);

// ---- where -----------------------------------------------------------------------------------------------------

interface WhereKept {
  a: readonly number[];
  b: readonly number[];
}

const whereOp = defineOp({
  name: 'where',
  forward(ctx: Context<WhereKept>, condition: Tensor, a: Side, b: Side): Tensor {
    const shapeOf = (x: Side) => (typeof x === 'number' ? [] : x.shape);
    const shape = broadcastShapes(condition.shape, broadcastShapes(shapeOf(a), shapeOf(b), 'where'), 'where');
    ctx.save(condition);
    ctx.keep({ a: shapeOf(a), b: shapeOf(b) });
    return selectKernel(condition, a, b, shape);
  },
  gradients: [
    null,
    (g, ctx) => sumTo(selectKernel(ctx.saved(0), g, 0), ctx.params.a),
    (g, ctx) => sumTo(selectKernel(ctx.saved(0), 0, g), ctx.params.b),
  ],
});

recordedBy(Op.where, ([condition, a, b]) => whereOp(condition as Tensor, a as Side, b as Side));

/**
 * a where the condition is true, else b; all three broadcast. Two numbers give int64 if both are whole, else float32, two
 * booleans bool.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  noMore('where', arguments.length > 3);
  checkTensor(condition, 'where', 'condition');
  if (condition.dtype !== 'bool')
    throw new ArgumentError(`where: the condition must be bool, got ${condition.dtype}`);
  if (!(a instanceof Tensor) && !(b instanceof Tensor)) {
    for (const x of [a, b] as unknown[])
      if (typeof x !== 'number' && typeof x !== 'boolean')
        throw new ArgumentError(`where: expected tensors, numbers or booleans, got ${describeValue(x)}`);
    const bool = typeof a === 'boolean' && typeof b === 'boolean';
    const dtype = bool ? 'bool' : Number.isInteger(Number(a)) && Number.isInteger(Number(b)) ? 'int64' : 'float32';
    const model = fresh([], dtype, condition.device);
    run(Op.fill, [], [model], [Number(a)]);
    return whereOp(condition, model as Tensor, Number(b));
  }
  const [x, y] = promote(a, b, 'where');
  return whereOp(condition, x, y);
}

