// SPDX-License-Identifier: Apache-2.0
// Normalisation layers: running statistics against PyTorch's, state, fusion with ReLU, errors.
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { noGrad } from '../lib/autograd/mode.js';
import { ArgumentError, AutogradError, DTypeError, ShapeError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { ones, tensor, zeros } from '../lib/ops/creation.js';
import * as F from '../lib/ops/functional.js';
import { manualSeed, randn } from '../lib/ops/random.js';
import type { Shape } from '../lib/tensor/shape.js';
import type { Tensor } from '../lib/tensor/tensor.js';
import { parameter } from './fixtures/generator.js';

beforeEach(() => manualSeed(0));
const list = (t: Tensor) => Array.from(t.dataSync() as Float32Array, Number);
const numbers = (stream: number, shape: Shape, bound: number) =>
  tensor(parameter(stream, shape.reduce((a, b) => a * b, 1), bound), { shape });

function expectClose(got: readonly number[], expected: readonly number[], rtol = 1e-4, atol = 1e-5) {
  expect(got.length).toBe(expected.length);
  got.forEach((x, i) => {
    const limit = atol + rtol * Math.abs(expected[i]!);
    if (!(Math.abs(x - expected[i]!) <= limit)) expect.fail(`element ${i} is ${x}, expected ${expected[i]}`);
  });
}

interface Setting {
  kind: 'BatchNorm1d' | 'BatchNorm2d' | 'BatchNorm3d';
  shape: number[];
  options: { momentum?: number | null; eps?: number; affine?: boolean; track_running_stats?: boolean };
  steps: { grad: number[]; state: Record<string, number[] | number> }[];
  result: number[];
}
const settings = JSON.parse(readFileSync(new URL('./fixtures/norm.json', import.meta.url), 'utf8')) as Setting[];

function layerOf({ kind, shape, options }: Setting): nn.BatchNorm {
  const { track_running_stats: trackRunningStats = true, ...rest } = options;
  return new nn[kind](shape[1]!, { ...rest, trackRunningStats });
}

describe('batch normalisation follows PyTorch over training steps', () => {
  test.each(settings.map((s) => [`${s.kind}(${JSON.stringify(s.options)}) of [${s.shape.join(', ')}]`, s] as const))(
    '%s',
    (_, setting) => {
      const layer = layerOf(setting);
      const optimizer = layer.affine ? new optim.SGD(layer.parameters(), { lr: 0.01 }) : null;
      setting.steps.forEach(({ grad, state }, step) => {
        const x = numbers(2 * step, setting.shape, 2 + step);
        x.requiresGrad = true;
        layer.zeroGrad();
        layer.forward(x).mul(numbers(2 * step + 1, setting.shape, 1)).sum().backward();
        optimizer?.step();
        expectClose(list(x.grad!), grad, 1e-3, 1e-5);
        const got = layer.stateDict();
        expect(Object.keys(got)).toEqual(Object.keys(state));
        for (const [name, values] of Object.entries(state)) expectClose(list(got[name]!), [values].flat());
      });
      layer.eval();
      expectClose(list(layer.forward(numbers(99, setting.shape, 3))), setting.result);
    },
  );
});

describe('batch normalisation layers', () => {
  test('are printed as PyTorch prints them', () => {
    expect(String(new nn.BatchNorm2d(3))).toBe(
      'BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)',
    );
    expect(String(new nn.BatchNorm1d(4, { momentum: null, affine: false, trackRunningStats: false, eps: 1 }))).toBe(
      'BatchNorm1d(4, eps=1.0, momentum=None, affine=False, bias=False, track_running_stats=False)',
    );
  });

  test('count batches in int64 and move as a whole', () => {
    const layer = new nn.BatchNorm2d(2, { dtype: 'float64' });
    layer.forward(randn([3, 2, 2, 2], { dtype: 'float64' }));
    expect(layer.numBatchesTracked!.dtype).toBe('int64');
    expect(layer.runningVar!.dtype).toBe('float64');
    layer.to('float16');
    expect([layer.weight!.dtype, layer.runningMean!.dtype, layer.numBatchesTracked!.dtype]).toEqual(['float16', 'float16', 'int64']);
    expect(layer.numBatchesTracked!.itemSync()).toBe(1);
    layer.resetRunningStats();
    expect(layer.numBatchesTracked!.itemSync()).toBe(0);
    expect(list(layer.runningVar!)).toEqual([1, 1]);
  });

  test('saved and loaded, they give the same results', () => {
    const layer = new nn.BatchNorm2d(3);
    for (let i = 0; i < 3; i++) layer.forward(randn([4, 3, 5, 5]).mul(3).add(1));
    const copy = new nn.BatchNorm2d(3);
    copy.loadStateDict(layer.stateDict());
    const x = randn([2, 3, 4, 4]);
    expect(list(copy.eval().forward(x))).toEqual(list(layer.eval().forward(x)));
    expect(copy.numBatchesTracked!.itemSync()).toBe(3);
    expect(Object.keys(new nn.BatchNorm2d(3, { trackRunningStats: false }).stateDict())).toEqual(['weight', 'bias']);
  });

  test('leave running statistics alone in eval()', () => {
    const layer = new nn.BatchNorm1d(3).eval();
    const before = list(layer.runningMean!);
    layer.forward(randn([5, 3]));
    expect(list(layer.runningMean!)).toEqual(before);
    expect(layer.numBatchesTracked!.itemSync()).toBe(0);
  });

  test('statistics are those of the values far from zero', () => {
    for (const layout of ['contiguous', 'channelsLast'] as const) {
      const x = randn([8, 5, 30, 31], { dtype: 'float64' }).add(1000);
      const layer = new nn.BatchNorm2d(5, { momentum: 1 });
      const narrow = x.to('float32');
      layer.forward(narrow.contiguous(layout));
      const exact = narrow.to('float64');
      const mean = exact.mean([0, 2, 3]);
      const variance = exact.sub(exact.mean([0, 2, 3], { keepdim: true })).square().mean([0, 2, 3]);
      const count = 8 * 30 * 31;
      expectClose(list(layer.runningMean!), list(mean), 1e-7, 0);
      expectClose(list(layer.runningVar!), list(variance.mul(count / (count - 1))), 1e-5, 0);
    }
  });

  test('a change of running statistics after use in eval() is noticed', () => {
    const layer = new nn.BatchNorm1d(2).eval();
    const x = randn([3, 2]);
    x.requiresGrad = true;
    const y = layer.forward(x).sum();
    layer.train().forward(randn([3, 2]));
    expect(() => y.backward()).toThrow(AutogradError);
  });

  test('NaN spreads within its channel', () => {
    const x = zeros([2, 3, 2, 2]).add(randn([2, 3, 2, 2])).contiguous('channelsLast');
    noGrad(() => x.select(1, 1).fill_(NaN));
    const y = new nn.BatchNorm2d(3).forward(x);
    expect(y.select(1, 1).isnan().all().itemSync()).toBe(true);
    expect(y.select(1, 0).isnan().any().itemSync()).toBe(false);
    expect(y.select(1, 2).isnan().any().itemSync()).toBe(false);
  });
});

describe('batch normalisation and ReLU as one operation', () => {
  const shape = [2, 3, 4, 4];

  function gradients(f: (x: Tensor, r: Tensor) => Tensor): number[][] {
    manualSeed(1);
    const [x, r, g] = [randn(shape), randn(shape), randn(shape)];
    x.requiresGrad = r.requiresGrad = true;
    const y = f(x, r);
    y.mul(g).sum().backward();
    return [list(y), list(x.grad!), list(r.grad ?? zeros([1]))];
  }

  test.each([true, false])('normRelu gives what the modules give (training: %s)', (training) => {
    const make = () => [new nn.BatchNorm2d(3).train(training), new nn.ReLU()] as const;
    const [norm, relu] = make();
    const [other] = make();
    const apart = gradients((x, r) => relu.forward(norm.forward(x).add(r)));
    const fused = gradients((x, r) => nn.normRelu(other, relu, x, r));
    apart.forEach((values, i) => expectClose(fused[i]!, values, 1e-4, 1e-5));
    expectClose(list(other.runningVar!), list(norm.runningVar!), 1e-6);
    expectClose(list(other.weight!.grad!), list(norm.weight!.grad!), 1e-4, 1e-5);
    expectClose(list(other.bias!.grad!), list(norm.bias!.grad!), 1e-4, 1e-5);
  });

  test('one operation is recorded, in Sequential too', () => {
    const x = randn(shape);
    const norm = new nn.BatchNorm2d(3);
    expect(nn.normRelu(norm, new nn.ReLU(), x).gradFn!.name).toBe('batchNorm');
    const model = new nn.Sequential(norm, new nn.ReLU());
    expect(model.forward(x).gradFn!.name).toBe('batchNorm');
    expect(Math.min(...list(model.forward(x)))).toBe(0);
  });

  test('hooks and other modules are called', () => {
    const x = randn(shape);
    const [norm, relu] = [new nn.BatchNorm2d(3), new nn.ReLU()];
    const seen: number[] = [];
    const remove = norm.registerForwardHook((_m, _args, y) => void seen.push(y.amin().itemSync() as number));
    expect(nn.normRelu(norm, relu, x).gradFn!.name).toBe('relu');
    new nn.Sequential(norm, relu).forward(x);
    expect(seen.length).toBe(2);
    expect(seen[0]).toBeLessThan(0);
    remove();
    expect(nn.normRelu(norm, relu, x).gradFn!.name).toBe('batchNorm');
    expect(list(nn.normRelu(new nn.Identity(), new nn.Identity(), x, x))).toEqual(list(x.add(x)));
    expect(nn.normRelu(norm, new nn.Sigmoid(), x).gradFn!.name).toBe('sigmoid');
  });

  test('a residual that must be broadcast is', () => {
    const norm = new nn.BatchNorm2d(3).eval();
    const x = randn(shape);
    const y = nn.normRelu(norm, new nn.ReLU(), x, ones([3, 1, 1]).mul(5));
    expectClose(list(y), list(norm.forward(x).add(5).relu()));
  });
});

describe('group, layer and instance normalisation layers', () => {
  test('are printed as PyTorch prints them', () => {
    expect(String(new nn.GroupNorm(2, 4))).toBe('GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)');
    expect(String(new nn.GroupNorm(2, 4, { affine: false }))).toBe('GroupNorm(2, 4, eps=1e-05, affine=False, bias=False)');
    expect(String(new nn.LayerNorm([3, 4]))).toBe('LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=True)');
    expect(String(new nn.LayerNorm(3, { bias: false }))).toBe('LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=False)');
    expect(String(new nn.InstanceNorm2d(3))).toBe(
      'InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)',
    );
  });

  test('have the parameters of PyTorch', () => {
    const keys = (layer: nn.AnyModule) => Object.keys(layer.stateDict());
    expect(keys(new nn.GroupNorm(2, 4))).toEqual(['weight', 'bias']);
    expect(keys(new nn.LayerNorm([2, 3, 4], { bias: false }))).toEqual(['weight']);
    expect(keys(new nn.InstanceNorm2d(3))).toEqual([]);
    expect(keys(new nn.InstanceNorm2d(3, { affine: true, trackRunningStats: true }))).toEqual([
      'weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked',
    ]);
    const weight = new nn.LayerNorm([2, 3, 4]).weight!;
    expect([weight.shape, weight.strides]).toEqual([[2, 3, 4], [12, 4, 1]]);
  });

  test('compute what their functions do', () => {
    const x = randn([2, 4, 3, 5]);
    const affine = { affine: true } as const;
    expect(list(new nn.GroupNorm(2, 4).forward(x))).toEqual(list(F.groupNorm(x, 2)));
    expect(list(new nn.LayerNorm([3, 5]).forward(x))).toEqual(list(F.layerNorm(x, [3, 5])));
    expectClose(list(new nn.InstanceNorm2d(4, affine).forward(x)), list(F.instanceNorm(x)));
    expectClose(list(new nn.GroupNorm(4, 4).forward(x)), list(F.instanceNorm(x)));
    expect(list(new nn.InstanceNorm1d(4).forward(x.select(0, 0).flatten(1)))).toEqual(
      list(F.instanceNorm(x.flatten(2)).select(0, 0)),
    );
    expect(new nn.InstanceNorm3d(2).forward(randn([2, 2, 2, 3])).shape).toEqual([2, 2, 2, 3]);
  });

  test('keep the memory layout, but for layers', () => {
    const x = randn([2, 4, 3, 5]).contiguous('channelsLast');
    expect(F.groupNorm(x, 2).strides).toEqual(x.strides);
    expect(F.instanceNorm(x).strides).toEqual(x.strides);
    // Over the channels of channels-last images: nothing to copy.
    const channels = F.layerNorm(x.permute([0, 2, 3, 1]), 4);
    expect(channels.isContiguous()).toBe(true);
  });

  test('instance statistics are averaged over samples', () => {
    const layer = new nn.InstanceNorm2d(3, { trackRunningStats: true, momentum: 0.25 });
    const x = randn([4, 3, 5, 5]).mul(2).add(1);
    layer.forward(x);
    expectClose(list(layer.runningMean!), list(x.mean([2, 3]).mean(0).mul(0.25)));
    expectClose(list(layer.runningVar!), list(x.var([2, 3]).mean(0).mul(0.25).add(0.75)));
    expect(layer.numBatchesTracked!.itemSync()).toBe(0);
    layer.eval();
    expectClose(list(layer.forward(x)), list(F.batchNorm(x, layer.runningMean, layer.runningVar)));
  });
});

describe('errors', () => {
  const x = () => randn([2, 3, 4, 4]);

  test('of batchNorm', () => {
    const [m, v] = [zeros([3]), ones([3])];
    expect(() => F.batchNorm(x(), null, null)).toThrow(/^batchNorm: runningMean and runningVar are needed when training is false/);
    expect(() => F.batchNorm(randn([3]), m, v)).toThrow(ShapeError);
    expect(() => F.batchNorm(x(), zeros([4]), v)).toThrow(/^batchNorm: runningMean must be \[3\].* got \[4\]/);
    expect(() => F.batchNorm(x(), m, v, ones([3, 1]))).toThrow(/^batchNorm: weight must be \[3\]/);
    expect(() => F.batchNorm(x(), m, v, ones([3], { dtype: 'float64' }))).toThrow(DTypeError);
    expect(() => F.batchNorm(x().to('int32'), m, v)).toThrow(DTypeError);
    expect(() => F.batchNorm(x(), m, v, null, null, { eps: -1 })).toThrow(ArgumentError);
    expect(() => F.batchNorm(x(), m, v, null, null, { momentum: 2 })).toThrow(ArgumentError);
    for (const shape of [[1, 3], [1, 3, 1], [1, 3, 1, 1]])
      expect(() => F.batchNorm(randn(shape), m, v, null, null, { training: true })).toThrow(
        /^batchNorm: training needs more than one value per channel/,
      );
    expect(list(F.batchNorm(randn([1, 3]), m, v)).length).toBe(3);
  });

  test('of layers', () => {
    expect(() => new nn.BatchNorm2d(3).forward(randn([2, 4, 3, 3]))).toThrow(
      /^BatchNorm2d: expected input \[N, 3, H, W\], got \[2, 4, 3, 3\]/,
    );
    expect(() => new nn.BatchNorm2d(3).forward(randn([2, 3]))).toThrow(ShapeError);
    expect(() => new nn.BatchNorm1d(3).forward(x())).toThrow(/^BatchNorm1d: expected input \[N, 3\] or \[N, 3, L\]/);
    expect(() => new nn.BatchNorm3d(3).forward(x())).toThrow(ShapeError);
    expect(() => new nn.BatchNorm2d(-1)).toThrow(ArgumentError);
    expect(() => new nn.BatchNorm2d(1.5)).toThrow(ArgumentError);
    expect(() => new nn.BatchNorm2d(3, { eps: -1 })).toThrow(ArgumentError);
    expect(() => new nn.BatchNorm2d(3, { momentum: 1.5 })).toThrow(ArgumentError);
    expect(() => new nn.BatchNorm2d(3).forward(randn([1, 3, 1, 1]))).toThrow(
      /^BatchNorm2d: training needs more than one value per channel/,
    );
  });

  test('of group, layer and instance normalisation', () => {
    expect(() => F.groupNorm(x(), 2)).toThrow(/^groupNorm: 2 groups do not divide the 3 channels of input \[2, 3, 4, 4\]/);
    expect(() => F.groupNorm(x(), 0)).toThrow(ArgumentError);
    expect(() => F.groupNorm(randn([1, 3]), 3)).toThrow(/^groupNorm: more than one value per group is needed/);
    expect(() => F.groupNorm(x(), 3, ones([4]))).toThrow(ShapeError);
    expect(() => F.groupNorm(x().to('int64'), 3)).toThrow(DTypeError);
    expect(() => new nn.GroupNorm(2, 3)).toThrow(/^GroupNorm: numChannels 3 must be divisible by numGroups 2/);
    expect(() => new nn.GroupNorm(2, 4).forward(x())).toThrow(/^GroupNorm: expected input \[N, 4, ...\]/);
    expect(() => F.layerNorm(x(), [3, 4])).toThrow(/^layerNorm: expected input \[..., 3, 4\], got \[2, 3, 4, 4\]/);
    expect(() => F.layerNorm(x(), [4], ones([3]))).toThrow(/^layerNorm: weight must be \[4\]/);
    expect(() => F.layerNorm(x(), [4], ones([4], { dtype: 'float64' }))).toThrow(DTypeError);
    expect(() => F.layerNorm(x(), [])).toThrow(ArgumentError);
    expect(() => F.layerNorm(x(), 4, null, null, { eps: -1 })).toThrow(ArgumentError);
    expect(() => new nn.LayerNorm([])).toThrow(ArgumentError);
    expect(() => F.instanceNorm(randn([2, 3, 1, 1]))).toThrow(/^instanceNorm: more than one value per channel is needed/);
    expect(() => F.instanceNorm(x(), null, null, null, null, { useInputStats: false })).toThrow(ArgumentError);
    expect(() => F.instanceNorm(x(), zeros([2]), ones([3]))).toThrow(/^instanceNorm: runningMean must be \[3\]/);
    expect(() => new nn.InstanceNorm2d(3).forward(randn([2, 4, 3, 3]))).toThrow(
      /^InstanceNorm2d: expected input \[N, 3, H, W\] or, for one sample, \[3, H, W\], got \[2, 4, 3, 3\]/,
    );
  });
});
