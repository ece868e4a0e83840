// SPDX-License-Identifier: Apache-2.0
// Products of vectors and matrices, with sums.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { noMore, number, optionsOf } from '../native/options.js';
import { integerRange, isFloating } from '../tensor/dtype.js';
import { checkList, formatShape, normalizeDim, numelOf } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { checkInteger, checkSameDType } from './checks.js';
import { bmm, matmul, mm } from './matmul.js';
import { add, mul, sub } from './pointwise.js';
import { promote } from './promote.js';
import { sum } from './reduce.js';
import { roll } from './rearrange.js';
import { broadcastTensors, expand, permute, reshape, unsqueeze } from './view.js';

function checkRanks(where: string, expected: string, ranks: readonly number[], ...operands: Tensor[]): void {
  operands.forEach((x, i) => checkTensor(x, where, `operand ${i}`));
  if (operands.some((x, i) => x.ndim !== ranks[i]))
    throw new ShapeError(`${where}: expected ${expected}, got ${operands.map((x) => formatShape(x.shape)).join(' and ')}`);
}

/** A matrix times a vector: [M, K] and [K] to [M]. @throws ShapeError for other shapes */
export function mv(a: Tensor, x: Tensor): Tensor {
  noMore('mv', arguments.length > 2);
  checkRanks('mv', '[M, K] and [K]', [2, 1], a, x);
  return matmul(a, x);
}

/** The sum of the products of two vectors. @throws ShapeError unless they are vectors of one size */
export function dot(a: Tensor, b: Tensor): Tensor {
  noMore('dot', arguments.length > 2);
  checkRanks('dot', 'two vectors', [1, 1], a, b);
  return matmul(a, b);
}
/** As dot(), for real numbers. */
export function vdot(a: Tensor, b: Tensor): Tensor {
  noMore('vdot', arguments.length > 2);
  checkRanks('vdot', 'two vectors', [1, 1], a, b);
  return matmul(a, b);
}

/** All products of an element of one vector and one of another: [M] and [N] to [M, N]. */
export function outer(a: Tensor, b: Tensor): Tensor {
  noMore('outer', arguments.length > 2);
  checkRanks('outer', 'two vectors', [1, 1], a, b);
  return mul(unsqueeze(a, 1), b);
}

/** The sums of products over the last dimensions of both: [..., K] and [..., K]. With a scalar, the product. */
export function inner(a: Tensor, b: Tensor): Tensor {
  noMore('inner', arguments.length > 2);
  checkTensor(a, 'inner');
  checkTensor(b, 'inner', 'other');
  if (a.ndim === 0 || b.ndim === 0) return mul(a, b);
  return tensordot(a, b, [[a.ndim - 1], [b.ndim - 1]]);
}

export interface AddProductOptions {
  /** Factor of the summand. Default 1; with 0 its values do not matter, not even NaN. Of integers, its integer part. */
  beta?: number;
  /** Factor of the product. Default 1. Of integers, its integer part. */
  alpha?: number;
}

const productOptions = optionsOf<AddProductOptions>({ beta: number, alpha: number });
const scaled = (x: Tensor, factor: number) => (factor === 1 ? x : mul(x, x.dtype === 'bool' ? factor !== 0 : factor));
const plus = (x: Tensor, product: Tensor, { beta = 1, alpha = 1 }: AddProductOptions): Tensor =>
  beta === 0 ? scaled(product, alpha) : add(scaled(x, beta), scaled(product, alpha));

function added(where: string, x: Tensor, product: Tensor, options: AddProductOptions): Tensor {
  checkSameDType(checkTensor(x, where), product, where, 'the summand', 'the product');
  const range = integerRange(product.dtype);
  if (!range) return summed(where, x, product, options);
  const { beta = 1, alpha = 1 } = options;
  const [least, most] = range;
  for (const [name, factor] of Object.entries({ beta, alpha }))
    if (factor < least || factor > most) throw new ArgumentError(`${where}: ${name} ${factor} does not fit into ${product.dtype}`);
  return summed(where, x, product, { beta: Math.trunc(beta), alpha: Math.trunc(alpha) });
}

function summed(where: string, x: Tensor, product: Tensor, options: AddProductOptions): Tensor {
  if (x.ndim > product.ndim)
    throw new ShapeError(`${where}: the summand ${formatShape(x.shape)} does not broadcast to the product's ${formatShape(product.shape)}`);
  return plus(expand(x, product.shape), product, options);
}

/** beta x + alpha a b, of matrices [M, K] and [K, N]; x broadcasts to [M, N]. */
export function addmm(x: Tensor, a: Tensor, b: Tensor, options?: AddProductOptions): Tensor {
  options = productOptions('addmm', options, arguments.length > 4);
  return added('addmm', x, mm(a, b), options);
}
/** beta x + alpha a v, of a matrix [M, K] and a vector [K]; x broadcasts to [M]. */
export function addmv(x: Tensor, a: Tensor, v: Tensor, options?: AddProductOptions): Tensor {
  options = productOptions('addmv', options, arguments.length > 4);
  return added('addmv', x, mv(a, v), options);
}
/**
 * beta x + alpha outer(a, b), of vectors; x broadcasts to [M, N], and the dtypes are promoted. Of bool: whether either is
 * true whose factor is not 0.
 * @throws ArgumentError for factors of integers that are none
 */
