// SPDX-License-Identifier: Apache-2.0
// summary(): the worked examples that courses use, branches, and that the model is left as it was.
import { describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { ArgumentError, ShapeError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import * as models from '../lib/models/index.js';
import { zeros } from '../lib/ops/creation.js';
import { cat } from '../lib/ops/join.js';
import { rand } from '../lib/ops/random.js';
import { add } from '../lib/ops/pointwise.js';
import { getRngState } from '../lib/ops/random.js';
import { conv2d } from '../lib/ops/conv.js';
import { mean } from '../lib/ops/reduce.js';
import type { Tensor } from '../lib/tensor/tensor.js';
import { summary } from '../lib/train/summary/summary.js';

const { lenet5, mnistCnn } = models;
const chain = (...layers: nn.Module[]) => new nn.Sequential(...layers);
const weights = (shape: readonly number[] | null) => shape!.reduce((n, d) => n * d, 1);

describe('worked examples', () => {
  test('seven 3 x 3 filters over 3 channels have 189 weights; 128 channels to 64 have 73,728', () => {
    expect(summary(chain(new nn.Conv2d(3, 7, 3, { bias: false })), [1, 3, 8, 8]).totals.params).toBe(189);
    const result = summary(chain(new nn.Conv2d(128, 64, 3, { padding: 1 })), [1, 128, 10, 12]);
    expect(weights(result.layer('0').kernelShape)).toBe(73728);
    expect(result.layer('0').params).toBe(73728 + 64);
    expect(result.totals.multAdds).toBe(73728 * 10 * 12);
    expect(result.layer('0').activationBytes).toBe(64 * 10 * 12 * 4);
  });

  test("the convolutions of AlexNet's two groups", () => {
    const net = chain(
      new nn.Conv2d(3, 96, 11, { stride: 4, padding: 2 }), new nn.MaxPool2d(3, { stride: 2 }),
      new nn.Conv2d(96, 256, 5, { padding: 2, groups: 2 }), new nn.MaxPool2d(3, { stride: 2 }),
      new nn.Conv2d(256, 384, 3, { padding: 1 }),
      new nn.Conv2d(384, 384, 3, { padding: 1, groups: 2 }),
      new nn.Conv2d(384, 256, 3, { padding: 1, groups: 2 }), new nn.MaxPool2d(3, { stride: 2 }),
    );
    const result = summary(net, [1, 3, 224, 224]);
    const convolutions = result.layers.filter((layer) => layer.type === 'Conv2d');
    expect(convolutions.map((layer) => weights(layer.kernelShape))).toEqual([34848, 307200, 884736, 663552, 442368]);
    expect(convolutions.map((layer) => layer.outputShape!.slice(1))).toEqual([
      [96, 55, 55], [256, 27, 27], [384, 13, 13], [384, 13, 13], [256, 13, 13],
    ]);
    expect(convolutions.map((layer) => layer.multAdds)).toEqual([105415200, 223948800, 149520384, 112140288, 74760192]);
    expect(result.layer('7').outputShape).toEqual([1, 256, 6, 6]);
    expect(result.layers.slice(1).map((layer) => [layer.receptiveField![0], layer.jump![0]])).toEqual(
      [[11, 4], [19, 8], [51, 8], [67, 16], [99, 16], [131, 16], [163, 16], [195, 32]],
    );
  });

  test('two 3 x 3 see 5 x 5, three see 7 x 7', () => {
    const result = summary(chain(new nn.Conv2d(1, 2, 3), new nn.Conv2d(2, 2, 3), new nn.Conv2d(2, 1, 3)), [1, 1, 9, 9]);
    expect(result.layers.slice(1).map((layer) => layer.receptiveField)).toEqual([[3, 3], [5, 5], [7, 7]]);
  });

  test('dilation, uneven kernels and strides', () => {
    const net = chain(new nn.Conv2d(1, 1, [3, 5], { stride: [2, 1] }), new nn.Conv2d(1, 1, 3, { dilation: [1, 2] }));
    const { receptiveField, jump } = summary(net, [1, 1, 20, 20]).layer('1');
    expect([receptiveField, jump]).toEqual([[7, 9], [2, 1]]);
  });

  test.each<[string, nn.Module, number]>([
    ['floor', new nn.MaxPool2d(3, { stride: 2 }), 3],
    ['ceil', new nn.MaxPool2d(3, { stride: 2, ceilMode: true }), 4],
    ['padded', new nn.MaxPool2d(3, { stride: 2, padding: 1 }), 4],
    ['average', new nn.AvgPool2d(2), 4],
    ['average, ceil', new nn.AvgPool2d(3, { ceilMode: true }), 3],
  ])('sizes of pooling: %s', (_, pool, size) => {
    expect(summary(chain(pool), [1, 1, 8, 8]).layer('0').outputShape).toEqual([1, 1, size, size]);
  });

  test('LeNet-5: 61,706 parameters, 416,520 multiply-adds, each score sees the whole image', () => {
    const result = summary(lenet5(), [1, 1, 28, 28]);
    expect(result.totals).toMatchObject({ params: 61706, trainableParams: 61706, paramsBytes: 4 * 61706, inputBytes: 4 * 784 });
    expect(result.totals.multAdds).toBe(25 * 6 * 784 + 150 * 16 * 100 + 400 * 120 + 120 * 84 + 84 * 10);
    expect(result.layer('features.6').receptiveField).toEqual([32, 32]);
    expect(result.layer('features.6').jump).toEqual([4, 4]);
    expect(result.layer('classifier.2').receptiveField).toEqual([32, 32]);
    expect(result.layer('classifier.2').jump).toBeNull();
  });

  test('a flattened map counts: a linear layer sees all of it', () => {
    const result = summary(mnistCnn(), [1, 1, 28, 28]);
    expect(result.layer('features.8')).toMatchObject({ outputShape: [1, 128, 4, 4], receptiveField: [22, 22], jump: [8, 8] });
    expect(result.layer('classifier.0').receptiveField).toEqual([22 + 3 * 8, 22 + 3 * 8]);
  });
});

test('ResNet-50: 4.09 G multiply-adds; VGG-16: 15.47 G, fields of 212', () => {
  const resnet = summary(models.resnet50(), [1, 3, 224, 224]);
  expect(resnet.totals).toMatchObject({ params: 25557032, multAdds: 4089184256 });
  expect(resnet.layer('layer4')).toMatchObject({ outputShape: [1, 2048, 7, 7], receptiveField: [427, 427], jump: [32, 32] });
  const vgg = summary(models.vgg16(), [1, 3, 224, 224]);
  expect(vgg.totals).toMatchObject({ params: 138357544, multAdds: 15470264320 });
  expect(vgg.layer('features')).toMatchObject({ outputShape: [1, 512, 7, 7], receptiveField: [212, 212], jump: [32, 32] });
});

class Branches extends nn.Module {
  near = new nn.Conv2d(2, 3, 1);
  far = new nn.Sequential(new nn.Conv2d(2, 3, 5, { padding: 2 }), new nn.Conv2d(3, 3, 3, { padding: 1 }));
  head = new nn.Linear(6, 2);
  forward(x: Tensor): Tensor {
    const y = cat([this.near.forward(x), this.far.forward(x)], 1);
    return this.head.forward(mean(add(y, y), [2, 3]));
  }
}

describe('any forward()', () => {
  test('branches: the largest field; averages over all pixels', () => {
    const result = summary(new Branches(), [2, 2, 6, 6]);
    expect(result.layer('near').receptiveField).toEqual([1, 1]);
    expect(result.layer('far')).toMatchObject({ receptiveField: [7, 7], depth: 1, isLeaf: false });
    expect(result.layer('head').receptiveField).toEqual([12, 12]);
    expect(result.layer('far').multAdds).toBe(2 * 36 * (2 * 3 * 25 + 3 * 3 * 9));
    expect(result.layer('far').activationBytes).toBe(2 * (2 * 3 * 36) * 4);
    expect(result.totals.multAdds).toBe(2 * (36 * (6 + 150 + 81) + 12));
  });

  test('a network of functions; a transposed convolution', () => {
    class Functional extends nn.Module {
      weight = new nn.Parameter(rand([4, 1, 3, 3]));
      forward(x: Tensor): Tensor {
        return conv2d(conv2d(x, this.weight), rand([1, 4, 3, 3]), null, { stride: 2 });
      }
    }
    const result = summary(new Functional(), [1, 1, 9, 9]);
    expect(result.layers).toHaveLength(1);
    expect(result.layers[0]).toMatchObject({ params: 36, receptiveField: [5, 5], jump: [2, 2] });
    expect(result.totals.multAdds).toBe(36 * 49 + 36 * 9);
    if (!('ConvTranspose2d' in nn)) return;
    const Up = nn.ConvTranspose2d as unknown as new (...args: unknown[]) => nn.Module;
    const up = summary(chain(new nn.Conv2d(1, 1, 3, { stride: 2 }), new Up(1, 1, 2, { stride: 2 })), [1, 1, 9, 9]);
    expect(up.layer('1')).toMatchObject({ receptiveField: [3, 3], jump: [1, 1], multAdds: 16 * 4 });
  });

  test('a module that is used twice is counted once; views take no memory', () => {
    class Twice extends nn.Module {
      conv = new nn.Conv2d(1, 1, 3, { padding: 1, bias: false });
      flat = new nn.Flatten();
      forward(x: Tensor): Tensor {
        return this.flat.forward(this.conv.forward(this.conv.forward(x)));
      }
    }
    const result = summary(new Twice(), [1, 1, 4, 4]);
    expect(result.totals).toMatchObject({ params: 9, multAdds: 2 * 9 * 16, forwardBackwardBytes: 2 * 2 * 64 });
    expect(result.layers.map(({ name, again, params }) => [name, again, params])).toEqual([
      ['', false, 9], ['conv', false, 9], ['conv', true, 0], ['flat', false, 0],
    ]);
    expect(result.layer('conv').multAdds).toBe(9 * 16);
  });

  test('several inputs; tensors', () => {
    class Sum extends nn.Module<[Tensor, Tensor], Tensor> {
      forward(a: Tensor, b: Tensor): Tensor {
        return add(a, b);
      }
    }
    expect(summary(new Sum(), [[1, 2, 3, 3], [1, 2, 3, 3]]).layer('').outputShape).toEqual([1, 2, 3, 3]);
    const x = zeros([1, 2, 3, 3], { dtype: 'float64' });
    expect(summary(new Sum(), [x, x]).totals.inputBytes).toBe(2 * 18 * 8);
  });

  test('the model is left as it was', () => {
    const net = chain(new nn.Conv2d(1, 2, 3), new nn.Dropout(0.5), new nn.ReLU());
    net.train();
    (net.at(1) as nn.Module).training = false;
    const before = [net.modules().map((m) => m.training), getRngState().dataSync()];
    const state = Object.values(net.stateDict()).map((t) => [...t.dataSync()]);
    summary(net, [1, 1, 5, 5]);
    expect(() => summary(net, [1, 3, 5, 5])).toThrow(ShapeError);
    expect([net.modules().map((m) => m.training), getRngState().dataSync()]).toEqual(before);
    expect(Object.values(net.stateDict()).map((t) => [...t.dataSync()])).toEqual(state);
    // No hook is left behind: a Sequential with hooks does not fuse.
    expect(net.modules().every((m) => !Object.hasOwn(m, 'forward'))).toBe(true);
  });

  test('bad arguments', () => {
    const net = chain(new nn.ReLU());
    for (const inputs of [[], 5, ['a'], null]) expect(() => summary(net, inputs as never)).toThrow(ArgumentError);
    expect(() => summary(net, [1, 2], { depth: -1 })).toThrow(ArgumentError);
    expect(() => summary(net, [1, 2]).layer('other')).toThrow(/no layer 'other'/);
  });
});

describe('tables', () => {
  test.each([80, 72, 60, 40])('fit %i columns and show every layer', (columns) => {
    const result = summary(new Branches(), [2, 2, 6, 6]);
    const text = result.toString({ columns });
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
    for (const name of ['near: Conv2d', 'far: Sequential', '1: Conv2d', 'head: Linear', '7/1']) expect(text).toContain(name);
    expect(text).toMatch(/params +260\n/);
    expect(result.toString({ columns, depth: 1 })).not.toContain('1: Conv2d');
  });

  test('a narrow table keeps all of a large layer', () => {
    const layer = chain(chain(chain(new nn.Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false }))));
    const text = summary(layer, [1, 3, 224, 224]).toString({ columns: 40 });
    expect(text).toContain('      1x64x112x112  9.41k  118M  7/2\n');
  });

  test('as JSON', () => {
    const { model, layers, totals } = JSON.parse(JSON.stringify(summary(lenet5(), [1, 1, 28, 28])));
    expect(model).toBe('LeNet5');
    expect(layers).toHaveLength(14);
    expect(Object.keys(layers[1])).not.toContain('macsBefore');
    expect(totals.params).toBe(61706);
  });
});
