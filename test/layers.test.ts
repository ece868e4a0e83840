// SPDX-License-Identifier: Apache-2.0
// Layers with a state or with random numbers, and layers that work together.
import { describe, expect, test } from 'vitest';
import { F, manualSeed, multinomial, nn, noGrad, ones, randn, tensor, type Tensor } from '../lib/index.js';
import { ArgumentError, AutogradError, IndexError, ShapeError, UnsupportedError } from '../lib/native/errors.js';

const int = (values: readonly number[], shape: readonly number[] = [values.length]) =>
  tensor(values, { dtype: 'int64', shape }) as Tensor;
const list = (x: Tensor) => Array.from(x.dataSync() as Float32Array, Number);

test('unpooling puts maxima where pooling found them', () => {
  const pools = [
    [new nn.MaxPool1d(2, { stride: 2, returnIndices: true }), new nn.MaxUnpool1d(2, { stride: 2 }), [2, 3, 7]],
    [new nn.MaxPool2d(3, { stride: 3, padding: 1, returnIndices: true }), new nn.MaxUnpool2d(3, { padding: 1 }), [2, 3, 7, 8]],
    [new nn.MaxPool3d(2, { returnIndices: true }), new nn.MaxUnpool3d(2), [3, 4, 5, 6]],
  ] as const;
  for (const [pool, unpool, shape] of pools) {
    const x = randn(shape).add(10) as Tensor;
    const [values, indices] = pool.forward(x);
    const y = unpool.forward(values, indices, shape);
    expect(y.shape).toEqual(shape);
    const hit = y.ne(0);
    expect(list(hit.to('int64').sum())).toEqual([values.numel]);
    expect(list(y.maskedSelect(hit))).toEqual(list(x.maskedSelect(hit)));
  }
  const [values, indices] = pools[0][0].forward(randn([2, 3, 7]) as Tensor);
  expect(() => pools[0][1].forward(values, indices, [9])).toThrow(/^maxUnpool1d: outputSize must be less than the stride \[2\] away from \[6\]/);
  expect(() => pools[0][1].forward(values, indices.add(100)).dataSync()).toThrow(IndexError);
  expect(() => pools[0][1].forward(values, indices.narrow(2, 0, 2))).toThrow(ShapeError);
});

test('transposed convolutions that learn their input size', () => {
  const layers = [
    [new nn.LazyConvTranspose1d(4, 3, { stride: 2 }), nn.ConvTranspose1d, [2, 6, 5]],
    [new nn.LazyConvTranspose2d(4, 3, { groups: 2 }), nn.ConvTranspose2d, [2, 6, 5, 4]],
    [new nn.LazyConvTranspose3d(4, [1, 2, 2], { bias: false }), nn.ConvTranspose3d, [6, 3, 2, 2]],
  ] as const;
  for (const [layer, settled, shape] of layers) {
    const parameters = layer.parameters();
    const y = layer.forward(randn(shape) as Tensor);
    expect(layer.constructor).toBe(settled);
    expect(layer.inChannels).toBe(6);
    expect(layer.parameters()).toEqual(parameters);
    expect(y.shape.at(shape.length === 4 && settled === nn.ConvTranspose3d ? 0 : 1)).toBe(4);
    const bound = 1 / Math.sqrt(layer.weight.numel / 6);
    expect(list(layer.weight).every((w) => Math.abs(w) <= bound && w !== 0)).toBe(true);
  }
  expect(() => new nn.LazyConvTranspose2d(4, 3, { groups: 2 }).forward(randn([1, 3, 4, 4]) as Tensor)).toThrow(ArgumentError);
  expect(() => new nn.LazyConvTranspose2d(4, 3).forward(randn([4, 4]) as Tensor)).toThrow(/^LazyConvTranspose2d: expected input with channels/);
});

describe('Embedding', () => {
  test('limits the rows that are asked for, and no others', () => {
    const layer = new nn.Embedding(4, 2, { maxNorm: 1 });
    noGrad(() => layer.weight.copy_(tensor([3, 4, 0.3, 0.4, 6, 8, 0, 2], { shape: [4, 2] }) as Tensor));
    const y = layer.forward(int([0, 1, 0]));
    const close = (x: Tensor, expected: readonly number[]) => list(x).forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 6));
    close(y, [0.6, 0.8, 0.3, 0.4, 0.6, 0.8]);
    close(layer.weight, [0.6, 0.8, 0.3, 0.4, 6, 8, 0, 2]);
    y.sum().backward();
    expect(list(layer.weight.grad!)).toEqual([2, 2, 1, 1, 0, 0, 0, 0]);
  });

  test('divides gradients by how often a row was asked for', () => {
    const layer = new nn.Embedding(3, 1, { scaleGradByFreq: true });
    layer.forward(int([0, 2, 2, 2])).mul(tensor([1, 1, 2, 3], { shape: [4, 1] }) as Tensor).sum().backward();
    expect(list(layer.weight.grad!)).toEqual([1, 0, 2]);
    expect(() => new nn.Embedding(3, 1, { sparse: true } as never)).toThrow(UnsupportedError);
  });
});

