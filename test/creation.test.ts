// SPDX-License-Identifier: Apache-2.0
// Tensors from values, sequences and shapes, and what none can be made from. Expected values are PyTorch's.
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { arange, ArgumentError, capture, DTypeError, type DType, eye, full, fullLike, linspace, ones, OutOfMemoryError, rand, ShapeError, tensor, zeros, type Tensor } from '../lib/index.js';

const list = (x: Tensor) => Array.from(x.dataSync() as ArrayLike<number | bigint>, Number);

describe('arange', () => {
  test.each<[Tensor, DType, number[]]>([
    [arange(5, 0, -2), 'int64', [5, 3, 1]],
    [arange(-3, 3, 2), 'int64', [-3, -1, 1]],
    [arange(0), 'int64', []],
    [arange(1, 2.5, 0.5), 'float32', [1, 1.5, 2]],
    [arange(3, { dtype: 'float64' }), 'float64', [0, 1, 2]],
    [arange(0.5, 3.5, { dtype: 'int64' }), 'int64', [0, 1, 2]],
    [arange(-0.5, 2.5, { dtype: 'int64' }), 'int64', [0, 1]],
    [arange(1.5, 5, { dtype: 'int32' }), 'int32', [1, 2, 3, 4]],
    [arange(0, 7, 2.5, { dtype: 'int64' }), 'int64', [0, 2, 4, 6]],
    [arange(254, 258, { dtype: 'uint8' }), 'uint8', [254, 255, 0, 1]],
    [arange(3).to('float16'), 'float16', [0, 1, 2]],
  ])('%#', (x, dtype, values) => {
    expect([x.dtype, list(x)]).toEqual([dtype, values]);
  });

  test('integers beyond what a number holds are exact', () => {
    expect([...(arange(2 ** 62, 2 ** 62 + 2 ** 12, 2 ** 10).dataSync() as BigInt64Array)]).toEqual([0n, 1n, 2n, 3n].map((i) => 2n ** 62n + i * 1024n));
  });

  test.each([
    () => arange(NaN),
    () => arange(Infinity),
    () => arange(0, -1),
    () => arange(0, 3, 0),
    () => arange(0, 3, 0.5, { dtype: 'int64' }),
    () => arange('3' as never),
    () => arange(0, null as never),
    () => (arange as (...args: unknown[]) => unknown)(),
  ])('%s', (make) => {
    expect(make).toThrow(ArgumentError);
  });

  test('bool', () => {
    expect(() => arange(2, { dtype: 'bool' })).toThrow(DTypeError);
    expect(() => linspace(0, 1, 2, { dtype: 'bool' })).toThrow(DTypeError);
  });
});

describe('linspace', () => {
  test.each<[Tensor, number[]]>([
    [linspace(0, 10, 5), [0, 2.5, 5, 7.5, 10]],
    [linspace(0, 1, 1), [0]],
    [linspace(0, 1, 0), []],
    [linspace(0, 10, 5, { dtype: 'int64' }), [0, 2, 5, 7, 10]],
    [linspace(10, 0, 4, { dtype: 'int32' }), [10, 6, 3, 0]],
    [linspace(-3, 3, 5, { dtype: 'int64' }), [-3, -1, 0, 1, 3]],
    [linspace(5, 1, 9, { dtype: 'uint8' }), [5, 4, 4, 3, 3, 2, 2, 1, 1]],
    [linspace(-5.5, 5.5, 4, { dtype: 'int64' }), [-5, -1, 1, 5]],
    [linspace(0.7, 5.9, 4, { dtype: 'int64' }), [0, 1, 3, 5]],
    [linspace(0, 2 ** 53, 3, { dtype: 'int64' }), [0, 2 ** 52, 2 ** 53]],
    [linspace(0, 1, 11), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1].map(Math.fround)],
    [linspace(NaN, 1, 3), [NaN, NaN, NaN]],
    [linspace(0, Infinity, 3), [NaN, NaN, NaN]],
  ])('%#', (x, values) => {
    expect(list(x)).toEqual(values);
  });

  test.each([() => linspace(0, 1, -1), () => linspace(0, 1, 1.5), () => linspace('0' as never, 1, 2), () => linspace(0, 300, 2, { dtype: 'uint8' })])(
    '%s',
    (make) => {
      expect(make).toThrow(ArgumentError);
    },
  );
});

