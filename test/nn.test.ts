// SPDX-License-Identifier: Apache-2.0
// Modules: finding parts by name, state dicts, modes, hooks, printing; layers against their functions; initialisation.
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { beforeEach, describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { noGrad } from '../lib/autograd/mode.js';
import { lenet5, mnistCnn } from '../lib/models/index.js';
import { ArgumentError, AutogradError, DTypeError, ShapeError, StateDictError, UnsupportedError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import { tensor, zeros } from '../lib/ops/creation.js';
import * as F from '../lib/ops/functional.js';
import { manualSeed, rand, randn } from '../lib/ops/random.js';
import { Tensor } from '../lib/tensor/tensor.js';

beforeEach(() => manualSeed(0));
const list = (t: Tensor) => Array.from(t.dataSync() as Float32Array);
const numberOf = (model: nn.AnyModule) => model.parameters().reduce((n, p) => n + p.numel, 0);

class Block extends nn.Module<[x: Tensor, scale?: number], Tensor> {
  readonly conv = new nn.Conv2d(2, 2, 3, { padding: 1, bias: false });
  readonly layers = new nn.ModuleList([new nn.Linear(4, 4), new nn.Linear(4, 4)]);
  readonly gain = new nn.Parameter(tensor([2]));
  readonly ignored = tensor([1]);
  declare readonly runningMean: Tensor;
  declare readonly scratch: Tensor;

  constructor() {
    super();
    this.registerBuffer('runningMean', zeros([2]), { key: 'running_mean' });
    this.registerBuffer('scratch', zeros([1]), { persistent: false });
  }
  forward(x: Tensor, scale = 1): Tensor {
    return this.conv.forward(x).mul(scale).mul(this.gain);
  }
}

describe('parts', () => {
  test('names are those of the properties, in order', () => {
    const block = new Block();
    expect(block.namedParameters().map(([name]) => name)).toEqual([
      'gain', 'conv.weight', 'layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias',
    ]);
    expect(block.namedParameters({ prefix: 'net', recurse: false }).map(([name]) => name)).toEqual(['net.gain']);
    expect(block.namedBuffers().map(([name]) => name)).toEqual(['running_mean', 'scratch']);
    expect(block.namedModules().map(([name]) => name)).toEqual(['', 'conv', 'layers', 'layers.0', 'layers.1']);
    expect(block.namedChildren().map(([name]) => name)).toEqual(['conv', 'layers']);
    expect(Object.keys(block.stateDict())).toEqual([
      'gain', 'running_mean', 'conv.weight', 'layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias',
    ]);
    expect(block.getSubmodule('layers.1')).toBe(block.layers.at(1));
    expect(() => block.getSubmodule('layers.2')).toThrow(/no module '2'/);
    expect(() => block.getSubmodule('constructor')).toThrow(ArgumentError);
  });

  test('what is shared counts once, but is saved under each name', () => {
    const first = new nn.Linear(2, 2, { bias: false });
    const tied = new nn.Linear(2, 2, { bias: false });
    tied.registerParameter('weight', first.weight);
    const model = new nn.Sequential(first, first, tied);
    expect(model.parameters()).toEqual([first.weight]);
    expect(model.modules().length).toBe(3);
    expect(Object.keys(model.stateDict())).toEqual(['0.weight', '1.weight', '2.weight']);
    expect(list(model.forward(tensor([[1, 2]])))).toEqual(list([first, first, first].reduce((x, l) => l.forward(x), tensor([[1, 2]]))));
  });

  test('parameters are leaves that share the memory of their values', () => {
    const values = tensor([1, 2]);
    const p = new nn.Parameter(values);
    expect(p).toBeInstanceOf(Tensor);
    expect([p.isLeaf, p.requiresGrad, new nn.Parameter(values, { requiresGrad: false }).requiresGrad]).toEqual([true, true, false]);
    values.fill_(5);
    values.dispose();
    expect(list(p)).toEqual([5, 5]);
    expect(() => new nn.Parameter([1] as never)).toThrow(ArgumentError);
    expect(() => new nn.Parameter(tensor([1], { dtype: 'int64' }) as Tensor)).toThrow(DTypeError);
    expect(() => p.add_(1)).toThrow(AutogradError);
  });

  test('bad parts', () => {
    const block = new Block();
    expect(() => block.registerBuffer('a.b', zeros([1]))).toThrow(/dot/);
    expect(() => block.registerBuffer('forward', zeros([1]))).toThrow(/method of Block/);
    expect(() => block.registerBuffer('other', {} as Tensor)).toThrow(ArgumentError);
    expect(() => block.registerParameter('other', tensor([1]) as never)).toThrow(ArgumentError);
    expect(() => block.addModule('other', {} as never)).toThrow(ArgumentError);
    block.addModule('self', block);
    expect(() => block.stateDict()).toThrow(/contains itself/);
    expect(block.parameters().length).toBe(6);
  });

  test('the counts and names of the networks for MNIST', () => {
    const lenet = lenet5();
    expect(numberOf(lenet)).toBe(61_706);
    expect(Object.keys(lenet.stateDict())).toEqual(
      ['features.0', 'features.3', 'features.6', 'classifier.0', 'classifier.2'].flatMap((l) => [`${l}.weight`, `${l}.bias`]),
    );
    const cnn = mnistCnn();
    expect(Object.keys(cnn.stateDict())).toEqual(
      ['features.0', 'features.3', 'features.6', 'classifier.0', 'classifier.3'].flatMap((l) => [`${l}.weight`, `${l}.bias`]),
    );
    for (const model of [lenet, cnn, lenet5({ numClasses: 10 })]) expect(model.forward(zeros([2, 1, 28, 28])).shape).toEqual([2, 10]);
    const bound = Math.sqrt(6 / (2048 + 625));
    const weights = list((cnn.classifier.at(0) as nn.Linear).weight).map(Math.abs);
    expect(weights.reduce((a, b) => Math.max(a, b), 0)).toBeGreaterThan(0.999 * bound);
    expect(weights.every((w) => w <= bound)).toBe(true);
  });
});

describe('state dicts', () => {
  test('values come back, into whatever layout, dtype and device', () => {
    const [a, b] = [new Block(), new Block().to('float64')];
    a.runningMean.fill_(3);
    expect(b.loadStateDict(a.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(b.parameters().every((p) => p.dtype === 'float64')).toBe(true);
    expect(b.parameters().map((p) => list(p))).toEqual(a.parameters().map((p) => list(p)));
    expect(list(b.runningMean)).toEqual([3, 3]);
    expect(b.conv.weight.isContiguous('channelsLast')).toBe(true);
    const rowMajor = a.conv.weight.detach().contiguous();
    b.loadStateDict({ 'conv.weight': rowMajor.mul(2) }, { strict: false });
    expect(list(b.conv.weight)).toEqual(list(rowMajor).map((x) => 2 * x));
  });

  test('what does not fit is listed, and changes nothing', () => {
    const block = new Block();
    const state = block.stateDict();
    const before = JSON.stringify(block.parameters().map((p) => list(p)));
    const changed = Object.fromEntries(Object.entries(state).map(([k, t]) => [k, t.add(1)]));
    delete changed['gain'];
    changed['extra'] = zeros([1]);
    changed['layers.1.bias'] = zeros([5]);
    expect(() => block.loadStateDict(changed)).toThrow(StateDictError);
    expect(() => block.loadStateDict(changed)).toThrow(
      'loadStateDict: the values do not fit Block:\n  missing: gain\n  unexpected: extra\n' +
        '  of another shape or dtype: layers.1.bias: expected shape [4], got [5]',
    );
    expect(() => block.loadStateDict(changed, { strict: false })).toThrow(/^(?!.*missing).*layers\.1\.bias/s);
    expect(() => block.loadStateDict({ ...state, gain: 5 as never })).toThrow(ArgumentError);
    expect(() => block.loadStateDict(null as never)).toThrow(ArgumentError);
    const gone = zeros([1]);
    gone.dispose();
    expect(() => block.loadStateDict({ ...changed, 'layers.1.bias': zeros([4]), gain: gone }, { strict: false })).toThrow(/disposed/);
    expect(JSON.stringify(block.parameters().map((p) => list(p)))).toBe(before);
    expect(block.loadStateDict({ other: zeros([1]) }, { strict: false }).unexpectedKeys).toEqual(['other']);
  });

  test('many missing names are cut short', () => {
    const model = new nn.Sequential(...Array.from({ length: 15 }, () => new nn.Linear(1, 1)));
    expect(() => model.loadStateDict({})).toThrow(/9\.bias, \.\.\. and 10 more$/m);
  });
});

describe('modes and places', () => {
  test('train and eval reach every module', () => {
    const model = new nn.Sequential(new nn.Dropout(0.5), new nn.Sequential(new nn.Dropout(1)));
    const x = tensor([1, 2, 3]);
    expect(list(model.forward(x))).toEqual([0, 0, 0]);
    expect(model.eval().modules().map((m) => m.training)).toEqual([false, false, false, false]);
    expect(list(model.forward(x))).toEqual([1, 2, 3]);
    expect(model.train().training).toBe(true);
  });

  test('to() keeps the objects, and takes gradients along', () => {
    const layer = new nn.Linear(2, 2);
    const { weight } = layer;
    const saved = layer.forward(zeros([1, 2])).sum();
    layer.forward(tensor([[1, 2]])).sum().backward();
    layer.to('float64');
    expect(layer.weight).toBe(weight);
    expect([weight.dtype, weight.grad!.dtype, weight.isLeaf, weight.requiresGrad]).toEqual(['float64', 'float64', true, true]);
    expect(list(weight.grad!)).toEqual([1, 2, 1, 2]);
    expect(layer.forward(tensor([[1, 2]], { dtype: 'float64' })).dtype).toBe('float64');
    expect(() => saved.backward()).toThrow(AutogradError);
    expect(layer.to({ dtype: 'bfloat16', device: 'cpu' }).weight.dtype).toBe('bfloat16');
    expect(() => layer.to('int32' as never)).toThrow(DTypeError);
    expect(() => layer.to(5 as never)).toThrow(ArgumentError);
  });

  test('integer buffers keep their dtype', () => {
    const block = new Block();
    block.registerBuffer('count', tensor([3], { dtype: 'int64' }) as Tensor);
    expect(block.to('float16').namedBuffers().map(([, b]) => b.dtype)).toEqual(['float16', 'float16', 'int64']);
  });

  test('requiresGrad_ freezes, zeroGrad forgets, apply reaches all, children first', () => {
    const model = new nn.Sequential(new nn.Linear(2, 2), new nn.Sequential(new nn.ReLU()));
    model.forward(zeros([1, 2])).sum().backward();
    model.zeroGrad();
    expect(model.parameters().every((p) => p.grad === null)).toBe(true);
    model.requiresGrad_(false);
    expect(model.forward(zeros([1, 2])).requiresGrad).toBe(false);
    const seen: string[] = [];
    model.apply((m) => void seen.push(m.constructor.name));
    expect(seen).toEqual(['Linear', 'ReLU', 'Sequential', 'Sequential']);
  });
});

describe('hooks', () => {
  test('they see, and may replace, arguments and results, however forward is called', () => {
    const block = new Block();
    const model = new nn.Sequential(block, new nn.Identity());
    const x = randn([1, 2, 4, 4]);
    const plain = list(model.forward(x));
    const calls: string[] = [];
    const remove = [
      block.registerForwardPreHook((module, args) => {
        calls.push(`before ${module.constructor.name} ${args.length}`);
        return [args[0], 3];
      }),
      block.registerForwardHook((_module, args, output) => {
        calls.push(`after ${args[1]}`);
        return output.add(1);
      }),
      block.conv.registerForwardHook(() => void calls.push('inside')),
    ];
    list(model.forward(x)).forEach((v, i) => expect(v).toBeCloseTo(3 * plain[i]! + 1, 4));
    expect(calls).toEqual(['before Block 1', 'inside', 'after 3']);
    expect(Object.keys(model.stateDict())).toContain('0.conv.weight');
    for (const undo of remove) undo();
    for (const undo of remove) undo();
    expect(list(model.forward(x))).toEqual(plain);
    expect(calls.length).toBe(3);
    expect(Object.hasOwn(block, 'forward')).toBe(false);
  });

  test('a function registered twice runs twice; one may remove itself', () => {
    const layer = new nn.Identity();
    const double = (_m: nn.Identity, _a: unknown, y: Tensor) => y.mul(2);
    const first = layer.registerForwardHook(double);
    layer.registerForwardHook(double);
    const once = layer.registerForwardPreHook(() => once());
    expect(list(layer.forward(tensor([1])))).toEqual([4]);
    first();
    expect(list(layer.forward(tensor([1])))).toEqual([2]);
  });

  test('a forward that is a property is put back', () => {
    class Odd extends nn.Module {
      override forward = (x: Tensor) => x.add(1);
    }
    const odd = new Odd();
    const own = odd.forward;
    odd.registerForwardHook((_m, _a, y) => y.mul(2))();
    expect(odd.forward).toBe(own);
  });
});

describe('containers', () => {
  test('Sequential: positions, replacing, appending, names', () => {
    const model = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU()) as nn.Sequential;
    expect(model.length).toBe(2);
    expect(model.at(-1)).toBeInstanceOf(nn.ReLU);
    model.set(-1, new nn.Tanh()).append(new nn.Linear(3, 1), new nn.Sigmoid());
    expect([...model].map((m) => m.constructor.name)).toEqual(['Linear', 'Tanh', 'Linear', 'Sigmoid']);
    expect(model.forward(zeros([5, 2])).shape).toEqual([5, 1]);
    expect(() => model.at(4)).toThrow(ArgumentError);
    expect(() => model.set(0.5, new nn.ReLU())).toThrow(ArgumentError);
    const named = nn.Sequential.named({ conv0: new nn.Conv2d(1, 2, 1), relu0: new nn.ReLU() });
    expect(Object.keys(named.stateDict())).toEqual(['conv0.weight', 'conv0.bias']);
    const x = tensor([1]);
    expect(new nn.Sequential().forward(x)).toBe(x);
    expect(() => new nn.Sequential(3 as never)).toThrow(ArgumentError);
  });

  test('a ReLU after a convolution or linear layer is computed with it: same results and gradients', () => {
    const model = new nn.Sequential(new nn.Conv2d(1, 3, 3), new nn.ReLU(), new nn.Flatten(), new nn.Linear(12, 5), new nn.ReLU());
    const x = randn([2, 1, 4, 4]).requiresGrad_();
    const run = () => {
      const y = model.forward(x);
      model.zeroGrad();
      x.grad = null;
      y.square().sum().backward();
      return [y, x.grad!, ...model.parameters().map((p) => p.grad!)].map(list);
    };
    const fused = run();
    let between = 0;
    const remove = model.at(0).registerForwardHook(() => void between++);
    const apart = run();
    remove();
    expect(between).toBe(1);
    fused.forEach((values, k) => values.forEach((v, i) => expect(v).toBeCloseTo(apart[k]![i]!, 5)));
  });

  test('a ReLU before maximum pooling is computed after it: same results and gradients to the last bit', () => {
    const model = new nn.Sequential(new nn.Conv2d(1, 3, 3), new nn.ReLU(), new nn.MaxPool2d(3, { stride: 2, padding: 1 }));
    const x = randn([2, 1, 8, 7]).requiresGrad_();
    const run = () => {
      const y = model.forward(x);
      model.zeroGrad();
      x.grad = null;
      y.square().sum().backward();
      return [y, x.grad!, ...model.parameters().map((p) => p.grad!)].map(list);
    };
    const swapped = run();
    const shapes: (readonly number[])[] = [];
    const remove = model.at(1).registerForwardHook((_, __, y) => void shapes.push((y as Tensor).shape));
    const inOrder = run();
    remove();
    expect(shapes).toEqual([[2, 3, 6, 5]]);
    expect(swapped).toEqual(inOrder);
  });

  test('ModuleList computes nothing', () => {
    const modules = new nn.ModuleList([new nn.ReLU()]);
    expect(modules.length).toBe(1);
    expect(() => modules.forward()).toThrow(UnsupportedError);
  });

  test('printed as PyTorch does', () => {
    class Net extends nn.Module {
      features = new nn.Sequential(
        new nn.Conv2d(1, 6, 5, { padding: 2 }),
        new nn.ReLU(),
        new nn.MaxPool2d(2),
        new nn.Conv2d(6, 16, 5, { bias: false, groups: 2, dilation: 2, stride: [2, 1], padding: 'valid' }),
      );
      items = new nn.ModuleList([new nn.Linear(3, 4), new nn.Linear(3, 4), new nn.Linear(4, 3, { bias: false })]);
      rest = new nn.ModuleList<nn.AnyModule>([
        new nn.LeakyReLU(), new nn.ELU(), new nn.GELU(), new nn.Softplus(), new nn.Softmax(1), new nn.LogSoftmax(-1),
        new nn.Flatten(), new nn.Identity(), new nn.Dropout(), new nn.Dropout(0.25), new nn.AvgPool2d(2),
        new nn.AvgPool1d(3, { stride: 1 }), new nn.MaxPool1d(2), new nn.MaxPool2d([2, 3], { ceilMode: true, padding: 1 }),
        new nn.Conv1d(1, 2, 3), new nn.Conv3d(1, 2, [1, 2, 3]), new nn.CrossEntropyLoss(), new nn.MSELoss(), new nn.Sigmoid(),
        new nn.SiLU(), new nn.Tanh(), new nn.LeakyReLU({ negativeSlope: 1e-5 }),
      ]);
      forward(x: Tensor) {
        return x;
      }
    }
    // print() of the same network in PyTorch 2.13
    expect(String(new Net())).toBe(readFileSync(new URL('fixtures/module.txt', import.meta.url), 'utf8').trimEnd());
    expect(inspect(new nn.ReLU())).toBe('ReLU()');
  });
});

describe('layers', () => {
  const x = () => randn([2, 4, 6, 6]);
  const same = (a: Tensor, b: Tensor) => (expect(a.shape).toEqual(b.shape), expect(list(a)).toEqual(list(b)));

  test('are their functions', () => {
    const conv = new nn.Conv2d(4, 6, 3, { padding: 1, stride: 2, groups: 2, dilation: 1 });
    const image = x();
    same(conv.forward(image), F.conv2d(image, conv.weight, conv.bias, { padding: 1, stride: 2, groups: 2 }));
    const even = new nn.Conv2d(4, 2, 2, { padding: 'same' });
    expect(even.forward(image).shape).toEqual([2, 2, 6, 6]);
    same(new nn.MaxPool2d(3, { stride: 2, padding: 1, ceilMode: true }).forward(image), F.maxPool2d(image, 3, { stride: 2, padding: 1, ceilMode: true }));
    same(new nn.AvgPool2d(2, { countIncludePad: false, padding: 1 }).forward(image), F.avgPool2d(image, 2, { countIncludePad: false, padding: 1 }));
    same(new nn.Flatten().forward(image), image.flatten(1));
    same(new nn.Flatten(2, 3).forward(image), image.flatten(2, 3));
    const activations: [nn.Module, (t: Tensor) => Tensor][] = [
      [new nn.ReLU(), F.relu], [new nn.Sigmoid(), F.sigmoid], [new nn.Tanh(), F.tanh], [new nn.SiLU(), F.silu],
      [new nn.LeakyReLU({ negativeSlope: 0.2 }), (t) => F.leakyRelu(t, { negativeSlope: 0.2 })],
      [new nn.ELU({ alpha: 2 }), (t) => F.elu(t, { alpha: 2 })],
      [new nn.GELU({ approximate: 'tanh' }), (t) => F.gelu(t, { approximate: 'tanh' })],
      [new nn.Softplus({ beta: 2, threshold: 1 }), (t) => F.softplus(t, { beta: 2, threshold: 1 })],
      [new nn.Softmax(1), (t) => F.softmax(t, 1)], [new nn.LogSoftmax(-1), (t) => F.logSoftmax(t, -1)],
    ];
    for (const [layer, fn] of activations) same(layer.forward(image), fn(image));
    const [conv1, conv3] = [new nn.Conv1d(4, 2, 3), new nn.Conv3d(1, 2, [1, 2, 3])];
    expect(conv1.forward(randn([2, 4, 9])).shape).toEqual([2, 2, 7]);
    expect(conv3.forward(randn([1, 4, 5, 6])).shape).toEqual([2, 4, 4, 4]);
    expect(new nn.MaxPool3d(2).forward(new nn.AvgPool3d(2).forward(randn([1, 1, 4, 4, 4]))).shape).toEqual([1, 1, 1, 1, 1]);
    expect(new nn.MaxPool1d(2).forward(new nn.AvgPool1d(2).forward(randn([1, 1, 8]))).shape).toEqual([1, 1, 2]);
  });

  test('losses are their functions, with weights as buffers', () => {
    const [scores, classes] = [randn([4, 3]), tensor([0, 2, 1, 2], { dtype: 'int64' }) as Tensor];
    const weight = tensor([1, 2, 3]);
    const loss = new nn.CrossEntropyLoss({ weight, ignoreIndex: 1, labelSmoothing: 0.1, reduction: 'sum' });
    same(loss.forward(scores, classes), F.crossEntropy(scores, classes, { weight, ignoreIndex: 1, labelSmoothing: 0.1, reduction: 'sum' }));
    expect(Object.keys(loss.stateDict())).toEqual(['weight']);
    expect(loss.to('float64').weight!.dtype).toBe('float64');
    same(new nn.NLLLoss().forward(scores, classes), F.nllLoss(scores, classes));
    const targets = rand([4, 3]);
    same(new nn.MSELoss({ reduction: 'none' }).forward(scores, targets), F.mseLoss(scores, targets, { reduction: 'none' }));
    same(new nn.L1Loss().forward(scores, targets), F.l1Loss(scores, targets));
    const bce = new nn.BCEWithLogitsLoss({ posWeight: weight });
    same(bce.forward(scores, targets), F.binaryCrossEntropyWithLogits(scores, targets, { posWeight: weight }));
    expect(Object.keys(bce.stateDict())).toEqual(['pos_weight']);
    same(new nn.CrossEntropyLoss().forward(scores, F.softmax(targets, 1)), F.crossEntropy(scores, F.softmax(targets, 1)));
  });

  test.each<[string, () => unknown]>([
    ['no channels', () => new nn.Conv2d(0, 1, 1)],
    ['half a channel', () => new nn.Linear(1.5, 1)],
    ['groups that do not divide', () => new nn.Conv2d(3, 4, 1, { groups: 2 })],
    ['a negative size', () => new nn.Conv2d(1, 1, -3)],
    ['three sizes for two dimensions', () => new nn.Conv2d(1, 1, [1, 2, 3])],
    ['an unknown padding', () => new nn.Conv2d(1, 1, 3, { padding: 'full' as never })],
    ["padding 'same' with a stride", () => new nn.Conv2d(1, 1, 3, { padding: 'same', stride: 2 })],
    ['a probability of 2', () => new nn.Dropout(2)],
    ['a window of 0', () => new nn.MaxPool2d(0)],
  ])('%s', (_, make) => expect(make).toThrow(ArgumentError));

  test('dtypes of parameters, and inputs that do not fit', () => {
    expect(new nn.Linear(2, 2, { dtype: 'float64' }).weight.dtype).toBe('float64');
    expect(() => new nn.Linear(2, 2, { dtype: 'int64' as never })).toThrow(DTypeError);
    expect(() => new nn.Conv2d(3, 4, 3).forward(zeros([1, 4, 8, 8]))).toThrow(ShapeError);
    expect(() => new nn.Conv2d(1, 1, 5).forward(zeros([1, 1, 4, 4]))).toThrow(/larger than the padded input/);
    expect(() => new nn.Linear(3, 4).forward(zeros([1, 4]))).toThrow(ShapeError);
  });
});

describe('initialisation', () => {
  interface Fixture {
    defaultInitialisation: { layer: 'Conv2d' | 'Linear'; args: never[]; options: object; parameters: Record<string, { shape: number[]; bound: number }> }[];
    initialisers: { init: 'kaimingUniform_'; shape: number[]; options: object; bound?: number; std?: number }[];
    gains: { nonlinearity: nn.init.Nonlinearity; param?: number; gain: number }[];
  }
  const fixture = JSON.parse(readFileSync(new URL('fixtures/optim.json', import.meta.url), 'utf8')) as Fixture;
  const deviation = (values: readonly number[]) => Math.sqrt(values.reduce((s, v) => s + v * v, 0) / values.length);
  function expectUniform(t: Tensor, bound: number): void {
    const values = list(t);
    const largest = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    expect(largest).toBeLessThanOrEqual(bound * (1 + 1e-6));
    expect(largest).toBeGreaterThan(bound * (1 - 30 / values.length));
    expect(deviation(values) / (bound / Math.sqrt(3))).toBeCloseTo(1, values.length > 1000 ? 1 : 0);
  }

  test.each(fixture.defaultInitialisation.map((row) => [`${row.layer} ${JSON.stringify(row.args)}`, row] as const))('%s', (_, row) => {
    const layer = new (nn[row.layer] as new (...args: unknown[]) => nn.Module)(...row.args, row.options);
    expect(layer.namedParameters().map(([name, p]) => [name, p.shape])).toEqual(
      Object.entries(row.parameters).map(([name, { shape }]) => [name, shape]),
    );
    for (const [name, p] of layer.namedParameters()) expectUniform(p, row.parameters[name]!.bound);
  });

  test.each(fixture.initialisers.map((row) => [`${row.init} ${JSON.stringify(row.options)}`, row] as const))('%s', (_, row) => {
    const t = nn.init[row.init](zeros(row.shape), row.options);
    if (row.bound !== undefined) expectUniform(t, row.bound);
    else expect(deviation(list(t)) / row.std!).toBeCloseTo(1, 1);
  });

  test.each(fixture.gains.map((row) => [`${row.nonlinearity} ${row.param ?? ''}`, row] as const))('gain of %s', (_, row) => {
    expect(nn.init.calculateGain(row.nonlinearity, row.param)).toBeCloseTo(row.gain, 12);
  });

  test('draws do not depend on the memory layout', () => {
    const draw = (t: Tensor) => (manualSeed(5), list(nn.init.normal_(t)));
    expect(draw(zeros([3, 4, 5, 6]).contiguous('channelsLast'))).toEqual(draw(zeros([3, 4, 5, 6])));
    expect(draw(zeros([4, 3]).t())).toEqual(draw(zeros([3, 4])));
  });

  test('truncNormal_', () => {
    const values = list(nn.init.truncNormal_(zeros([20_000])));
    expect(values.every((v) => v >= -2 && v <= 2)).toBe(true);
    expect(deviation(values)).toBeCloseTo(0.8796, 2); // of a normal distribution cut at 2 deviations
    const far = list(nn.init.truncNormal_(zeros([1000]), { mean: 1, std: 0.5, a: 2, b: 3 }));
    expect(far.every((v) => v >= 2 && v <= 3)).toBe(true);
    expect(() => nn.init.truncNormal_(zeros([1]), { a: 1, b: 1 })).toThrow(ArgumentError);
  });

  test('orthogonal_, dirac_, eye_, constants', () => {
    for (const shape of [[6, 3], [3, 6], [4, 2, 3, 3], [40, 40]]) {
      const q = nn.init.orthogonal_(zeros(shape, { dtype: 'float64' }) as Tensor, { gain: 2 }).flatten(1);
      const product = shape[0]! < q.shape[1]! ? q.matmul(q.t()) : q.t().matmul(q);
      list(product).forEach((v, i) => expect(v).toBeCloseTo(i % (product.shape[0]! + 1) === 0 ? 4 : 0, 10));
    }
    const image = randn([1, 4, 5, 5]);
    const dirac = new nn.Conv2d(4, 4, 3, { padding: 1, bias: false, groups: 2 });
    nn.init.dirac_(dirac.weight, { groups: 2 });
    expect(list(dirac.forward(image))).toEqual(list(image));
    expect(list(nn.init.eye_(zeros([2, 3])))).toEqual([1, 0, 0, 0, 1, 0]);
    expect(list(nn.init.constant_(zeros([2]), 3))).toEqual([3, 3]);
    expect([...list(nn.init.ones_(zeros([1]))), ...list(nn.init.zeros_(tensor([5])))]).toEqual([1, 0]);
    for (const bad of [() => nn.init.xavierUniform_(zeros([3])), () => nn.init.orthogonal_(zeros([3])), () => nn.init.dirac_(zeros([3, 3])), () => nn.init.eye_(zeros([3]))])
      expect(bad).toThrow(ShapeError);
    expect(() => nn.init.kaimingNormal_(zeros([2, 2]), { mode: 'fan' as never })).toThrow(ArgumentError);
  });

  test('is recorded by no gradient', () => {
    const p = new nn.Parameter(zeros([3, 3]));
    nn.init.uniform_(p);
    expect([p.isLeaf, p.requiresGrad]).toEqual([true, true]);
    expect(noGrad(() => nn.init.kaimingUniform_(p))).toBe(p);
  });
});
