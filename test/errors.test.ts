// SPDX-License-Identifier: Apache-2.0
// Bad input to operations: each kind has its own error class and a message that says what was expected and what came,
// and the process goes on.
import { afterAll, describe, expect, test } from 'vitest';
import { backward } from '../lib/autograd/engine.js';
import { noGrad } from '../lib/autograd/mode.js';
import {
  ArgumentError,
  AutogradError,
  DisposedError,
  DTypeError,
  IndexError,
  OutOfMemoryError,
  ShapeError,
} from '../lib/native/errors.js';
import * as creation from '../lib/ops/creation.js';
import * as F from '../lib/ops/functional.js';
import * as join from '../lib/ops/join.js';
import * as order from '../lib/ops/order.js';
import * as pick from '../lib/ops/pick.js';
import * as inplace from '../lib/ops/inplace.js';
import * as matrix from '../lib/ops/matmul.js';
import { norm } from '../lib/ops/norm.js';
import * as activation from '../lib/ops/activation.js';
import * as pointwise from '../lib/ops/pointwise.js';
import * as random from '../lib/ops/random.js';
import * as reduce from '../lib/ops/reduce.js';
import * as view from '../lib/ops/view.js';
import type { DType } from '../lib/tensor/dtype.js';
import type { Tensor } from '../lib/tensor/tensor.js';
import { refuses } from './helpers/refuses.js';

const f = (...shape: number[]): Tensor => creation.ones(shape);
const of = (dtype: DType, ...shape: number[]): Tensor => creation.ones(shape, { dtype }) as Tensor;
const long = (...shape: number[]): Tensor => of('int64', ...shape);
const labels = (...values: number[]): Tensor => creation.tensor(values, { dtype: 'int64' }) as Tensor;

afterAll(async () => {
  expect(await reduce.sum(matrix.matmul(f(3, 4), f(4, 2))).item()).toBe(24);
});

describe('pointwise and broadcasting', () => {
  refuses([
    [() => pointwise.add(f(2, 3), f(4)), ShapeError, /^add: shapes \[2, 3\] and \[4\] cannot be broadcast.*3 and 4/],
    [() => pointwise.where(of('bool', 2), f(3), 1), ShapeError, /^where: .*\[2\].*\[3\]/],
    [() => pointwise.where(f(2), f(2), 1), ArgumentError, /^where: the condition must be bool, got float32/],
    [() => activation.gelu(f(2), { approximate: 'erf' as 'none' }), ArgumentError, /^gelu: approximate/],
    [() => pointwise.clamp(f(2)), ArgumentError, /^clamp: /],
    [() => inplace.add_(f(2), f(3)), ShapeError, /^add_: .*\[2\].*\[3\]/],
    [() => inplace.add_(long(2), 0.5), DTypeError, /^add_: .*float32.*int64/],
    [() => reduce.sum(f(2, 3), 2), ShapeError, /^sum: dim must be an integer in \[-2, 1\] for 2 dimensions, got 2/],
    [() => reduce.sum(f(2, 3), [0, 0]), ShapeError, /^sum: a dimension appears twice/],
    [() => reduce.mean(long(2)), DTypeError, /^mean: .*int64/],
    [() => reduce.amax(f(0, 2), 0), ShapeError, /^amax: .*\[0, 2\]/],
    [() => norm(long(2)), DTypeError, /^norm: .*int64/],
    [() => view.reshape(f(2, 3), [4]), ShapeError, /^reshape: shape \[4\] .*\[2, 3\]/],
    [() => view.reshape(f(2, 3), [-1, -1]), ShapeError, /^reshape: /],
    [() => view.expand(f(2, 3), [4, 3]), ShapeError, /^expand: shape \[2, 3\] cannot be expanded to \[4, 3\]/],
    [() => view.permute(f(2, 3), [0, 0]), ShapeError, /^permute: /],
    [() => view.narrow(f(3), 0, 2, 2), ShapeError, /^narrow: /],
    [() => view.select(f(3), 0, 3), ShapeError, /^select: index 3 is out of range for size 3/],
  ]);
});

