// SPDX-License-Identifier: Apache-2.0
// Activations over their arguments, dropout of channels, and the layers of both; what the op cases cannot say.
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { noGrad } from '../lib/autograd/mode.js';
import { gradcheck } from '../lib/autograd/gradcheck.js';
import { ArgumentError, AutogradError, DTypeError, ShapeError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import { ones, tensor, zeros } from '../lib/ops/creation.js';
import * as F from '../lib/ops/functional.js';
import '../lib/ops/methods.js';
import { manualSeed, randn } from '../lib/ops/random.js';
import type { Tensor } from '../lib/tensor/tensor.js';

beforeEach(() => manualSeed(0));
const list = (t: Tensor) => Array.from(t.dataSync() as Float32Array);
const close = (a: Tensor, b: Tensor, digits = 5) => {
  expect(a.shape).toEqual(b.shape);
  const expected = list(b);
  list(a).forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, digits));
};

interface InPlace {
  inplace?: boolean;
}
const overwriting: [string, (x: Tensor, options?: InPlace) => Tensor][] = [
  ['relu', F.relu],
  ['relu6', F.relu6],
  ['hardtanh', F.hardtanh],
  ['leakyRelu', F.leakyRelu],
  ['leakyRelu of a negative slope', (x, o) => F.leakyRelu(x, { negativeSlope: -0.5, ...o })],
  ['elu', F.elu],
  ['celu', (x, o) => F.celu(x, { alpha: 0.5, ...o })],
  ['selu', F.selu],
  ['silu', F.silu],
  ['mish', F.mish],
  ['hardswish', F.hardswish],
  ['hardsigmoid', F.hardsigmoid],
  ['threshold', (x, o) => F.threshold(x, 0.1, 0.7, o)],
];

