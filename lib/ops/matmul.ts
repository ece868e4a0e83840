// SPDX-License-Identifier: Apache-2.0
// Matrix products and the fully connected layer.
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { DTypeError, ShapeError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import type { DType } from '../tensor/dtype.js';
import { broadcastShapes, checkShape, formatShape, numelOf, sameShape, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { lower } from './autocast.js';
import { checkFloat, checkSameDType } from './checks.js';
import { binaryKernel, expandView, reduceKernel, sumTo, withDim } from './kernels.js';
import { permuteKernel, reshapeKernel } from './view.js';

// ---- without autograd --------------------------------------------------------------------------------------------

// All but the last dimension as one: a view where x's strides allow it. A vector is one row.
function rows(x: Tensor): Tensor {
  if (x.ndim === 2) return x;
  return x.ndim === 1 ? withDim(x, 0) : reshapeKernel(x, [numelOf(x.shape.slice(0, -1)), x.shape[x.ndim - 1]!]);
}

function swapped(x: Tensor): Tensor {
  return permuteKernel(x, x.shape.map((_, i) => (i < x.ndim - 2 ? i : 2 * x.ndim - 3 - i)));
}

function reshaped(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : reshapeKernel(x, shape);
}

// a [..., M, K] times b [..., K, N], at least two dimensions each.
const product: (a: Tensor, b: Tensor) => Tensor = defineKernel({
  name: 'matmul',
  forward(ctx: Context, a: Tensor, b: Tensor): Tensor {
    ctx.save(a, b);
    const [m, k] = a.shape.slice(-2) as [number, number];
    const n = b.shape[b.ndim - 1]!;
    if (b.ndim === 2 && a.ndim > 2) return reshaped(product(rows(a), b), [...a.shape.slice(0, -1), n]);
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), 'matmul');
    const y = fresh(checkShape([...batch, m, n], 'matmul'), a.dtype, a.device);
    const [left, right] = batch.length ? [expandView(a, [...batch, m, k]), expandView(b, [...batch, k, n])] : [a, b];
    run(Op.matmul, [left, right], [y], []);
    return y;
  },
  gradients: [(g, ctx) => leftGradient(g, ctx.saved(0), ctx.saved(1)), (g, ctx) => rightGradient(g, ctx.saved(0), ctx.saved(1))],
});

function leftGradient(g: Tensor, a: Tensor, b: Tensor): Tensor {
  return sumTo(product(g, swapped(b)), a.shape);
}

function rightGradient(g: Tensor, a: Tensor, b: Tensor): Tensor {
  // One product over all rows where b was the same for every matrix of a.
  const full = b.ndim === 2 ? product(swapped(rows(a)), rows(g)) : product(swapped(a), g);
  return sumTo(full, b.shape);
}

// Vectors as the matrices that they stand for.
const leftMatrix = (a: Tensor) => (a.ndim === 1 ? withDim(a, 0) : a);
const rightMatrix = (b: Tensor) => (b.ndim === 1 ? withDim(b, 1) : b);

// ---- matmul --------------------------------------------------------------------------------------------------------

const matmulOp = defineOp({
  name: 'matmul',
  forward(ctx: Context, a: Tensor, b: Tensor): Tensor {
    ctx.save(a, b);
    const y = product(leftMatrix(a), rightMatrix(b));
    const shape = y.shape.filter((_, i) => !(a.ndim === 1 && i === y.ndim - 2) && !(b.ndim === 1 && i === y.ndim - 1));
    return reshaped(y, shape);
  },
  gradients: [
    (g, ctx) => {
      const [a, b, grad] = operands(g, ctx);
      return reshaped(leftGradient(grad, leftMatrix(a), rightMatrix(b)), a.shape);
    },
    (g, ctx) => {
      const [a, b, grad] = operands(g, ctx);
      return reshaped(rightGradient(grad, leftMatrix(a), rightMatrix(b)), b.shape);
    },
  ],
});

