// SPDX-License-Identifier: Apache-2.0
// What operations mean at the edges: empty lists of dimensions, integers that overflow or are divided by zero, bool,
// positions outside, bounds that are tensors. Expected values are PyTorch's.
import { describe, expect, test } from 'vitest';
import {
  all, any, arange, ArgumentError, DTypeError, F, full, gather, IndexError, ones, scatterAdd, ShapeError, tensor, type Tensor, where, zeros,
} from '../lib/index.js';

const list = (x: Tensor) => Array.from(x.dataSync() as ArrayLike<number | bigint>, Number);
const big = (x: Tensor) => [...(x.dataSync() as BigInt64Array)];
const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

describe('an empty list of dimensions', () => {
  const x = arange(6).to('float64').reshape([1, 2, 3]);
  test.each<[string, Tensor, number]>([
    ['sum', x.sum([]), 15],
    ['mean', x.mean([]), 2.5],
    ['prod', x.add(1).prod([]), 720],
    ['amax', x.amax([]), 5],
    ['logsumexp', x.logsumexp([]).exp().round(), 234],
    ['amin', x.amin([]), 0],
    ['var', x.var([]), 3.5],
    ['std', x.std([]), Math.sqrt(3.5)],
    ['norm', x.norm(2, []), Math.sqrt(55)],
    ['norm 1', x.norm(1, []), 15],
    ['norm of infinity', x.norm(Infinity, []), 5],
  ])('%s reduces all', (_, y, value) => {
    expect(y.shape).toEqual([]);
    expect(list(y)[0]).toBeCloseTo(value, 12);
  });
  test('keepdim keeps all, and gradients reach all', () => {
    const leaf = x.clone().requiresGrad_();
    const y = leaf.sum([], { keepdim: true });
    expect(y.shape).toEqual([1, 1, 1]);
    y.backward();
    expect(list(leaf.grad!)).toEqual([1, 1, 1, 1, 1, 1]);
  });
  test('any, all and squeeze take it for none', () => {
    expect([any(x, []).shape, all(x, []).shape, all(x, []).dtype]).toEqual([[1, 2, 3], [1, 2, 3], 'bool']);
    expect(x.squeeze([]).shape).toEqual([1, 2, 3]);
  });
});

describe('sum and prod in an integer dtype', () => {
  test.each<[string, Tensor, string, number]>([
    ['int64', tensor([1.5, 2.5]).sum(null, { dtype: 'int64' }), 'int64', 3],
    ['int32', tensor([1.5, 2.5]).prod(null, { dtype: 'int32' }), 'int32', 2],
    ['uint8', tensor([100n, 200n]).sum(null, { dtype: 'uint8' }), 'uint8', 44],
    ['int32 of int64', tensor([100n, 200n]).sum(0, { dtype: 'int32' }), 'int32', 300],
    ['bool', tensor(new Uint8Array([100, 200])).sum(null, { dtype: 'bool' }), 'bool', 1],
    ['bool product', tensor(new Uint8Array([100, 0])).prod(null, { dtype: 'bool' }), 'bool', 0],
    ['float64', arange(4).sum(null, { dtype: 'float64' }), 'float64', 6],
  ])('%s', (_, y, dtype, value) => {
    expect([y.dtype, list(y)]).toEqual([dtype, [value]]);
  });
});

