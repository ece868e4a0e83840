// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ArgumentError, data, DTypeError, rand, ShapeError, tensor, transforms as T, type Tensor } from '../lib/index.js';
import * as colour from '../lib/data/transforms/colour.js';
import { bound } from '../lib/data/transforms/pixels.js';
import * as warp from '../lib/data/transforms/warp.js';

const { Generator, Image } = data;
type AnyImage = data.Image;

interface Fixture {
  dtype: 'uint8' | 'float32';
  shape: number[];
  /** In base64. */
  values: string;
}
interface Case {
  call: string;
  input: string;
  outputs: Fixture[];
  /** Of bytes; default 0. */
  tolerance?: number;
  /** Part of the values that may be anything. */
  mismatches?: number;
}
const fixtures = JSON.parse(readFileSync(new URL('./fixtures/transforms.json', import.meta.url), 'utf8')) as {
  inputs: Record<string, Fixture>;
  cases: Case[];
};

/** From [C, H, W] to the channels of a pixel side by side. */
function interleaved({ dtype, shape: [c, h, w], values: text }: Fixture): number[] {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  const values = dtype === 'uint8' ? bytes : new Float32Array(bytes.buffer);
  return Array.from({ length: values.length }, (_, i) => values[(i % c!) * h! * w! + Math.floor(i / c!)]!);
}

function input(name: string): AnyImage {
  const float = name.endsWith('-float');
  const fixture = fixtures.inputs[name.replace('-float', '')]!;
  const [c, h, w] = fixture.shape as [number, number, number];
  const bytes = Uint8Array.from(interleaved(fixture));
  return new Image(float ? Float32Array.from(bytes, (v) => v / 255) : bytes, c, h, w);
}

describe('the numbers of torchvision', () => {
  const byCall = group(fixtures.cases);
  test.each([...byCall])('%s', (call, cases) => {
    for (const { input: name, outputs, tolerance = 0, mismatches = 0 } of cases) {
      const x = input(name);
      const before = x.data.slice();
      const made = call.startsWith('new T.')
        ? (new Function('T', `return ${call}`)(T) as T.Transform<unknown>).forward(x, new Generator(1))
        : (new Function('colour', 'warp', 'bound', 'x', `return ${call}`)(colour, warp, bound, x) as unknown);
      const results = (Array.isArray(made) ? made : [made]) as AnyImage[];
      expect(results.length).toBe(outputs.length);
      results.forEach((result, i) => {
        expect(result.shape, name).toEqual(outputs[i]!.shape);
        const expected = interleaved(outputs[i]!);
        const margin = result.dtype === 'uint8' ? tolerance : 3e-6 * Math.max(1, ...expected.map(Math.abs));
        const wrong = expected.filter((e, k) => !(Math.abs(e - result.data[k]!) <= margin));
        // Where a byte may be one off, few may.
        const inexact = expected.filter((e, k) => Math.abs(e - result.data[k]!) > (result.dtype === 'uint8' ? 0 : margin));
        expect({ name, wrong: wrong.length }).toEqual({ name, wrong: tolerance > 0 || mismatches === 0 ? 0 : wrong.length });
        expect(inexact.length / expected.length, `${name}: ${inexact.slice(0, 5).join(', ')}`).toBeLessThanOrEqual(mismatches);
      });
      expect(x.data, 'the argument was changed').toEqual(before);
    }
  });
});

function group(cases: Case[]): Map<string, Case[]> {
  const map = new Map<string, Case[]>();
  for (const c of cases) map.set(c.call, [...(map.get(c.call) ?? []), c]);
  return map;
}

const noise = (seed: number, [c, h, w]: readonly [number, number, number]): AnyImage => {
  const random = new Generator(seed);
  return new Image(Uint8Array.from({ length: c * h * w }, () => random.below(256)), c, h, w);
};

