// SPDX-License-Identifier: Apache-2.0
// The operations as methods of Tensor: `x.add(y)` is `add(x, y)`. They are attached here, beside the operations, so
// that Tensor itself knows none; the types follow from the table.
import { backward, type BackwardOptions } from '../autograd/engine.js';
import type { Shape } from '../tensor/shape.js';
import type { DType } from '../tensor/dtype.js';
import { Tensor } from '../tensor/tensor.js';
import * as activation from './activation.js';
import * as pick from './pick.js';
import * as inplace from './inplace.js';
import * as matrix from './matmul.js';
import { norm } from './norm.js';
import * as order from './order.js';
import * as pointwise from './pointwise.js';
import * as random from './random.js';
import * as reduce from './reduce.js';
import type { ReduceOptions } from './reduce.js';
import { logSoftmax, softmax } from './softmax.js';
import * as view from './view.js';

/** Functions whose first argument becomes `this`. */
const methods = {
  // pointwise
  neg: pointwise.neg,
  abs: pointwise.abs,
  sign: pointwise.sign,
  square: pointwise.square,
  floor: pointwise.floor,
  ceil: pointwise.ceil,
  round: pointwise.round,
  exp: pointwise.exp,
  log: pointwise.log,
  sqrt: pointwise.sqrt,
  rsqrt: pointwise.rsqrt,
  reciprocal: pointwise.reciprocal,
  sin: pointwise.sin,
  cos: pointwise.cos,
  erf: pointwise.erf,
  relu: activation.relu,
  sigmoid: activation.sigmoid,
  tanh: activation.tanh,
  clamp: pointwise.clamp,
  logicalNot: pointwise.logicalNot,
  isnan: pointwise.isnan,
  isfinite: pointwise.isfinite,
  add: pointwise.add,
  sub: pointwise.sub,
  mul: pointwise.mul,
  div: pointwise.div,
  pow: pointwise.pow,
  maximum: pointwise.maximum,
  minimum: pointwise.minimum,
  remainder: pointwise.remainder,
  floorDivide: pointwise.floorDivide,
  eq: pointwise.eq,
  ne: pointwise.ne,
  lt: pointwise.lt,
  le: pointwise.le,
  gt: pointwise.gt,
  ge: pointwise.ge,
  logicalAnd: pointwise.logicalAnd,
  logicalOr: pointwise.logicalOr,
  logicalXor: pointwise.logicalXor,
  // reductions
  sum: reduce.sum,
  mean: reduce.mean,
  prod: reduce.prod,
  amax: reduce.amax,
  amin: reduce.amin,
  var: reduce.variance,
  std: reduce.std,
  any: reduce.any,
  all: reduce.all,
  norm,
  max: order.max,
  min: order.min,
  argmax: order.argmax,
  argmin: order.argmin,
  cumsum: order.cumsum,
  sort: order.sort,
  argsort: order.argsort,
  topk: order.topk,
  softmax,
  logSoftmax,
  // matrices
  matmul: matrix.matmul,
  mm: matrix.mm,
  bmm: matrix.bmm,
  // shapes
  reshape: view.reshape,
  view: view.view,
  flatten: view.flatten,
  unflatten: view.unflatten,
  squeeze: view.squeeze,
  unsqueeze: view.unsqueeze,
  permute: view.permute,
  transpose: view.transpose,
  t: view.t,
  expand: view.expand,
  slice: view.slice,
  narrow: view.narrow,
  select: view.select,
  split: view.split,
  chunk: view.chunk,
  unbind: view.unbind,
  clone: view.clone,
  contiguous: view.contiguous,
  to: view.to,
  // positions
  indexSelect: pick.indexSelect,
  indexAdd: pick.indexAdd,
  gather: pick.gather,
  scatterAdd: pick.scatterAdd,
  // in place
  relu_: activation.relu_,
  add_: inplace.add_,
  sub_: inplace.sub_,
  mul_: inplace.mul_,
  div_: inplace.div_,
  fill_: inplace.fill_,
  zero_: inplace.zero_,
  copy_: inplace.copy_,
  uniform_: random.uniform_,
  normal_: random.normal_,
  bernoulli_: random.bernoulli_,
  // gradients
  backward: (x: Tensor, gradient?: Tensor, options?: BackwardOptions): void => backward(x, gradient, options),
} as const;

type Table = typeof methods;
type Methods = {
  [K in Exclude<keyof Table, 'max' | 'min'>]: Table[K] extends (x: Tensor, ...rest: infer A) => infer R ? (...rest: A) => R : never;
};

declare module '../tensor/tensor.js' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  interface Tensor<S extends Shape, D extends DType> extends Methods {
    /** The largest value of all, or [values, indices] along `dim`. */
    max(): Tensor;
    max(dim: number, options?: ReduceOptions): [values: Tensor, indices: Tensor];
    /** The smallest value of all, or [values, indices] along `dim`. */
    min(): Tensor;
    min(dim: number, options?: ReduceOptions): [values: Tensor, indices: Tensor];
  }
}

for (const [name, operation] of Object.entries(methods))
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]): unknown {
      return (operation as (...args: unknown[]) => unknown)(this, ...rest);
    },
    configurable: true,
    writable: true,
  });
