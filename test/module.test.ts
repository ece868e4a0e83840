// SPDX-License-Identifier: Apache-2.0
// Hooks on gradients, named containers, lazy layers, and what else modules answer.
import { beforeEach, describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { ArgumentError, AutogradError, ShapeError, UninitializedError, UnsupportedError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import { ones, tensor, zeros } from '../lib/ops/creation.js';
import { manualSeed, randn } from '../lib/ops/random.js';
import * as optim from '../lib/optim/index.js';
import type { Tensor } from '../lib/tensor/tensor.js';

beforeEach(() => manualSeed(0));
const list = (t: Tensor) => Array.from(t.dataSync() as Float32Array);

class Product extends nn.Module<[a: Tensor, b: Tensor, k: number], Tensor[]> {
  forward(a: Tensor, b: Tensor, k: number): Tensor[] {
    return [a.mul(b), a.mul(k)];
  }
}

describe('backward hooks', () => {
  test('see the gradients of arguments and results, in place of each', () => {
    const product = new Product();
    const calls: unknown[] = [];
    const remove = product.registerFullBackwardHook((module, gradInput, gradOutput) => {
      calls.push([module === product, gradInput.map((g) => g && list(g)), gradOutput.map((g) => g && list(g))]);
    });
    const [a, b] = [tensor([1, 2]).requiresGrad_() as Tensor, tensor([3, 4]) as Tensor];
    const [y, z] = product.forward(a, b, 5);
    y!.add(z!).sum().backward();
    expect(calls).toEqual([[true, [[8, 9], null, null], [[1, 1], [1, 1]]]]);
    expect(list(a.grad!)).toEqual([8, 9]);
    calls.length = 0;
    product.forward(a, b, 5)[1]!.sum().backward(); // the other result is not used
    expect(calls).toEqual([[true, [[5, 5], null, null], [null, [1, 1]]]]);
    remove();
    expect(Object.hasOwn(product, 'forward')).toBe(false);
    product.forward(a, b, 5)[0]!.sum().backward();
    expect(calls.length).toBe(1);
  });

  test('may replace them; without gradients of the arguments they run all the same', () => {
    const layer = new nn.Linear(2, 1, { bias: false });
    const order: string[] = [];
    layer.registerFullBackwardPreHook((_, [g]) => (order.push('before'), [g!.mul(10)]));
    layer.registerFullBackwardHook((_, gradInput) => (order.push('after'), gradInput[0] ? gradInput[0].mul(2) : undefined));
    const x = tensor([[1, 2]]).requiresGrad_() as Tensor;
    layer.forward(x).sum().backward();
    expect(order).toEqual(['before', 'after']);
    expect(list(layer.weight.grad!)).toEqual([10, 20]);
    expect(list(x.grad!)).toEqual(list(layer.weight).map((w) => Math.fround(20 * w)));
    layer.weight.grad = null;
    layer.forward(tensor([[1, 2]])).sum().backward();
    expect(order).toEqual(['before', 'after', 'before', 'after']);
    expect(list(layer.weight.grad!)).toEqual([10, 20]);
  });

  test('keep what they are shown, with forward hooks, inside a Sequential', () => {
    const kept: Tensor[] = [];
    const model = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU(), new nn.Linear(2, 1));
    model.at(0).registerFullBackwardHook((_, gradInput, gradOutput) => void kept.push(gradInput[0] as Tensor, gradOutput[0] as Tensor));
    model.at(0).registerForwardHook((_m, _a, y: unknown) => (y as Tensor).mul(2));
    const x = randn([3, 2]).requiresGrad_();
    model.forward(x).sum().backward();
    expect(kept.map((t) => t.shape)).toEqual([[3, 2], [3, 2]]);
    expect(list(kept[0]!)).toEqual(list(x.grad!));
    expect(kept[1]!.disposed).toBe(false);
  });

  test('errors', () => {
    const count = new (class Count extends nn.Module<[x: Tensor], number> {
      forward(x: Tensor) {
        return x.numel;
      }
    })();
    count.registerFullBackwardHook(() => {});
    expect(() => count.forward(ones([2]))).toThrow(/^Count: backward hooks are for modules that return/);
    const run = (result: unknown) => {
      const layer = new nn.Identity();
      layer.registerFullBackwardHook(() => result as never);
      return () => layer.forward(ones([2]).requiresGrad_()).sum().backward();
    };
    expect(run([])).toThrow(/^registerFullBackwardHook: the hook must return 1 gradients/);
    expect(run([ones([3])])).toThrow(/^registerFullBackwardHook: gradient 0 must be of shape \[2\]/);
    expect(run([ones([2]).to('float64')])).toThrow(AutogradError);
    expect(run([ones([2])])).not.toThrow();
  });
});

describe('named containers', () => {
  test('ModuleDict', () => {
    const dict = new nn.ModuleDict<nn.Module>({ conv: new nn.Conv2d(1, 2, 3), act: new nn.ReLU() });
    expect([dict.size, dict.keys(), dict.has('act'), dict.has('forward')]).toEqual([2, ['conv', 'act'], true, false]);
    expect(Object.keys(dict.stateDict())).toEqual(['conv.weight', 'conv.bias']);
    expect(dict.get('act')).toBeInstanceOf(nn.ReLU);
    dict.set('act', new nn.Tanh()).update([['pool', new nn.Identity()]]);
    expect([...dict].map(([name, m]) => `${name}: ${m.constructor.name}`)).toEqual(['conv: Conv2d', 'act: Tanh', 'pool: Identity']);
    expect(dict.pop('pool')).toBeInstanceOf(nn.Identity);
    expect(dict.values().length).toBe(2);
    expect(String(new nn.ModuleDict({ a: new nn.ReLU() }))).toBe('ModuleDict(\n  (a): ReLU()\n)');
    expect(() => dict.get('pool')).toThrow(/no module 'pool' among conv, act/);
    expect(() => dict.pop('pool')).toThrow(ArgumentError);
    expect(() => dict.set('keys', new nn.ReLU())).toThrow(/is a method of ModuleDict/);
    expect(() => dict.set('a.b', new nn.ReLU())).toThrow(ArgumentError);
    expect(() => dict.forward()).toThrow(UnsupportedError);
  });

  test('ParameterList', () => {
    const given = new nn.Parameter(ones([2]));
    const parameters = new nn.ParameterList([given, zeros([3, 2])]);
    expect([parameters.length, parameters.at(0) === given, parameters.at(-1).shape]).toEqual([2, true, [3, 2]]);
    expect(parameters.parameters().every((p) => p.requiresGrad)).toBe(true);
    expect(Object.keys(parameters.append(ones([1])).stateDict())).toEqual(['0', '1', '2']);
    parameters.set(-1, ones([4]));
    expect([...parameters].map((p) => p.numel)).toEqual([2, 6, 4]);
    expect(String(new nn.ParameterList([ones([2, 3])]))).toBe(
      'ParameterList(\n  (0): Parameter containing: [torch.FloatTensor of size 2x3]\n)',
    );
    expect(() => parameters.at(3)).toThrow(ArgumentError);
    expect(() => parameters.append([1] as never)).toThrow(ArgumentError);
    expect(() => parameters.forward()).toThrow(UnsupportedError);
  });

  test('ParameterDict', () => {
    const dict = new nn.ParameterDict({ gain: ones([1]), shift: zeros([2]) });
    expect([dict.size, dict.keys(), dict.has('gain')]).toEqual([2, ['gain', 'shift'], true]);
    expect(Object.keys(dict.stateDict())).toEqual(['gain', 'shift']);
    dict.set('gain', ones([5]));
    expect([...dict].map(([name, p]) => [name, p.numel])).toEqual([['gain', 5], ['shift', 2]]);
    expect(dict.pop('shift').numel).toBe(2);
    expect(() => dict.get('shift')).toThrow(/no parameter 'shift' among gain/);
    expect(() => dict.set('x', 3 as never)).toThrow(ArgumentError);
    expect(() => dict.forward()).toThrow(UnsupportedError);
    class Net extends nn.Module {
      readonly factors = new nn.ParameterDict({ a: ones([2]) });
      forward(x: Tensor) {
        return x.mul(this.factors.get('a'));
      }
    }
    expect(new Net().namedParameters().map(([name]) => name)).toEqual(['factors.a']);
  });
});

describe('modules', () => {
  test('parts by path, and dtypes by name', () => {
    const model = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm1d(2));
    expect(model.getParameter('0.weight')).toBe((model.at(0) as nn.Linear).weight);
    expect(model.getBuffer('1.running_mean')).toBe((model.at(1) as nn.BatchNorm1d).runningMean);
    expect(() => model.getParameter('0.gain')).toThrow(/^getParameter: Linear has no parameter 'gain' \(in '0\.gain'\)/);
    expect(() => model.getBuffer('0.weight')).toThrow(/^getBuffer: Linear has no buffer/);
    expect(() => model.getParameter('7.weight')).toThrow(ArgumentError);
    const dtype = () => model.parameters()[0]!.dtype;
    expect([(model.half(), dtype()), (model.bfloat16(), dtype()), (model.double(), dtype()), (model.float(), dtype())]).toEqual([
      'float16', 'bfloat16', 'float64', 'float32',
    ]);
    expect(model.cpu().parameters()[0]!.device.type).toBe('cpu');
  });
});

