// SPDX-License-Identifier: Apache-2.0
// fit(): what it refuses, measures and reports; trainings that are interrupted and resumed.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import {
  Accuracy,
  ArgumentError,
  capture,
  csvLogger,
  data as sets,
  earlyStopping,
  evaluate,
  F,
  fit,
  type FitOptions,
  type Interruption,
  jsonlLogger,
  loadCheckpoint,
  manualSeed,
  MeanLoss,
  nn,
  optim,
  rand,
  randint,
  saveCheckpoint,
  tensor,
  type Tensor,
} from '../lib/index.js';
import { bits } from './helpers/captured-steps.js';

const { DataLoader, Generator, TensorDataset } = sets;
const folder = mkdtempSync(join(tmpdir(), 'lenode-resume-'));
afterAll(() => rmSync(folder, { recursive: true }));

class Net extends nn.Module {
  first = new nn.Linear(4, 8);
  norm = new nn.BatchNorm1d(8);
  drop = new nn.Dropout(0.2);
  last = new nn.Linear(8, 3);
  forward(x: Tensor): Tensor {
    return this.last.forward(this.drop.forward(F.relu(this.norm.forward(this.first.forward(x)))));
  }
}
manualSeed(1);
const samples = new TensorDataset(rand([50, 4]), randint(0, 3, [50]));

function make(seed: number) {
  manualSeed(seed);
  const model = new Net();
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 }) as unknown as optim.Optimizer;
  const mixing = new Generator(seed);
  const loader = new DataLoader(samples, { batchSize: 8, shuffle: true, generator: new Generator(seed + 1) });
  return {
    model, optimizer, mixing, loader,
    scheduler: new optim.OneCycleLR(optimizer, 0.02, { totalSteps: 5 * loader.length }),
    ema: new optim.AveragedModel(new Net(), { multiAvgFn: optim.getEmaMultiAvgFn(0.9) }),
  };
}
type Run = ReturnType<typeof make>;
const optionsOf = ({ model, optimizer, loader, scheduler, ema, mixing }: Run): FitOptions => {
  let lambda = 1;
  return {
    model, optimizer, scheduler, ema, train: loader as never, validation: new DataLoader(samples, { batchSize: 25 }) as never, epochs: 5,
    transform: (x, y) => ((lambda = mixing.beta(0.4, 0.4)), [x, y]),
    loss: (out, y) => F.crossEntropy(out, y).mul(lambda).add(F.crossEntropy(out, y.flip([0])).mul(1 - lambda)),
  };
};
const partsOf = ({ model, optimizer, scheduler, ema, loader, mixing }: Run) => ({ model, optimizer, scheduler, ema, loader, generators: { mixing } });
const outcome = ({ model, ema }: Run) => [model, ema].flatMap((m) => Object.entries(m.stateDict()).map(([name, t]) => [name, bits(t)]));