// Both operands and the gradient with the dimensions that vectors lack in the result.
function operands(g: Tensor, ctx: Context): [a: Tensor, b: Tensor, grad: Tensor] {
  const [a, b] = [ctx.saved(0), ctx.saved(1)];
  let grad = g;
  if (b.ndim === 1) grad = withDim(grad, grad.ndim);
  if (a.ndim === 1) grad = withDim(grad, grad.ndim - 1);
  return [a, b, grad];
}

function checkOperands(a: Tensor, b: Tensor, where: string): void {
  checkSameDType(a, b, where, 'both operands', 'they');
  if (a.dtype === 'bool') throw new DTypeError(`${where}: there is no product of bool matrices`);
}

/**
 * Matrix product by PyTorch's rules: vectors count as a row on the left and as a column on the right, leading
 * dimensions are broadcast. Transposed operands cost no copy.
 *
 * @param a [K], [M, K] or [..., M, K]
 * @param b [K], [K, N] or [..., K, N], of the same dtype
 * @throws ShapeError when the inner sizes differ, the leading dimensions do not broadcast, or an operand is a scalar
 * @throws DTypeError for different dtypes, and for bool
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  noMore('matmul', arguments.length > 2);
  checkTensor(a, 'matmul', 'the first operand');
  checkTensor(b, 'matmul', 'the second operand');
  const inner = b.ndim === 1 ? 0 : b.ndim - 2;
  if (a.ndim === 0 || b.ndim === 0 || a.shape[a.ndim - 1] !== b.shape[inner])
    throw new ShapeError(
      `matmul: expected [..., M, K] and [..., K, N] with one K, got ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
    );
  const [left, right] = lower(a, b);
  checkOperands(left, right, 'matmul');
  if (a.ndim > 2 && b.ndim > 2) broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), 'matmul');
  return matmulOp(left, right);
}

/**
 * Matrix product of two matrices, without broadcasting.
 * @throws ShapeError unless the operands are [M, K] and [K, N]
 */
export function mm(a: Tensor, b: Tensor): Tensor {
  noMore('mm', arguments.length > 2);
  return product2(a, b, 2, 'mm', '[M, K] and [K, N]');
}

/**
 * Matrix products of two batches of matrices, without broadcasting.
 * @throws ShapeError unless the operands are [B, M, K] and [B, K, N]
 */
export function bmm(a: Tensor, b: Tensor): Tensor {
  noMore('bmm', arguments.length > 2);
  return product2(a, b, 3, 'bmm', '[B, M, K] and [B, K, N]');
}

function product2(a: Tensor, b: Tensor, rank: number, where: string, expected: string): Tensor {
  checkTensor(a, where, 'the first operand');
  checkTensor(b, where, 'the second operand');
  if (a.ndim !== rank || b.ndim !== rank || a.shape[rank - 1] !== b.shape[rank - 2] || (rank === 3 && a.shape[0] !== b.shape[0]))
    throw new ShapeError(`${where}: expected ${expected}, got ${formatShape(a.shape)} and ${formatShape(b.shape)}`);
  const [left, right] = lower(a, b);
  checkOperands(left, right, where);
  return matmulOp(left, right);
}

// ---- linear --------------------------------------------------------------------------------------------------------

/** Of the gradients that are wanted; null for a bias that needs none. */
interface GradientDTypes {
  weight: DType;
  bias: DType | null;
}

interface LinearKept {
  shape: Shape;
  relu: boolean;
}