describe('matrix products', () => {
  refuses([
    [() => matrix.matmul(f(3, 4), f(5, 6)), ShapeError, /^matmul: .*\[3, 4\] and \[5, 6\]/],
    [() => matrix.matmul(f(), f(2)), ShapeError, /^matmul: /],
    [() => matrix.matmul(f(2, 3, 4), f(3, 4, 5)), ShapeError, /^matmul: .*2 and 3/],
    [() => matrix.matmul(f(2, 3), of('float64', 3, 2)), DTypeError, /^matmul: .*float32 and float64/],
    [() => matrix.matmul(of('bool', 2, 2), of('bool', 2, 2)), DTypeError, /^matmul: .*bool/],
    [() => matrix.mm(f(2, 3), f(2, 3)), ShapeError, /^mm: expected \[M, K\] and \[K, N\], got \[2, 3\] and \[2, 3\]/],
    [() => matrix.bmm(f(2, 3, 4), f(1, 4, 5)), ShapeError, /^bmm: .*\[2, 3, 4\] and \[1, 4, 5\]/],
    [() => F.linear(f(2, 3), f(4, 5)), ShapeError, /^linear: .*\[2, 3\] and \[4, 5\]/],
    [() => F.linear(f(2, 3), f(4, 3), f(3)), ShapeError, /^linear: bias must be \[4\].*\[3\]/],
    [() => F.linear(f(2, 3), of('float16', 4, 3)), DTypeError, /^linear: .*float32 and float16/],
    [() => F.linear(long(2, 3), long(4, 3)), DTypeError, /^linear: .*int64/],
  ]);
});

describe('convolutions', () => {
  const x = f(2, 3, 8, 8);
  const w = f(4, 3, 3, 3);
  refuses([
    [() => F.conv2d(f(2, 5, 8, 8), w), ShapeError, /^conv2d: weight \[4, 3, 3, 3\] expects 3 input channels, got 5 in input \[2, 5, 8, 8\]/],
    [() => F.conv2d(x, f(4, 3, 9, 9)), ShapeError, /^conv2d: the kernel is larger than the padded input: kernel \[9, 9\], padded input \[8, 8\]/],
    [() => F.conv2d(x, w, null, { dilation: 4 }), ShapeError, /^conv2d: .*kernel \[9, 9\] \(with its dilation\)/],
    [() => F.conv2d(f(8, 8), w), ShapeError, /^conv2d: expected input \[N, C, H, W\] or.*got \[8, 8\]/],
    [() => F.conv2d(x, f(4, 3, 3)), ShapeError, /^conv2d: expected weight \[K, C \/ groups, kH, kW\], got \[4, 3, 3\]/],
    [() => F.conv2d(x, f(4, 3, 0, 3)), ShapeError, /^conv2d: the weight has no elements/],
    [() => F.conv2d(x, w, f(3)), ShapeError, /^conv2d: bias must be \[4\], .*\[3\]/],
    [() => F.conv2d(x, f(4, 1, 3, 3), null, { groups: 3 }), ShapeError, /^conv2d: 3 groups do not divide the 4 output channels/],
    [() => F.conv2d(x, w, null, { groups: 0 }), ArgumentError, /^conv2d: groups/],
    [() => F.conv2d(x, w, null, { stride: 0 }), ArgumentError, /^conv2d: stride must be positive integers, got 0/],
    [() => F.conv2d(x, w, null, { stride: 1.5 }), ArgumentError, /^conv2d: stride/],
    [() => F.conv2d(x, w, null, { padding: -1 }), ArgumentError, /^conv2d: padding must be non-negative integers, got -1/],
    [() => F.conv2d(x, w, null, { padding: NaN }), ArgumentError, /^conv2d: padding/],
    [() => F.conv2d(x, w, null, { padding: [1, 1, 1] }), ArgumentError, /^conv2d: padding must be a number or 2 numbers, got \[1, 1, 1\]/],
    [() => F.conv2d(x, w, null, { padding: 'full' as 'same' }), ArgumentError, /^conv2d: padding .*'full'/],
    [() => F.conv2d(x, w, null, { padding: 'same', stride: 2 }), ArgumentError, /^conv2d: padding 'same' is for stride 1/],
    [() => F.conv2d(x, w, null, { padding: 2 ** 30 }), ShapeError, /^conv2d: .*too many elements/],
    [() => F.conv2d(x, of('float64', 4, 3, 3, 3)), DTypeError, /^conv2d: input and weight .*float32 and float64/],
    [() => F.conv2d(x, w, of('float64', 4)), DTypeError, /^conv2d: input and bias/],
    [() => F.conv2d(long(2, 3, 8, 8), long(4, 3, 3, 3)), DTypeError, /^conv2d: .*int64/],
    [() => F.conv1d(f(2, 3), f(4, 3, 3)), ShapeError, /^conv1d: .*channels/],
    [() => F.conv3d(x, w), ShapeError, /^conv3d: /],
    [() => F.convTranspose2d(f(1, 2, 4, 4), f(3, 2, 2, 2)), ShapeError, /^convTranspose2d: .*expects 3 input channels, got 2/],
    [() => F.convTranspose2d(f(1, 3, 4, 4), f(3, 2, 2, 2), null, { outputPadding: 1 }), ArgumentError, /^convTranspose2d: outputPadding/],
    [() => F.convTranspose2d(f(1, 3, 1, 1), f(3, 2, 2, 2), null, { padding: 1 }), ShapeError, /^convTranspose2d: .*leave nothing/],
  ]);
});