describe('integers', () => {
  test('int64 wraps around', () => {
    const x = tensor([MIN, MAX, 2n ** 62n]);
    expect(big(x.neg())).toEqual([MIN, -MAX, -(2n ** 62n)]);
    expect(big(x.abs())).toEqual([MIN, MAX, 2n ** 62n]);
    expect(big(x.add(x))).toEqual([0n, -2n, MIN]);
    expect(big(x.sub(tensor([1n, -1n, 0n])))).toEqual([MAX, MIN, 2n ** 62n]);
    expect(big(x.mul(4))).toEqual([0n, -4n, 0n]);
    expect(big(x.square())).toEqual([0n, 1n, 0n]);
    expect(big(x.floorDivide(-1))).toEqual([MIN, -MAX, -(2n ** 62n)]);
    expect(big(x.remainder(tensor([-1n, -1n, -1n])))).toEqual([0n, 0n, 0n]);
    expect(big(tensor([3n]).pow(100))).toEqual([-2984622845537545263n]);
    expect(big(x.sum())).toEqual([BigInt.asIntN(64, MIN + MAX + 2n ** 62n)]);
    expect(big(full([1000], 2 ** 62, { dtype: 'int64' }).sum())).toEqual([BigInt.asIntN(64, 1000n * 2n ** 62n)]);
    expect(big(full([100], 3, { dtype: 'int64' }).prod())).toEqual([BigInt.asIntN(64, 3n ** 100n)]);
    expect(big(full([50, 4], 7, { dtype: 'int64' }).prod(0))).toEqual(Array<bigint>(4).fill(BigInt.asIntN(64, 7n ** 50n)));
    expect(big(tensor([MAX, 1n, MAX]).cumsum(0))).toEqual([MAX, MIN, -1n]);
    const row = full([1, 4], 2 ** 62, { dtype: 'int64' });
    expect(big(row.matmul(full([4, 1], 3, { dtype: 'int64' })))).toEqual([BigInt.asIntN(64, 12n * 2n ** 62n)]);
  });
  test('negative powers', () => {
    expect(() => arange(3).pow(-1)).toThrow(ArgumentError);
    expect(big(tensor([-3n, 2n, 1n, -1n]).pow(tensor([-1n, -1n, -1n, -3n])))).toEqual([0n, 0n, 1n, -1n]);
    expect(list(arange(1, 3).pow(-0.5).round())).toEqual([1, 1]);
  });
  test('int32 and uint8 wrap around', () => {
    expect(list(tensor([2 ** 31 - 1], { dtype: 'int32' }).add(1))).toEqual([-(2 ** 31)]);
    expect(list(tensor(new Uint8Array([200])).add(100))).toEqual([44]);
    const x = tensor([2 ** 31 - 1], { dtype: 'int32' });
    expect(list(scatterAdd(x, 0, tensor([0n]), tensor([1], { dtype: 'int32' })))).toEqual([-(2 ** 31)]);
  });
  test('floats that do not fit', () => {
    const x = tensor([1e20, -1e20, NaN, Infinity, -Infinity, -2.9, 3e9], { dtype: 'float64' });
    expect(big(x.to('int64'))).toEqual([MIN, MIN, MIN, MIN, MIN, -2n, 3_000_000_000n]);
    expect(big(x.to('float32').to('int64')).slice(0, 6)).toEqual([MIN, MIN, MIN, MIN, MIN, -2n]);
    expect(list(tensor([300, -1, 1e10, NaN]).to('uint8'))).toEqual([44, 255, 0, 0]);
    expect(list(tensor([0.5, NaN]).to('bool'))).toEqual([1, 1]);
  });
  test('division by zero', () => {
    const x = arange(5);
    for (const divide of [() => x.floorDivide(0), () => x.remainder(0)]) expect(divide).toThrow(/^\w+: integer division by zero/);
    for (const divide of [
      () => x.floorDivide(zeros([5], { dtype: 'int64' })),
      () => x.remainder(tensor(0n)),
      () => x.to('uint8').remainder(tensor(new Uint8Array([1, 2, 0, 3, 4]))),
    ])
      expect(() => divide().dataSync()).toThrow(ArgumentError);
    expect(x.narrow(0, 0, 0).floorDivide(tensor(0n)).shape).toEqual([0]);
    expect(list(x.to('float32').floorDivide(0))).toEqual([NaN, Infinity, Infinity, Infinity, Infinity]);
    expect(list(x.to('float32').remainder(0))).toEqual([NaN, NaN, NaN, NaN, NaN]);
  });
});