describe('in place', () => {
  test.each(overwriting)('%s: the argument becomes the result, with the same gradients', (_, f) => {
    const start = randn([3, 4], { dtype: 'float64' });
    const run = (inplace: boolean) => {
      const leaf = start.clone().requiresGrad_();
      const x = leaf.mul(2); // its gradient does not need x
      const y = f(x, { inplace });
      expect(y === x).toBe(inplace);
      y.mul(y).sum().backward();
      return [y.detach(), leaf.grad!];
    };
    const [plain, over] = [run(false), run(true)];
    plain.forEach((t, i) => close(over[i]!, t, 12));
  });

  test.each(overwriting)('%s: without recording, of any layout', (_, f) => {
    const x = randn([2, 3, 4, 5]).contiguous('channelsLast');
    const expected = f(x);
    const view = x.transpose(1, 2);
    expect(f(view, { inplace: true })).toBe(view);
    expect(list(x)).toEqual(list(expected));
    const leaf = randn([3]).requiresGrad_();
    noGrad(() => f(leaf, { inplace: true }));
    expect(leaf.isLeaf).toBe(true);
  });

  test('a function of the changed tensor is recorded after the change', async () => {
    const a = randn([5], { dtype: 'float64' }).requiresGrad_();
    await gradcheck((x) => {
      const y = x!.mul(3);
      F.relu(y, { inplace: true }); // the result is not used: y itself is changed
      return y.mul(x!).add(F.silu(y.mul(1), { inplace: true }));
    }, [a]);
  });

  test('what cannot be recorded is refused', () => {
    const leaf = randn([4]).requiresGrad_();
    expect(() => F.relu(leaf, { inplace: true })).toThrow(AutogradError);
    expect(() => leaf.relu_()).toThrow(/^relu_: a leaf/);
    expect(() => leaf.reshape([2, 2]).relu_()).toThrow(/^relu_: a view of a leaf/);
    expect(() => leaf.reshape([2, 2]).flatten().relu_()).toThrow(/^relu_: a view of a leaf/);
    expect(() => F.silu(tensor([1, 2], { dtype: 'int64' }) as Tensor, { inplace: true })).toThrow(DTypeError);
    expect(() => zeros([1]).expand([3]).relu_()).toThrow(ArgumentError);
    expect(list(tensor([-1, 2], { dtype: 'int32' }).relu_())).toEqual([0, 2]);
  });

  test('a value that another gradient needs is missed', () => {
    const leaf = randn([4]).requiresGrad_();
    const x = leaf.sigmoid(); // its gradient needs x
    expect(() => F.relu(x, { inplace: true }).sum().backward()).toThrow(/^sigmoid: .* changed in place/);
  });

  test('what shares memory with the changed tensor is not used by mistake', () => {
    const leaf = randn([4]).requiresGrad_();
    const x = leaf.mul(2);
    const before = x.reshape([2, 2]);
    x.relu_();
    expect(() => before.mul(2)).toThrow(/^reshape: its result of shape \[2, 2\] shares memory .* changed in place/);
    x.reshape([2, 2]).sum().backward();
    expect(list(leaf.grad!)).toEqual(list(leaf).map((v) => (v > 0 ? 2 : 0)));

    const base = leaf.mul(2);
    const view = base.reshape([2, 2]);
    expect(view.relu_()).toBe(view);
    expect(list(base)).toEqual(list(view));
    expect(() => base.sum()).toThrow(AutogradError);
    expect(() => base.backward(ones([4]))).toThrow(AutogradError);
    leaf.grad = null;
    view.sum().backward();
    expect(list(leaf.grad!)).toEqual(list(leaf).map((v) => (v > 0 ? 2 : 0)));
  });

  test('results of layers, with and without a batch, can be overwritten', () => {
    const batches: [nn.Module, number[]][] = [
      [new nn.Linear(3, 4), [2, 5, 3]],
      [new nn.Conv1d(2, 3, 2), [2, 2, 6]],
      [new nn.Conv2d(2, 3, 2), [2, 6, 6]],
    ];
    for (const [layer, shape] of batches) {
      const x = randn(shape);
      const expected = layer.forward(x).relu();
      const y = F.relu(layer.forward(x), { inplace: true });
      expect(list(y)).toEqual(list(expected));
      y.sum().backward();
    }
  });

  test('in a network: as without, conv and relu fused or not', () => {
    manualSeed(1);
    const make = (inplace: boolean) => {
      manualSeed(1);
      return new nn.Sequential(
        new nn.Conv2d(1, 3, 3), new nn.ReLU({ inplace }), new nn.Conv2d(3, 3, 3), new nn.Hardswish({ inplace }),
        new nn.Flatten(), new nn.Dropout(0.2, { inplace }), new nn.Linear(12, 4), new nn.ReLU6({ inplace }), new nn.Linear(4, 4),
        new nn.Hardswish({ inplace }), new nn.Dropout(0.4, { inplace }),
      );
    };
    const x = randn([2, 1, 6, 6]);
    const run = (inplace: boolean) => {
      const model = make(inplace);
      manualSeed(2);
      const y = model.forward(x);
      y.square().sum().backward();
      return [y.detach(), ...model.parameters().map((p) => p.grad!)];
    };
    const over = run(true);
    run(false).forEach((t, i) => close(over[i]!, t));
  });
});

test('a Sequential that begins with a ReLU in place changes its input, also before a maximum pooling', () => {
  const x = tensor([[[[-1, 2], [3, -4]]]]) as Tensor;
  new nn.Sequential(new nn.ReLU({ inplace: true }), new nn.MaxPool2d(2)).forward(x);
  expect(list(x)).toEqual([0, 2, 3, 0]);
});

