// SPDX-License-Identifier: Apache-2.0
// Dimensions of size 1 and 0, whose strides say nothing about memory.
import { describe, expect, test } from 'vitest';
import { arange, capture, cat, F, nn, ones, ShapeError, tensor, zeros, type Tensor } from '../lib/index.js';
import { loadCases } from '../lib/selftest/cases.js';
import { runCase } from '../lib/selftest/run-cases.js';
import { Tensor as AnyTensor, viewOf } from '../lib/tensor/tensor.js';

const list = (x: Tensor) => Array.from(x.dataSync() as ArrayLike<number | bigint>, Number);
const count = (shape: number[]) => arange(shape.reduce((a, b) => a * b, 1)).reshape(shape);

describe('views over dimensions of size 1', () => {
  test('select', () => {
    expect(list(count([2, 1, 2, 4]).select(2, 0))).toEqual([0, 1, 2, 3, 8, 9, 10, 11]);
  });
  test('flatten of a slice', () => {
    expect(list(count([2, 1, 4, 3]).slice(2, 0, 2).flatten(1))).toEqual([0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]);
  });
  test('squeeze of an expanded tensor', () => {
    expect(list(count([3, 1, 1]).expand([3, 1, 2]).squeeze())).toEqual([0, 0, 1, 1, 2, 2]);
  });
  test('flatten of permuted dimensions', () => {
    const x = count([2, 4, 1, 1]).permute([1, 3, 0, 2]).flatten(0, 1);
    expect([x.shape, list(x)]).toEqual([[4, 2, 1], [0, 4, 1, 5, 2, 6, 3, 7]]);
  });
  test('convolution and pooling of one sample', () => {
    const x = count([2, 1, 4]).to('float32').slice(2, 0, 2);
    expect(list(F.conv2d(x, ones([1, 2, 1, 1])))).toEqual([4, 6]);
    expect(list(F.maxPool2d(x, 1))).toEqual([0, 1, 4, 5]);
    expect(list(F.avgPool2d(x, [1, 2]))).toEqual([0.5, 4.5]);
  });
  test('layerNorm', () => {
    const x = count([2, 1, 4, 3]).to('float32').slice(2, 0, 2);
    expect(list(F.layerNorm(x, [2, 3]))).toEqual(list(F.layerNorm(x.clone().contiguous(), [2, 3])));
  });
  test('the gradient of cat', () => {
    const a = zeros([2, 3], { requiresGrad: true }) as Tensor;
    cat([a.unsqueeze(1), zeros([2, 1, 3])], 2).backward(count([2, 1, 6]).to('float32'));
    expect(list(a.grad!)).toEqual([0, 1, 2, 6, 7, 8]);
  });
  test('the gradient of pixelShuffle', () => {
    const x = zeros([2, 4, 2, 1], { requiresGrad: true }) as Tensor;
    F.pixelShuffle(x, 2).backward(count([2, 1, 4, 2]).to('float32'));
    expect(list(x.grad!)).toEqual([0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]);
  });
  test('a convolution of an input whose dimensions interleave in memory', () => {
    // A step of 3 in rows of 4: the columns reach into the next row.
    const x = count([1, 1, 5, 4]).to('float32').slice(3, 0, undefined, 3);
    const weight = tensor([1, 10], { shape: [1, 1, 1, 2] });
    expect(list(F.conv2d(x, weight))).toEqual([30, 74, 118, 162, 206]);
    expect(list(F.conv2d(ones([1, 1, 1, 2]), x.slice(2, 0, 1)))).toEqual([3]);
  });
});

describe('view() of what convolutions and layers after them give', () => {
  const x = count([2, 3, 4, 4]).to('float32').div(50);
  const weight = count([5, 3, 3, 3]).to('float32').div(100).sin();
  const conv = (input: Tensor) => F.conv2d(input, weight, null, { padding: 1 });
  test.each<[string, (input: Tensor) => Tensor]>([
    ['conv2d', conv],
    ['maxPool2d', (input) => F.maxPool2d(conv(input), 2)],
    ['relu and avgPool2d', (input) => F.avgPool2d(conv(input).relu(), 2)],
    ['batchNorm', (input) => F.batchNorm(conv(input), null, null, null, null, { training: true })],
    ['conv1d', (input) => F.conv1d(input.flatten(2), weight.flatten(2))],
    ['convTranspose2d', (input) => F.convTranspose2d(input, weight.slice(0, 0, 3))],
  ])('%s', (_, layer) => {
    const [a, b] = [x.clone().requiresGrad_(), x.clone().requiresGrad_()];
    const out = layer(a);
    const seen = out.view([out.size(0), -1]);
    expect(list(seen)).toEqual(list(layer(b).contiguous().flatten(1)));
    const upstream = count([...seen.shape]).to('float32').sin();
    seen.backward(upstream);
    layer(b).contiguous().flatten(1).backward(upstream);
    expect(list(a.grad!)).toEqual(list(b.grad!));
  });
  test('shares memory where strides can express the shape, and refuses other copies', () => {
    const out = zeros([2, 3, 4, 4]).contiguous('channelsLast') as Tensor;
    const seen = out.view([2, 3, 16]);
    seen.fill_(1);
    expect(out.sum().itemSync()).toBe(96);
    expect(() => zeros([4, 6]).t().view([24])).toThrow(ShapeError);
  });
});