describe('bool', () => {
  const [yes, no] = [tensor([true, true]), tensor([false, true])];
  test.each<[string, () => Tensor]>([
    ['sub', () => yes.sub(no)],
    ['sub of a boolean', () => yes.sub(true)],
    ['sub of a number', () => yes.sub(1)],
    ['sub from floats', () => ones([2]).sub(yes)],
    ['sub_', () => yes.clone().sub_(no)],
    ['neg', () => yes.neg()],
    ['abs', () => yes.abs()],
    ['floorDivide', () => yes.floorDivide(yes)],
    ['remainder', () => yes.remainder(yes)],
    ['pow', () => yes.pow(yes)],
  ])('%s is refused', (_, make) => {
    expect(make).toThrow(DTypeError);
  });
  test('the rest works', () => {
    expect([yes.add(no).dtype, list(yes.add(no))]).toEqual(['bool', [1, 1]]);
    expect([yes.mul(true).dtype, yes.div(yes).dtype, yes.pow(2).dtype]).toEqual(['bool', 'float32', 'int64']);
    expect([yes.clamp(0, 1).dtype, list(yes.clamp(0, 1))]).toEqual(['int64', [1, 1]]);
  });
  test('where', () => {
    const c = tensor([true, false]);
    const kinds = [where(c, true, false), where(c, 1, 2), where(c, 1, 2.5), where(c, true, 2), where(c, yes, false), where(c, yes, arange(2))];
    expect(kinds.map((y) => [y.dtype, ...list(y)])).toEqual([
      ['bool', 1, 0], ['int64', 1, 2], ['float32', 1, 2.5], ['int64', 1, 2], ['bool', 1, 0], ['int64', 1, 1],
    ]);
    expect(() => where(c, null as never, 1)).toThrow(ArgumentError);
  });
});

describe('alpha', () => {
  test.each<[string, () => Tensor, string, number[]]>([
    ['add', () => arange(3).add(arange(3), { alpha: 2 }), 'int64', [0, 3, 6]],
    ['add of a number', () => arange(2).add(1.5, { alpha: 2 }), 'float32', [3, 4]],
    ['add of bool', () => tensor([true, false]).add(tensor([false, true]), { alpha: 0 }), 'bool', [1, 0]],
    ['sub', () => tensor([1]).sub(tensor([2n]), { alpha: 3 }), 'float32', [-5]],
    ['add_', () => tensor([1, 2]).add_(tensor([1, 1]), { alpha: -2 }), 'float32', [-1, 0]],
    ['sub_', () => tensor([1, 2]).sub_(1, { alpha: 0.5 }), 'float32', [0.5, 1.5]],
    ['of infinity', () => tensor([1]).add(tensor([Infinity]), { alpha: 0 }), 'float32', [NaN]],
  ])('%s', (_, make, dtype, values) => {
    const y = make();
    expect([y.dtype, list(y)]).toEqual([dtype, values]);
  });
  test('gradients', () => {
    const [a, b] = [ones([2, 3], { requiresGrad: true }) as Tensor, ones([3], { requiresGrad: true }) as Tensor];
    a.sub(b, { alpha: 3 }).sum().backward();
    expect([list(a.grad!), list(b.grad!)]).toEqual([[1, 1, 1, 1, 1, 1], [-6, -6, -6]]);
  });
  test('is an integer for integers', () => {
    expect(() => arange(2).add(1, { alpha: 2.5 })).toThrow(ArgumentError);
    expect(() => arange(2).add(1, { alfa: 2 } as never)).toThrow(ArgumentError);
  });
});

