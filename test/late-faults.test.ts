// SPDX-License-Identifier: Apache-2.0
// Errors that are found when the queue gets to them: what depends on the failed operation is left out, parameters and
// optimizers stay as they were, whoever reads a result that depends on it gets the error, and everything else goes on.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  amp, capture, collectGarbage, F, IndexError, manualSeed, nn, noGrad, ones, optim, randn, settled, synchronize, tensor, type Tensor, zeros,
} from './helpers/late-faults.js';

const labels = (...values: number[]) => tensor(values, { dtype: 'int64' }) as Tensor;
const values = (ts: Iterable<Tensor>) => [...ts].map((t) => [...(t.dataSync() as Float32Array)]);
const good = labels(0, 1, 2, 1);
const bad = labels(0, 1, 3, 1);
const failure = (promise: Promise<unknown>) => promise.then(() => expect.unreachable('it was read'), (error: unknown) => error as Error);

async function isFault(promise: Promise<unknown>, name: RegExp): Promise<void> {
  const error = await failure(promise);
  expect(error).toBeInstanceOf(IndexError);
  expect(error.message).toMatch(name);
  expect(error.stack).toMatch(/late-faults\.test\.ts/);
}

const optimizers: Record<string, (params: Tensor[]) => optim.Optimizer> = {
  SGD: (p) => new optim.SGD(p, { lr: 0.1 }) as never,
  'SGD with momentum': (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true }) as never,
  Adam: (p) => new optim.Adam(p, { lr: 0.1 }) as never,
  AdamW: (p) => new optim.AdamW(p, { lr: 0.1, weightDecay: 0.1, amsgrad: true }) as never,
  NAdam: (p) => new optim.NAdam(p, { lr: 0.1 }) as never,
  RAdam: (p) => new optim.RAdam(p, { lr: 0.1 }) as never,
  Adamax: (p) => new optim.Adamax(p, { lr: 0.1 }) as never,
  Adagrad: (p) => new optim.Adagrad(p, { lr: 0.1 }) as never,
  Adadelta: (p) => new optim.Adadelta(p, { lr: 0.1 }) as never,
  RMSprop: (p) => new optim.RMSprop(p, { lr: 0.1, momentum: 0.9, centered: true }) as never,
  Rprop: (p) => new optim.Rprop(p, { lr: 0.1 }) as never,
  ASGD: (p) => new optim.ASGD(p, { lr: 0.1 }) as never,
  Adafactor: (p) => new optim.Adafactor(p, { lr: 0.1, weightDecay: 0.1 }) as never,
  Muon: (p) => new optim.Muon(p, { lr: 0.1 }) as never,
};

interface Made {
  model: nn.Module;
  params: Tensor[];
  optimizer: optim.Optimizer;
  step: (target: Tensor) => Tensor;
}

function make(kind: string, seed = 3): Made {
  manualSeed(seed);
  const muon = kind === 'Muon';
  const model = new nn.Sequential(new nn.Linear(5, 6, { bias: !muon }), ...(muon ? [] : [new nn.BatchNorm1d(6)]), new nn.ReLU(), new nn.Linear(6, 3, { bias: !muon }));
  const params = model.parameters() as Tensor[];
  const optimizer = optimizers[kind]!(params);
  const x = randn([4, 5]) as Tensor;
  const step = (target: Tensor) => {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model.forward(x) as Tensor, target) as Tensor;
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { model, params, optimizer, step };
}

const state = (optimizer: optim.Optimizer) =>
  Object.values(optimizer.stateDict().state).map((own) => Object.entries(own).map(([name, t]) => [name, t && [...(t.dataSync() as Float32Array)]]));
const everything = ({ params, optimizer }: Made) => ({ params: values(params), state: state(optimizer) });