describe('dropout of channels', () => {
  const kinds = [
    ['dropout1d', F.dropout1d, [20, 30, 4]],
    ['dropout1d of one sequence', F.dropout1d, [600, 4]],
    ['dropout2d', F.dropout2d, [20, 30, 2, 2]],
    ['dropout2d of sequences', F.dropout2d, [20, 30, 4]],
    ['dropout3d', F.dropout3d, [20, 30, 2, 1, 2]],
    ['dropout3d of one volume', F.dropout3d, [600, 2, 1, 2]],
  ] as const;
  test.each(kinds)('%s', (_, f, shape) => {
    const x = ones(shape).requiresGrad_();
    const y = f(x, { p: 0.25 });
    y.sum().backward();
    const values = list(y.reshape([600, 4]));
    let kept = 0;
    for (let c = 0; c < 600; c++) {
      const channel = values.slice(4 * c, 4 * c + 4);
      expect(new Set(channel).size).toBe(1);
      if (channel[0] !== 0) expect(channel[0]).toBeCloseTo(1 / 0.75, 6);
      kept += Number(channel[0] !== 0);
    }
    expect(kept / 600).toBeCloseTo(0.75, 1);
    expect(list(x.grad!)).toEqual(list(y));
    expect(f(x, { training: false })).toBe(x);
    expect(list(f(x, { p: 1 })).every((v) => v === 0)).toBe(true);
  });

  test('in place', () => {
    for (const f of [F.dropout, F.dropout2d, F.alphaDropout, F.featureAlphaDropout]) {
      for (const p of [0.3, 1]) {
        const results = [true, false].map((inplace) => {
          manualSeed(4);
          const leaf = ones([4, 5, 3, 3]).requiresGrad_();
          const x = leaf.mul(2);
          const y = f(x, { p, inplace });
          expect(y === x).toBe(inplace);
          y.square().sum().backward();
          return [y.detach(), leaf.grad!] as const;
        });
        close(results[0]![0], results[1]![0]);
        close(results[0]![1], results[1]![1]);
      }
    }
    const sliced = ones([4, 6]).slice(1, 0, 6, 2);
    expect(F.dropout(sliced, { inplace: true })).toBe(sliced);
    expect(new Set(list(sliced))).toEqual(new Set([0, 2]));
  });

  test('alphaDropout keeps mean and variance', async () => {
    const x = randn([200_000]).requiresGrad_();
    const y = F.alphaDropout(x, { p: 0.3 });
    expect(await y.mean().item()).toBeCloseTo(0, 1);
    expect(await y.std().item()).toBeCloseTo(1, 1);
    y.sum().backward();
    const slopes = new Set(list(x.grad!));
    const a = 1 / Math.sqrt((1.7580993408473766 ** 2 * 0.3 + 1) * 0.7);
    expect([...slopes].toSorted((u, v) => u - v)).toEqual([0, Math.fround(a)]);
    const dropped = -1.7580993408473766 * a * 0.7;
    const slope = list(x.grad!);
    list(y.slice(0, 0, 100)).forEach((v, i) => slope[i] === 0 && expect(v).toBeCloseTo(dropped, 5));
    const z = F.featureAlphaDropout(ones([50, 8, 3]), { p: 0.5 });
    const values = list(z);
    for (let c = 0; c < 400; c++) expect(new Set(values.slice(3 * c, 3 * c + 3)).size).toBe(1);
    expect(new Set(values).size).toBe(2);
  });

  test('errors', () => {
    expect(() => F.dropout1d(ones([2]))).toThrow(/^dropout1d: expected input \[N, C, L\] or \[C, L\], got \[2\]/);
    expect(() => F.dropout2d(ones([2, 2]))).toThrow(ShapeError);
    expect(() => F.dropout3d(ones([2, 2, 2]))).toThrow(ShapeError);
    expect(() => F.featureAlphaDropout(ones([2]))).toThrow(ShapeError);
    expect(() => F.alphaDropout(ones([2]), { p: 2 })).toThrow(ArgumentError);
    expect(() => F.dropout2d(ones([2, 2, 2], { dtype: 'int64' }))).toThrow(DTypeError);
    expect(() => new nn.Dropout2d(-1)).toThrow(/^Dropout2d: p/);
    expect(() => F.dropout(ones([2]).requiresGrad_(), { inplace: true })).toThrow(AutogradError);
  });
});