describe.each([true, false])('resumption, capture: %s', (captures) => {
  test.each([[0, 3], [2, 1], [1, 7], [3, 6]])('stopped in epoch %i after %i steps, it goes on as if it had not been', async (epoch, step) => {
    const straight = make(3);
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const expected = (await fit({ ...optionsOf(straight), capture: captures })).map(({ validationLoss, accuracy }) => [validationLoss, accuracy]);

    const first = make(3);
    const stop = new AbortController();
    const path = join(folder, `${captures}-${epoch}-${step}`);
    let place: Interruption | undefined;
    const epochs: number[] = [];
    const reports = await fit({
      ...optionsOf(first), capture: captures, signal: stop.signal,
      onStep: (at) => void (at.epoch === epoch && at.step === step && stop.abort()),
      onEpoch: (report) => void epochs.push(report.epoch),
      callbacks: [{ onEnd: (_, at) => void (place = at) }],
    });
    // 7 batches: the last one completes its epoch.
    expect(place).toEqual(step === 7 ? { firstEpoch: epoch + 1, firstStep: 0 } : { firstEpoch: epoch, firstStep: step });
    expect(reports.map((report) => report.epoch)).toEqual(epochs);
    expect(epochs).toHaveLength(step === 7 ? epoch + 1 : epoch);
    await saveCheckpoint(path, { ...partsOf(first), epoch: place!.firstEpoch, step: place!.firstStep });

    const second = make(77);
    const info = await loadCheckpoint(path, partsOf(second));
    const rest = await fit({ ...optionsOf(second), capture: captures, firstEpoch: info.epoch, firstStep: info.step ?? 0 });
    expect([...reports, ...rest].map(({ validationLoss, accuracy }) => [validationLoss, accuracy])).toEqual(expected);
    expect(outcome(second)).toEqual(outcome(straight));
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});

test('an average that was loaded, or changed by hand, in a captured step', () => {
  const run = (wrap: (fn: (x: Tensor) => Tensor) => (x: Tensor) => Tensor, kind: optim.MultiAvgFn) => {
    manualSeed(6);
    const [layer, other] = [new nn.Linear(3, 2), new nn.Linear(3, 2)];
    const [average, source] = [new optim.AveragedModel(other, { multiAvgFn: kind }), new optim.AveragedModel(new nn.Linear(3, 2), { multiAvgFn: kind })];
    for (let i = 0; i < 3; i++) source.updateParameters(layer);
    average.loadStateDict(source.stateDict());
    const optimizer = new optim.SGD(layer.parameters(), { lr: 0.1 });
    const step = wrap((x) => {
      optimizer.zeroGrad();
      const loss = layer.forward(x).square().sum();
      loss.backward();
      optimizer.step();
      average.updateParameters(layer);
      return loss;
    });
    const losses = Array.from({ length: 9 }, (_, i) => {
      if (i === 6) average.loadStateDict(source.stateDict());
      return bits(step(rand([4, 3])));
    });
    return [losses, Object.values(average.stateDict()).map(bits), Number(average.nAveraged.itemSync())];
  };
  for (const kind of [optim.getSwaMultiAvgFn(), optim.getEmaMultiAvgFn(0.9)])
    for (const follow of [false, true]) {
      const counts: { replayed: number }[] = [];
      const replayed = run((fn) => {
        const step = capture(fn, { follow });
        counts.push(step.counts);
        return step;
      }, kind);
      expect(replayed).toEqual(run((fn) => fn, kind));
      expect(counts[0]!.replayed).toBeGreaterThan(4);
    }
});

test('a generator goes on where its state was taken', () => {
  const [a, b] = [new Generator(5, 1, 2), new Generator(9)];
  a.normal();
  b.setState(JSON.parse(JSON.stringify(a.getState())) as ReturnType<typeof a.getState>);
  expect(b.seed).toBe(5);
  expect(Array.from({ length: 9 }, () => b.random())).toEqual(Array.from({ length: 9 }, () => a.random()));
  const before = b.getState();
  for (const bad of [null, 3, {}, { seed: 1 }, { seed: -1, words: [1, 2, 3, 4] }, { seed: 1, words: [0, 0, 0, 0] }, { seed: 1, words: [1, 2, 3, 2 ** 32] }])
    expect(() => b.setState(bad as never)).toThrow(ArgumentError);
  expect(b.getState()).toEqual(before);
});

describe('Accuracy', () => {
  const of = async (...pairs: [Tensor, Tensor][]) => {
    const accuracy = new Accuracy();
    for (const pair of pairs) accuracy.add(...pair);
    return accuracy.value();
  };
  const scores = tensor([[3, 1, 0], [0, 1, 0.5], [0, 1, 2], [4, 5, 6]]);
  const classes = tensor([0, 1, 2, 0], { dtype: 'int64' });
  const column = (...values: number[]) => tensor(values.map((v) => [v]));
  test.each<[string, Tensor, Tensor, number | undefined]>([
    ['class numbers', scores, classes, 0.75],
    ['class numbers in a column', scores, classes.reshape([4, 1]), 0.75],
    ['int32', scores, classes.to('int32'), 0.75],
    ['one-hot, integers', scores, tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], { dtype: 'int64' }), 0.75],
    ['probabilities', scores, tensor([[0.9, 0.1, 0], [0, 0.6, 0.4], [0.5, 0.2, 0.3], [0, 0, 1]]), 0.75],
    ['logits of two classes', column(-1, 0.2, 3, -4), column(0, 1, 0, 0), 0.75],
    ['probabilities of two classes', column(0.1, 0.2, 0.7, 0.6), column(0, 1, 1, 1), 0.75],
    ['logits in a row, labels int64', tensor([-1, 0.2, 3, -4]), tensor([0, 1, 0, 0], { dtype: 'int64' }), 0.75],
    ['scores in a column, bool labels in a row', column(-1, 0.2, 3, -4), tensor([0, 1, 0, 0]).to('bool'), 0.75],
    ['places', rand([2, 3, 4, 5]).mul(0), randint(0, 1, [2, 4, 5]), 1],
    ['a regression', column(1, 2, 3, 4), column(1.5, 2, 3, 4), undefined],
    ['a regression of vectors', scores, scores.add(1), undefined],
    ['pictures', rand([2, 3, 4, 5]), rand([2, 3, 4, 5]), undefined],
  ])('%s', async (_, x, y, expected) => {
    expect(await of([x, y])).toBe(expected);
  });
  test('over batches; none yet; wrong arguments', async () => {
    expect(await of([scores, classes], [scores.narrow(0, 0, 2), classes.narrow(0, 0, 2)])).toBeCloseTo(5 / 6, 12);
    expect(await of()).toBeNaN();
    expect(() => new Accuracy().add(scores, [0] as never)).toThrow(ArgumentError);
    expect(() => new MeanLoss().add(scores, 4)).toThrow(/one element/);
  });
  test('a regression has none in fit(), and cannot be stopped by it', async () => {
    const model = new nn.Linear(4, 1);
    const pairs = new TensorDataset(rand([12, 4]), rand([12, 1]));
    const loader = new DataLoader(pairs, { batchSize: 4 }) as never;
    const options: FitOptions = {
      model, train: loader, validation: loader, loss: F.mseLoss, epochs: 1, optimizer: new optim.SGD(model.parameters()) as never,
    };
    const [report] = await fit(options);
    expect(report).toHaveProperty('accuracy', undefined);
    expect((await evaluate(model, loader, F.mseLoss)).accuracy).toBeUndefined();
    await expect(fit({ ...options, callbacks: [earlyStopping({ monitor: 'accuracy' })] })).rejects.toThrow(/there is no accuracy/);
  });
});