describe.each(Object.keys(optimizers))('%s', (kind) => {
  test.each([0, 2])('a step with a label out of range changes nothing (after %i good ones)', async (before) => {
    const made = make(kind);
    const twin = make(kind);
    for (let i = 0; i < before; i++) void [made.step(good), twin.step(good)];
    const was = everything(made);
    for (let i = 0; i < 3; i++) {
      const loss = made.step(bad);
      const grad = made.params[0]!.grad!;
      const now = everything(made);
      expect(now.params).toEqual(was.params);
      if (before > 0) expect(now.state).toEqual(was.state);
      await isFault(loss.item() as Promise<unknown>, /^crossEntropy: /);
      await isFault(grad.data(), /^crossEntropy: /);
    }
    for (let i = 0; i < 3; i++) expect(made.step(good).itemSync()).toBe(twin.step(good).itemSync());
    // What counts steps in JavaScript alone has been called more often.
    expect(everything(made)).toEqual(everything(twin));
  });

  test('a captured one neither', async () => {
    const made = make(kind);
    const twin = make(kind);
    using step = capture(made.step);
    for (let i = 0; i < 4; i++) expect(step(good).itemSync()).toBe(twin.step(good).itemSync());
    expect(step.counts.replayed).toBe(2);
    const was = everything(made);
    const losses = [step(bad), step(bad)];
    expect(everything(made)).toEqual(was);
    for (const loss of losses) await isFault(loss.item() as Promise<unknown>, /^crossEntropy: /);
    await isFault(made.params[0]!.grad!.data(), /^crossEntropy: /);
    for (let i = 0; i < 3; i++) expect(step(good).itemSync()).toBe(twin.step(good).itemSync());
    expect(everything(made)).toEqual(everything(twin));
    expect(step.counts.replayed).toBe(7);
  });
});