describe('pooling', () => {
  const x = f(2, 3, 8, 8);
  refuses([
    [() => F.maxPool2d(x, 9), ShapeError, /^maxPool2d: the kernel is larger than the padded input: kernelSize \[9, 9\].*\[2, 3, 8, 8\]/],
    [() => F.maxPool2d(x, 2, { padding: 2 }), ArgumentError, /^maxPool2d: padding must be at most half/],
    [() => F.maxPool2d(x, 0), ArgumentError, /^maxPool2d: kernelSize must be positive/],
    [() => F.maxPool2d(x, 2, { stride: -1 }), ArgumentError, /^maxPool2d: stride/],
    [() => F.maxPool2d(f(8, 8), 2), ShapeError, /^maxPool2d: expected input \[N, C, H, W\]/],
    [() => F.maxPool2d(f(2, 0, 8, 8), 2), ShapeError, /^maxPool2d: .*no channels/],
    [() => F.maxPool2d(f(2, 3, 0, 8), 2), ShapeError, /^maxPool2d: /],
    [() => F.maxPool2d(long(2, 3, 8, 8), 2), DTypeError, /^maxPool2d: .*int64/],
    [() => F.avgPool2d(x, 2, { divisorOverride: 0 }), ArgumentError, /^avgPool2d: divisorOverride must not be 0/],
    [() => F.avgPool1d(f(8), 2), ShapeError, /^avgPool1d: /],
    [() => F.avgPool3d(x, [2, 2]), ArgumentError, /^avgPool3d: kernelSize must be a number or 3 numbers, got \[2, 2\]/],
  ]);
});

