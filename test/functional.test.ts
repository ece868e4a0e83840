// SPDX-License-Identifier: Apache-2.0
// What the table of op cases cannot say: layouts, random numbers, and how gradients are asked for.
import { describe, expect, test } from 'vitest';
import { backward, grad } from '../lib/autograd/engine.js';
import { gradcheck } from '../lib/autograd/gradcheck.js';
import { isDense } from '../lib/tensor/shape.js';
import { conv2dRelu } from '../lib/ops/conv.js';
import { tensor, zeros, zerosLike, ones } from '../lib/ops/creation.js';
import * as F from '../lib/ops/functional.js';
import { cat, stack } from '../lib/ops/join.js';
import { linearRelu } from '../lib/ops/matmul.js';
import '../lib/ops/methods.js';
import { relu, sigmoid } from '../lib/ops/activation.js';
import { mul } from '../lib/ops/pointwise.js';
import { argsort } from '../lib/ops/order.js';
import {
  bernoulli,
  bernoulli_,
  getRngState,
  initialSeed,
  manualSeed,
  normal_,
  rand,
  randint,
  randLike,
  randn,
  randperm,
  setRngState,
  uniform_,
} from '../lib/ops/random.js';
import { mean, std, sum } from '../lib/ops/reduce.js';
import { contiguous, slice, transpose } from '../lib/ops/view.js';
import type { Tensor } from '../lib/tensor/tensor.js';

const values = async (x: Tensor): Promise<number[]> => Array.from(await x.data(), Number);

async function expectClose(a: Tensor, b: Tensor, digits = 5): Promise<void> {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [await values(a), await values(b)];
  x.forEach((value, i) => expect(value).toBeCloseTo(y[i]!, digits));
}

describe('layout', () => {
  const w = randn([4, 3, 3, 3]);

  test('a convolution of row-major images is channels-last', () => {
    expect(F.conv2d(randn([2, 3, 8, 8]), w).isContiguous('channelsLast')).toBe(true);
    expect(F.conv1d(randn([2, 3, 8]), randn([4, 3, 3])).isContiguous('channelsLast')).toBe(true);
  });

  test('pooling keeps the layout', () => {
    const x = randn([2, 3, 8, 8]);
    expect(F.maxPool2d(x, 2).isContiguous()).toBe(true);
    expect(F.maxPool2d(contiguous(x, 'channelsLast'), 2).isContiguous('channelsLast')).toBe(true);
    expect(F.avgPool2d(contiguous(x, 'channelsLast'), 2).isContiguous('channelsLast')).toBe(true);
  });

  test('results of a slice, and sums of the gradients of slices, keep the order of its dimensions', () => {
    const x = contiguous(randn([2, 6, 4, 5]), 'channelsLast').requiresGrad_();
    const half = slice(x, 1, 0, 3);
    expect(half.isContiguous('channelsLast')).toBe(false);
    for (const y of [F.relu(half), half.add(half), half.clone(), zerosLike(half)]) expect(y.isContiguous('channelsLast')).toBe(true);
    expect(relu(slice(transpose(randn([4, 6]), 0, 1), 0, 1, 4)).strides).toEqual([1, 3]);
    expect(ones([1, 3]).expand([2, 3]).add(1).strides).toEqual([3, 1]);

    const y = x.mul(1);
    const seen: Tensor[] = [];
    y.registerHook((g) => void seen.push(g));
    backward(cat([y, y], 1), contiguous(randn([2, 12, 4, 5]), 'channelsLast'));
    expect(seen[0]!.isContiguous('channelsLast')).toBe(true);
  });

  test("a weight's gradient has the weight's layout", () => {
    const weight = contiguous(w, 'channelsLast').requiresGrad_();
    backward(sum(F.conv2d(randn([2, 3, 8, 8]), weight)));
    expect(weight.grad!.strides).toEqual(weight.strides);
  });
});

describe('only the gradients that are needed', () => {
  const x = randn([2, 3, 6, 6], { dtype: 'float64' });
  const w = randn([4, 3, 3, 3], { dtype: 'float64' });
  const b = randn([4], { dtype: 'float64' });
  const subsets = [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]];

  test.each(subsets)('conv2d %j %j %j', async (...needed) => {
    const inputs = [x, w, b].map((t, i) => (needed.includes(i) ? t.detach().requiresGrad_() : t));
    await gradcheck((...[a, c, d]) => F.conv2d(a!, c!, d!, { padding: 1, stride: 2 }), inputs);
  });

  test.each(subsets)('linear %j %j %j', async (...needed) => {
    const operands = [randn([5, 3], { dtype: 'float64' }), randn([4, 3], { dtype: 'float64' }), b];
    const inputs = operands.map((t, i) => (needed.includes(i) ? t.detach().requiresGrad_() : t));
    await gradcheck((...[a, c, d]) => F.linear(a!, c!, d!), inputs);
  });

  test('a convolution with a frozen weight', async () => {
    const input = x.detach().requiresGrad_();
    const [first] = grad(sum(F.conv2d(input, w)), input);
    const both = [x.detach().requiresGrad_(), w.detach().requiresGrad_()] as const;
    const [second] = grad(sum(F.conv2d(...both)), both);
    await expectClose(first!, second!);
  });
});

