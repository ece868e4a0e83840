// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { ArgumentError, data, DataLoader, IndexError, randomSplit, Subset, type Dataset } from '../lib/index.js';

const { Generator } = data;
const ten: Dataset<number> = { length: 10, get: (i) => i };
const collateFn = (samples: number[]): number[] => samples;
const draw = (sampler: data.Sampler, seed = 1, epoch = 0): number[] => [...sampler.indices(new Generator(seed), epoch)];
const sorted = (list: Iterable<number>): number[] => [...list].sort((a, b) => a - b);
const everything = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

test('sequential, random and subsets', () => {
  expect(draw(new data.SequentialSampler(ten))).toEqual(everything);
  const random = new data.RandomSampler(ten);
  expect(sorted(draw(random))).toEqual(everything);
  expect(draw(random, 1)).toEqual(draw(random, 1));
  expect(draw(random, 1)).not.toEqual(draw(random, 2));
  const long = draw(new data.RandomSampler(ten, { numSamples: 25 }));
  expect([long.length, sorted(long.slice(0, 10)), sorted(long.slice(10, 20))]).toEqual([25, everything, everything]);
  const replaced = draw(new data.RandomSampler(ten, { replacement: true, numSamples: 5000 }));
  for (const i of everything) expect(Math.abs(replaced.filter((x) => x === i).length - 500)).toBeLessThan(120);
  expect(sorted(draw(new data.SubsetRandomSampler([7, 3, 3])))).toEqual([3, 3, 7]);
  expect(draw(new data.RandomSampler({ length: 0 }))).toEqual([]);
  expect(() => new data.RandomSampler(ten, { numSamples: 0 })).toThrow(ArgumentError);
});

test('weights are probabilities', () => {
  const weights = [0, 1, 3, 0, 6];
  const draws = draw(new data.WeightedRandomSampler(weights, 10000));
  const share = (i: number, list: number[]) => list.filter((x) => x === i).length / list.length;
  expect([share(0, draws), share(3, draws)]).toEqual([0, 0]);
  for (const i of [1, 2, 4]) expect(share(i, draws)).toBeCloseTo(weights[i]! / 10, 1);
  // Without replacement, the first of each draw has the same probabilities.
  const firsts = Array.from({ length: 4000 }, (_, seed) => {
    const order = draw(new data.WeightedRandomSampler(weights, 3, { replacement: false }), seed);
    expect(sorted(order)).toEqual([1, 2, 4]);
    return order[0]!;
  });
  for (const i of [1, 2, 4]) expect(share(i, firsts)).toBeCloseTo(weights[i]! / 10, 1);
  expect(() => new data.WeightedRandomSampler([0, 0], 1)).toThrow('positive');
  expect(() => new data.WeightedRandomSampler([1, -1], 1)).toThrow('non-negative');
  expect(() => new data.WeightedRandomSampler([1, 0], 2, { replacement: false })).toThrow('only 1 have');
});

test('batches of a sampler, and samplers of a loader', () => {
  const batches = new data.BatchSampler(new data.SequentialSampler(ten), 4);
  expect([batches.length, [...batches.batches(new Generator(1), 0)]]).toEqual([3, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]]);
  expect(new data.BatchSampler(new data.SequentialSampler(ten), 4, true).length).toBe(2);
  const loader = new DataLoader(ten, { batchSampler: batches, collateFn });
  expect([loader.length, [...loader]]).toEqual([3, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]]);
  const weighted = new DataLoader(ten, { sampler: new data.WeightedRandomSampler([0, 0, 1], 5), batchSize: 2, collateFn });
  expect([weighted.length, [...weighted]]).toEqual([3, [[2, 2], [2, 2], [2]]]);
  const random = new DataLoader(ten, { sampler: new data.RandomSampler(ten), batchSize: 10, seed: 1, collateFn });
  const [first, second] = [[...random], [...random]];
  expect(first).not.toEqual(second);
  random.epoch = 0;
  expect([...random]).toEqual(first);
  expect(() => new DataLoader(ten, { batchSampler: batches, batchSize: 2 })).toThrow('batchSampler excludes');
});

test('distributed processes share an epoch', () => {
  for (const shuffle of [false, true])
    for (const dropLast of [false, true]) {
      const parts = [0, 1, 2].map((rank) => new data.DistributedSampler(ten, { numReplicas: 3, rank, shuffle, dropLast }));
      const draws = parts.map((part, i) => draw(part, i, 4));
      expect(draws.map((d) => d.length)).toEqual(dropLast ? [3, 3, 3] : [4, 4, 4]);
      const all = new Set(draws.flat());
      expect(all.size).toBe(dropLast ? 9 : 10);
      if (!shuffle) expect(draws[1]!.slice(0, 3)).toEqual([1, 4, 7]);
      else expect(draw(parts[0]!, 0, 5)).not.toEqual(draws[0]);
    }
  const fixed = new data.DistributedSampler(ten, { numReplicas: 2, rank: 1 });
  fixed.setEpoch(3);
  expect(draw(fixed, 1, 8)).toEqual(draw(fixed, 2, 9));
  expect(() => new data.DistributedSampler(ten, { numReplicas: 2, rank: 2 })).toThrow('rank must be in [0, 1]');
});

test('datasets joined and split', () => {
  const joined = new data.ConcatDataset([ten, { length: 2, get: (i: number) => i + 100 }]);
  expect([joined.length, joined.get(9), joined.get(10), joined.get(11)]).toEqual([12, 9, 100, 101]);
  expect(() => joined.get(12)).toThrow(IndexError);
  const parts = randomSplit(ten, [0.55, 0.25, 0.2], { generator: new Generator(1) });
  expect(parts.map((p) => p.length)).toEqual([6, 2, 2]);
  expect(sorted(parts.flatMap((p) => Array.from({ length: p.length }, (_, i) => p.get(i) as number)))).toEqual(everything);
  expect(() => randomSplit(ten, [4, 5])).toThrow('must sum to the dataset');
  expect(() => randomSplit(ten, [0.5, 0.4])).toThrow('fractions must sum to 1');
  expect(() => new Subset(ten, [1, 2]).get(2)).toThrow(IndexError);
});

test('a generator is even, and its streams are unlike', () => {
  const random = new Generator(0);
  const bins = new Array<number>(16).fill(0);
  for (let i = 0; i < 32000; i++) bins[Math.floor(random.random() * 16)]!++;
  // Chi-squared with 15 degrees of freedom: beyond 37.7 once in a thousand.
  expect(bins.reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0)).toBeLessThan(37.7);
  const firsts = new Set<number>();
  for (let epoch = 0; epoch < 20; epoch++) for (let i = 0; i < 500; i++) firsts.add(new Generator(1, 1, epoch, i).random());
  expect(firsts.size).toBe(10000);
  const mean = [...firsts].reduce((a, b) => a + b) / 10000;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.015);
  expect(new Generator(2 ** 40 + 1).random()).not.toBe(new Generator(1).random());
  const normals = Array.from({ length: 20000 }, () => random.normal());
  expect(normals.reduce((a, b) => a + b) / 20000).toBeCloseTo(0, 1);
  expect(normals.reduce((a, b) => a + b * b) / 20000).toBeCloseTo(1, 1);
});