const randoms: [string, () => T.Transform, boolean][] = [
  ['RandomCrop', () => new T.RandomCrop(16, { padding: 4 }), true],
  ['RandomCrop, filled', () => new T.RandomCrop([18, 20], { padding: [1, 2, 3, 4], fill: 5 }), true],
  ['RandomCrop, reflected', () => new T.RandomCrop(16, { padding: 3, paddingMode: 'reflect' }), false],
  ['RandomCrop, as needed', () => new T.RandomCrop([30, 20], { padIfNeeded: true }), true],
  ['RandomResizedCrop', () => new T.RandomResizedCrop([9, 11]), false],
  ['RandomHorizontalFlip', () => new T.RandomHorizontalFlip(), true],
  ['RandomVerticalFlip', () => new T.RandomVerticalFlip(), true],
  ['RandomRotation', () => new T.RandomRotation(40, { interpolation: 'bilinear', fill: 3 }), false],
  ['RandomAffine', () => new T.RandomAffine(20, { translate: [0.2, 0.1], scale: [0.5, 2], shear: [-5, 5, 0, 10] }), false],
  ['ColorJitter', () => new T.ColorJitter({ brightness: 0.5, contrast: [0.2, 2], saturation: 0.3, hue: 0.2 }), false],
  ['RandomGrayscale', () => new T.RandomGrayscale(0.5), false],
  ['GaussianBlur', () => new T.GaussianBlur([3, 5]), false],
  ['RandomErasing', () => new T.RandomErasing({ p: 0.8, value: [1, 2, 3] }), true],
  ['RandomErasing of floats', () => new T.Compose([new T.ToDtype('float32', { scale: true }), new T.RandomErasing({ value: 'random' })]), true],
  ['RandomApply', () => new T.RandomApply([new T.RandomVerticalFlip(1), new T.Pad(1), new T.CenterCrop([17, 19])]), false],
  ['RandomChoice', () => new T.RandomChoice([new T.RandomVerticalFlip(1), new T.RandomHorizontalFlip(1)], { p: [1, 3] }), false],
  ['RandomOrder', () => new T.RandomOrder([new T.RandomVerticalFlip(), new T.ColorJitter({ hue: 0.1 })]), false],
  ['AutoAugment', () => new T.AutoAugment('cifar10'), false],
  ['AutoAugment, imagenet', () => new T.AutoAugment(), false],
  ['AutoAugment, svhn', () => new T.AutoAugment('svhn', { interpolation: 'bilinear', fill: 128 }), false],
  ['RandAugment', () => new T.RandAugment({ numOps: 3, magnitude: 12 }), false],
  ['TrivialAugmentWide', () => new T.TrivialAugmentWide(), false],
  ['CIFAR recipe', () => new T.Compose([
    new T.RandomCrop(17, { padding: 2 }), new T.RandomHorizontalFlip(), new T.ToDtype('float32', { scale: true }),
    new T.Normalize([0.49, 0.48, 0.45], [0.25, 0.24, 0.26]), new T.RandomErasing(),
  ]), true],
];