describe('clamp', () => {
  test.each<[string, Tensor, string, number[]]>([
    ['tensors', tensor([-1, 0.5, 3]).clamp(tensor(0), tensor(1)), 'float32', [0, 0.5, 1]],
    ['a tensor and a number', tensor([1, 2]).clamp(tensor(1.5), 3), 'float32', [1.5, 2]],
    ['one side', tensor([1, 2]).clamp(null, tensor([0, 5])), 'float32', [0, 2]],
    ['a lower bound above the upper one', tensor([3, 1, 2]).clamp(tensor([2, 2, 2]), tensor([1, 1, 1])), 'float32', [1, 1, 1]],
    ['numbers the wrong way round', tensor([3]).clamp(2, 1), 'float32', [1]],
    ['NaN in a tensor', tensor([NaN, 1]).clamp(tensor([0, NaN]), tensor([1, 1])), 'float32', [NaN, NaN]],
    ['NaN', tensor([1, 2]).clamp(NaN, 5), 'float32', [NaN, NaN]],
    ['a fraction for integers', tensor([3n]).clamp(0.5, 2.5), 'float32', [2.5]],
    ['integers', arange(5).clamp(1, 3), 'int64', [1, 1, 2, 3, 3]],
    ['a broadcast bound', ones([1, 3]).clamp(tensor([[0], [2]])), 'float32', [1, 1, 1, 2, 2, 2]],
  ])('%s', (_, y, dtype, values) => {
    expect([y.dtype, list(y)]).toEqual([dtype, values]);
  });
  test('gradients of all three', () => {
    const leaf = (values: number[]) => tensor(values, { requiresGrad: true });
    const [x, min, max] = [leaf([-1, 0.5, 3, 1]), leaf([0, 0, 0, 2]), leaf([1, 1, 1, 1.5])];
    x.clamp(min, max).backward(tensor([1, 2, 3, 4]));
    expect([list(x.grad!), list(min.grad!), list(max.grad!)]).toEqual([[0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 3, 4]]);
  });
  test('bounds that are neither', () => {
    for (const bound of ['1', {}, { valueOf: () => 0.5 }, [1], true]) expect(() => ones([2]).clamp(bound as never)).toThrow(ArgumentError);
    expect(() => ones([2]).clamp()).toThrow(ArgumentError);
  });
});

describe('positions', () => {
  test('a tensor without dimensions and an index with one', () => {
    const x = tensor(3, { requiresGrad: true });
    const y = gather(x, 0, tensor([0n, 0n, 0n]));
    expect([y.shape, list(y)]).toEqual([[3], [3, 3, 3]]);
    y.sum().backward();
    expect([x.grad!.shape, list(x.grad!)]).toEqual([[], [3]]);
    const z = gather(tensor([3, 4]), 0, tensor(1n));
    expect([z.shape, list(z)]).toEqual([[], [4]]);
    expect(list(scatterAdd(tensor(3), 0, tensor([0n, 0n]), tensor([1, 2])))).toEqual([6]);
    expect(list(scatterAdd(tensor([3]), 0, tensor(0n), tensor(1)))).toEqual([4]);
    expect(gather(zeros([2, 3]), 0, zeros([0], { dtype: 'int64' })).shape).toEqual([0]);
  });
  const back = tensor([-1n]);
  test.each<[string, () => Tensor]>([
    ['embedding', () => F.embedding(back, ones([3, 2]))],
    ['gather', () => gather(ones([3]), 0, back)],
    ['indexSelect', () => ones([3]).indexSelect(0, back)],
    ['indexAdd', () => ones([3]).indexAdd(0, back, ones([1]))],
    ['scatterAdd', () => scatterAdd(ones([3]), 0, back, ones([1]))],
    ['oneHot', () => F.oneHot(back, 3)],
    ['embedding beyond the end', () => F.embedding(tensor([3n]), ones([3, 2]))],
  ])('%s refuses one outside', (_, make) => {
    expect(() => make().dataSync()).toThrow(IndexError);
  });
});

describe('padding', () => {
  const x = tensor([1, 2, 3, 4], { shape: [1, 1, 4] });
  test.each<[number[], number[]]>([
    [[-1, 2], [2, 3, 4, 2, 3]],
    [[2, -1], [2, 3, 1, 2, 3]],
    [[-1, -1], [2, 3]],
    [[3, 1], [2, 3, 4, 1, 2, 3, 4, 1]],
  ])('circular by %j', (padding, values) => {
    expect(list(F.pad(x, padding, { mode: 'circular' }))).toEqual(values);
  });
  test('the gradient goes where the values came from', () => {
    const leaf = x.clone().requiresGrad_();
    F.pad(leaf, [-1, 2], { mode: 'circular' }).backward(tensor([1, 2, 4, 8, 16], { shape: [1, 1, 5] }));
    expect(list(leaf.grad!)).toEqual([0, 9, 18, 4]);
  });
});