describe('what depends on a failed operation', () => {
  const index = () => labels(0, 7, 1);
  const sources: [string, RegExp, () => Tensor][] = [
    ['crossEntropy', /^crossEntropy: /, () => F.crossEntropy(ones([4, 3]), bad)],
    ['nllLoss', /^nllLoss: /, () => F.nllLoss(ones([4, 3]), bad)],
    ['nllLoss of half', /^nllLoss: /, () => F.nllLoss(ones([4, 3]).to('bfloat16'), bad)],
    ['indexSelect', /^indexSelect: /, () => ones([3, 2]).indexSelect(0, index())],
    ['embedding', /^indexSelect: /, () => F.embedding(index(), ones([3, 2]))],
    ['gather', /^gather: /, () => ones([3]).gather(0, index())],
    ['scatterAdd', /^scatterAdd: /, () => ones([3]).scatterAdd(0, index(), ones([3]))],
    ['indexAdd', /^indexAdd: /, () => ones([3]).indexAdd(0, index(), ones([3]))],
    ['oneHot', /^oneHot: /, () => F.oneHot(index(), 3)],
  ] as never;

  test.each(sources)('%s: every read of it gets the error', async (_, name, source) => {
    for (let i = 0; i < 10; i++) {
      const y = source();
      const z = y.mul(2).sum();
      await isFault(z.item() as Promise<unknown>, name);
      await isFault(y.data(), name);
      expect(() => y.detach().dataSync()).toThrow(IndexError);
      expect(() => z.add(1).to('float64').itemSync()).toThrow(IndexError);
      expect(() => y.reshape([-1]).slice(0, 0, 0).dataSync()).toThrow(IndexError);
      expect(await ones([3]).sum().item()).toBe(3);
    }
  });

  // Their gradients look the index up again, which is no second fault.
  const lookups: [string, RegExp, (x: Tensor) => Tensor][] = [
    ['gather', /^gather: /, (x: Tensor) => x.gather(0, labels(0, 7))],
    ['indexSelect', /^indexSelect: /, (x: Tensor) => x.indexSelect(0, labels(0, 7))],
    ['index', /^indexSelect: /, (x: Tensor) => x.index([labels(0, 7)])],
    ['take', /^indexSelect: /, (x: Tensor) => x.take(labels(0, 7))],
    ['scatter', /^scatter: /, (x: Tensor) => x.scatter(0, labels(0, 7), 1)],
    ['multiMarginLoss', /^gather: /, (x: Tensor) => F.multiMarginLoss(x.unsqueeze(0), labels(7))],
  ] as never;

  test.each(lookups)('%s: who has read the loss has been told of its gradient too', async (_, name, lookup) => {
    const weight = new nn.Parameter(ones([3]));
    const optimizer = new optim.SGD([weight], { lr: 0.1 });
    const loss = lookup(weight as never).sum();
    loss.backward();
    optimizer.step();
    await isFault(loss.item() as Promise<unknown>, name);
    await synchronize('cpu');
  });

  const broken = () => ones([3]).indexSelect(0, index()) as Tensor;

  test('a tensor that is changed by it in place carries the error until all of it is overwritten', async () => {
    const x = zeros([3]) as Tensor;
    x.add_(broken());
    await isFault(x.data(), /^indexSelect: /);
    x.slice(0, 0, 2).fill_(1);
    await isFault(x.data(), /^indexSelect: /);
    x.fill_(2);
    expect([...(await x.data())]).toEqual([2, 2, 2]);
    x.copy_(broken());
    x.mul_(2);
    await isFault(x.data(), /^indexSelect: /);
    x.copy_(ones([3]));
    expect([...(await x.data())]).toEqual([1, 1, 1]);
  });

  test('a gradient that lacks a part of its sum carries it until zeroGrad()', async () => {
    const w = ones([3]).requiresGrad_() as Tensor;
    w.mul(2).sum().backward();
    w.mul(broken()).sum().backward();
    w.mul(2).sum().backward();
    await isFault(w.grad!.data(), /^indexSelect: /);
    expect([...w.dataSync()]).toEqual([1, 1, 1]);
    w.grad = null;
    w.mul(2).sum().backward();
    expect([...w.grad!.dataSync()]).toEqual([2, 2, 2]);
  });

  test('parameters changed by hand keep their values', async () => {
    const w = ones([3]).requiresGrad_() as Tensor;
    noGrad(() => w.sub_(broken()));
    expect([...(await w.data())]).toEqual([1, 1, 1]);
    await expect(synchronize()).rejects.toThrow(IndexError);
    await synchronize();
  });

  test('memory that is used again carries nothing', async () => {
    for (let i = 0; i < 50; i++) {
      const x = broken();
      x.dispose();
      const y = tensor([1, 2, i]) as Tensor; // memory that was allocated first and filled then
      expect([...(await y.data())]).toEqual([1, 2, i]);
      y.dispose();
      expect([...(await zeros([3]).data())]).toEqual([0, 0, 0]);
    }
    await synchronize().catch(() => undefined);
    for (let i = 0; i < 60; i++) await synchronize().catch(() => undefined);
  });

  test('clipping, averages and a GradScaler leave their own as they are', async () => {
    const made = make('SGD');
    const average = new optim.AveragedModel(make('SGD').model);
    const scaler = new amp.GradScaler({ initScale: 4, growthInterval: 1 });
    const twin = make('SGD');
    const twinScaler = new amp.GradScaler({ initScale: 4, growthInterval: 1 });
    const scaled = ({ model, params, optimizer }: Made, s: amp.GradScaler, target: Tensor, x: Tensor) => {
      optimizer.zeroGrad();
      const loss = F.crossEntropy(model.forward(x) as Tensor, target) as Tensor;
      s.scale(loss).backward();
      s.unscale_(optimizer);
      optim.clipGradNorm_(params, 0.5);
      s.step(optimizer);
      s.update();
      return loss;
    };
    const x = randn([4, 5]) as Tensor;
    scaled(made, scaler, good, x);
    scaled(twin, twinScaler, good, x);
    average.updateParameters(made.model);
    const was = values(made.params);
    const loss = scaled(made, scaler, bad, x);
    average.updateParameters(made.model);
    expect(values(made.params)).toEqual(was);
    expect(scaler.getScale()).toBe(8);
    expect(values(average.parameters() as Tensor[])).toEqual(was);
    await isFault(loss.item() as Promise<unknown>, /^crossEntropy: /);
    expect(scaled(made, scaler, good, x).itemSync()).toBe(scaled(twin, twinScaler, good, x).itemSync());
    expect(scaler.getScale()).toBe(16);
    expect(values(made.params)).toEqual(values(twin.params));
  });
});