describe('softmax and losses', () => {
  const x = f(4, 3);
  refuses([
    [() => F.softmax(x, 2), ShapeError, /^softmax: dim/],
    [() => F.softmax(long(4, 3), 1), DTypeError, /^softmax: .*int64/],
    [() => F.logSoftmax(x, 0.5), ShapeError, /^logSoftmax: dim/],
    [() => F.crossEntropy(x, long(3)), ShapeError, /^crossEntropy: expected target \[4\] for input \[4, 3\], got \[3\]/],
    [() => F.crossEntropy(x, f(4)), ShapeError, /^crossEntropy: targets that are probabilities.*\[4, 3\].*\[4\]; for class numbers.*int64/],
    [() => F.crossEntropy(f(2, 3, 4, 4), f(2, 4, 4)), ShapeError, /^crossEntropy: .*\[2, 4, 4\]; for class numbers.*int64/],
    [() => F.crossEntropy(x, f(4, 2)), ShapeError, /^crossEntropy: targets that are probabilities.*got \[4, 2\]$/],
    [() => F.crossEntropy(x, of('bool', 4)), DTypeError, /^crossEntropy: .*bool/],
    [() => F.crossEntropy(long(4, 3), long(4)), DTypeError, /^crossEntropy: input/],
    [() => F.crossEntropy(x, long(4), { weight: f(4) }), ShapeError, /^crossEntropy: weight must be \[3\]/],
    [() => F.crossEntropy(x, long(4), { weight: of('float64', 3) }), DTypeError, /^crossEntropy: input and weight/],
    [() => F.crossEntropy(x, long(4), { weight: f(3).requiresGrad_() }), AutogradError, /^crossEntropy: .*weight/],
    [() => F.crossEntropy(x, long(4), { labelSmoothing: 2 }), ArgumentError, /^crossEntropy: labelSmoothing must be a number in \[0, 1\], got 2/],
    [() => F.crossEntropy(x, long(4), { labelSmoothing: NaN }), ArgumentError, /^crossEntropy: labelSmoothing/],
    [() => F.crossEntropy(x, long(4), { reduction: 'avg' as 'mean' }), ArgumentError, /^crossEntropy: reduction must be .*'avg'|got avg/],
    [() => F.crossEntropy(f(4, 0), long(4)), ShapeError, /^crossEntropy: .*no classes/],
    [() => F.nllLoss(x, long(4, 1)), ShapeError, /^nllLoss: expected target \[4\]/],
    [() => F.nllLoss(x, f(4)), DTypeError, /^nllLoss: targets.*float32.*to\('int64'\)/],
    [() => F.mseLoss(f(4, 1), f(4)), ShapeError, /^mseLoss: input and target must have one shape, got \[4, 1\] and \[4\]/],
    [() => F.mseLoss(long(4), long(4)), DTypeError, /^mseLoss: .*int64/],
    [() => F.l1Loss(f(4), f(3)), ShapeError, /^l1Loss: /],
    [() => F.binaryCrossEntropyWithLogits(f(4), f(3)), ShapeError, /^binaryCrossEntropyWithLogits: target/],
    [() => F.binaryCrossEntropyWithLogits(x, x, { posWeight: f(4) }), ShapeError, /^binaryCrossEntropyWithLogits: /],
    [() => F.dropout(f(3), { p: 1.5 }), ArgumentError, /^dropout: p must be a number in \[0, 1\], got 1.5/],
    [() => F.dropout(long(3)), DTypeError, /^dropout: .*int64/],
  ]);
});