describe('random numbers', () => {
  test('multinomial draws in proportion to the weights', () => {
    manualSeed(3);
    const weights = tensor([1, 0, 3, 4, 0], { dtype: 'float32' }) as Tensor;
    const counts = list(multinomial(weights, 40000, { replacement: true }).bincount({ minlength: 5 }));
    for (const [i, share] of [1 / 8, 0, 3 / 8, 4 / 8, 0].entries()) {
      // Six standard deviations.
      expect(Math.abs(counts[i]! - 40000 * share)).toBeLessThanOrEqual(6 * Math.sqrt(40000 * share * (1 - share)));
    }
    const rows = multinomial(weights.expand([5000, 5]), 3);
    expect(rows.shape).toEqual([5000, 3]);
    const sorted = list(rows.sort()[0]);
    for (let i = 0; i < sorted.length; i += 3) expect(sorted.slice(i, i + 3)).toEqual([0, 2, 3]);
    const first = list(rows.select(1, 0).bincount({ minlength: 5 }));
    for (const [i, share] of [1 / 8, 0, 3 / 8, 4 / 8, 0].entries())
      expect(Math.abs(first[i]! - 5000 * share)).toBeLessThanOrEqual(6 * Math.sqrt(5000 * share * (1 - share)));
    expect(() => multinomial(weights, 6)).toThrow(/^multinomial: 6 samples cannot be drawn from 5 without replacement/);
    expect(() => multinomial(weights, 0)).toThrow(ArgumentError);
  });

  test('RReLU draws slopes in training alone', () => {
    manualSeed(1);
    const layer = new nn.RReLU({ lower: 0.2, upper: 0.4 });
    const x = tensor([-1, 2, -1, -1, 0.5, -1]).requiresGrad_() as Tensor;
    const y = layer.forward(x);
    y.sum().backward();
    const slopes = list(x.grad!);
    expect(slopes[1]).toBe(1);
    expect(slopes[4]).toBe(1);
    for (const i of [0, 2, 3, 5]) {
      expect(slopes[i]).toBeGreaterThanOrEqual(0.2);
      expect(slopes[i]).toBeLessThanOrEqual(0.4);
      expect(list(y)[i]).toBe(-slopes[i]!);
    }
    expect(new Set(slopes).size).toBe(5);
    layer.eval();
    list(layer.forward(x)).forEach((v, i) => expect(v).toBeCloseTo([-0.3, 2, -0.3, -0.3, 0.5, -0.3][i]!, 6));
    const z = ones([3]).neg() as Tensor;
    expect(F.rrelu(z, { training: true, inplace: true })).toBe(z);
    expect(() => F.rrelu(x, { training: true, inplace: true })).toThrow(AutogradError);
    expect(() => new nn.RReLU({ lower: 1, upper: 0 })).toThrow(ArgumentError);
  });
});

test('losses as modules are their functions, and their weights are buffers', () => {
  const [a, b, c] = [randn([4, 3]), randn([4, 3]), randn([4, 3])] as [Tensor, Tensor, Tensor];
  const signs = tensor([1, -1, 1, -1]) as Tensor;
  const same = (x: Tensor, y: Tensor) => expect(list(x)).toEqual(list(y));
  same(new nn.TripletMarginLoss({ margin: 2, swap: true }).forward(a, b, c), F.tripletMarginLoss(a, b, c, { margin: 2, swap: true }));
  same(new nn.CosineEmbeddingLoss({ margin: 0.2 }).forward(a, b, signs), F.cosineEmbeddingLoss(a, b, signs, { margin: 0.2 }));
  const distanceFunction = (x: Tensor, y: Tensor) => x.sub(y).abs().sum(1);
  same(
    new nn.TripletMarginWithDistanceLoss({ distanceFunction }).forward(a, b, c),
    F.tripletMarginLoss(a, b, c, { p: 1, eps: 0 }),
  );
  const loss = new nn.MultiMarginLoss({ weight: tensor([1, 2, 3]) as Tensor, p: 2 });
  expect(Object.keys(loss.stateDict())).toEqual(['weight']);
  same(loss.forward(a, int([0, 1, 2, 0])), F.multiMarginLoss(a, int([0, 1, 2, 0]), { weight: tensor([1, 2, 3]) as Tensor, p: 2 }));
  expect(() => new nn.TripletMarginLoss({ marign: 1 } as never)).toThrow(/^TripletMarginLoss: no option 'marign'; did you mean 'margin'/);
  expect(() => F.multiMarginLoss(a, int([0, 1, 5, 0])).dataSync()).toThrow(IndexError);
  expect(() => F.tripletMarginLoss(a, b, c, { margin: 0 })).toThrow(ArgumentError);
  expect(() => F.multiMarginLoss(a, int([0]))).toThrow(ShapeError);
});