describe('random transforms', () => {
  const shape = [3, 17, 19] as const;
  const images = [1, 2, 3, 4, 5].map((seed) => noise(seed, shape));
  const batch = data.defaultCollate(images) as Tensor;

  test.each(randoms)('%s: a batch is its images, each with a generator of its own', (_, make, batched) => {
    const transform = make();
    expect(transform.batched).toBe(batched);
    const generators = () => images.map((_, i) => new Generator(77, i));
    const each = images.map((image, i) => transform.forward(image, generators()[i]));
    const together = transform.forward(batch, generators());
    const expected = data.defaultCollate(each) as Tensor;
    expect(together.shape).toEqual(expected.shape);
    expect(together.dtype).toBe(expected.dtype);
    expect(together.dataSync()).toEqual(expected.dataSync());
    // Contiguous in memory gives the same as channels-last.
    expect(transform.forward(batch.contiguous(), generators()).dataSync()).toEqual(expected.dataSync());
    // One image as a tensor.
    const single = transform.forward(batch.select(0, 2), generators()[2]!);
    expect(single.dataSync()).toEqual(expected.select(0, 2).dataSync());
  });

  test.each(randoms)('%s: the same seed gives the same, another one not', (_, make) => {
    const run = (seed: number) => (data.defaultCollate(Array.from({ length: 12 }, (_, i) => make().forward(images[i % 5]!, new Generator(seed, i)))) as Tensor).dataSync();
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    // One generator for a batch: other choices for each image.
    const a = make().forward(batch, new Generator(5)).dataSync();
    expect(make().forward(batch, new Generator(5)).dataSync()).toEqual(a);
  });

  test.each(randoms)('%s: of the other dtype, of one channel, of one pixel', (name, make) => {
    const one = name.startsWith('RandomErasing') && !name.includes('floats') ? undefined : make();
    if (!one || name === 'CIFAR recipe') return;
    const grey = new Image(images[0]!.data.subarray(0, 17 * 19), 1, 17, 19);
    for (let i = 0; i < 20; i++) {
      expect(one.forward(grey, new Generator(i)).channels).toBe(1);
      if (!name.includes('floats') && !name.includes('recipe')) {
        const float = one.forward(new Image(Float32Array.from(images[0]!.data, (v) => v / 255), ...shape), new Generator(i));
        expect(float.dtype).toBe('float32');
        if (!name.includes('filled') && !name.includes('Rotation') && !name.includes('svhn'))
          expect(float.data.every((v) => v >= -1e-5 && v <= 1.001)).toBe(true);
      }
    }
  });

  test('crops cover the places evenly', () => {
    const row = new Image(Uint8Array.from({ length: 8 }, (_, i) => i), 1, 1, 8);
    const counts = new Array<number>(6).fill(0);
    const crop = new T.RandomCrop([1, 3]);
    const random = new Generator(1);
    for (let i = 0; i < 6000; i++) counts[crop.forward(row, random).data[0]!]!++;
    for (const n of counts) expect(Math.abs(n - 1000)).toBeLessThan(150);
  });

  test('resized crops stay within scale and ratio', () => {
    // Every pixel is its own column and row: the corners tell the part that was taken.
    const size = 64;
    const coordinates = new Image(Float32Array.from({ length: 2 * size * size }, (_, i) => (i % 2 ? Math.floor(i / 2 / size) : Math.floor(i / 2) % size)), 2, size, size);
    const crop = new T.RandomResizedCrop(2, { scale: [0.2, 0.5], ratio: [0.5, 2], interpolation: 'nearest' });
    const random = new Generator(2);
    for (let i = 0; i < 500; i++) {
      const { data: v } = crop.forward(coordinates, random);
      const [w, h] = [2 * (v[2]! - v[0]!), 2 * (v[5]! - v[1]!)];
      expect(w * h).toBeGreaterThan(0.2 * size * size * 0.85);
      expect(w * h).toBeLessThan(0.5 * size * size * 1.15);
      expect(w / h).toBeGreaterThan(0.45);
      expect(w / h).toBeLessThan(2.2);
    }
  });

  test('probabilities, factors and rectangles are as asked', () => {
    const random = new Generator(3);
    const image = new Image(new Uint8Array(12 * 20).fill(100), 1, 12, 20);
    let erased = 0;
    for (let i = 0; i < 2000; i++) {
      const { data: v } = new T.RandomErasing({ p: 0.3 }).forward(image, random);
      const count = v.filter((x) => x === 0).length;
      if (count > 0) {
        erased++;
        expect(count).toBeLessThanOrEqual(0.33 * 240 * 1.3);
      }
    }
    expect(Math.abs(erased / 2000 - 0.3)).toBeLessThan(0.05);
    const factors = Array.from({ length: 500 }, () => new T.ColorJitter({ brightness: 0.4 }).forward(image, random).data[0]! / 100);
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(0.59);
    expect(Math.max(...factors)).toBeLessThanOrEqual(1.41);
    expect(factors.reduce((a, b) => a + b) / 500).toBeCloseTo(1, 1);
    const normal = new T.RandomErasing({ p: 1, value: 'random', scale: [0.3, 0.3] }).forward(new Image(new Float32Array(64 * 64).fill(9), 1, 64, 64), random);
    const values = Array.from(normal.data).filter((v) => v !== 9);
    expect(values.reduce((a, b) => a + b, 0) / values.length).toBeCloseTo(0, 0);
    expect(values.reduce((a, b) => a + b * b, 0) / values.length).toBeCloseTo(1, 0);
  });
});

describe('batches mixed with themselves', () => {
  const images = rand([4, 3, 8, 10]);
  const labels = tensor([0, 1, 2, 1], { dtype: 'int64' });

  test('MixUp: images and labels have the same shares', async () => {
    const [x, y] = new T.MixUp({ alpha: 0.8, numClasses: 3 }).forward([images, labels], new Generator(4));
    const shares = Array.from((await y.data()) as Float32Array);
    const share = shares[1 * 3 + 1]!;
    expect(shares.map((v) => v.toFixed(5))).toEqual(
      [share, 1 - share, 0, 1 - share, share, 0, 0, 1 - share, share, 0, share, 1 - share].map((v) => v.toFixed(5)),
    );
    const [mixed, original] = [(await x.data()) as Float32Array, (await images.data()) as Float32Array];
    const at = (n: number, i: number) => original[n * 240 + i]!;
    for (let n = 0; n < 4; n++)
      for (const i of [0, 17, 239]) expect(mixed[n * 240 + i]).toBeCloseTo(share * at(n, i) + (1 - share) * at((n + 3) % 4, i), 5);
  });

  test('CutMix: a rectangle of the image before, labels by its area', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const [x, y] = new T.CutMix({ numClasses: 3 }).forward([images, labels], new Generator(seed));
      const [mixed, original] = [(await x.data()) as Float32Array, (await images.data()) as Float32Array];
      let kept = 0;
      for (let i = 0; i < 80; i++) {
        const own = mixed[i] === original[i];
        if (own) kept++;
        else expect(mixed[i]).toBe(original[3 * 240 + i]);
      }
      const shares = (await y.data()) as Float32Array;
      expect(shares[0]).toBeCloseTo(kept / 80, 5);
      expect(shares[1]).toBeCloseTo(1 - kept / 80, 5);
    }
  });

  test('soft labels pass, others are refused', () => {
    const soft = rand([4, 3]);
    expect(new T.MixUp().forward([images, soft])[1].shape).toEqual([4, 3]);
    expect(() => new T.MixUp().forward([images, labels])).toThrow(ArgumentError);
    expect(() => new T.CutMix({ numClasses: 3 }).forward([images, rand([3, 3])])).toThrow(ShapeError);
    expect(() => new T.MixUp({ numClasses: 5 }).forward([images, soft])).toThrow(ShapeError);
    expect(() => new T.MixUp({ alpha: 0 })).toThrow(ArgumentError);
  });

  test('the share is drawn from the beta distribution', () => {
    const random = new Generator(9);
    for (const [a, b] of [[1, 1], [0.2, 0.2], [2, 5]] as const) {
      const draws = Array.from({ length: 4000 }, () => random.beta(a, b));
      const mean = draws.reduce((x, y) => x + y) / 4000;
      const variance = draws.reduce((x, y) => x + (y - mean) ** 2, 0) / 4000;
      expect(mean).toBeCloseTo(a / (a + b), 1);
      expect(variance).toBeCloseTo((a * b) / ((a + b) ** 2 * (a + b + 1)), 2);
    }
  });
});