describe('positions and order', () => {
  refuses([
    [() => pick.indexSelect(f(3), 1, long(1)), ShapeError, /^indexSelect: dim/],
    [() => pick.indexSelect(f(3), 0, f(1)), DTypeError, /^indexSelect: index must be int64 or int32, got float32/],
    [() => pick.indexSelect(f(3), 0, long(1, 1)), ShapeError, /^indexSelect: index must have one dimension, got \[1, 1\]/],
    [() => pick.gather(f(2, 3), 0, long(2, 4)), ShapeError, /^gather: index \[2, 4\].*\[2, 3\]/],
    [() => pick.scatterAdd(f(2, 3), 0, long(2, 3), f(1, 3)), ShapeError, /^scatterAdd: index \[2, 3\].*source \[1, 3\]/],
    [() => pick.scatterAdd(f(2, 3), 0, long(1, 3), of('float64', 1, 3)), DTypeError, /^scatterAdd: /],
    [() => pick.indexAdd(f(2, 3), 0, long(2), f(2, 4)), ShapeError, /^indexAdd: source must be \[2, 3\].*got \[2, 4\]/],
    [() => pick.oneHot(f(3), 4), DTypeError, /^oneHot: .*float32/],
    [() => pick.oneHot(long(0)), ArgumentError, /^oneHot: numClasses must be given/],
    [() => pick.oneHot(labels(1, -1)), IndexError, /^oneHot: .*-1/],
    [() => join.cat([]), ArgumentError, /^cat: /],
    [() => join.cat([f(2, 3), f(2, 4)]), ShapeError, /^cat: shapes must be equal except for dimension 0, got \[2, 3\] and \[2, 4\]/],
    [() => join.cat([f()]), ShapeError, /^cat: .*stack/],
    [() => join.stack([f(2), f(3)]), ShapeError, /^stack: shapes must be equal, got \[2\] and \[3\]/],
    [() => order.topk(f(3), 4), ShapeError, /^topk: k is 4, but dimension -1 of shape \[3\] has 3 elements/],
    [() => order.topk(f(3), -1), ArgumentError, /^topk: k/],
    [() => order.topk(of('bool', 3), 1), DTypeError, /^topk: /],
    [() => order.max(f(0)), ShapeError, /^max: .*no elements/],
    [() => order.argmax(f(2, 0), 1), ShapeError, /^argmax: .*no elements/],
    [() => order.cumsum(f(3), 1), ShapeError, /^cumsum: dim/],
    [() => pick.embedding(long(2), f(3)), ShapeError, /^embedding: weight must be \[rows, width\]/],
    [() => pick.embedding(long(2), f(3, 2), { paddingIdx: 3 }), ArgumentError, /^embedding: paddingIdx/],
  ]);
});

describe('sizes, memory and random numbers', () => {
  refuses([
    [() => creation.zeros([2, -1]), ShapeError, /^zeros: sizes must be non-negative integers, got \[2, -1\]/],
    [() => creation.zeros([NaN]), ShapeError, /^zeros: /],
    [() => creation.zeros([1.5]), ShapeError, /^zeros: /],
    [() => creation.zeros([2 ** 31, 2 ** 31]), ShapeError, /^zeros: .*too many elements/],
    [() => creation.zeros([2 ** 22, 2 ** 22]), OutOfMemoryError, /cpu holds/],
    [() => pointwise.add(view.expand(f(1, 1), [2 ** 22, 2 ** 22]), 1), OutOfMemoryError, /cpu holds/],
    [() => view.expand(f(1, 1), [2 ** 31, 2 ** 31]), ShapeError, /^expand: .*too many elements/],
    [() => matrix.matmul(f(2 ** 22, 1), f(1, 2 ** 22)), OutOfMemoryError, /cpu holds/],
    [() => creation.zeros([2], { dtype: 'float8' as 'float32' }), ArgumentError, /dtype must be one of/],
    [() => creation.tensor([[1, 2], [3]]), ShapeError, /^tensor: .*ragged/],
    [() => random.rand([-1]), ShapeError, /^rand: /],
    [() => random.randn([2], { dtype: 'int64' }), DTypeError, /^randn: dtype must be floating, got int64/],
    [() => random.randint(3, 3, [2]), ArgumentError, /^randint: expected low < high/],
    [() => random.randint(0, 2 ** 40, [2]), ArgumentError, /^randint: .*2\^32/],
    [() => random.randint(0.5, [2]), ArgumentError, /^randint: high must be an integer/],
    [() => random.manualSeed(-1), ArgumentError, /^manualSeed: /],
    [() => random.manualSeed(NaN), ArgumentError, /^manualSeed: /],
    [() => random.setRngState(f(2)), DTypeError, /^setRngState: /],
    [() => random.setRngState(long(3)), ShapeError, /^setRngState: /],
    [() => random.normal_(f(2), 0, -1), ArgumentError, /^normal_: std/],
    [() => random.uniform_(f(2), 1, 0), ArgumentError, /^uniform_: to/],
    [() => random.uniform_(f(2).requiresGrad_()), AutogradError, /^uniform_: .*noGrad/],
    [() => random.bernoulli_(f(2), 2), ArgumentError, /^bernoulli_: p/],
  ]);

  test('reading more values than a typed array can hold', async () => {
    await expect(view.expand(f(1, 1), [2 ** 22, 2 ** 22]).data()).rejects.toThrow(OutOfMemoryError);
  });
});