test('eye of any shape and dtype', () => {
  expect(list(eye(2, 3))).toEqual([1, 0, 0, 0, 1, 0]);
  expect(list(eye(3, 2, { dtype: 'bool' }))).toEqual([1, 0, 0, 1, 0, 0]);
  expect(list(eye(1, { dtype: 'bfloat16' }))).toEqual([1]);
  expect(eye(0, 3).shape).toEqual([0, 3]);
});

test('eye, linspace and arange within a captured step', () => {
  const step = capture((x: Tensor) => x.matmul(eye(3)).add(linspace(0, 2, 3)).add(arange(3)).sum());
  const values = [1, 2, 3, 4].map((k) => step(full([2, 3], k)).itemSync());
  expect(values).toEqual([1, 2, 3, 4].map((k) => 6 * k + 6 + 6));
  expect(step.counts.replayed).toBeGreaterThan(0);
});

describe('values', () => {
  const foreign = (source: string): never => runInNewContext(source) as never;
  test.each<[string, DType, number[]]>([
    ['new Float64Array([1 / 3, 2])', 'float64', [1 / 3, 2]],
    ['new Float32Array([1.5])', 'float32', [1.5]],
    ['new Uint8Array([200])', 'uint8', [200]],
    ['new Uint8ClampedArray([300])', 'uint8', [255]],
    ['new Int8Array([-3])', 'int32', [-3]],
    ['new Int32Array([-3])', 'int32', [-3]],
    ['new Uint32Array([4e9])', 'int64', [4e9]],
    ['new BigInt64Array([-5n])', 'int64', [-5]],
    ['[[1, 2], [3, 4]].flat()', 'float32', [1, 2, 3, 4]],
  ])('of another realm: %s', (source, dtype, values) => {
    const x = tensor(foreign(source));
    expect([x.dtype, list(x)]).toEqual([dtype, values]);
  });

  test('an int64 of another realm keeps its digits', () => {
    const values = foreign('new BigInt64Array([2n ** 62n + 1n, -(2n ** 63n)])');
    expect([...(tensor(values).dataSync() as BigInt64Array)]).toEqual([2n ** 62n + 1n, -(2n ** 63n)]);
  });

  test('a Buffer is bytes', () => {
    expect(tensor(Buffer.from([1, 2])).dtype).toBe('uint8');
  });

  test('arrays that contain themselves, and other things, are errors', () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    expect(() => tensor(cyclic as never)).toThrow(ShapeError);
    for (const bad of [null, {}, new Map(), [null], ['1'], [{}], new DataView(new ArrayBuffer(4)), Symbol('s')])
      expect(() => tensor(bad as never)).toThrow(ArgumentError);
    expect(() => tensor([[1], 2] as never)).toThrow(ShapeError);
  });

  test('tolist', () => {
    expect(arange(6).reshape([2, 3]).t().tolist()).toEqual([[0, 3], [1, 4], [2, 5]]);
    expect(tensor([[true], [false]]).tolist()).toEqual([[true], [false]]);
    expect(tensor(1.5, { dtype: 'float16' }).tolist()).toBe(1.5);
    expect(zeros([2, 0]).tolist()).toEqual([[], []]);
    expect(() => tensor([2n ** 60n + 1n]).tolist()).toThrow(ArgumentError);
  });
});