test('of two tasks at once only the one that made the fault gets it', async () => {
  for (let round = 0; round < 50; round++) {
    const [faulty, fine, alone] = [make('Adam', 4), make('Adam', 5), make('Adam', 5)];
    const expected: unknown[] = [];
    for (let i = 0; i < 4; i++) expected.push(alone.step(good).itemSync());
    const results: unknown[] = [];
    const errors: unknown[] = [];
    await Promise.all([
      (async () => {
        for (let i = 0; i < 4; i++) {
          const loss = faulty.step(i === 1 ? bad : good);
          await loss.item().catch((error: unknown) => errors.push(error));
        }
      })(),
      (async () => {
        for (let i = 0; i < 4; i++) {
          results.push(await fine.step(good).item());
          await settled();
        }
      })(),
    ]);
    expect(results).toEqual(expected);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(IndexError);
    expect(values(fine.params)).toEqual(values(alone.params));
    expect(values(faulty.params).flat().every(Number.isFinite)).toBe(true);
  }
});

describe('a fault that nobody reads', () => {
  test('is thrown by synchronize(), once', async () => {
    for (let i = 0; i < 20; i++) {
      void make('SGD').step(bad);
      await isFault(synchronize(), /^crossEntropy: /);
      await synchronize();
    }
  });

  test('is thrown by the training that goes on without reading, and by nobody else', async () => {
    const made = make('Adam');
    const other = make('Adam', 9);
    made.step(bad);
    let thrown: unknown;
    let steps = 0;
    for (; steps < 400 && !thrown; steps++) {
      other.step(good); // not in a try: it must never throw
      try {
        made.step(good);
      } catch (error) {
        thrown = error;
      }
      await new Promise(setImmediate);
    }
    expect(thrown).toBeInstanceOf(IndexError);
    expect((thrown as Error).stack).toMatch(/late-faults\.test\.ts/);
    for (let i = 0; i < 40; i++) void [other.step(good), made.step(good)];
    collectGarbage();
    for (let i = 0; i < 40; i++) void [other.step(good), made.step(good)];
    await synchronize();
    expect(values(made.params).flat().every(Number.isFinite)).toBe(true);
  });

  test('is not thrown as long as somebody may still read it', async () => {
    const made = make('SGD');
    const loss = made.step(bad);
    for (let i = 0; i < 100; i++) made.step(good);
    collectGarbage();
    for (let i = 0; i < 300; i++) made.step(good);
    await isFault(loss.item() as Promise<unknown>, /^crossEntropy: /);
    await synchronize();
  });

  test.each([['end', ''], ['exit', 'process.exit(0)']])('is reported when the process ends (%s)', (_, end) => {
    const library = fileURLToPath(new URL('../dist/index.js', import.meta.url));
    const program = `
      import { F, ones, tensor, zeros } from '${library}';
      F.crossEntropy(ones([2, 3]), tensor([0, 3], { dtype: 'int64' })).mul(2);
      await zeros([2]).sum().item();
      ${end}`;
    try {
      execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', stdio: 'pipe' });
      expect.unreachable('it ended with code 0');
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string };
      expect(status).toBe(1);
      expect(stderr).toMatch(/nothing that depends on it was read:\nIndexError: crossEntropy: /);
    }
  });
});