// Every function that takes a tensor first, with what it needs besides.
const functions: Readonly<Record<string, (x: Tensor) => unknown>> = {
  ...Object.fromEntries(
    ['neg', 'abs', 'exp', 'floor', 'isnan', 'relu', 'relu_', 'gelu', 'hardswish', 'selu', 'softsign'].map((name) => [
      name,
      (x: Tensor) => ({ ...pointwise, ...activation } as unknown as Record<string, (x: Tensor) => unknown>)[name]!(x),
    ]),
  ),
  add: (x) => pointwise.add(x, 1),
  eq: (x) => pointwise.eq(x, x),
  sum: (x) => reduce.sum(x),
  var: (x) => reduce.variance(x),
  matmul: (x) => matrix.matmul(x, f(2, 2)),
  linear: (x) => F.linear(x, f(2, 2)),
  'linear weight': (x) => F.linear(f(2, 2), x),
  'linear bias': (x) => F.linear(f(2, 2), f(2, 2), x),
  'conv2d weight': (x) => F.conv2d(f(1, 1, 3, 3), x),
  softmax: (x) => F.softmax(x, 0),
  crossEntropy: (x) => F.crossEntropy(x, long(2)),
  'crossEntropy target': (x) => F.crossEntropy(f(2, 2), x),
  mseLoss: (x) => F.mseLoss(f(2, 2), x),
  dropout: (x) => F.dropout(x),
  maxPool2d: (x) => F.maxPool2d(x, 1),
  cat: (x) => join.cat([x, x]),
  stack: (x) => join.stack([f(2, 2), x]),
  indexSelect: (x) => pick.indexSelect(x, 0, long(1)),
  gather: (x) => pick.gather(f(2, 2), 0, x),
  max: (x) => order.max(x, 0),
  sort: (x) => order.sort(x),
  reshape: (x) => view.reshape(x, [4]),
  permute: (x) => view.permute(x, [1, 0]),
  clone: (x) => view.clone(x),
  fill_: (x) => inplace.fill_(x, 1),
  randLike: (x) => random.randLike(x),
  zerosLike: (x) => creation.zerosLike(x),
  backward: (x) => backward(x),
};

describe.each(Object.entries(functions))('%s', (_, call) => {
  test.each([
    ['null', null],
    ['undefined', undefined],
    ['a number array', [1, 2]],
    ['an object that looks like a tensor', { shape: [2, 2], strides: [2, 1], dtype: 'float32', ndim: 2, numel: 4, handle: 0 }],
  ])('refuses %s as a tensor', (_name, value) => {
    if (call === functions['linear bias'] && value == null) return; // no bias
    expect(() => call(value as unknown as Tensor)).toThrow(ArgumentError);
  });
});

describe('after dispose()', () => {
  const calls = Object.entries(functions).filter(([name]) => !['zerosLike', 'randLike', 'backward'].includes(name));
  test.each(calls.filter(([name]) => !/weight|target|bias|gather|maxPool|mseLoss/.test(name)))('%s throws DisposedError', (_, call) => {
    const x = f(2, 2);
    x.dispose();
    expect(() => call(x)).toThrow(DisposedError);
  });

  test('data() throws DisposedError, and a view keeps the memory alive', async () => {
    const x = creation.tensor([1, 2, 3, 4]) as Tensor;
    const part = view.reshape(x, [2, 2]);
    x.dispose();
    x.dispose();
    await expect(x.data()).rejects.toThrow(DisposedError);
    expect([...(await part.data())]).toEqual([1, 2, 3, 4]);
  });
});