test('ReduceLROnPlateau follows the validation loss', async () => {
  const model = new nn.Linear(4, 3);
  const optimizer = new optim.SGD(model.parameters(), { lr: 1 }) as unknown as optim.Optimizer;
  const scheduler: optim.Scheduler = new optim.ReduceLROnPlateau(optimizer, { patience: 0, factor: 0.5, threshold: 1e9, thresholdMode: 'abs' });
  const loader = new DataLoader(samples, { batchSize: 25 }) as never;
  const options = { model, optimizer, scheduler, train: loader, epochs: 4 };
  const reports = await fit({ ...options, validation: loader });
  expect(reports.map(({ lr }) => lr)).toEqual([1, 0.5, 0.25, 0.125]);
  await expect(fit(options)).rejects.toThrow(/^fit: ReduceLROnPlateau needs a validation loader/);
});

test('options that are missing, misspelt or of another kind are named', async () => {
  const model = new nn.Linear(4, 3);
  const good = { model, optimizer: new optim.SGD(model.parameters()), train: new DataLoader(samples, { batchSize: 25 }), epochs: 1 };
  const bad: [object, RegExp][] = [
    [{ epochs: undefined }, /^fit: the option epochs must be given/], [{ epochs: '3' }, /epochs must be an integer/], [{ epochs: 1.5 }, /epochs/],
    [{ epochs: -1 }, /epochs/], [{ epoch: 3 }, /no option 'epoch'.*'epochs'/s], [{ model: {} }, /model must be a Module/],
    [{ optimizer: model }, /optimizer/], [{ train: [] as never, validation: 3 }, /validation/], [{ train: 3 }, /train/], [{ loss: 'mse' }, /loss must be a function/],
    [{ scheduler: () => 1 }, /scheduler/], [{ amp: 'float32' }, /amp must be 'bfloat16' or 'float16'/], [{ ema: model }, /ema/],
    [{ callbacks: {} }, /callbacks/], [{ onStep: 1 }, /onStep/], [{ clipGradNorm: '1' }, /clipGradNorm/], [{ signal: 1 }, /signal/],
    [{ labelSmoothing: 2 }, /labelSmoothing/], [{ capture: 1 }, /capture/], [{ firstStep: -1 }, /firstStep/],
  ];
  for (const [change, message] of bad) await expect(fit({ ...good, ...change } as never)).rejects.toThrow(message);
  await expect(fit(undefined as never)).rejects.toThrow(ArgumentError);
  await expect(evaluate({} as never, good.train as never)).rejects.toThrow(ArgumentError);
  await expect(evaluate(model, 3 as never)).rejects.toThrow(ArgumentError);
});

test('a log that cannot be written to does not end the training', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const report = { epoch: 0, trainLoss: 1, validationLoss: 1, accuracy: 1, lr: 1, trainSeconds: 1, imagesPerSecond: 1 };
  for (const logger of [csvLogger('/dev/full'), jsonlLogger('/dev/full'), csvLogger('/dev/null/x.csv')]) {
    await logger.onEpoch!(report);
    await logger.onEpoch!({ ...report, epoch: 1 });
  }
  expect(warn).toHaveBeenCalledTimes(3);
  expect(String(warn.mock.calls[0]![0])).toMatch(/^csvLogger: \/dev\/full cannot be written to/);
  warn.mockRestore();
  const path = join(folder, 'log.jsonl');
  await jsonlLogger(path).onEpoch!(report);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(report);
  expect(() => csvLogger(3 as never)).toThrow(ArgumentError);
});

test('the state of a generator is all that a loader which draws from it needs', async () => {
  const epochOf = async (loader: AsyncIterable<readonly Tensor[]>) => {
    const seen: number[] = [];
    for await (const [inputs] of loader) seen.push(...Array.from((await inputs!.data()) as Float32Array));
    return seen;
  };
  const make = (generator: InstanceType<typeof Generator>) => new DataLoader(samples, { batchSize: 8, shuffle: true, generator });
  const generator = new Generator(5);
  const loader = make(generator);
  const first = await epochOf(loader);
  const state = generator.getState();
  const second = await epochOf(loader);
  expect(second).not.toEqual(first);
  const other = new Generator(0);
  other.setState(state);
  expect(await epochOf(make(other))).toEqual(second);
});