describe('fused with relu', () => {
  test.each([
    ['linear', () => randn([5, 3]), () => randn([4, 3]), F.linear, linearRelu],
    ['linear of three dimensions', () => randn([2, 5, 3]), () => randn([4, 3]), F.linear, linearRelu],
    ['conv2d', () => randn([2, 3, 5, 5]), () => randn([4, 3, 3, 3]), F.conv2d, conv2dRelu],
  ])('%s', async (_, makeInput, makeWeight, plain, fused) => {
    const operands = [makeInput(), makeWeight(), randn([4])];
    const results = [(a: Tensor, c: Tensor, d: Tensor) => relu(plain(a, c, d)), fused].map((f) => {
      const leaves = operands.map((t) => t.detach().requiresGrad_()) as [Tensor, Tensor, Tensor];
      const y = f(...leaves);
      backward(sum(mul(y, y)));
      return [y.detach(), ...leaves.map((t) => t.grad!)];
    });
    for (const [i, expected] of results[0]!.entries()) await expectClose(results[1]![i]!, expected, 4);
  });
});

describe('losses', () => {
  test('targets that are probabilities', async () => {
    const x = randn([5, 4], { dtype: 'float64' });
    const labels = tensor([0, 3, 1, 1, 2], { dtype: 'int64' }) as Tensor;
    const weight = rand([4], { dtype: 'float64' });
    const hot = F.oneHot(labels, 4).to('float64');
    for (const reduction of ['none', 'sum'] as const)
      await expectClose(
        F.crossEntropy(x, hot, { weight, labelSmoothing: 0.1, reduction }),
        F.crossEntropy(x, labels, { weight, labelSmoothing: 0.1, reduction }),
      );
    await expectClose(F.crossEntropy(x, hot), F.crossEntropy(x, labels));
    await gradcheck((a, t) => F.crossEntropy(a!, t!, { labelSmoothing: 0.2 }), [
      x.detach().requiresGrad_(),
      rand([5, 4], { dtype: 'float64' }).requiresGrad_(),
    ]);
  });

  test('of images', async () => {
    const x = randn([2, 3, 4, 5], { dtype: 'float64' }).requiresGrad_();
    await gradcheck((a) => F.crossEntropy(a!, F.softmax(ones([2, 3, 4, 5], { dtype: 'float64' }), 1)), [x]);
  });

  test('gradients with respect to the target', async () => {
    const pair = () => [randn([3, 4], { dtype: 'float64' }).requiresGrad_(), rand([3, 4], { dtype: 'float64' }).requiresGrad_()];
    await gradcheck((a, t) => F.binaryCrossEntropyWithLogits(a!, t!), pair());
    await gradcheck((a, t) => F.binaryCrossEntropyWithLogits(a!, t!, { posWeight: tensor([1, 2, 3, 4], { dtype: 'float64' }) as Tensor }), pair());
    await gradcheck((a, t) => F.mseLoss(a!, t!), pair());
    await gradcheck((a, t) => F.l1Loss(a!, t!), pair());
  });

  test('labels may be int64, int32 or uint8', async () => {
    const x = randn([3, 4]);
    const expected = await F.crossEntropy(x, tensor([1, 0, 3], { dtype: 'int64' }) as Tensor).item();
    for (const dtype of ['int32', 'uint8'] as const)
      expect(await F.crossEntropy(x, tensor([1, 0, 3], { dtype }) as Tensor).item()).toBe(expected);
  });
});

describe('positions', () => {
  test('embedding gives the padding row no gradient', async () => {
    const weight = randn([4, 2]).requiresGrad_();
    const y = F.embedding(tensor([[0, 1], [3, 1]], { dtype: 'int64' }) as Tensor, weight, { paddingIdx: -1 });
    expect(y.shape).toEqual([2, 2, 2]);
    backward(sum(y));
    expect(await values(weight.grad!)).toEqual([1, 1, 2, 2, 0, 0, 0, 0]);
  });

  test('argsort, and stack with its gradient', async () => {
    const x = tensor([3, 1, 2]).requiresGrad_() as Tensor;
    expect(await values(argsort(x))).toEqual([1, 2, 0]);
    expect(await values(argsort(x, { descending: true }))).toEqual([0, 2, 1]);
    backward(sum(mul(stack([x, x], 1), tensor([[1, 10], [1, 10], [1, 10]]) as Tensor)));
    expect(await values(x.grad!)).toEqual([11, 11, 11]);
  });
});

