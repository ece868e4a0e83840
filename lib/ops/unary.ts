// SPDX-License-Identifier: Apache-2.0
// How an elementwise function of one tensor is written.
import { defineOp, type Context } from '../autograd/op.js';
import { DTypeError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { run } from '../native/run.js';
import { isFloating } from '../tensor/dtype.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { full } from './autocast.js';
import { rewrite } from './inplace.js';
import { binaryKernel, copyKernel, recordedBy, unaryKernel, zerosLikeKernel, type BinaryId, type UnaryId } from './kernels.js';
import { cast, floating, refuseBool } from './promote.js';

type Attributes = readonly number[];

export interface UnarySpec {
  /** Integers are computed in float32, as their results are rarely integers. */
  float?: boolean;
  /** Under autocast(), half types are computed in float32 too. */
  full?: boolean;
  /** Which tensor the gradient needs; it may depend on the attributes. */
  save?: 'input' | 'output' | ((attrs: Attributes) => 'input' | 'output');
  /** The gradient; absent: zero nearly everywhere. */
  gradient?: (g: Tensor, saved: Tensor, attrs: Attributes) => Tensor;
  /** What it is that there is none of for bool; absent: there is. */
  notOfBool?: string;
  /** bool counts as 0 and 1 of int64. */
  counts?: boolean;
  /** How many numbers come after the tensor. Default 0. */
  attributes?: number;
}

/** A unary function, and its form that writes the result over its argument. */
export interface Unary<Attrs extends Attributes> {
  (x: Tensor, ...attrs: Attrs): Tensor;
  inPlace(x: Tensor, ...attrs: Attrs): Tensor;
}

// A copy stands for the original in what is recorded.
function withHistory(copy: Tensor, x: Tensor): Tensor {
  copy.requiresGrad = true;
  copy.gradFn = x.gradFn;
  copy.outputIndex = x.outputIndex;
  return copy;
}

/** The gradient as one native operation of (gradient, saved tensor). */
export const by =
  (op: BinaryId) =>
  (g: Tensor, saved: Tensor, attrs: Attributes): Tensor =>
    binaryKernel(op, g, saved, attrs);

export function unary<Attrs extends Attributes = []>(name: string, op: UnaryId, spec: UnarySpec): Unary<Attrs> {
  const { float = false, full: precise = false, save = 'input', notOfBool, counts = false, gradient, attributes = 0 } = spec;
  const savesInput = (attrs: Attributes) => (typeof save === 'string' ? save : save(attrs)) === 'input';
  const gradients = gradient
    ? [(g: Tensor, ctx: Context<Attributes>) => gradient(g, ctx.saved(0), ctx.params)]
    : [(g: Tensor) => zerosLikeKernel(g)]; // whatever g is: 0 times infinity would be NaN
  const apply = defineOp({
    name,
    forward(ctx: Context<Attributes>, x: Tensor, attrs: Attributes): Tensor {
      const y = unaryKernel(op, x, attrs);
      if (gradient) ctx.save(savesInput(attrs) ? x : y);
      ctx.keep(attrs);
      return y;
    },
    gradients,
  });
  recordedBy(op, ([x], attrs) => apply(x as Tensor, attrs));
  const overwrite = defineOp({
    name: `${name}_`,
    forward(ctx: Context<Attributes>, x: Tensor, attrs: Attributes): Tensor {
      const before = ctx.recording && gradient && savesInput(attrs) ? withHistory(copyKernel(x), x) : null;
      rewrite(x, `${name}_`);
      run(op, [x] as never, [x] as never, attrs as never);
      if (gradient) ctx.save(before ?? x);
      ctx.keep(attrs);
      return x;
    },
    gradients,
  });
  const outOfPlace = (x: Tensor, ...attrs: Attrs): Tensor => {
    noMore(name, attrs.length > attributes);
    checkTensor(x, name);
    if (notOfBool !== undefined) refuseBool(name, notOfBool, x);
    if (counts && x.dtype === 'bool') x = cast(x, 'int64');
    return apply(precise ? full(floating(x)) : float ? floating(x) : x, attrs);
  };
  const inPlace = (x: Tensor, ...attrs: Attrs): Tensor => {
    noMore(`${name}_`, attrs.length > attributes);
    checkTensor(x, `${name}_`);
    if (float && !isFloating(x.dtype))
      throw new DTypeError(`${name}_: a floating result cannot be stored in a tensor of dtype ${x.dtype}`);
    if (counts && x.dtype === 'bool') throw new DTypeError(`${name}_: an int64 result cannot be stored in a tensor of dtype bool`);
    return overwrite(x, attrs);
  };
  return Object.assign(outOfPlace, { inPlace });
}