// grad [M, N], x [M, K]: the gradients of a weight [N, K] and, unless its type is null, of a bias [N].
const weightKernel: (grad: Tensor, x: Tensor, shape: Shape, types: GradientDTypes) => readonly Tensor[] = defineKernel({
  name: 'linear',
  inputs: 2,
  forward(ctx: Context, grad: Tensor, x: Tensor, shape: Shape, types: GradientDTypes): readonly Tensor[] {
    ctx.save(grad, x);
    const dWeight = fresh(shape, types.weight, x.device);
    const dBias = types.bias ? fresh([shape[0]!], types.bias, x.device) : null;
    run(Op.linearBackwardWeight, [grad, x], [dWeight, dBias], []);
    return dBias ? [dWeight, dBias] : [dWeight];
  },
  backward([gWeight, gBias], ctx) {
    const [grad, x] = [ctx.saved(0), ctx.saved(1)];
    let dGrad = gWeight ? product(x, swapped(gWeight)) : null;
    if (gBias) {
      const spread = expandView(gBias, grad.shape);
      dGrad = dGrad ? binaryKernel(Op.add, dGrad, spread) : spread;
    }
    return [ctx.needs[0] ? dGrad : null, ctx.needs[1] && gWeight ? product(grad, gWeight) : null];
  },
});

const linearOp = defineOp({
  name: 'linear',
  inputs: 3,
  forward(ctx: Context<LinearKept>, x: Tensor, weight: Tensor, bias: Tensor | null, relu: boolean): Tensor {
    const flat = rows(x);
    const y = fresh(checkShape([flat.shape[0]!, weight.shape[0]!], 'linear'), x.dtype, x.device);
    run(Op.linear, [flat, weight, bias], [y], [relu ? 1 : 0]);
    const result = reshaped(y, [...x.shape.slice(0, -1), weight.shape[0]!]);
    if (ctx.recording) {
      ctx.keep({ shape: x.shape, relu });
      const input = ctx.needs[1] ? x : weight; // the weight in its place where no gradient needs the input
      if (relu) ctx.save(input, weight, result);
      else ctx.save(input, weight);
    }
    return result;
  },
  backward([g], ctx) {
    const { shape, relu } = ctx.params;
    const [needsX, needsWeight, needsBias] = ctx.needs;
    const weight = ctx.saved(1);
    const grad = relu ? binaryKernel(Op.reluBackward, rows(g!), rows(ctx.saved(2))) : rows(g!);
    const dX = needsX ? reshaped(product(grad, weight), shape) : null;
    if (!needsWeight) return [dX, null, needsBias ? reduceKernel(Op.sum, grad, [0], false) : null];
    const types = { weight: ctx.gradientDType(1, weight), bias: needsBias ? ctx.gradientDType(2, weight) : null };
    return [dX, ...weightKernel(grad, rows(ctx.saved(0)), weight.shape, types)];
  },
});

function linearLayer(x: Tensor, weight: Tensor, bias: Tensor | null, relu: boolean): Tensor {
  const where = 'linear';
  checkTensor(x, where);
  checkTensor(weight, where, 'weight');
  if (weight.ndim !== 2 || x.ndim === 0 || x.shape[x.ndim - 1] !== weight.shape[1])
    throw new ShapeError(
      `${where}: expected input [..., K] and weight [N, K] with one K, got ` +
        `${formatShape(x.shape)} and ${formatShape(weight.shape)}`,
    );
  checkFloat(x, where);
  checkSameDType(x, weight, where, 'input', 'weight');
  if (bias) {
    checkTensor(bias, where, 'bias');
    if (bias.ndim !== 1 || bias.shape[0] !== weight.shape[0])
      throw new ShapeError(
        `${where}: bias must be [${weight.shape[0]}] for weight ${formatShape(weight.shape)}, got ${formatShape(bias.shape)}`,
      );
    checkSameDType(x, bias, where, 'input', 'bias');
  }
  return linearOp(x, weight, bias, relu);
}

/**
 * Fully connected layer: x times the weight transposed, plus the bias.
 *
 * @param x [..., K], floating
 * @param weight [N, K], of x's dtype
 * @param bias [N], of x's dtype, or left out
 * @returns [..., N]
 * @throws ShapeError, DTypeError when they do not fit together
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  noMore('linear', arguments.length > 3);
  return linearLayer(...lower(x, weight, bias), false);
}

/** @internal relu(linear(...)) in one operation. */
export function linearRelu(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return linearLayer(...lower(x, weight, bias), true);
}