// Philox 4x32-10 after its paper, to compare with.
function philox(seed: bigint, block: bigint): number[] {
  const low = (x: bigint) => BigInt.asUintN(32, x);
  let [k0, k1] = [low(seed), low(seed >> 32n)];
  let c = [low(block), low(block >> 32n), 0n, 0n] as [bigint, bigint, bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const [p0, p1] = [0xd2511f53n * c[0], 0xcd9e8d57n * c[2]];
    c = [low((p1 >> 32n) ^ c[1] ^ k0), low(p1), low((p0 >> 32n) ^ c[3] ^ k1), low(p0)];
    k0 = low(k0 + 0x9e3779b9n);
    k1 = low(k1 + 0xbb67ae85n);
  }
  return c.map(Number);
}

describe('random numbers', () => {
  test('are Philox', async () => {
    const seed = 2 ** 40 + 12345;
    manualSeed(seed);
    expect(initialSeed()).toBe(seed);
    const first = await values(rand([6]));
    const second = await values(rand([2]));
    const lanes = [0n, 1n, 2n].flatMap((block) => philox(BigInt(seed), block).map((bits) => (bits >>> 8) / 2 ** 24));
    expect(first).toEqual(lanes.slice(0, 6));
    expect(second).toEqual(lanes.slice(8, 10)); // a call takes whole blocks
  });

  test('repeat from a seed and from a saved state', async () => {
    manualSeed(7);
    const a = await values(randn([100]));
    const state = getRngState();
    const b = await values(randn([100]));
    setRngState(state);
    expect(await values(randn([100]))).toEqual(b);
    manualSeed(7);
    expect(await values(randn([100]))).toEqual(a);
    expect(a).not.toEqual(b);
  });

  test('have the distributions that they should have', async () => {
    manualSeed(1);
    const n = 100_000;
    const uniform = uniform_(zeros([n]) as Tensor, -2, 4);
    expect(await mean(uniform).item()).toBeCloseTo(1, 1);
    const normal = normal_(zeros([n]) as Tensor, 3, 0.5);
    expect(await mean(normal).item()).toBeCloseTo(3, 1);
    expect(await std(normal).item()).toBeCloseTo(0.5, 1);
    const integers = await values(randint(-2, 3, [n]));
    expect(new Set(integers)).toEqual(new Set([-2, -1, 0, 1, 2]));
    expect(await mean(bernoulli(tensor([0.3]).expand([n]).contiguous())).item()).toBeCloseTo(0.3, 1);
    expect(await mean(bernoulli_(zeros([n]) as Tensor, 0.7)).item()).toBeCloseTo(0.7, 1);
  });

  test('randperm has every number once', async () => {
    const order = await values(randperm(1000));
    expect(order).not.toEqual(order.toSorted((a, b) => a - b));
    expect(order.toSorted((a, b) => a - b)).toEqual([...order.keys()]);
    expect(await values(randperm(0))).toEqual([]);
  });

  test('fill parts of a tensor, and no more', async () => {
    const x = zeros([4, 4]) as Tensor;
    uniform_(slice(x, 1, 1, 3), 1, 2);
    const filled = (await values(x)).map((v) => v >= 1);
    expect(filled).toEqual(Array.from({ length: 16 }, (_, i) => i % 4 === 1 || i % 4 === 2));
    expect(isDense(x.shape, randLike(transpose(x, 0, 1)).strides)).toBe(true);
  });
});

describe('dropout', () => {
  test('keeps a share of the elements and scales it, backward too', async () => {
    manualSeed(3);
    const x = ones([10_000], { requiresGrad: true }) as Tensor;
    const y = F.dropout(x, { p: 0.25 });
    backward(sum(y));
    const kept = await values(y);
    expect(new Set(kept.map((v) => Math.fround(v)))).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    expect(kept.filter((v) => v > 0).length / kept.length).toBeCloseTo(0.75, 1);
    expect(await values(x.grad!)).toEqual(kept);
  });

  test('of any layout', async () => {
    const x = contiguous(ones([2, 3, 4, 5]) as Tensor, 'channelsLast').requiresGrad_();
    const y = F.dropout(x);
    expect(y.isContiguous('channelsLast')).toBe(true);
    backward(y, contiguous(ones([2, 3, 4, 5]) as Tensor));
    await expectClose(x.grad!, y);
    const sliced = slice(ones([4, 6]) as Tensor, 1, 0, 6, 2);
    expect(new Set(await values(F.dropout(sliced)))).toEqual(new Set([0, 2]));
  });

  test('does nothing outside training, and removes everything at p = 1', async () => {
    const x = randn([3]);
    expect(F.dropout(x, { training: false })).toBe(x);
    expect((await values(F.dropout(x, { p: 1 }))).map(Math.abs)).toEqual([0, 0, 0]);
  });
});

test('a saved output is the one that was computed', async () => {
  const x = randn([4], { dtype: 'float64' }).requiresGrad_();
  await gradcheck((a) => sigmoid(mul(sigmoid(a!), 3)), [x]);
});