describe('bad arguments', () => {
  const image = noise(1, [3, 8, 8]);
  test.each([
    [() => new T.Resize(0), ArgumentError, 'Resize: size'],
    [() => new T.Resize([4, 4], { maxSize: 9 }), ArgumentError, 'maxSize'],
    [() => new T.Resize(4, { interpolation: 'lanczos' as never }), ArgumentError, 'interpolation'],
    [() => new T.RandomCrop(9).forward(image), ArgumentError, 'larger than the image, 8 x 8'],
    [() => new T.FiveCrop(9).forward(image), ArgumentError, 'larger'],
    [() => new T.RandomHorizontalFlip(1.5), ArgumentError, 'p must be in [0, 1]'],
    [() => new T.Pad(9, { paddingMode: 'reflect' }).forward(image), ArgumentError, 'too wide'],
    [() => new T.Pad(1, { fill: [1, 2] }).forward(image), ArgumentError, '2 values for 3 channels'],
    [() => new T.Normalize([1], [0]), ArgumentError, 'std must not be 0'],
    [() => new T.Normalize([0.5], [0.5]).forward(image), DTypeError, 'ToDtype'],
    [() => new T.Normalize([1, 2], [1, 2]).forward(rand([3, 4, 4])), ArgumentError, '2 means for 3 channels'],
    [() => new T.ColorJitter({ hue: 0.6 }), ArgumentError, 'hue'],
    [() => new T.GaussianBlur(4), ArgumentError, 'odd'],
    [() => new T.Compose([] as never), ArgumentError, 'a list of transforms'],
    [() => new T.RandAugment({ magnitude: 31 }), ArgumentError, 'magnitude'],
    [() => new T.AutoAugment('mnist' as never), ArgumentError, 'policy'],
    [() => new T.Lambda(3 as never), ArgumentError, 'a function'],
    [() => new T.RandomRotation([3, 1]), ArgumentError, '[low, high]'],
    [() => new T.Grayscale().forward(noise(1, [2, 3, 3])), ArgumentError, '1 or 3 channels'],
    [() => new T.CenterCrop(2).forward(rand([4, 4])), ShapeError, '[C, H, W] or [N, C, H, W]'],
    [() => new T.CenterCrop(2).forward(tensor([[[1]]], { dtype: 'int64' })), DTypeError, 'uint8 or floating'],
    [() => new T.RandomCrop(2).forward(rand([2, 1, 4, 4]), [new Generator(1)]), ArgumentError, '2 images need as many generators'],
    [() => new T.CenterCrop(2).forward('image' as never), ArgumentError, 'an Image or a Tensor'],
    [() => new Image(new Uint8Array(5), 1, 2, 2), ShapeError, 'need 4 values, got 5'],
    [() => new Generator(-1), ArgumentError, 'seed'],
  ] as [() => unknown, new (message: string) => Error, string][])('%s', (f, Kind, message) => {
    expect(f).toThrow(Kind);
    expect(f).toThrow(message);
  });
});

test('other floating dtypes are kept', () => {
  for (const dtype of ['float16', 'bfloat16', 'float64'] as const) {
    const x = rand([2, 3, 8, 8], { dtype });
    for (const t of [new T.Resize(5), new T.RandomHorizontalFlip(1), new T.Normalize([0.5], [0.5]), new T.RandomErasing({ p: 1 })])
      expect(t.forward(x).dtype).toBe(dtype);
  }
});

test('a Lambda sees the image and the generator', () => {
  const t = new T.Compose([new T.Lambda((x, random) => (expect(random).toBeInstanceOf(Generator), x)), new T.Lambda((x) => x.width)]);
  expect(t.forward(noise(1, [1, 2, 3]))).toBe(3);
});
