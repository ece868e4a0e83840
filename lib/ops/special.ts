// SPDX-License-Identifier: Apache-2.0
// Elementary functions, and pointwise ones that are put together from others. Integers are computed in float32 unless
// said otherwise.
import { ArgumentError } from '../native/errors.js';
import { boolean, kind, noMore, nullable, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { isFloating, type DType } from '../tensor/dtype.js';
import { sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { checkFloat } from './checks.js';
import { binaryKernel, copyKernel } from './kernels.js';
import {
  abs,
  add,
  div,
  eq,
  isfinite,
  isnan,
  le,
  log,
  logicalAnd,
  logicalOr,
  lt,
  mul,
  neg,
  reciprocal,
  rsqrt,
  sin,
  square,
  sub,
  trunc,
  where,
} from './pointwise.js';
import { cast, type Operand } from './promote.js';
import { all } from './reduce.js';
import { unary, type Unary } from './unary.js';

// ---- logarithms and exponentials -----------------------------------------------------------------------------------

/** log(1 + x), exact for small x. */
export const log1p = unary('log1p', Op.log1p, { float: true, full: true, gradient: (g, x) => div(g, add(x, 1)) });
/** exp(x) - 1, exact for small x. */
export const expm1 = unary('expm1', Op.expm1, {
  float: true,
  full: true,
  save: 'output',
  gradient: (g, y) => mul(g, add(y, 1)),
});
export const log2 = unary('log2', Op.log2, { float: true, full: true, gradient: (g, x) => div(g, mul(x, Math.LN2)) });
export const log10 = unary('log10', Op.log10, { float: true, full: true, gradient: (g, x) => div(g, mul(x, Math.LN10)) });
/** 1 - erf(x), exact for large x. */
export const erfc = unary('erfc', Op.erfc, { float: true, gradient: (g, x) => neg(binaryKernel(Op.erfBackward, g, x)) });

// ---- angles --------------------------------------------------------------------------------------------------------

const squaredPlus = (x: Tensor, c: number) => add(square(x), c);
export const tan = unary('tan', Op.tan, {
  float: true,
  full: true,
  save: 'output',
  gradient: (g, y) => mul(g, squaredPlus(y, 1)),
});
export const asin = unary('asin', Op.asin, {
  float: true,
  full: true,
  gradient: (g, x) => mul(g, rsqrt(sub(1, square(x)))),
});
export const acos = unary('acos', Op.acos, {
  float: true,
  full: true,
  gradient: (g, x) => neg(mul(g, rsqrt(sub(1, square(x))))),
});
export const atan = unary('atan', Op.atan, { float: true, gradient: (g, x) => div(g, squaredPlus(x, 1)) });
export const sinh: Unary<[]> = unary('sinh', Op.sinh, { float: true, full: true, gradient: (g, x) => mul(g, cosh(x)) });
export const cosh: Unary<[]> = unary('cosh', Op.cosh, { float: true, full: true, gradient: (g, x) => mul(g, sinh(x)) });
export const asinh = unary('asinh', Op.asinh, { float: true, gradient: (g, x) => mul(g, rsqrt(squaredPlus(x, 1))) });
export const acosh = unary('acosh', Op.acosh, { float: true, gradient: (g, x) => mul(g, rsqrt(squaredPlus(x, -1))) });
export const atanh = unary('atanh', Op.atanh, { float: true, gradient: (g, x) => div(g, sub(1, square(x))) });

/** Degrees from radians. */
export function rad2deg(x: Tensor): Tensor {
  noMore('rad2deg', arguments.length > 1);
  return mul(checkTensor(x, 'rad2deg'), 180 / Math.PI);
}
/** Radians from degrees. */
export function deg2rad(x: Tensor): Tensor {
  noMore('deg2rad', arguments.length > 1);
  return mul(checkTensor(x, 'deg2rad'), Math.PI / 180);
}

/** sin(pi x) / (pi x), and 1 at 0. */
export function sinc(x: Tensor): Tensor {
  noMore('sinc', arguments.length > 1);
  const angle = mul(checkTensor(x, 'sinc'), Math.PI);
  const zero = eq(angle, 0);
  return where(zero, 1, div(sin(angle), where(zero, 1, angle)));
}

// ---- parts of numbers ----------------------------------------------------------------------------------------------

/** What trunc() takes away: x - trunc(x). */
export function frac(x: Tensor): Tensor {
  noMore('frac', arguments.length > 1);
  checkFloat(checkTensor(x, 'frac'), 'frac');
  return sub(x, trunc(x));
}

/** Whether an element has its sign bit set; -0 has. Always bool. */
export function signbit(x: Tensor): Tensor {
  noMore('signbit', arguments.length > 1);
  checkTensor(x, 'signbit');
  return isFloating(x.dtype) ? lt(where(eq(x, 0), reciprocal(x), x), 0) : lt(x, 0);
}

/** 0 where x is negative or NaN, 1 where it is positive, and `values` where it is 0. */
export function heaviside(x: Tensor, values: Tensor): Tensor {
  noMore('heaviside', arguments.length > 2);
  checkTensor(x, 'heaviside');
  if (checkTensor(values, 'heaviside', 'values').dtype !== x.dtype)
    throw new ArgumentError(`heaviside: input and values must have one dtype, got ${x.dtype} and ${values.dtype}`);
  return where(eq(x, 0), values, cast(lt(0, x), x.dtype));
}

const largest: Partial<Record<DType, number>> = {
  float16: 65504,
  bfloat16: (2 - 2 ** -7) * 2 ** 127,
  float32: (2 - 2 ** -23) * 2 ** 127,
  float64: Number.MAX_VALUE,
};

export interface NanToNumOptions {
  /** In the place of NaN. Default 0. */
  nan?: number;
  /** In the place of infinity. Default: the largest number of the dtype. */
  posinf?: number | null;
  /** In the place of minus infinity. Default: the smallest number of the dtype. */
  neginf?: number | null;
}

const nanToNumOptions = optionsOf<NanToNumOptions>({ nan: kind('a number', (v) => typeof v === 'number'), posinf: nullable(number), neginf: nullable(number) });

/** x with numbers in the place of NaN and infinities, which get no gradient. Integers give a copy. */
export function nanToNum(x: Tensor, options?: NanToNumOptions): Tensor {
  const { nan = 0, posinf = null, neginf = null } = nanToNumOptions('nanToNum', options, arguments.length > 2);
  const limit = largest[checkTensor(x, 'nanToNum').dtype];
  if (limit === undefined) return copyKernel(x);
  const finite = where(eq(x, Infinity), posinf ?? limit, where(eq(x, -Infinity), neginf ?? -limit, x));
  return where(isnan(x), nan, finite);
}

// ---- several operands ----------------------------------------------------------------------------------------------

/**
 * start + weight (end - start), exact at both ends.
 * @param weight a number, or a tensor that broadcasts
 * @throws DTypeError unless all are floating
 */
export function lerp(start: Tensor, end: Tensor, weight: Operand): Tensor {
  noMore('lerp', arguments.length > 3);
  checkFloat(checkTensor(start, 'lerp'), 'lerp');
  checkFloat(checkTensor(end, 'lerp', 'end'), 'lerp', 'end');
  // From the nearer end, so that both are met exactly.
  const way = sub(end, start);
  if (typeof weight === 'number')
    return Math.abs(weight) < 0.5 ? add(start, mul(way, weight)) : sub(end, mul(way, 1 - weight));
  const near = lt(abs(checkTensor(weight, 'lerp', 'weight')), 0.5);
  return add(where(near, start, end), mul(way, where(near, weight, sub(weight, 1))));
}

export interface FactorOptions {
  /** Factor of the second summand. Default 1. */
  value?: number;
}

const factorOptions = optionsOf<FactorOptions>({ value: number });

/** x + value a b */
export function addcmul(x: Tensor, a: Tensor, b: Tensor, options?: FactorOptions): Tensor {
  const { value = 1 } = factorOptions('addcmul', options, arguments.length > 4);
  const product = mul(checkTensor(a, 'addcmul', 'the first factor'), b);
  return add(checkTensor(x, 'addcmul'), value === 1 ? product : mul(product, value));
}

/** x + value a / b, of floating tensors. */
export function addcdiv(x: Tensor, a: Tensor, b: Tensor, options?: FactorOptions): Tensor {
  const { value = 1 } = factorOptions('addcdiv', options, arguments.length > 4);
  checkFloat(checkTensor(a, 'addcdiv', 'the dividend'), 'addcdiv', 'the dividend');
  const quotient = div(value === 1 ? a : mul(a, value), b);
  return add(checkTensor(x, 'addcdiv'), quotient);
}

/** x log(y), and 0 where x is 0 unless y is NaN. */
export function xlogy(x: Tensor, y: Tensor | number): Tensor {
  noMore('xlogy', arguments.length > 2);
  checkTensor(x, 'xlogy');
  if (typeof y === 'number') return Number.isNaN(y) ? mul(x, y) : where(eq(x, 0), 0, mul(x, Math.log(y)));
  const nothing = logicalAnd(eq(x, 0), logicalOr(le(checkTensor(y, 'xlogy', 'y'), 0), eq(y, Infinity)));
  return where(nothing, 0, mul(x, log(where(nothing, 1, y))));
}

/** log(x / (1 - x)), with x limited to [eps, 1 - eps] if eps is given. */
export function logit(x: Tensor, eps: number | null = null): Tensor {
  noMore('logit', arguments.length > 2);
  checkTensor(x, 'logit');
  const wide = full(x);
  const z = eps === null ? wide : where(lt(wide, eps), eps, where(lt(1 - eps, wide), 1 - eps, wide));
  return sub(log(z), log1p(neg(z)));
}

// ---- closeness -----------------------------------------------------------------------------------------------------

export interface CloseOptions {
  /** Difference allowed per size of `other`. Default 1e-5. */
  rtol?: number;
  /** Difference allowed anyway. Default 1e-8. */
  atol?: number;
  /** Whether NaN is close to NaN. Default false. */
  equalNan?: boolean;
}

const closeOptions = optionsOf<CloseOptions>({ rtol: number, atol: number, equalNan: boolean });

/** Where |x - other| <= atol + rtol |other|; equal infinities are close. */
export function isclose(x: Tensor, other: Tensor, options?: CloseOptions): Tensor {
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = closeOptions('isclose', options, arguments.length > 3);
  checkTensor(x, 'isclose');
  checkTensor(other, 'isclose', 'other');
  if (x.dtype !== other.dtype)
    throw new ArgumentError(`isclose: both tensors must have one dtype, got ${x.dtype} and ${other.dtype}`);
  if (!(rtol >= 0) || !(atol >= 0))
    throw new ArgumentError(`isclose: rtol and atol must not be negative, got ${rtol} and ${atol}`);
  const [a, b] = x.dtype === 'bool' ? [cast(x, 'uint8'), cast(other, 'uint8')] : [x.detach(), other.detach()];
  let close = eq(a, b);
  if (equalNan) close = logicalOr(close, logicalAnd(isnan(a), isnan(b)));
  if (rtol === 0 && atol === 0) return close;
  const difference = abs(sub(a as Tensor, b as Tensor));
  const allowed = add(abs(mul(b as Tensor, rtol)), atol);
  return logicalOr(close, logicalAnd(isfinite(difference), le(difference, allowed)));
}

/** Whether all elements are close, as isclose() says. Waits for the device. */
export function allclose(x: Tensor, other: Tensor, options?: CloseOptions): boolean {
  return all(isclose(x, other, closeOptions('allclose', options, arguments.length > 3))).itemSync() === true;
}

/** Whether both have one shape and the same values. Waits for the device. */
export function equal(x: Tensor, other: Tensor): boolean {
  noMore('equal', arguments.length > 2);
  if (!sameShape(checkTensor(x, 'equal').shape, checkTensor(other, 'equal', 'other').shape)) return false;
  return all(eq(x, other)).itemSync() === true;
}
