// SPDX-License-Identifier: Apache-2.0
// fit(): its options against the same training written out, and its callbacks.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { ArgumentError } from '../lib/native/errors.js';
import { Linear } from '../lib/nn/index.js';
import { tensor } from '../lib/ops/creation.js';
import { crossEntropy } from '../lib/ops/loss.js';
import * as optim from '../lib/optim/index.js';
import type { Tensor } from '../lib/tensor/tensor.js';
import { csvLogger, earlyStopping, evaluate, fit, jsonlLogger, type Batch, type Callback, type EpochReport } from '../lib/train/index.js';

const folder = mkdtempSync(join(tmpdir(), 'lenode-fit-'));
afterAll(() => rmSync(folder, { recursive: true }));

const batches: Batch[] = [0, 1, 2].map((k) => [
  tensor(Float32Array.from({ length: 8 }, (_, i) => Math.sin(7 * k + i)), { shape: [4, 2] }),
  tensor([0, 1, 2, (k + 1) % 3], { dtype: 'int64' }),
]);
const loader = (list = batches) => ({
  length: list.length,
  async *[Symbol.asyncIterator]() {
    yield* list;
  },
});
function model(): Linear {
  const layer = new Linear(2, 3);
  layer.loadStateDict({ weight: tensor([0.1, 0.2, -0.3, 0.4, 0.5, -0.6], { shape: [3, 2] }), bias: tensor([0, 0.1, 0.2]) });
  return layer;
}
const values = (layer: Linear) => layer.parameters().flatMap((p) => [...(p.dataSync() as Float32Array)]);
const sgd = (layer: Linear, lr = 0.5) => new optim.SGD(layer.parameters(), { lr });

test('clipping, smoothing, changed batches and an average do what they do when written out', async () => {
  const flip = (x: Tensor, y: Tensor): Batch => [x.neg(), y];
  const [written, fitted] = [model(), model()];
  const emas = [new optim.AveragedModel(new Linear(2, 3)), new optim.AveragedModel(new Linear(2, 3))] as const;
  const optimizer = sgd(written);
  for (const [x, y] of [...batches, ...batches]) {
    optimizer.zeroGrad();
    crossEntropy(written.forward(x.neg()), y, { labelSmoothing: 0.1 }).backward();
    optim.clipGradValue_(written.parameters(), 0.2);
    optim.clipGradNorm_(written.parameters(), 0.3);
    optimizer.step();
    emas[0].updateParameters(written);
  }
  const reports = await fit({
    model: fitted, train: loader(), validation: loader(), optimizer: sgd(fitted), epochs: 2, labelSmoothing: 0.1, transform: flip,
    clipGradValue: 0.2, clipGradNorm: 0.3, ema: emas[1],
  });
  expect(values(fitted)).toEqual(values(written));
  expect(values(emas[1].module as Linear)).toEqual(values(emas[0].module as Linear));
  const tested = await evaluate(emas[0], loader(), (a, b) => crossEntropy(a, b, { labelSmoothing: 0.1 }));
  expect(reports.at(-1)).toMatchObject({ epoch: 1, lr: 0.5, validationLoss: tested.loss, accuracy: tested.accuracy });
  await expect(fit({ model: fitted, train: loader(), optimizer: sgd(fitted), epochs: 1, amp: 'float32' as never }))
    .rejects.toThrow(/^fit: amp must be 'bfloat16' or 'float16', got 'float32'/);
  await expect(fit({ model: fitted, train: loader(), optimizer: sgd(fitted), epochs: 1, labelSmoothing: 0.1, loss: crossEntropy }))
    .rejects.toThrow(ArgumentError);
});

test('callbacks are called in order, and can stop', async () => {
  const calls: string[] = [];
  const callback = (name: string, last: number): Callback => ({
    onStep: ({ epoch, step }) => void calls.push(`${name} step ${epoch}.${step}`),
    onEpoch: ({ epoch }) => (calls.push(`${name} epoch ${epoch}`), epoch === last ? 'stop' : undefined),
    onEnd: (reports) => void calls.push(`${name} end ${reports.length}`),
  });
  const layer = model();
  const reports = await fit({
    model: layer, train: loader(batches.slice(0, 1)), optimizer: sgd(layer), epochs: 5,
    onEpoch: ({ epoch }) => void calls.push(`own epoch ${epoch}`), callbacks: [callback('a', 1), callback('b', 9)],
  });
  expect(reports).toHaveLength(2);
  expect(calls).toEqual([
    'a step 0.1', 'b step 0.1', 'own epoch 0', 'a epoch 0', 'b epoch 0',
    'a step 1.1', 'b step 1.1', 'own epoch 1', 'a epoch 1', 'b epoch 1', 'a end 2', 'b end 2',
  ]);
});

const report = (epoch: number, validationLoss: number): EpochReport => ({
  epoch, validationLoss, trainLoss: 1, accuracy: 0.5, lr: 0.1, trainSeconds: 2, imagesPerSecond: 3,
});

test('early stopping counts epochs without improvement, and gives the best values back', async () => {
  const layer = model();
  const stopping = earlyStopping({ patience: 1, minDelta: 0.1, restoreBest: layer });
  const best: number[] = [];
  const answers = [1, 0.95, 0.8, 0.85, 0.75].map((loss, i) => {
    layer.bias!.detach().fill_(i);
    if (i === 2) best.push(...values(layer));
    return stopping.onEpoch!(report(i, loss));
  });
  expect(answers).toEqual([undefined, undefined, undefined, undefined, 'stop']);
  await stopping.onEnd!([]);
  expect(values(layer)).toEqual(best);
  const rising = earlyStopping({ monitor: 'accuracy', patience: 0 });
  expect([0.5, 0.6, 0.6].map((accuracy) => rising.onEpoch!({ ...report(0, 1), accuracy }))).toEqual([undefined, undefined, 'stop']);
  expect(() => earlyStopping().onEpoch!({ ...report(0, 1), validationLoss: undefined })).toThrow(/validation loader/);
  expect(() => earlyStopping({ patience: -1 })).toThrow(ArgumentError);
  expect(() => earlyStopping({ monitor: 'speed' as never })).toThrow(ArgumentError);
});

test('loggers write a line for each epoch, and go on in a file if asked to', async () => {
  const [csv, jsonl] = [join(folder, 'deep', 'log.csv'), join(folder, 'log.jsonl')];
  for (const append of [false, true]) {
    const loggers = [csvLogger(csv, { append }), jsonlLogger(jsonl, { append })];
    for (const logger of loggers) for (const epoch of [0, 1]) await logger.onEpoch!(report(epoch, 0.25));
  }
  const rows = readFileSync(csv, 'utf8').split('\n');
  expect(rows).toEqual([
    'epoch,trainLoss,validationLoss,accuracy,lr,trainSeconds,imagesPerSecond', ...[0, 1, 0, 1].map((e) => `${e},1,0.25,0.5,0.1,2,3`), '',
  ]);
  expect(readFileSync(jsonl, 'utf8').trim().split('\n').map((line) => (JSON.parse(line) as EpochReport).epoch)).toEqual([0, 1, 0, 1]);
  await csvLogger(csv).onEpoch!({ ...report(7, 1), validationLoss: undefined });
  expect(readFileSync(csv, 'utf8').split('\n')[1]).toBe('7,1,,0.5,0.1,2,3');
});