describe('layers', () => {
  const same = (a: Tensor, b: Tensor) => expect(list(a)).toEqual(list(b));
  const x = () => randn([2, 3, 4, 5]);

  test('are their functions', () => {
    const pairs: [nn.Module, (t: Tensor) => Tensor][] = [
      [new nn.ReLU6(), F.relu6],
      [new nn.SELU(), F.selu],
      [new nn.CELU({ alpha: 0.4 }), (t) => F.celu(t, { alpha: 0.4 })],
      [new nn.Mish(), F.mish],
      [new nn.Hardswish(), F.hardswish],
      [new nn.Hardsigmoid(), F.hardsigmoid],
      [new nn.Hardtanh({ minVal: -0.3, maxVal: 0.2 }), (t) => F.hardtanh(t, { minVal: -0.3, maxVal: 0.2 })],
      [new nn.LogSigmoid(), F.logsigmoid],
      [new nn.Softsign(), F.softsign],
      [new nn.Threshold(0.1, 5), (t) => F.threshold(t, 0.1, 5)],
      [new nn.Softmin(2), (t) => F.softmin(t, 2)],
      [new nn.Softmax2d(), (t) => F.softmax(t, 1)],
      [new nn.Softmax(), (t) => F.softmax(t, 1)],
      [new nn.LogSoftmax(), (t) => F.logSoftmax(t, 1)],
    ];
    for (const [layer, f] of pairs) {
      const input = x();
      same(layer.forward(input), f(input));
    }
    same(new nn.Softmax().forward(ones([2, 3, 4])), F.softmax(ones([2, 3, 4]), 0));
    same(new nn.Softmax2d().forward(ones([2, 3, 4])), F.softmax(ones([2, 3, 4]), 0));
    expect(() => new nn.Softmax2d().forward(ones([2]))).toThrow(ShapeError);
    expect(() => new nn.Hardtanh({ minVal: 1 })).toThrow(/^Hardtanh: expected minVal < maxVal, got 1 and 1/);
  });

  test('PReLU learns its slopes', () => {
    const layer = new nn.PReLU(3);
    expect(list(layer.weight)).toEqual([0.25, 0.25, 0.25]);
    const input = x();
    same(layer.forward(input), F.leakyRelu(input, { negativeSlope: 0.25 }));
    layer.forward(input).sum().backward();
    expect(layer.weight.grad!.shape).toEqual([3]);
    expect(Object.keys(layer.stateDict())).toEqual(['weight']);
    expect(() => new nn.PReLU(0)).toThrow(ArgumentError);
    expect(() => layer.forward(randn([2, 4]))).toThrow(/^prelu: expected weight \[1\] or, .* \[4\] .* got \[3\]/);
    expect(() => F.prelu(x(), ones([3], { dtype: 'float64' }) as Tensor)).toThrow(DTypeError);
    expect(() => F.prelu(ones([2], { dtype: 'int64' }) as Tensor, ones([1]))).toThrow(DTypeError);
    expect(() => F.celu(x(), { alpha: 0 })).toThrow(ArgumentError);
    expect(() => F.hardtanh(x(), { minVal: 2 })).toThrow(ArgumentError);
  });

  test('Embedding', () => {
    const table = new nn.Embedding(5, 3, { paddingIdx: -2 });
    expect(table.paddingIdx).toBe(3);
    const index = tensor([[1, 3], [0, 3]], { dtype: 'int64' }) as Tensor;
    const y = table.forward(index);
    expect(y.shape).toEqual([2, 2, 3]);
    same(y.select(0, 0).select(0, 0), table.weight.select(0, 1));
    expect(list(table.weight.select(0, 3))).toEqual([0, 0, 0]);
    y.sum().backward();
    expect(list(table.weight.grad!)).toEqual([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(() => new nn.Embedding(5, 3, { paddingIdx: 5 })).toThrow(ArgumentError);
    expect(() => new nn.Embedding(0, 3)).toThrow(ArgumentError);
    expect(() => new nn.Embedding(5, 3, { sparse: true } as object)).toThrow(/^Embedding: sparse is not supported/);
    expect(() => table.forward(ones([2]))).toThrow(DTypeError);
  });

  test('Bilinear', () => {
    const layer = new nn.Bilinear(3, 4, 2);
    expect(layer.namedParameters().map(([name, p]) => [name, p.shape])).toEqual([['weight', [2, 3, 4]], ['bias', [2]]]);
    const [a, b] = [randn([5, 3]), randn([5, 4])];
    same(layer.forward(a, b), F.bilinear(a, b, layer.weight, layer.bias));
    const bound = 1 / Math.sqrt(3);
    expect(list(layer.weight).every((v) => Math.abs(v) <= bound)).toBe(true);
    expect(() => layer.forward(a, randn([4, 4]))).toThrow(/^bilinear: expected \[\.\.\., I\]/);
    expect(() => F.bilinear(a, b, layer.weight, zeros([3]))).toThrow(/^bilinear: bias must be \[2\]/);
    expect(() => F.bilinear(a, b.to('float64'), layer.weight)).toThrow(DTypeError);
  });

  test('losses are their functions', () => {
    const input = F.sigmoid(randn([4, 3]));
    const target = F.sigmoid(randn([4, 3]));
    const weight = tensor([1, 2, 3]) as Tensor;
    same(new nn.BCELoss({ weight }).forward(input, target), F.binaryCrossEntropy(input, target, { weight }));
    same(new nn.SmoothL1Loss({ beta: 0.1 }).forward(input, target), F.smoothL1Loss(input, target, { beta: 0.1 }));
    same(new nn.HuberLoss({ delta: 0.1, reduction: 'sum' }).forward(input, target), F.huberLoss(input, target, { delta: 0.1, reduction: 'sum' }));
    const logs = input.log();
    same(new nn.KLDivLoss({ reduction: 'batchmean' }).forward(logs, target), F.klDiv(logs, target, { reduction: 'sum' }).div(4));
    same(new nn.KLDivLoss({ logTarget: true }).forward(logs, logs), zeros([]));
    same(
      new nn.CrossEntropyLoss({ weight, labelSmoothing: 0.1 }).forward(logs, target),
      F.crossEntropy(logs, target, { weight, labelSmoothing: 0.1 }),
    );
  });

  test('wrong losses', () => {
    const x1 = ones([2]);
    expect(() => F.klDiv(x1, x1, { reduction: 'median' as never })).toThrow(/^klDiv: reduction must be/);
    expect(() => F.klDiv(x1, ones([3]))).toThrow(/^klDiv: target must have the input's shape \[2\], got \[3\]/);
    expect(() => F.huberLoss(x1, x1, { delta: 0 })).toThrow(ArgumentError);
    expect(() => F.smoothL1Loss(x1, x1, { beta: -1 })).toThrow(ArgumentError);
    expect(() => F.smoothL1Loss(x1, ones([1]))).toThrow(ShapeError);
    expect(() => F.binaryCrossEntropy(x1, x1, { weight: ones([3]) })).toThrow(ShapeError);
    expect(() => F.binaryCrossEntropy(ones([2], { dtype: 'int64' }), x1)).toThrow(DTypeError);
    expect(() => F.binaryCrossEntropy(x1, x1, { reduction: 'max' as never })).toThrow(ArgumentError);
  });

  test('are printed as PyTorch does', () => {
    const layers = new nn.ModuleList<nn.AnyModule>([
      new nn.ReLU({ inplace: true }), new nn.ReLU6(), new nn.ReLU6({ inplace: true }), new nn.LeakyReLU({ negativeSlope: 0.2, inplace: true }),
      new nn.ELU({ alpha: 0.5, inplace: true }), new nn.CELU(), new nn.CELU({ alpha: 2, inplace: true }), new nn.SELU(), new nn.SELU({ inplace: true }),
      new nn.SiLU({ inplace: true }), new nn.Mish({ inplace: true }), new nn.Hardswish({ inplace: true }), new nn.Hardsigmoid(),
      new nn.Hardtanh(), new nn.Hardtanh({ minVal: -2, maxVal: 0.5, inplace: true }), new nn.LogSigmoid(), new nn.Softsign(),
      new nn.Softmin(1), new nn.Softmin(), new nn.Softmax2d(), new nn.Threshold(0.1, 20), new nn.Threshold(1, 2, { inplace: true }),
      new nn.PReLU(), new nn.PReLU(8), new nn.Dropout1d(), new nn.Dropout2d(0.2, { inplace: true }), new nn.Dropout3d(),
      new nn.AlphaDropout(0.1), new nn.FeatureAlphaDropout(), new nn.Embedding(5, 3), new nn.Embedding(5, 3, { paddingIdx: 1 }),
      new nn.Bilinear(3, 4, 2, { bias: false }), new nn.BCELoss(), new nn.SmoothL1Loss(), new nn.HuberLoss(), new nn.KLDivLoss(),
      new nn.GLU(), new nn.GLU(1), new nn.Hardshrink(), new nn.Softshrink(0.25), new nn.Tanhshrink(), new nn.RReLU(),
      new nn.RReLU({ lower: 0.1, upper: 0.5, inplace: true }), new nn.RMSNorm([2, 3]), new nn.RMSNorm(4, { eps: 1e-6, elementwiseAffine: false }),
      new nn.CosineSimilarity(), new nn.PairwiseDistance(), new nn.Unfold(3), new nn.Unfold([2, 3], { dilation: 2, padding: 1, stride: [1, 2] }),
      new nn.Fold([4, 5], 2), new nn.MaxUnpool1d(2), new nn.MaxUnpool2d(3, { stride: [2, 1], padding: 1 }),
      new nn.MaxPool2d(2, { returnIndices: true }),
      new nn.Embedding(5, 3, { paddingIdx: 2, maxNorm: 1, normType: 1, scaleGradByFreq: true }), new nn.TripletMarginLoss(),
      new nn.MultiMarginLoss(), new nn.PoissonNLLLoss(), new nn.GaussianNLLLoss(),
    ]);
    expect(String(layers)).toBe(readFileSync(new URL('fixtures/layers.txt', import.meta.url), 'utf8').trimEnd());
  });
});