describe('lazy layers', () => {
  const inputs: [string, () => nn.Module, number[], new (...args: never[]) => nn.AnyModule, string][] = [
    ['LazyLinear', () => new nn.LazyLinear(3), [4, 5], nn.Linear, 'in_features=5, out_features=3, bias=True'],
    ['LazyConv1d', () => new nn.LazyConv1d(3, 2), [2, 5, 6], nn.Conv1d, '5, 3, kernel_size=(2,), stride=(1,)'],
    ['LazyConv2d', () => new nn.LazyConv2d(4, 3, { groups: 2 }), [2, 6, 5, 5], nn.Conv2d, '6, 4, kernel_size=(3, 3), stride=(1, 1), groups=2'],
    ['LazyConv2d of one image', () => new nn.LazyConv2d(4, 3), [6, 5, 5], nn.Conv2d, '6, 4, kernel_size=(3, 3), stride=(1, 1)'],
    ['LazyConv3d', () => new nn.LazyConv3d(2, 2), [1, 3, 4, 4, 4], nn.Conv3d, '3, 2, kernel_size=(2, 2, 2), stride=(1, 1, 1)'],
    ['LazyBatchNorm1d', () => new nn.LazyBatchNorm1d(), [4, 5], nn.BatchNorm1d, '5, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True'],
    ['LazyBatchNorm2d', () => new nn.LazyBatchNorm2d(), [4, 5, 2, 2], nn.BatchNorm2d, '5, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True'],
    ['LazyBatchNorm3d', () => new nn.LazyBatchNorm3d({ affine: false }), [4, 5, 2, 2, 1], nn.BatchNorm3d, '5, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=True'],
  ];
  test.each(inputs)('%s becomes an ordinary layer with its first input', (_, make, shape, Settled, repr) => {
    const layer = make();
    const before = layer.parameters();
    const x = randn(shape);
    const y = layer.forward(x);
    expect(layer.constructor).toBe(Settled);
    expect(layer.extraRepr()).toBe(repr);
    layer.parameters().forEach((p, i) => expect(p).toBe(before[i]));
    expect(list(layer.eval().forward(x)).every(Number.isFinite)).toBe(true);
    if (y.requiresGrad) y.square().sum().backward();
    expect(layer.parameters().every((p) => p.grad !== null && p.grad.numel === p.numel)).toBe(true);
    expect(Object.values(layer.stateDict()).every((t) => list(t).every((v) => Number.isFinite(Number(v))))).toBe(true);
  });

  test('start as ordinary layers do', () => {
    const lazy = new nn.LazyLinear(3);
    manualSeed(3);
    lazy.forward(zeros([1, 5]));
    manualSeed(3);
    const plain = new nn.Linear(5, 3);
    expect(list(lazy.weight)).toEqual(list(plain.weight));
    expect(list(lazy.bias!)).toEqual(list(plain.bias!));
    const norm = new nn.LazyBatchNorm2d();
    norm.eval().forward(zeros([1, 2, 1, 1]));
    expect([list(norm.weight!), list(norm.bias!), list(norm.runningMean!), list(norm.runningVar!)]).toEqual([[1, 1], [0, 0], [0, 0], [1, 1]]);
  });

  test('before: read, saved and updated they are a typed error', () => {
    const layer = new nn.LazyLinear(3);
    expect(String(layer)).toBe('LazyLinear(in_features=0, out_features=3, bias=True)');
    expect(layer.weight.numel).toBe(0);
    const optimizer = new optim.SGD(layer.parameters(), { lr: 1 });
    const uses: (() => unknown)[] = [
      () => layer.stateDict(), () => layer.weight.add(1), () => layer.weight.dataSync(), () => layer.weight.detach(),
      () => nn.init.zeros_(layer.weight), () => optimizer.step(),
    ];
    for (const use of uses) {
      expect(use).toThrow(UninitializedError);
      expect(use).toThrow(/first forward\(\); run one first/);
    }
    expect(() => layer.stateDict()).toThrow(/^stateDict: weight has no shape/);
    expect(() => new nn.LazyConv2d(2, 3, { padding: 'same', stride: 2 })).toThrow(/^LazyConv2d/);
    expect(() => new nn.Linear(0, 3)).toThrow(ArgumentError);
    expect(() => new nn.Conv2d(0, 3, 1)).toThrow(ArgumentError);
  });

  test('an optimizer made before trains them; dtype and mode carry over', () => {
    const model = new nn.Sequential(new nn.LazyConv2d(2, 3), new nn.LazyBatchNorm2d(), new nn.ReLU(), new nn.Flatten(), new nn.LazyLinear(1));
    model.double();
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.05 });
    const x = randn([8, 1, 5, 5], { dtype: 'float64' });
    const target = x.sum([1, 2, 3]).unsqueeze(1);
    const losses: number[] = [];
    for (let i = 0; i < 30; i++) {
      const loss = nn.functional.mseLoss(model.forward(x), target);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      losses.push(loss.itemSync() as number);
    }
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    expect(model.parameters().every((p) => p.dtype === 'float64')).toBe(true);
    expect(model.modules().map((m) => m.constructor.name)).toEqual(['Sequential', 'Conv2d', 'BatchNorm2d', 'ReLU', 'Flatten', 'Linear']);
  });

  test('a state dict gives them their shapes', () => {
    const plain = new nn.Sequential(new nn.Conv2d(4, 2, 3, { groups: 2 }), new nn.BatchNorm2d(2));
    const lazy = new nn.Sequential(new nn.LazyConv2d(2, 3, { groups: 2 }), new nn.LazyBatchNorm2d());
    const before = lazy.parameters();
    expect(() => lazy.loadStateDict({ '0.weight': ones([1]) }, { strict: true })).toThrow(/missing: 0\.bias/);
    expect(() => lazy.stateDict()).toThrow(UninitializedError);
    lazy.loadStateDict(plain.stateDict());
    lazy.parameters().forEach((p, i) => expect(p).toBe(before[i]));
    const x = randn([2, 4, 5, 5]);
    expect(list(lazy.eval().forward(x))).toEqual(list(plain.eval().forward(x)));
    expect((lazy.at(0) as nn.Conv2d).inChannels).toBe(4);
  });

  test('hooks and shapes that do not fit', () => {
    const layer = new nn.LazyConv2d(2, 3);
    let calls = 0;
    layer.registerForwardHook(() => void calls++);
    for (let i = 0; i < 2; i++) layer.forward(randn([1, 3, 4, 4]));
    expect([calls, layer.constructor]).toEqual([2, nn.Conv2d]);
    expect(() => layer.forward(randn([1, 4, 4, 4]))).toThrow(ShapeError);
    expect(() => new nn.LazyConv2d(2, 3).forward(ones([4]))).toThrow(/^LazyConv2d: expected input with channels and 2 spatial/);
    expect(() => new nn.LazyConv2d(2, 3, { groups: 2 }).forward(ones([1, 3, 4, 4]))).toThrow(/^LazyConv2d: the input's 3 channels/);
    expect(() => new nn.LazyLinear(2).forward(ones([]))).toThrow(ShapeError);
    expect(() => new nn.LazyBatchNorm1d().forward(ones([3]))).toThrow(ShapeError);
    expect(() => new nn.LazyLinear(2).forward(3 as never)).toThrow(ArgumentError);
  });
});