test('what all elements are to be is a number that fits', () => {
  for (const make of [
    () => full([2], undefined as never),
    () => full([2], null as never),
    () => full([2], '1' as never),
    () => full([2], NaN, { dtype: 'int64' }),
    () => full([2], 300, { dtype: 'uint8' }),
    () => full([2], 2 ** 40, { dtype: 'int32' }),
    () => fullLike(ones([2]), undefined as never),
    () => ones([2]).fill_(undefined as never),
    () => arange(2).fill_(Infinity),
    () => zeros([2], { dtype: 'toString' as never }),
    () => zeros([2]).to('hasOwnProperty' as never),
    () => zeros([2], { dtype: '__proto__' as never }),
  ])
    expect(make).toThrow(ArgumentError);
  expect(list(full([1], 3.7, { dtype: 'int64' }))).toEqual([3]);
  expect(list(full([1], -1, { dtype: 'uint8' }))).toEqual([255]);
  expect(list(arange(1).fill_(-2.7))).toEqual([-2]);
});

test('memory that is not there is an error', () => {
  expect(() => eye(2 ** 24)).toThrow(OutOfMemoryError);
  expect(() => full([2 ** 40], 1)).toThrow(OutOfMemoryError);
});

describe("a tensor's shape is its own", () => {
  test.each<[string, (shape: number[]) => Tensor]>([
    ['zeros', (s) => zeros(s)],
    ['rand', (s) => rand(s)],
    ['tensor', (s) => tensor(new Float32Array(6), { shape: s })],
    ['reshape', (s) => ones([6]).reshape(s)],
    ['view', (s) => ones([6]).view(s)],
    ['expand', (s) => ones([1]).expand(s)],
  ])('%s', (_, make) => {
    const shape = [2, 3];
    const x = make(shape);
    shape.shift();
    shape.push(1 << 20);
    expect(x.shape).toEqual([2, 3]);
    expect(x.sigmoid().shape).toEqual([2, 3]);
  });
  test('and stays so', () => {
    for (const x of [zeros([2]), rand([2]), tensor([1, 2], { shape: [2] })])
      expect(() => (x.shape as number[]).push(7)).toThrow(TypeError);
  });

  test('a shape that changes while it is read', () => {
    let reads = 0;
    const shape = [2, 3];
    Object.defineProperty(shape, 0, { get: () => [2, 1e9][Math.min(reads++, 1)] });
    expect(zeros(shape).shape).toEqual([2, 3]);
  });
});

test('a tensor of another copy of the library is named as one', () => {
  const foreign = { [Symbol.for('lenode.Tensor')]: true };
  expect(() => ones([2]).matmul(foreign as never)).toThrow(/another copy of lenode/);
  expect(() => ones([2]).add(foreign as never)).toThrow(/another copy of lenode/);
});

test.each<[number | bigint, DType]>([
  [256, 'uint8'], [-256, 'uint8'], [2 ** 31, 'int32'], [-(2 ** 31) - 1, 'int32'], [NaN, 'int32'], [2 ** 63, 'int64'], [1e30, 'int64'], [2n ** 64n, 'int64'],
])('%s does not fit into %s', (value, dtype) => {
  expect(() => tensor([0, value] as number[], { dtype })).toThrow(ArgumentError);
  expect(() => tensor([0, value] as number[], { dtype })).toThrow(/^tensor: /);
});

test('values at the ends of integer dtypes, and typed arrays of other dtypes, which are cut', () => {
  expect(list(tensor([255, -1, 1.9], { dtype: 'uint8' }) as Tensor)).toEqual([255, 255, 1]);
  expect(list(tensor([-(2 ** 31), 2 ** 31 - 1], { dtype: 'int32' }) as Tensor)).toEqual([-(2 ** 31), 2 ** 31 - 1]);
  expect(tensor([-(2n ** 63n), 2n ** 63n - 1n], { dtype: 'int64' }).dataSync()).toEqual(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n));
  expect(list(tensor(Float32Array.of(300), { dtype: 'uint8' }) as Tensor)).toEqual([44]);
});

test('a list of tensors is told about stack()', () => {
  expect(() => tensor([ones([2]), ones([2])] as never)).toThrow(/^tensor: expected numbers, got a Tensor; stack\(\)/);
});