describe('dimensions of size 0', () => {
  const x = zeros([2, 0, 3], { requiresGrad: true }) as Tensor;
  test.each([
    ['slice', () => x.slice(0, 1), [1, 0, 3]],
    ['slice of the last dimension', () => x.slice(2, 1, 3), [2, 0, 2]],
    ['select', () => x.select(0, 1), [0, 3]],
    ['narrow', () => x.narrow(2, 2, 1), [2, 0, 1]],
    ['unbind', () => x.unbind(2)[2]!, [2, 0]],
    ['chunk', () => x.chunk(2)[1]!, [1, 0, 3]],
    ['chunk along it', () => x.chunk(3, 1)[2]!, [2, 0, 3]],
    ['split', () => x.split([1, 2], 2)[1]!, [2, 0, 2]],
    ['padding', () => F.pad(x, [1, 0, 0, 0, 1, 1]), [4, 0, 4]],
    ['in place', () => zeros([0, 1]).expand([0, 3]).add_(1), [0, 3]],
  ])('%s', (_, make, shape) => {
    x.grad = null;
    const y = make();
    expect(y.shape).toEqual(shape);
    if (!y.requiresGrad) return;
    y.sum().backward();
    expect(x.grad).toMatchObject({ shape: [2, 0, 3] });
  });
});

test('an expanded tensor as the result of a captured step', () => {
  const step = capture((x: Tensor) => x.mul(2).expand([3, 2]));
  for (let i = 1; i < 5; i++) expect(step(ones([1, 2]).mul(i)).tolist()).toEqual(Array(3).fill([2 * i, 2 * i]));
});

test('ranks above 8 and parts of nothing are errors', () => {
  const x = ones([1, 1, 1, 1, 1, 1, 1, 1]);
  for (const make of [
    () => x.unsqueeze(0),
    () => x.reshape([1, 1, 1, 1, 1, 1, 1, 1, 1]),
    () => x.view([1, 1, 1, 1, 1, 1, 1, 1, 1]),
    () => x.unflatten(3, [1, 1]),
    () => x.expand([2, 1, 1, 1, 1, 1, 1, 1, 1]),
    () => ones([1, 1, 1, 1, 1, 1, 1, 1, 1]),
    () => tensor(1).narrow(0, 0, 0),
    () => tensor(1).unbind(),
    () => tensor(1).split(1),
    () => ones([6]).unflatten(0, [4, -1]),
    () => ones([6]).unflatten(0, [-1, -1]),
    () => ones([6]).unflatten(0, []),
    () => ones([6]).reshape([4, -1]),
  ])
    expect(make).toThrow(ShapeError);
});

// ---- strides of size 1 that are anything ---------------------------------------------------------------------------------

// A view of x whose dimensions of size 1 have strides that no layout gives them.
function unsettled(x: Tensor, salt: number): Tensor {
  const odd = [0, 3, 1, 7, 1000003, 2];
  return viewOf(x, x.shape, x.strides.map((s, i) => (x.shape[i] === 1 ? odd[(i + salt) % odd.length]! : s))) as Tensor;
}

test('every operation ignores the strides of dimensions of size 1', async () => {
  const rows = loadCases().filter((row) => row.inputs.some((input) => input.expandedShape.includes(1)));
  expect(rows.length).toBeGreaterThan(100);
  const failures: string[] = [];
  for (const [i, row] of rows.entries()) {
    const report = await runCase(row, 'cpu', (x: Tensor) => unsettled(x, i));
    if (!report.passed) failures.push(`${row.name}: ${report.failure}`);
  }
  expect(failures).toEqual([]);
});

test('a network gives one result for any strides of its input', () => {
  const net = new nn.Sequential(new nn.Conv2d(1, 4, 3, { padding: 1 }), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten(), new nn.Linear(16, 2));
  const x = count([1, 1, 4, 4]).to('float32');
  const expected = list(net.forward(x));
  for (let salt = 0; salt < 6; salt++) expect(list(net.forward(unsettled(x, salt)))).toEqual(expected);
  expect(unsettled(x, 0)).toBeInstanceOf(AnyTensor);
});
