// SPDX-License-Identifier: Apache-2.0
// Whatever adds up many float16 or bfloat16 numbers adds them up in float32 and rounds once: added one after the other in
// the half type, a sum of ones stalls at 256 (bfloat16) or 2048 (float16).
import { describe, expect, test } from 'vitest';
import { F, noGrad, tensor, zeros, ones, randn, rand, type Tensor } from '../lib/index.js';
import type { DType } from '../lib/index.js';

type Half = 'float16' | 'bfloat16';
const halves: readonly Half[] = ['float16', 'bfloat16'];
const list = (t: Tensor) => [...t.dataSync()].map(Number);
const places = (count: number, to: number) => tensor(new BigInt64Array(count).fill(BigInt(to))) as Tensor;

// 5,000 ones, as the half type holds it.
const total: Record<Half, number> = { float16: 5000, bfloat16: 4992 };

describe.each(halves)('5,000 ones in one place, %s', (dtype) => {
  const count = 5000;
  const source = ones([count], { dtype }) as Tensor;
  const x = () => (ones([3], { dtype }) as Tensor).requiresGrad_();

  test('scatterAdd, indexAdd', () => {
    expect(list((zeros([3], { dtype }) as Tensor).scatterAdd(0, places(count, 1), source))).toEqual([0, total[dtype], 0]);
    expect(list((zeros([3], { dtype }) as Tensor).indexAdd(0, places(count, 1), source))).toEqual([0, total[dtype], 0]);
  });
  test('the gradients of gather, indexSelect and embedding', () => {
    for (const pick of [(t: Tensor) => t.gather(0, places(count, 2)), (t: Tensor) => t.indexSelect(0, places(count, 2))]) {
      const t = x();
      pick(t).backward(source);
      expect(list(t.grad!)).toEqual([0, 0, total[dtype]]);
    }
    const weight = (ones([3, 2], { dtype }) as Tensor).requiresGrad_();
    F.embedding(places(count, 1), weight).backward(ones([count, 2], { dtype }) as Tensor);
    expect(list(weight.grad!)).toEqual([0, 0, total[dtype], total[dtype], 0, 0]);
  });
  test('sum, mean, cumsum, and the gradient of what is broadcast', () => {
    expect(list(source.sum())).toEqual([total[dtype]]);
    expect(list(source.mean())).toEqual([1]);
    expect(list(source.cumsum(0)).at(-1)).toBe(total[dtype]);
    for (const spread of [(t: Tensor) => t.expand([count, 3]), (t: Tensor) => t.add(zeros([count, 3], { dtype }) as Tensor)]) {
      const t = x();
      spread(t).backward(ones([count, 3], { dtype }) as Tensor);
      expect(list(t.grad!)).toEqual([total[dtype], total[dtype], total[dtype]]);
    }
  });
});

// Gradients of many parts: as float64 gives them from the same half numbers, but for one rounding and the float32 sums.
const grains: Record<Half, number> = { float16: 2 ** -11, bfloat16: 2 ** -8 };
interface Sum {
  shape: readonly number[];
  fn: (x: Tensor, like: (t: Tensor) => Tensor) => Tensor;
}
const positions = tensor(BigInt64Array.from({ length: 3000 }, (_, i) => BigInt((i * i) % 7)), { shape: [600, 5] }) as Tensor;
const sums: Record<string, Sum> = {
  gather: { shape: [7, 5], fn: (x) => x.gather(0, positions) },
  'gather along rows': { shape: [5, 7], fn: (x) => x.gather(1, positions.t()) },
  'gather of a long line': { shape: [900, 5], fn: (x) => x.gather(0, positions.mul(100)) },
  indexSelect: { shape: [4, 7], fn: (x) => x.indexSelect(1, positions.flatten()) },
  'indexSelect of rows': { shape: [7, 300], fn: (x) => x.indexSelect(0, positions.flatten()) },
  embedding: { shape: [7, 9], fn: (x) => F.embedding(positions, x) },
  'maxPool2d with overlaps': { shape: [1, 2, 24, 24], fn: (x) => F.maxPool2d(x, 11, { stride: 1 }) },
  'maxPool2d by channels': { shape: [1, 8, 24, 24], fn: (x) => F.maxPool2d(x.contiguous('channelsLast'), 11, { stride: 1 }) },
  'avgPool2d with overlaps': { shape: [1, 2, 24, 24], fn: (x) => F.avgPool2d(x, 11, { stride: 1 }) },
  adaptiveAvgPool2d: { shape: [1, 2, 7, 7], fn: (x) => F.adaptiveAvgPool2d(x, 60) },
  adaptiveMaxPool2d: { shape: [1, 2, 7, 7], fn: (x) => F.adaptiveMaxPool2d(x, 60) },
  'interpolate nearest': { shape: [1, 2, 3, 3], fn: (x) => F.interpolate(x, { size: 90 }) },
  'interpolate bilinear': { shape: [1, 2, 3, 3], fn: (x) => F.interpolate(x, { size: 90, mode: 'bilinear' }) },
  'pad replicate': { shape: [1, 2, 3, 3], fn: (x) => F.pad(x, [50, 50, 50, 50], { mode: 'replicate' }) },
  'linear bias': { shape: [4], fn: (x, like) => F.linear(like(ones([3000, 2])), like(ones([4, 2])), x) },
  'linear weight': { shape: [4, 2], fn: (x, like) => F.linear(like(ones([3000, 2])), x) },
  'conv2d bias': { shape: [4], fn: (x, like) => F.conv2d(like(ones([2, 3, 40, 40])), like(ones([4, 3, 1, 1])), x) },
  'conv2d weight': { shape: [4, 3, 1, 1], fn: (x, like) => F.conv2d(like(ones([2, 3, 40, 40])), x) },
  'batchNorm bias': { shape: [4], fn: (x, like) => F.batchNorm(like(rand([300, 4, 3, 3])), null, null, null, x, { training: true }) },
  'layerNorm bias': { shape: [4], fn: (x, like) => F.layerNorm(like(rand([3000, 4])), 4, null, x) },
  'prelu weight': { shape: [4], fn: (x, like) => F.prelu(like(rand([3000, 4]).neg()), x) },
};

describe.each(halves)('gradients of many parts, %s', (dtype) => {
  test.each(Object.entries(sums))('%s', (_, { shape, fn }) => {
    const x0 = noGrad(() => randn([...shape]).to(dtype)) as Tensor;
    const fixed: Tensor[] = [];
    let upstream: Tensor | null = null;
    const gradient = (type: DType) => {
      let next = 0;
      const like = (t: Tensor) => (fixed[next++] ??= t.to(dtype)).to(type);
      const x = x0.to(type).detach().requiresGrad_();
      const y = fn(x, like);
      upstream ??= rand([...y.shape]).to(dtype) as Tensor; // of one sign: a stalled sum cannot hide
      y.backward(upstream.to(type));
      return list(x.grad!);
    };
    const got = gradient(dtype);
    const expected = gradient('float64');
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
    got.forEach((value, i) => {
      const size = Math.abs(expected[i]!);
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(grains[dtype] * size * 1.02 + 1e-6);
    });
  });
});
