// SPDX-License-Identifier: Apache-2.0
// Indexing by tensors and masks, and operations whose result's size depends on values: what the op cases cannot say.
import { describe, expect, test } from 'vitest';
import { allclose, arange, capture, einsum, equal, IndexError, ones, tensor, zeros, type Tensor } from '../lib/index.js';
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

test('factors of integers are integers', () => {
  const a = ones([2, 2], { dtype: 'int64' }) as Tensor;
  expect(() => a.addmm(a, a, { alpha: 0.5 })).toThrow(/^addmm: beta and alpha must be integers for tensors of integers, got 1 and 0.5/);
  expect(list(a.addmm(a, a, { alpha: 3, beta: 2 }))).toEqual([8, 8, 8, 8]);
});

test('einsum says what is wrong with an equation', () => {
  const a = grid();
  expect(() => einsum('ij,jk', a)).toThrow(/^einsum: 'ij,jk' has 2 operands, got 1 tensors/);
  expect(() => einsum('ijk', a)).toThrow(ShapeError);
  expect(() => einsum('ij->ik', a)).toThrow(/^einsum: 'k' of the result of 'ij->ik' is in no operand/);
  expect(() => einsum('ij,jk->ik', a, a)).toThrow(/^einsum: 'j' of 'ij,jk->ik': shapes/);
  expect(() => einsum('i!->i', a)).toThrow(ArgumentError);
});