test('a window of any size in localResponseNorm', () => {
  const x = arange(12).to('float64').reshape([1, 3, 4]);
  const expected = (size: number) => list(x.div(x.square().sum(1, { keepdim: true }).mul(2 / size).add(1).pow(0.75)));
  for (const size of [6, 7, 100, 2 ** 31, 2 ** 53 - 1]) {
    const y = list(F.localResponseNorm(x, size, { alpha: 2 }));
    y.forEach((value, i) => expect(value).toBeCloseTo(expected(size)[i]!, 12));
  }
  const leaf = x.clone().requiresGrad_();
  F.localResponseNorm(leaf, 2 ** 31).sum().backward();
  expect(list(leaf.grad!).every(Number.isFinite)).toBe(true);
});

describe('interpolation', () => {
  test('to millions of outputs', () => {
    const x = tensor([1, 2], { shape: [1, 1, 2] });
    const y = F.interpolate(x, { size: 8_000_000 });
    expect([y.narrow(2, 3_999_999, 2).tolist(), y.shape]).toEqual([[[[1, 2]]], [1, 1, 8_000_000]]);
  });
  test('to more than there can be', () => {
    expect(() => F.interpolate(ones([1, 1, 2, 2]), { size: 2 ** 31 - 1 })).toThrow(/memory|elements/);
  });
  test('its gradient is the transpose', () => {
    const x = ones([1, 1, 3], { requiresGrad: true }) as Tensor;
    F.interpolate(x, { size: 5, mode: 'linear' }).sum().backward();
    expect(x.grad!.sum().itemSync()).toBeCloseTo(5, 5);
  });
});

// ---- matmul ------------------------------------------------------------------------------------------------------------

type Nested = number[];

// Products of batches by definition, for row-major operands.
function product(a: Nested, aShape: number[], b: Nested, bShape: number[], batch: number[]): number[] {
  const [m, k] = aShape.slice(-2) as [number, number];
  const n = bShape.at(-1)!;
  const y: number[] = [];
  const total = batch.reduce((p, s) => p * s, 1);
  const start = (flat: number, shape: number[], size: number) => {
    const own = shape.slice(0, -2);
    let at = 0;
    let step = 1;
    for (let i = batch.length - 1, rest = flat; i >= 0; i--) {
      const d = own.length - batch.length + i;
      if (d >= 0) {
        if (own[d] !== 1) at += (rest % batch[i]!) * step;
        step *= own[d]!;
      }
      rest = Math.floor(rest / batch[i]!);
    }
    return at * size;
  };
  for (let at = 0; at < total; at++) {
    const [a0, b0] = [start(at, aShape, m * k), start(at, bShape, k * n)];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let l = 0; l < k; l++) sum += a[a0 + i * k + l]! * b[b0 + l * n + j]!;
        y.push(sum);
      }
  }
  return y;
}