describe('values that are out of range', () => {
  // Found while the queue runs: reading waits for it, and the error points at the call.
  test.each<[string, () => Tensor, RegExp]>([
    ['crossEntropy', () => F.crossEntropy(f(2, 3), labels(0, 3)), /3 at position 1 is out of range for 3 classes/],
    ['crossEntropy', () => F.crossEntropy(f(2, 3), labels(-1, 0)), /-1 at position 0/],
    ['nllLoss', () => F.nllLoss(f(2, 3), labels(0, 7)), /7 at position 1/],
    ['indexSelect', () => pick.indexSelect(f(3), 0, labels(1, 3)), /3 at position 1 is out of range for size 3/],
    ['gather', () => pick.gather(f(3), 0, labels(-4)), /-4 at position 0/],
    ['scatterAdd', () => pick.scatterAdd(f(3), 0, labels(5), f(1)), /5 at position 0/],
    ['indexAdd', () => pick.indexAdd(f(3), 0, labels(5), f(1)), /5 at position 0/],
    ['oneHot', () => pick.oneHot(labels(1, 4), 4), /4 at position 1/],
    ['embedding', () => pick.embedding(labels(9), f(3, 2)), /9 at position 0/],
  ])('%s', async (_name, call, message) => {
    const failed = (async () => {
      const y = call();
      return y.data();
    })();
    const error = await failed.then(
      () => undefined,
      (e: unknown) => e as Error,
    );
    expect(error).toBeInstanceOf(IndexError);
    expect(error!.message).toMatch(message);
    expect(error!.stack).toContain('errors.test');
    expect(await reduce.sum(f(4)).item()).toBe(4);
  });

  test('an ignored label is none', async () => {
    expect(await F.crossEntropy(f(2, 3), labels(0, -100), { reduction: 'sum' }).item()).toBeCloseTo(Math.log(3), 5);
  });
});

describe('gradients', () => {
  test('backward twice', () => {
    const x = f(3).requiresGrad_();
    const y = reduce.sum(pointwise.square(x));
    backward(y);
    expect(() => backward(y)).toThrow(AutogradError);
    expect(() => backward(y)).toThrow(/retainGraph/);
  });

  test('a saved value that was changed in place', () => {
    const x = f(3).requiresGrad_();
    const y = pointwise.exp(x);
    const loss = reduce.sum(y);
    noGrad(() => inplace.add_(y, 1));
    expect(() => backward(loss)).toThrow(/changed in place/);
  });

  refuses([
    [() => backward(f(3)), AutogradError, /^backward: .*requires gradients/],
    [() => backward(pointwise.square(f(3).requiresGrad_())), AutogradError, /^backward: .*one element.*\[3\]/],
    [() => backward(pointwise.square(f(3).requiresGrad_()), f(2)), ShapeError, /^backward: .*\[3\].*\[2\]/],
    [() => inplace.add_(f(3).requiresGrad_(), 1), AutogradError, /^add_: .*noGrad/],
    [() => long(3).requiresGrad_(), DTypeError, /int64/],
  ]);
});

test('the stack of an error begins where the library was called, whatever of JavaScript lies in between', () => {
  const x = creation.tensor([1, 2], { requiresGrad: true }) as Tensor;
  for (const f of [() => backward(pointwise.mul(x, x)), () => noGrad(() => join.cat([]))]) {
    let error: Error | undefined;
    try {
      f();
    } catch (e) {
      error = e as Error;
    }
    expect(error!.stack!.split('\n')[1]).toContain('errors.test');
  }
});
