// SPDX-License-Identifier: Apache-2.0
// Indexing by tensors and masks, and operations whose result's size depends on values: what the op cases cannot say.
import { describe, expect, test } from 'vitest';
import { allclose, arange, capture, einsum, equal, IndexError, ones, tensor, zeros, type Tensor } from '../lib/index.js';
import type { DType } from '../lib/tensor/dtype.js';
import { ArgumentError, AutogradError, CaptureError, DTypeError, ShapeError } from '../lib/native/errors.js';

const int = (values: readonly number[]) => tensor(values, { dtype: 'int64' }) as Tensor;
const list = (x: Tensor) => Array.from(x.dataSync() as Float32Array, Number);
const grid = () => arange(12).to('float32').reshape([3, 4]);

describe('x[...]', () => {
  test('picks what PyTorch picks', () => {
    expect(list(grid().index([int([2, 0]), int([1, -1])]))).toEqual([9, 3]);
    expect(list(grid().index(['...', 1]))).toEqual([1, 5, 9]);
    expect(grid().index([null, int([1, 1])]).shape).toEqual([3, 2]);
    expect(list(grid().index([grid().gt(9)]))).toEqual([10, 11]);
    expect(list(grid().index([1]))).toEqual([4, 5, 6, 7]);
  });

  test('each index is checked by itself', () => {
    // 0 * 4 + 5 would be inside of the tensor.
    expect(() => grid().index([int([0]), int([5])]).dataSync()).toThrow(IndexError);
    expect(() => grid().index([int([0]), int([-5])]).dataSync()).toThrow(IndexError);
    expect(() => grid().indexPut([int([0]), int([4])], 1).dataSync()).toThrow(IndexError);
  });

  test('wrong indices', () => {
    expect(() => grid().index([0, 0, 0])).toThrow(/^index: 3 indices are too many for the dimensions of \[3, 4\]/);
    expect(() => grid().index([ones([2]).gt(0)])).toThrow(/^index: mask \[2\] does not fit dimension 0 of \[3, 4\]/);
    expect(() => grid().index(['...', '...'])).toThrow(ArgumentError);
    expect(() => grid().index([ones([2])])).toThrow(DTypeError);
    expect(() => grid().index(3 as never)).toThrow(/^index: expected an array of indices/);
    expect(() => grid().index([int([0, 1]), int([0, 1, 2])])).toThrow(ShapeError);
    expect(() => grid().indexPut([int([0, 1])], ones([3]))).toThrow(/^indexPut: values \[3\] cannot be broadcast|^indexPut: shapes/);
  });

  test('writes into the tensor itself', () => {
    const x = grid();
    expect(x.indexPut_([int([0]), int([1, 2])], -1)).toBe(x);
    expect(list(x).slice(0, 4)).toEqual([0, -1, -1, 3]);
    x.indexPut_([1, int([0])], 9);
    expect(list(x).slice(4, 8)).toEqual([9, 5, 6, 7]);
    x.indexPut_([int([2, 2]), int([0, 0])], ones([2]), { accumulate: true });
    expect(list(x).slice(8)).toEqual([10, 9, 10, 11]);
    x.maskedFill_(x.lt(0), 0.5).scatter_(1, int([3]).reshape([1, 1]), 7).indexFill_(0, int([2]), 2).indexCopy_(0, int([1]), ones([1, 4]));
    expect(list(x)).toEqual([0, 0.5, 0.5, 7, 1, 1, 1, 1, 2, 2, 2, 2]);
    const leaf = grid().requiresGrad_();
    expect(() => leaf.indexPut_([int([0])], 1)).toThrow(AutogradError);
    expect(() => leaf.scatter_(0, int([0]).reshape([1, 1]), 1)).toThrow(AutogradError);
    expect(() => zeros([2], { dtype: 'int32' }).maskedFill_(tensor([true, false]) as Tensor, 0.5)).toThrow(DTypeError);
  });
});

describe('results whose size depends on values', () => {
  test('are refused in a captured step', () => {
    const x = grid();
    const calls: Record<string, (x: Tensor) => unknown> = {
      maskedSelect: (y) => y.maskedSelect(y.gt(3)),
      nonzero: (y) => y.nonzero(),
      unique: (y) => y.unique(),
    };
    for (const [name, call] of Object.entries(calls))
      expect(() => capture((y: Tensor) => call(y) as Tensor)(x), name).toThrow(
        new CaptureError(`${name}() cannot be part of a captured step: the size of its result depends on values; call it outside`),
      );
  });

  test('the others are captured', async () => {
    const step = capture((y: Tensor, i: Tensor) => y.index([i, i]).add(y.tril().cumprod(1).sum(1).narrow(0, 0, 2)));
    const [x, i] = [grid().add(1), int([2, 1])];
    const expected = await step(x, i).data();
    for (let k = 0; k < 3; k++) expect(await step(x, i).data()).toEqual(expected);
  });

  test('closeness is a boolean', () => {
    const x = tensor([1, NaN]) as Tensor;
    expect(allclose(x, x)).toBe(false);
    expect(x.allclose(x, { equalNan: true })).toBe(true);
    expect(equal(grid(), grid())).toBe(true);
    expect(equal(grid(), grid().reshape([4, 3]))).toBe(false);
    expect(allclose(zeros([0]) as Tensor, zeros([0]) as Tensor)).toBe(true);
    expect(() => allclose(grid(), grid(), { tol: 1 } as never)).toThrow(/^allclose: no option 'tol'/);
  });

  test('wrong counts', () => {
    expect(() => tensor([1, -1], { dtype: 'int64' }).bincount()).toThrow(/^bincount: the numbers must not be negative, got -1/);
    expect(() => grid().repeatInterleave(int([1, -1, 1]), { dim: 0 })).toThrow(/^repeatInterleave: repeats must not be negative/);
    expect(() => grid().repeatInterleave(int([1, 2]), { dim: 0 })).toThrow(/^repeatInterleave: repeats must be one number or \[3\]/);
  });
});