describe.each(['float32', 'float64', 'bfloat16'] as const)('batched products of %s', (dtype) => {
  const batches: [number[], number[], number[]][] = [
    [[2], [1], [2]],
    [[1], [2], [2]],
    [[1], [1], [1]],
    [[2, 1], [3], [2, 3]],
    [[2, 1], [1, 3], [2, 3]],
    [[], [4], [4]],
    [[4], [], [4]],
    [[1, 3], [2, 1], [2, 3]],
    [[2, 1, 2], [1, 3, 1], [2, 3, 2]],
  ];
  const ints = (n: number, salt: number) => Array.from({ length: n }, (_, i) => ((i * 7 + salt) % 5) - 2);
  test.each(batches)('%j and %j', (left, right, batch) => {
    const [aShape, bShape] = [[...left, 3, 4], [...right, 4, 5]];
    const size = (s: number[]) => s.reduce((p, n) => p * n, 1);
    const [av, bv] = [ints(size(aShape), 1), ints(size(bShape), 3)];
    for (const upstream of ['mean', 'dense'] as const) {
      const a = tensor(av, { shape: aShape, dtype, requiresGrad: true }) as Tensor;
      const b = tensor(bv, { shape: bShape, dtype, requiresGrad: true }) as Tensor;
      const y = a.matmul(b);
      const outShape = [...batch, 3, 5];
      expect(y.shape).toEqual(outShape);
      expect(list(y)).toEqual(product(av, aShape, bv, bShape, batch));
      // The gradient of one operand by linearity: that of sum(g * a b) with respect to each of its elements.
      const g = upstream === 'mean' ? ints(size(outShape), 0).map(() => 1) : ints(size(outShape), 2);
      if (upstream === 'mean') y.sum().backward();
      else y.backward(tensor(g, { shape: outShape, dtype }));
      const expectedOf = (values: number[], shape: number[], other: (unit: number[]) => number[]) =>
        values.map((_, i) => other(values.map((__, j) => (i === j ? 1 : 0))).reduce((sum, v, p) => sum + v * g[p]!, 0) + 0 * size(shape));
      expect(list(a.grad!)).toEqual(expectedOf(av, aShape, (unit) => product(unit, aShape, bv, bShape, batch)));
      expect(list(b.grad!)).toEqual(expectedOf(bv, bShape, (unit) => product(av, aShape, unit, bShape, batch)));
    }
  });
  test('both operands repeated over the batch', () => {
    const [a, b] = [tensor(ints(12, 1), { shape: [1, 3, 4], dtype }), tensor(ints(20, 3), { shape: [1, 4, 5], dtype })];
    const y = list(a.matmul(b));
    expect(list(a.expand([3, 3, 4]).matmul(b.expand([3, 4, 5])))).toEqual([...y, ...y, ...y]);
  });
  test('a batch whose matrices reach into each other', () => {
    const base = tensor(ints(20, 2), { shape: [5, 4], dtype });
    const column = base.slice(1, 0, undefined, 3).unsqueeze(-1); // [5, 2, 1] with strides 4, 3
    const row = tensor(ints(15, 1), { shape: [5, 1, 3], dtype });
    expect(list(column.matmul(row))).toEqual(list(column.clone().contiguous().matmul(row)));
    expect(list(column.transpose(1, 2).matmul(column))).toEqual(list(column.transpose(1, 2).contiguous().matmul(column.contiguous())));
  });
});

describe('div with a roundingMode', () => {
  test.each<[string, Tensor, string, number[]]>([
    ['integers', arange(-7, 8, 14).div(2, { roundingMode: 'trunc' }), 'int64', [-3, 3]],
    ['integers, downwards', arange(-7, 8, 14).div(2, { roundingMode: 'floor' }), 'int64', [-4, 3]],
    ['floats', tensor([7, -7]).div(2, { roundingMode: 'trunc' }), 'float32', [3, -3]],
    ['floats, downwards', tensor([7, -7]).div(2, { roundingMode: 'floor' }), 'float32', [3, -4]],
    ['a fraction', arange(-7, 8, 14).div(2.5, { roundingMode: 'trunc' }), 'float32', [-2, 2]],
    ['0', tensor([7, -7]).div(0, { roundingMode: 'trunc' }), 'float32', [Infinity, -Infinity]],
    ['none', arange(2).div(2, { roundingMode: null }), 'float32', [0, 0.5]],
  ])('%s', (_, y, dtype, values) => {
    expect([y.dtype, list(y)]).toEqual([dtype, values]);
  });
  test('has a gradient of 0', () => {
    for (const roundingMode of ['trunc', 'floor'] as const) {
      const x = tensor([7], { requiresGrad: true });
      x.div(2, { roundingMode }).backward();
      expect(list(x.grad!)).toEqual([0]);
    }
  });
  test('refuses zero, bool and other modes', () => {
    expect(() => arange(2).div(0, { roundingMode: 'trunc' })).toThrow(ArgumentError);
    expect(() => arange(2).fmod(0)).toThrow(ArgumentError);
    expect(() => arange(2).div(tensor([1n, 0n]), { roundingMode: 'trunc' }).dataSync()).toThrow(ArgumentError);
    expect(() => tensor([true]).div(tensor([true]), { roundingMode: 'floor' })).toThrow(DTypeError);
    expect(() => ones([1]).div(2, { roundingMode: 'up' as never })).toThrow(ArgumentError);
  });
});

