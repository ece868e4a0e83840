// SPDX-License-Identifier: Apache-2.0
// The losses of the first 200 steps, step by step, against PyTorch's from the same weights and batches.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { lenet5, mnistCnn } from '../lib/models/index.js';
import { cudaStatus } from '../lib/native/cuda.js';
import { crossEntropy } from '../lib/ops/loss.js';
import { tensor } from '../lib/ops/creation.js';
import { Adam, SGD } from '../lib/optim/index.js';
import type { Tensor } from '../lib/tensor/tensor.js';
import { batch, parameter } from './fixtures/generator.js';

interface Run {
  model: 'lenet5' | 'mnist-cnn';
  batchSize: number;
  optimizer: 'SGD' | 'Adam';
  options: Record<string, number>;
  parameters: { key: string; shape: number[]; bound: number }[];
  losses: number[];
}
interface Fixture {
  check: {
    batch: { step: number; size: number; labels: number[]; imageSum: number; imageHead: number[] };
    parameter: { position: number; count: number; bound: number; sum: number; head: number[] };
  };
  runs: Run[];
}
const fixture = JSON.parse(readFileSync(new URL('fixtures/training.json', import.meta.url), 'utf8')) as Fixture;

const models = { lenet5: () => lenet5(), 'mnist-cnn': () => mnistCnn({ dropout: 0 }) };
const optimizers = { SGD, Adam };
const sum = (values: Float32Array) => values.reduce((total, x) => total + x, 0);

test('the generator gives the same numbers as the one that PyTorch was fed from', () => {
  const { batch: b, parameter: p } = fixture.check;
  const { images, labels } = batch(b.step, b.size);
  expect([...labels].map(Number)).toEqual(b.labels);
  expect([...images.slice(0, b.imageHead.length)]).toEqual(b.imageHead);
  expect(sum(images)).toBeCloseTo(b.imageSum, 6);
  const values = parameter(p.position, p.count, p.bound);
  expect([...values.slice(0, p.head.length)]).toEqual(p.head.map(Math.fround));
  expect(Array.from(values).reduce((total, x) => total + x, 0)).toBeCloseTo(p.sum, 9);
});

const RELATIVE = 1e-3;
const PATIENCE = 600_000; // seconds are enough, but not on a busy machine

for (const place of ['cpu', 'cuda'] as const)
  describe.skipIf(place === 'cuda' && !cudaStatus().available)(place, () => {
    test.each(fixture.runs.map((run) => [run.model, run.optimizer, run] as const))('%s with %s', async (_model, _optimizer, run) => {
      const model = models[run.model]();
      const own = model.namedParameters();
      expect(own.map(([key, p]) => [key, p.shape])).toEqual(run.parameters.map(({ key, shape }) => [key, shape]));
      model.loadStateDict(
        Object.fromEntries(
          own.map(([key, p], i) => [key, tensor(parameter(i, p.numel, run.parameters[i]!.bound), { shape: p.shape })]),
        ),
      );
      model.to(place);
      const optimizer = new optimizers[run.optimizer](model.parameters(), run.options);
      const losses: Promise<number>[] = [];
      for (let step = 0; step < run.losses.length; step++) {
        const { images, labels } = batch(step, run.batchSize);
        optimizer.zeroGrad();
        const x = tensor(images, { shape: [run.batchSize, 1, 28, 28], device: place });
        const loss: Tensor = crossEntropy(model.forward(x), tensor(labels, { device: place }));
        loss.backward();
        optimizer.step();
        losses.push(loss.item() as Promise<number>);
      }
      (await Promise.all(losses)).forEach((loss, step) => {
        const expected = run.losses[step]!;
        const difference = Math.abs(loss - expected) / Math.abs(expected);
        if (!(difference <= RELATIVE)) expect.fail(`step ${step}: the loss is ${loss}, PyTorch's is ${expected}`);
      });
    }, PATIENCE);
  });
