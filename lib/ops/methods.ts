// SPDX-License-Identifier: Apache-2.0
// The operations as methods of Tensor: `x.add(y)` is `add(x, y)`. They are attached here, beside the operations, so
// that Tensor itself knows none; the types follow from the table.
import './derivatives.js';
import { backward, type BackwardOptions } from '../autograd/engine.js';
import type { Shape } from '../tensor/shape.js';
import type { DType } from '../tensor/dtype.js';
import { Tensor } from '../tensor/tensor.js';
import * as activation from './activation.js';
import * as pick from './pick.js';
import * as indexing from './indexing.js';
import type { NonzeroOptions } from './indexing.js';
import * as inplace from './inplace.js';
import * as linalg from './linalg.js';
import * as matrix from './matmul.js';
import { norm } from './norm.js';
import * as order from './order.js';
import * as pointwise from './pointwise.js';
import * as random from './random.js';
import * as rearrange from './rearrange.js';
import * as reduce from './reduce.js';
import type { ReduceOptions } from './reduce.js';
import { renorm } from './renorm.js';
import { multinomial } from './search.js';
import { logSoftmax, softmax } from './softmax.js';
import * as special from './special.js';
import * as statistics from './statistics.js';
import * as triangular from './triangular.js';
import { unique, uniqueConsecutive } from './unique.js';
import * as view from './view.js';
import { unfoldDim } from './windows.js';

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
  erfc: special.erfc,
  log1p: special.log1p,
  expm1: special.expm1,
  log2: special.log2,
  log10: special.log10,
  tan: special.tan,
  asin: special.asin,
  acos: special.acos,
  atan: special.atan,
  sinh: special.sinh,
  cosh: special.cosh,
  asinh: special.asinh,
  acosh: special.acosh,
  atanh: special.atanh,
  rad2deg: special.rad2deg,
  deg2rad: special.deg2rad,
  sinc: special.sinc,
  frac: special.frac,
  signbit: special.signbit,
  trunc: pointwise.trunc,
  relu: activation.relu,
  sigmoid: activation.sigmoid,
  tanh: activation.tanh,
  clamp: pointwise.clamp,
  logicalNot: pointwise.logicalNot,
  isnan: pointwise.isnan,
  isfinite: pointwise.isfinite,
  isinf: pointwise.isinf,
  nanToNum: special.nanToNum,
  heaviside: special.heaviside,
  lerp: special.lerp,
  addcmul: special.addcmul,
  addcdiv: special.addcdiv,
  xlogy: special.xlogy,
  logit: special.logit,
  isclose: special.isclose,
  allclose: special.allclose,
  equal: special.equal,
  add: pointwise.add,
  sub: pointwise.sub,
  mul: pointwise.mul,
  div: pointwise.div,
  pow: pointwise.pow,
  maximum: pointwise.maximum,
  minimum: pointwise.minimum,
  remainder: pointwise.remainder,
  floorDivide: pointwise.floorDivide,
  fmod: pointwise.fmod,
  atan2: pointwise.atan2,
  hypot: pointwise.hypot,
  logaddexp: pointwise.logaddexp,
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
  logsumexp: statistics.logsumexp,
  countNonzero: statistics.countNonzero,
  nansum: statistics.nansum,
  nanmean: statistics.nanmean,
  aminmax: statistics.aminmax,
  quantile: statistics.quantile,
  nanquantile: statistics.nanquantile,
  kthvalue: statistics.kthvalue,
  msort: statistics.msort,
  bincount: statistics.bincount,
  cumprod: statistics.cumprod,
  diff: statistics.diff,
  median: statistics.median,
  nanmedian: statistics.nanmedian,
  unique,
  uniqueConsecutive,
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
  multinomial,
  renorm,
  // matrices
  matmul: matrix.matmul,
  mm: matrix.mm,
  bmm: matrix.bmm,
  mv: linalg.mv,
  dot: linalg.dot,
  vdot: linalg.vdot,
  outer: linalg.outer,
  inner: linalg.inner,
  addmm: linalg.addmm,
  addmv: linalg.addmv,
  addr: linalg.addr,
  addbmm: linalg.addbmm,
  baddbmm: linalg.baddbmm,
  kron: linalg.kron,
  cross: linalg.cross,
  tril: triangular.tril,
  triu: triangular.triu,
  diag: triangular.diag,
  diagflat: triangular.diagflat,
  diagonal: triangular.diagonal,
  diagEmbed: triangular.diagEmbed,
  trace: triangular.trace,
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
  flip: rearrange.flip,
  fliplr: rearrange.fliplr,
  flipud: rearrange.flipud,
  roll: rearrange.roll,
  rot90: rearrange.rot90,
  movedim: rearrange.movedim,
  repeat: rearrange.repeat,
  tile: rearrange.tile,
  repeatInterleave: rearrange.repeatInterleave,
  unfold: unfoldDim,
  clone: view.clone,
  contiguous: view.contiguous,
  to: view.to,
  // positions
  indexSelect: pick.indexSelect,
  indexAdd: pick.indexAdd,
  gather: pick.gather,
  scatterAdd: pick.scatterAdd,
  index: indexing.index,
  indexPut: indexing.indexPut,
  indexCopy: indexing.indexCopy,
  indexFill: indexing.indexFill,
  scatter: indexing.scatter,
  take: indexing.take,
  takeAlongDim: indexing.takeAlongDim,
  maskedFill: indexing.maskedFill,
  maskedSelect: indexing.maskedSelect,
  nonzero: indexing.nonzero,
  argwhere: indexing.argwhere,
  // in place
  scatter_: indexing.scatter_,
  maskedFill_: indexing.maskedFill_,
  indexPut_: indexing.indexPut_,
  indexCopy_: indexing.indexCopy_,
  indexFill_: indexing.indexFill_,
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
  [K in Exclude<keyof Table, 'max' | 'min' | 'median' | 'nanmedian' | 'nonzero'>]: Table[K] extends (x: Tensor, ...rest: infer A) => infer R ? (...rest: A) => R : never;
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
    /** The median of all, or [values, indices] along `dim`; of an even number the lower one. */
    median(): Tensor;
    median(dim: number, options?: ReduceOptions): [values: Tensor, indices: Tensor];
    /** As median(), of what is not NaN. */
    nanmedian(): Tensor;
    nanmedian(dim: number, options?: ReduceOptions): [values: Tensor, indices: Tensor];
    /** The positions of what is not 0: a matrix, or with asTuple one vector per dimension. */
    nonzero(options: { asTuple: true }): Tensor[];
    nonzero(options?: NonzeroOptions): Tensor;
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