test('tensors without elements are read and written, whatever their strides', async () => {
  for (const shape of [[0], [0, 0], [2, 0], [0, 3, 0]]) expect((await zeros(shape).data()).length, String(shape)).toBe(0);
  expect(grid().diagonal({ offset: 4 }).dataSync().length).toBe(0);
  expect(tensor(new Float32Array(0), { shape: [0, 0] }).dataSync().length).toBe(0);
});

describe('factors of sums of products of integers', () => {
  const a = (dtype: DType) => tensor([[1, 2], [3, 4]], { dtype });
  test.each<DType>(['int64', 'int32', 'uint8'])('%s: their integer parts count', (dtype) => {
    const [m, b, v] = [a(dtype), a(dtype).unsqueeze(0), tensor([1, 2], { dtype })];
    const factors = { beta: 1.6, alpha: 2.7 };
    for (const y of [m.addmm(m, m, factors), b.baddbmm(b, b, factors), m.addbmm(b, b, factors)]) {
      expect(y.dtype).toBe(dtype);
      expect(list(y)).toEqual([15, 22, 33, 48]);
    }
    expect([v.addmv(m, v, factors).dtype, list(v.addmv(m, v, factors))]).toEqual([dtype, [11, 24]]);
    expect(list(m.addmm(m, m, { beta: 0.6, alpha: 0.2 }))).toEqual([0, 0, 0, 0]);
    expect(() => m.addmm(m, m, { alpha: Infinity })).toThrow(`addmm: alpha Infinity does not fit into ${dtype}`);
  });
  test('those of addr() have to be integers', () => {
    const [m, v] = [a('int64'), int([1, 2])];
    expect(() => m.addr(v, v, { alpha: 0.5 })).toThrow(/^addr: beta and alpha must be integers for tensors of integers, got 1 and 0.5/);
    expect(list(m.addr(v, v, { alpha: 3, beta: 2 }))).toEqual([5, 10, 12, 20]);
  });
  test('addr() promotes dtypes, and asks of bool whether either is true', () => {
    const [m, v] = [a('int64'), tensor([true, false])];
    expect(list(m.to('float32').addr(v, int([3, 4]), { beta: 0.5 }))).toEqual([3.5, 5, 1.5, 2]);
    expect([m.addr(v, v).dtype, list(m.addr(v, v))]).toEqual(['int64', [2, 2, 3, 4]]);
    const eye = tensor([[false, false], [false, true]]);
    for (const [factors, expected] of [[{ beta: 3, alpha: -2 }, [1, 0, 0, 1]], [{ beta: 0 }, [1, 0, 0, 0]], [{ alpha: 0 }, [0, 0, 0, 1]]] as const) {
      const y = eye.addr(v, v, factors);
      expect([y.dtype, list(y)]).toEqual(['bool', expected]);
    }
  });
});

describe('indexFill()', () => {
  test('the gradient of the value counts a position once', () => {
    const [x, value] = [grid().requiresGrad_(), tensor(-1.5).requiresGrad_()];
    const y = x.indexFill(1, int([2, 1, -2, 2]), value);
    expect(list(y)).toEqual([0, -1.5, -1.5, 3, 4, -1.5, -1.5, 7, 8, -1.5, -1.5, 11]);
    y.mul(grid()).sum().backward();
    expect(list(value.grad!)).toEqual([1 + 2 + 5 + 6 + 9 + 10]);
    expect(list(x.grad!)).toEqual([0, 0, 0, 3, 4, 0, 0, 7, 8, 0, 0, 11]);
  });
  test('takes values of other dtypes, and no positions', () => {
    expect(list(int([1, 2]).indexFill(0, int([0]), tensor(2.5)))).toEqual([2, 2]);
    expect(list(tensor(1).indexFill(0, int([0]), tensor(5)))).toEqual([5]);
    expect(list(grid().indexFill(0, zeros([0], { dtype: 'int64' }), tensor(5)))).toEqual(list(grid()));
    expect(() => grid().indexFill(0, int([3]), tensor(5)).dataSync()).toThrow(IndexError);
  });
});

test('takeAlongDim() takes positions modulo the size of the dimension', () => {
  expect(list(grid().takeAlongDim(int([-4, -1, 0, 3]).reshape([1, 4]), 0))).toEqual([8, 9, 2, 3]);
  expect(list(grid().takeAlongDim(tensor([[-1]], { dtype: 'int32' }), 1))).toEqual([3, 7, 11]);
  expect(() => grid().takeAlongDim(int([-1])).dataSync()).toThrow(IndexError);
  expect(() => zeros([0, 3]).takeAlongDim(zeros([1, 3], { dtype: 'int64' }), 0).dataSync()).toThrow(IndexError);
});

test('einsum says what is wrong with an equation', () => {
  const a = grid();
  expect(() => einsum('ij,jk', a)).toThrow(/^einsum: 'ij,jk' has 2 operands, got 1 tensors/);
  expect(() => einsum('ijk', a)).toThrow(ShapeError);
  expect(() => einsum('ij->ik', a)).toThrow(/^einsum: 'k' of the result of 'ij->ik' is in no operand/);
  expect(() => einsum('ij,jk->ik', a, a)).toThrow(/^einsum: 'j' of 'ij,jk->ik': shapes/);
  expect(() => einsum('i!->i', a)).toThrow(ArgumentError);
});