export function addr(x: Tensor, a: Tensor, b: Tensor, options?: AddProductOptions): Tensor {
  options = productOptions('addr', options, arguments.length > 4);
  const { beta = 1, alpha = 1 } = options;
  const [summand, product] = promote(checkTensor(x, 'addr'), outer(a, b), 'addr') as [Tensor, Tensor];
  if (!isFloating(product.dtype) && !(Number.isInteger(beta) && Number.isInteger(alpha)))
    throw new ArgumentError(`addr: beta and alpha must be integers for tensors of integers, got ${beta} and ${alpha}`);
  return summed('addr', summand, product, options);
}
/** beta x + alpha a b for each of a batch, [B, M, K] and [B, K, N]; x broadcasts to [B, M, N]. */
export function baddbmm(x: Tensor, a: Tensor, b: Tensor, options?: AddProductOptions): Tensor {
  options = productOptions('baddbmm', options, arguments.length > 4);
  return added('baddbmm', x, bmm(a, b), options);
}
/** beta x + alpha times the sum of a b over a batch, [B, M, K] and [B, K, N]; x broadcasts to [M, N]. */
export function addbmm(x: Tensor, a: Tensor, b: Tensor, options?: AddProductOptions): Tensor {
  options = productOptions('addbmm', options, arguments.length > 4);
  const products = bmm(a, b);
  return added('addbmm', x, sum(products, 0, { dtype: products.dtype }), options);
}

/** The product of several matrices in the given order; the first and the last may be vectors. */
export function chainMatmul(...matrices: Tensor[]): Tensor {
  if (matrices.length === 0) throw new ArgumentError('chainMatmul: expected at least one matrix');
  return matrices.reduce((a, b) => matmul(a, b));
}

/**
 * The sums of products over pairs of dimensions.
 * @param dims how many of the last of a and the first of b, or the lists of a's and of b's dimensions. Default 2
 */
export function tensordot(a: Tensor, b: Tensor, dims: number | readonly [readonly number[], readonly number[]] = 2): Tensor {
  noMore('tensordot', arguments.length > 3);
  const where = 'tensordot';
  checkTensor(a, where);
  checkTensor(b, where, 'other');
  let left: number[];
  let right: number[];
  if (typeof dims === 'number') {
    checkInteger(dims, 0, where, 'dims');
    if (dims > a.ndim || dims > b.ndim)
      throw new ShapeError(`${where}: ${dims} dimensions are too many for ${formatShape(a.shape)} and ${formatShape(b.shape)}`);
    left = Array.from({ length: dims }, (_, i) => a.ndim - dims + i);
    right = Array.from({ length: dims }, (_, i) => i);
  } else {
    left = checkList(dims[0], where, 'dims').map((d) => normalizeDim(d, a.ndim, where));
    right = checkList(dims[1], where, 'dims').map((d) => normalizeDim(d, b.ndim, where));
  }
  // A size of 1 goes with any: the other side is summed.
  left.forEach((d, i) => {
    const e = right[i];
    if (e === undefined || a.shape[d] === b.shape[e]) return;
    if (a.shape[d] === 1) b = sum(b, e, { keepdim: true });
    else if (b.shape[e] === 1) a = sum(a, d, { keepdim: true });
  });
  if (left.length !== right.length || left.some((d, i) => a.shape[d] !== b.shape[right[i]!]))
    throw new ShapeError(
      `${where}: dimensions ${formatShape(left)} of ${formatShape(a.shape)} and ${formatShape(right)} of ${formatShape(b.shape)} differ`,
    );
  const freeA = [...a.shape.keys()].filter((d) => !left.includes(d));
  const freeB = [...b.shape.keys()].filter((d) => !right.includes(d));
  const k = numelOf(left.map((d) => a.shape[d]!));
  const [outA, outB] = [freeA.map((d) => a.shape[d]!), freeB.map((d) => b.shape[d]!)];
  const flatA = reshape(permute(a, [...freeA, ...left]), [numelOf(outA), k]);
  const flatB = reshape(permute(b, [...right, ...freeB]), [k, numelOf(outB)]);
  return reshape(mm(flatA, flatB), [...outA, ...outB]);
}

/** The Kronecker product: every element of a times all of b. */
export function kron(a: Tensor, b: Tensor): Tensor {
  noMore('kron', arguments.length > 2);
  const rank = Math.max(checkTensor(a, 'kron').ndim, checkTensor(b, 'kron', 'other').ndim);
  const whole = (x: Tensor) => [...new Array<number>(rank - x.ndim).fill(1), ...x.shape];
  const [p, q] = [whole(a), whole(b)];
  const left = reshape(a, p.flatMap((n) => [n, 1]));
  const right = reshape(b, q.flatMap((n) => [1, n]));
  return reshape(mul(left, right), p.map((n, i) => n * q[i]!));
}

/** The vector product along a dimension of size 3; by default the first such dimension. */
export function cross(a: Tensor, b: Tensor, dim: number | null = null): Tensor {
  noMore('cross', arguments.length > 3);
  const where = 'cross';
  const [x, y] = broadcastTensors(checkTensor(a, where), checkTensor(b, where, 'other')) as [Tensor, Tensor];
  const at = dim === null ? x.shape.indexOf(3) : normalizeDim(dim, x.ndim, where);
  if (at < 0 || x.shape[at] !== 3) throw new ShapeError(`${where}: expected a dimension of size 3, got ${formatShape(x.shape)}`);
  const turned = (t: Tensor, by: number) => roll(t, by, at);
  return sub(mul(turned(x, -1), turned(y, -2)), mul(turned(x, -2), turned(y, -1)));
}
