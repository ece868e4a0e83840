// SPDX-License-Identifier: Apache-2.0
// PyTorch's type promotion.
import { ArgumentError, DTypeError } from '../native/errors.js';
import { number, optionsOf } from '../native/options.js';
import { dtypeCategory, isFloating, promoteDTypes, type DType } from '../tensor/dtype.js';
import { describeValue, Tensor } from '../tensor/tensor.js';
import { defineOp, type Context } from '../autograd/op.js';
import { copyKernel } from './kernels.js';

/** What an arithmetic operation takes: a tensor, or a number that adapts to the other operand's dtype. */
export type Operand = Tensor | number | boolean;

const castOp = (narrows: boolean): ((x: Tensor, dtype: DType) => Tensor) => defineOp({
  name: 'to',
  narrows,
  forward(ctx: Context<DType>, x: Tensor, dtype: DType): Tensor {
    ctx.keep(x.dtype);
    return copyKernel(x, dtype);
  },
  gradients: [(g, ctx) => (g.dtype === ctx.params ? g : copyKernel(g, ctx.params))],
});

/** x in another dtype; differentiable between floating dtypes. */
export const cast = castOp(false);

/** @internal x in a half type, for no one but the library to see. */
export const castInside = castOp(true);

/** The dtype that an operation on these operands computes in. */
export function resultDType(a: Operand, b: Operand, where: string): DType {
  if (a instanceof Tensor && b instanceof Tensor) {
    if (a.dtype === b.dtype) return a.dtype;
    // A tensor without dimensions gives way to one with dimensions of the same or a higher kind.
    const ca = dtypeCategory(a.dtype);
    const cb = dtypeCategory(b.dtype);
    if (a.ndim > 0 && b.ndim === 0 && ca >= cb) return a.dtype;
    if (b.ndim > 0 && a.ndim === 0 && cb >= ca) return b.dtype;
    return promoteDTypes(a.dtype, b.dtype);
  }
  const [t, scalar] = a instanceof Tensor ? [a, b] : [b, a];
  if (!(t instanceof Tensor) || (typeof scalar !== 'number' && typeof scalar !== 'boolean')) {
    const got = `${describeValue(a)} and ${describeValue(b)}`;
    throw new ArgumentError(`${where}: expected a tensor and a tensor or number, got ${got}`);
  }
  if (typeof scalar === 'boolean') return t.dtype;
  if (Number.isInteger(scalar)) return t.dtype === 'bool' ? 'int64' : t.dtype;
  return isFloating(t.dtype) ? t.dtype : 'float32';
}

export interface AlphaOptions {
  /** Factor of the second operand. Default 1. */
  alpha?: number;
}
const alphaOptions = optionsOf<AlphaOptions>({ alpha: number });

/** @throws ArgumentError for an alpha with a fraction where the result is of integers */
export function alphaOf(a: Operand, b: Operand, options: AlphaOptions | undefined, extra: boolean, where: string): number {
  if (options === undefined && !extra) return 1;
  const { alpha = 1 } = alphaOptions(where, options, extra);
  const dtype = resultDType(a, b, where);
  if (!isFloating(dtype) && !Number.isInteger(alpha))
    throw new ArgumentError(`${where}: alpha must be an integer for operands of dtype ${dtype}, got ${alpha}`);
  return alpha;
}

/** @throws DTypeError if an operand is bool: as in PyTorch, there is no such thing as a `what` of bool */
export function refuseBool(where: string, what: string, a: Operand, b?: Operand): void {
  if (isBool(a) || isBool(b))
    throw new DTypeError(`${where}: there is no ${what} of bool; convert with to(), or use logicalXor() or logicalNot()`);
}
const isBool = (x: Operand | undefined): boolean => typeof x === 'boolean' || (x instanceof Tensor && x.dtype === 'bool');

/** Both operands in the dtype of the result; `float` makes integers float32 first. */
export function promote(a: Operand, b: Operand, where: string, float = false): [Tensor | number, Tensor | number] {
  if (a instanceof Tensor && b instanceof Tensor && a.dtype === b.dtype && (!float || isFloating(a.dtype))) return [a, b];
  let dtype = resultDType(a, b, where);
  if (float && !isFloating(dtype)) dtype = 'float32';
  return [convert(a, dtype), convert(b, dtype)];
}

function convert(x: Operand, dtype: DType): Tensor | number {
  if (x instanceof Tensor) return x.dtype === dtype ? x : cast(x, dtype);
  return Number(x);
}

/** x, or its float32 form if it holds integers. */
export function floating(x: Tensor): Tensor {
  return isFloating(x.dtype) ? x : cast(x, 'float32');
}