test('positions from the end where PyTorch takes them', () => {
  const x = arange(5);
  expect(list(x.index([tensor([-1n, 0n])]))).toEqual([4, 0]);
  expect(list(x.indexPut([tensor([-1n])], 9))).toEqual([0, 1, 2, 3, 9]);
  expect(list(x.indexFill(0, tensor([-2n]), 9))).toEqual([0, 1, 2, 9, 4]);
  expect(list(x.take(tensor([-1n])))).toEqual([4]);
  expect(() => x.index([tensor([-6n])]).dataSync()).toThrow(IndexError);
});

describe('truth, squares and order of integers and bool', () => {
  test('any and all of uint8 are uint8', () => {
    const x = tensor([2, 0, 3], { dtype: 'uint8' });
    for (const [y, expected] of [[any(x), [1]], [all(x), [0]], [x.any(0, { keepdim: true }), [1]], [x.all([]), [1, 0, 1]]] as const)
      expect([y.dtype, list(y)]).toEqual(['uint8', expected]);
    expect(x.to('int32').any().dtype).toBe('bool');
  });
  test('the square of bool is int64', () => {
    const y = tensor([true, false]).square();
    expect([y.dtype, list(y)]).toEqual(['int64', [1, 0]]);
  });
  test('bool is sorted, false first', () => {
    const x = tensor([true, false, true]);
    const [values, indices] = x.sort();
    expect([values.dtype, list(values), list(indices)]).toEqual(['bool', [0, 1, 1], [1, 0, 2]]);
    expect(list(x.argsort({ descending: true }))).toEqual([0, 2, 1]);
    expect([x.msort().dtype, list(x.msort())]).toEqual(['bool', [0, 1, 1]]);
    expect(() => x.topk(1)).toThrow(DTypeError);
  });
});

describe('losses', () => {
  const row = (...values: number[]) => tensor([values], { dtype: 'uint8' });
  test('uint8 wraps around before it becomes floating', () => {
    expect(list(F.tripletMarginLoss(row(1, 5), row(2, 3), row(1, 1)))[0]).toBeCloseTo(252.0078, 3);
    expect(list(F.tripletMarginWithDistanceLoss(row(1, 5), row(2, 3), row(1, 1)))[0]).toBeCloseTo(252.0078, 3);
    expect(list(F.cosineEmbeddingLoss(row(100, 3), row(2, 200), tensor([1])))[0]).toBeCloseTo(-5.985, 3);
    expect(list(F.poissonNllLoss(row(5), row(100)))[0]).toBeCloseTo(Math.exp(5) - (500 % 256), 3);
  });
  test("klDiv's mean over a batch is the loss itself where there is none", () => {
    expect(list(F.klDiv(tensor(0.5), tensor(0.3), { reduction: 'batchmean' }))[0]).toBeCloseTo(-0.511192, 5);
  });
  test('a variance may lack the last dimension or have one of size 1', () => {
    const x = arange(24).to('float64').reshape([4, 2, 3]);
    const options = { reduction: 'none' } as const;
    const loss = (shape: number[]) => F.gaussianNllLoss(x, x.add(1), ones(shape), options);
    for (const shape of [[4, 2, 3], [4, 2], [4, 2, 1], [4, 1, 3], [1, 2, 3]]) expect(list(loss(shape)), String(shape)).toEqual(list(full([4, 2, 3], 0.5)));
    for (const shape of [[2, 3], [4, 1, 1], [1], [4, 2, 3, 1], [4, 3], [3, 2, 3]]) expect(() => loss(shape), String(shape)).toThrow(ShapeError);
    const variance = tensor([[[1], [4]]]).expand([4, 2, 1]).contiguous();
    expect(list(F.gaussianNllLoss(x, x.add(1), variance, options)).slice(0, 6).map((v) => v.toFixed(4)))
      .toEqual([0.5, 0.5, 0.5, ...Array<number>(3).fill((Math.log(4) + 0.25) / 2)].map((v) => v.toFixed(4)));
  });
});
