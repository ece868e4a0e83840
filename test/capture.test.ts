// SPDX-License-Identifier: Apache-2.0
// A captured step against the same step run plainly: every result, gradient, parameter and state bit for bit.
import { describe, expect, test, vi } from 'vitest';
import {
  amp,
  backends,
  type Captured,
  DataLoader,
  F,
  fit,
  type FitOptions,
  getNumThreads,
  manualSeed,
  models,
  nn,
  noGrad,
  ones,
  optim,
  rand,
  randint,
  setNumThreads,
  type StepReport,
  tensor,
  type Tensor,
  TensorDataset,
  zeros,
} from '../lib/index.js';
import { cudaStatus } from '../lib/native/cuda.js';
import { batches, bits, captured, descend, made, make, snapshot, type Step } from './helpers/captured-steps.js';

for (const place of ['cpu', 'cuda'] as const)
  describe.skipIf(place === 'cuda' && !cudaStatus().available)(`networks on ${place}`, () => {
    test.each([
      ['lenet5', 'SGD'],
      ['lenet5', 'Adam'],
      ['mnist-cnn', 'SGD'],
      ['mnist-cnn', 'Adam'],
    ] as const)('%s with %s: dropout, one cycle, clipping, a smaller batch now and then', (network, kind) => {
      backends.cudnn.deterministic = true;
      const sizes = Array.from({ length: 24 }, (_, i) => (i % 6 === 5 ? 5 : 8));
      const data = batches(sizes).map((pair) => pair.map((t) => t.to({ device: place })) as [Tensor, Tensor]);
      const plain = make(network, kind, sizes.length, place);
      const plainLosses = data.map(([x, y]) => bits(plain.step(x, y)));
      const expected = snapshot(plain, place);

      const replayed = make(network, kind, sizes.length, place);
      const step = captured(replayed.step);
      const losses = data.map(([x, y]) => step(x, y)); // kept: no replay may overwrite another's result
      expect(losses.map(bits)).toEqual(plainLosses);
      expect(snapshot(replayed, place)).toEqual(expected);
      expect(step.counts).toEqual({ plain: 2, recorded: 2, replayed: 20 });
    });
  });

describe('equal to the plain step', () => {
  test('gradients are there after each replay, and can be looked at, dropped and disposed in between', () => {
    const run = (wrap: (step: Step) => Step) => {
      const { model, step } = make('lenet5', 'SGD', 8);
      const run = wrap(step);
      return batches([4, 4, 4, 4, 4, 4]).map(([x, y], i) => {
        run(x, y);
        const seen = model.parameters().map((p) => bits(p.grad as Tensor));
        if (i % 2) model.zeroGrad();
        return seen;
      });
    };
    expect(run(captured)).toEqual(run((step) => step));
  });

  test('gradients that are summed over steps, and dropped outside of them', () => {
    const run = (wrap: (step: Step) => Step) => {
      manualSeed(1);
      const model = models.lenet5();
      const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
      const accumulate = wrap((x, y) => {
        const loss = F.crossEntropy(model.forward(x), y);
        loss.backward();
        return loss;
      });
      const data = batches([4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
      const losses = data.map(([x, y], i) => {
        const loss = accumulate(x, y);
        if (i % 4 === 3) {
          optimizer.step();
          optimizer.zeroGrad();
        }
        return bits(loss);
      });
      return [losses, model.parameters().map((p) => bits(p as Tensor))];
    };
    const step = { counts: { plain: 0, recorded: 0, replayed: 0 } };
    const replayed = run((fn) => Object.assign(step, captured(fn)) && (made.at(-1) as unknown as Step));
    expect(replayed).toEqual(run((fn) => fn));
    expect((made.at(-1) as Captured<never[], unknown>).counts.replayed).toBeGreaterThan(6);
  });

  test('several updates and schedules in one step, at rates of their own', () => {
    const run = (wrap: (step: (x: Tensor) => Tensor) => (x: Tensor) => Tensor) => {
      manualSeed(2);
      const layer = new nn.Linear(3, 2);
      const optimizer = new optim.SGD(layer.parameters(), { lr: 0.1, momentum: 0.5 });
      const scheduler = new optim.ExponentialLR(optimizer as optim.Optimizer, 0.9);
      const step = wrap((x) => {
        scheduler.step();
        for (let i = 0; i < 3; i++) {
          optimizer.zeroGrad();
          layer.forward(x).square().sum().backward();
          optimizer.step();
          scheduler.step();
        }
        return layer.weight.sum();
      });
      manualSeed(3);
      return Array.from({ length: 6 }, () => bits(step(rand([4, 3]))));
    };
    expect(run(captured)).toEqual(run((step) => step));
  });

  test.each(['Adam', 'AdamW', 'NAdam', 'RAdam', 'Adamax', 'Adagrad', 'Adadelta', 'RMSprop', 'Rprop', 'ASGD', 'SGD', 'Adafactor', 'Muon'] as const)(
    '%s, with schedules made of schedules and averaged parameters',
    (kind) => {
      const run = (wrap: (step: (x: Tensor) => Tensor) => (x: Tensor) => Tensor) => {
        manualSeed(9);
        const [layer, mean, moving] = [0, 1, 2].map(() => new nn.Linear(3, 2)) as [nn.Linear, nn.Linear, nn.Linear];
        const learned = layer.parameters().filter((p) => kind !== 'Muon' || p.ndim === 2);
        const optimizer = new optim[kind](learned, { lr: 0.05 }) as optim.Optimizer;
        const schedule = new optim.SequentialLR(
          optimizer,
          [
            new optim.LinearLR(optimizer, { totalIters: 3 }),
            new optim.ChainedScheduler([new optim.ExponentialLR(optimizer, 0.9), new optim.StepLR(optimizer, 2)]),
          ],
          [4],
        );
        const swa = new optim.AveragedModel(mean);
        const ema = new optim.AveragedModel(moving, { multiAvgFn: optim.getEmaMultiAvgFn(0.9) });
        const step = wrap((x) => {
          optimizer.zeroGrad();
          const loss = layer.forward(x).square().sum();
          loss.backward();
          optimizer.step();
          schedule.step();
          swa.updateParameters(layer);
          ema.updateParameters(layer);
          return loss;
        });
        manualSeed(3);
        const losses = Array.from({ length: 10 }, () => bits(step(rand([4, 3]))));
        return [losses, ...[layer, swa, ema].map((m) => Object.values(m.stateDict()).map(bits)), schedule.stateDict()];
      };
      expect(run(captured)).toEqual(run((step) => step));
      expect((made.at(-1) as Captured<never[], unknown>).counts.replayed).toBe(8);
    },
  );

  test('options and loaded states of an optimizer of many operations are followed by a new recording', () => {
    const run = (wrap: (step: (x: Tensor) => Tensor) => (x: Tensor) => Tensor) => {
      manualSeed(7);
      const layer = new nn.Linear(3, 2);
      const optimizer = new optim.Adafactor(layer.parameters(), { lr: 0.1 });
      const step = wrap(descend(layer, optimizer));
      const train = (n: number) => Array.from({ length: n }, () => bits(step(rand([4, 3]))));
      const losses = train(4);
      const saved = structuredCloneState(optimizer.stateDict());
      optimizer.paramGroups[0]!.weightDecay = 0.2;
      losses.push(...train(4));
      optimizer.loadStateDict(saved);
      optimizer.paramGroups[0]!.lr = 0.02;
      losses.push(...train(4));
      return losses;
    };
    expect(run(captured)).toEqual(run((step) => step));
    expect((made.at(-1) as Captured<never[], unknown>).counts.replayed).toBeGreaterThan(4);
  });

  test('another number of threads between replays', () => {
    const before = getNumThreads();
    const run = (wrap: (step: Step) => Step) => {
      const { model, step } = make('lenet5', 'SGD', 8);
      const run = wrap(step);
      const losses = batches([16, 16, 16, 16, 16, 16]).map(([x, y], i) => {
        setNumThreads(1 + (i % 2));
        return bits(run(x, y));
      });
      return [losses, model.parameters().map((p) => bits(p as Tensor))];
    };
    expect(run(captured)).toEqual(run((step) => step));
    setNumThreads(before);
  });

  test('an optimizer of one\'s own, of operations that cannot be compared, is given up with a warning', () => {
    class Descent extends optim.Optimizer {
      protected override checkOptions(): void {}
      override stateNames() {
        return [];
      }
      protected override update(group: optim.ParamGroup, { params, grads }: { params: Tensor[]; grads: Tensor[] }): void {
        noGrad(() => params.forEach((p, i) => p.sub_(grads[i]!.mul(group.lr).flatten().reshape(p.shape))));
      }
    }
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const run = (wrap: (step: (x: Tensor) => Tensor) => (x: Tensor) => Tensor) => {
      manualSeed(12);
      const layer = new nn.Linear(3, 2);
      const optimizer = new Descent(layer.parameters(), { lr: 0.1 });
      const step = wrap(descend(layer, optimizer));
      return Array.from({ length: 16 }, () => bits(step(rand([4, 3]))));
    };
    expect(run(captured)).toEqual(run((step) => step));
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });

  test('what is changed by hand between replays is followed: rates, options, values, loaded states', () => {
    const run = (wrap: (step: Step) => Step) => {
      const { model, optimizer, step } = make('lenet5', 'Adam', 40);
      const run = wrap(step);
      const data = batches(new Array<number>(12).fill(4));
      data.slice(0, 4).forEach(([x, y]) => run(x, y));
      const saved = structuredCloneState(optimizer.stateDict());
      data.slice(4, 6).forEach(([x, y]) => run(x, y));
      optimizer.paramGroups[0]!.lr = 0.5;
      Object.assign(optimizer.paramGroups[0]!, { weightDecay: 0.3 });
      run(...data[6]!);
      optimizer.loadStateDict(saved);
      data.slice(7, 9).forEach(([x, y]) => run(x, y));
      model.loadStateDict(Object.fromEntries(Object.entries(model.stateDict()).map(([k, t]) => [k, t.mul(0.5)])));
      return [...data.slice(9).map(([x, y]) => bits(run(x, y))), ...model.parameters().map((p) => bits(p as Tensor))];
    };
    expect(run(captured)).toEqual(run((step) => step));
  });

  test('modes, frozen parameters and gradient modes make recordings of their own', () => {
    const run = (wrap: (step: Step) => Step) => {
      manualSeed(4);
      const model = models.mnistCnn();
      const step = wrap((x, y) => {
        model.zeroGrad();
        const loss = F.crossEntropy(model.forward(x), y);
        if (loss.requiresGrad) loss.backward();
        return loss;
      });
      const data = batches(new Array<number>(20).fill(2));
      return data.map(([x, y], i) => {
        model.train(i % 3 !== 2);
        if (i === 14) model.features.requiresGrad_(false);
        const loss = i % 5 === 4 ? noGrad(() => step(x, y)) : step(x, y);
        return [bits(loss), ...model.parameters().map((p) => p.grad && bits(p.grad as Tensor))];
      });
    };
    expect(run(captured)).toEqual(run((step) => step));
  });

  test.each([false, true])('mixed precision (around the step: %s), with the rounding and scale of each step', (around) => {
    const run = (wrap: (step: Step) => Step) => {
      manualSeed(8);
      const model = models.lenet5();
      const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
      const scaler = new amp.GradScaler({ initScale: 64, growthInterval: 6 });
      const forward = (x: Tensor, y: Tensor) => F.crossEntropy(model.forward(x), y);
      const step = wrap((x, y) => {
        optimizer.zeroGrad();
        const loss = around ? forward(x, y) : amp.autocast('bfloat16', () => forward(x, y));
        scaler.scale(loss).backward();
        return loss;
      });
      const data = batches(new Array<number>(16).fill(4));
      const losses = data.map(([x, y]) => {
        const loss = around ? amp.autocast('bfloat16', () => step(x, y)) : step(x, y);
        scaler.step(optimizer);
        scaler.update();
        return bits(loss);
      });
      return [losses, model.parameters().map((p) => bits(p as Tensor))];
    };
    expect(run(captured)).toEqual(run((step) => step));
    expect((made.at(-1) as Captured<never[], unknown>).counts.replayed).toBeGreaterThan(8);
  });

  test('half forms of parameters that autocast() keeps around a step are not taken into it', () => {
    const layer = new nn.Linear(4, 4);
    const step = captured((x: Tensor) => layer.forward(x));
    for (let i = 0; i < 5; i++) {
      noGrad(() => layer.weight.mul_(1.1));
      const x = rand([2, 4]);
      const [plain, replayed] = amp.autocast('bfloat16', () => [layer.forward(x), step(x)]);
      expect(bits(replayed!)).toBe(bits(plain!));
    }
    expect(step.counts.replayed).toBe(3);
  });

  test('arguments: the same tensor twice, views, arrays, plain values; results in any structure', () => {
    const fn = (x: Tensor, pair: Tensor[], factor: number) => {
      const sum = x.add(pair[0]!).mul(factor);
      return { sum, parts: [sum.select(0, 1), sum.t()], x, nothing: null };
    };
    const step = captured(fn);
    const big = rand([6, 4]);
    for (let i = 0; i < 12; i++) {
      const a = i % 2 ? big.narrow(0, i % 4, 2) : rand([2, 4]);
      const b = i % 3 ? rand([2, 4]) : a;
      const factor = i % 4 ? 2 : 3;
      const [want, got] = [fn(a, [b], factor), step(a, [b], factor)];
      expect(bits(got.sum)).toEqual(bits(want.sum));
      expect(got.parts.map(bits)).toEqual(want.parts.map(bits));
      expect(got.parts[1]!.shape).toEqual([4, 2]);
      expect(got.x).toBe(a);
      expect(got.nothing).toBeNull();
    }
    expect(step.counts.replayed).toBeGreaterThan(0);
  });

  test('changes in place reach the arguments and tensors from elsewhere', () => {
    const total = zeros([3]);
    const step = captured((x: Tensor) => {
      total.add_(x);
      x.mul_(2);
    });
    for (let i = 1; i <= 5; i++) {
      const x = ones([3]);
      step(x);
      expect([...x.dataSync()]).toEqual([2, 2, 2]);
      expect([...total.dataSync()]).toEqual([i, i, i]);
    }
    expect(step.counts.replayed).toBe(3);
  });

  test('a replay counts as a change in place for what was computed before it', () => {
    const [state, x] = [ones([2, 3]), ones([3])];
    const step = captured((t: Tensor) => {
      state.select(0, 1).mul_(2);
      t.mul_(2);
    });
    for (let i = 0; i < 4; i++) {
      for (const changed of [state, x]) {
        const w = ones([3], { requiresGrad: true });
        const before = w.mul(changed).sum();
        step(x);
        expect(() => before.backward()).toThrow('changed in place');
      }
    }
    expect(step.counts.replayed).toBe(6);
  });

  test('what the step leaves behind in variables holds the latest replay', () => {
    let kept: Tensor | undefined;
    const step = captured((x: Tensor) => {
      kept = x.mul(3);
      return kept.add(1);
    });
    for (let i = 0; i < 5; i++) {
      const result = step(tensor([i]));
      expect(result.itemSync()).toBe(3 * i + 1);
      expect(kept!.itemSync()).toBe(3 * i);
    }
  });

  test('empty batches and steps without arguments or results', () => {
    const step = captured((x: Tensor) => x.sum());
    for (let i = 0; i < 4; i++) expect(step(zeros([0, 3])).itemSync()).toBe(0);
    const counter = zeros([]);
    const tick = captured(() => void counter.add_(1));
    for (let i = 0; i < 4; i++) tick();
    expect(counter.itemSync()).toBe(4);
    const nothing = captured(() => undefined);
    for (let i = 0; i < 4; i++) nothing();
    expect(nothing.counts.replayed).toBe(2);
  });

  test('a captured step inside another becomes part of it', () => {
    const inner = captured((x: Tensor) => x.mul(2));
    const outer = captured((x: Tensor) => inner(x).add(1));
    for (let i = 0; i < 4; i++) expect(outer(tensor([i])).itemSync()).toBe(2 * i + 1);
    expect(inner.counts).toEqual({ plain: 0, recorded: 0, replayed: 0 });
    expect(outer.counts.replayed).toBe(2);
  });
});

const losses = new Set<string>();
test.each([{}, { amp: 'bfloat16' }, { amp: 'float16' }] as const)('fit(%o) replays steps, with the results of plain ones', async (amp) => {
  const run = async (capture?: boolean) => {
    manualSeed(7);
    const model = models.mnistCnn();
    const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
    const data = new TensorDataset(rand([50, 1, 28, 28]), randint(0, 10, [50]));
    const train = new DataLoader(data, { batchSize: 12, shuffle: true, seed: 1 });
    const scheduler = new optim.OneCycleLR(optimizer as optim.Optimizer, 3e-3, { totalSteps: 4 * train.length });
    const parts = { model, train, validation: new DataLoader(data, { batchSize: 25 }), optimizer, scheduler } as never as FitOptions;
    const steps: StepReport[] = [];
    const reports = await fit({ ...parts, ...amp, epochs: 4, onStep: (s) => void steps.push(s), ...(capture === undefined ? {} : { capture }) });
    return [
      steps.length,
      reports.map(({ trainLoss, accuracy, validationLoss }) => [trainLoss, accuracy, validationLoss]),
      model.parameters().map((p) => bits(p as Tensor)),
    ];
  };
  const replayed = await run();
  expect(replayed).toEqual(await run(false));
  losses.add(JSON.stringify(replayed[1]));
  expect(losses.size).toBe('amp' in amp ? (amp.amp === 'bfloat16' ? 2 : 3) : 1);
});

test('fit() trains plainly what cannot be captured', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const model = new nn.Linear(4, 2);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
  const train = new DataLoader(new TensorDataset(rand([8, 4]), randint(0, 2, [8])), { batchSize: 2 });
  const seen: number[] = [];
  const loss = (scores: Tensor, labels: Tensor) => {
    const value = F.crossEntropy(scores, labels);
    seen.push(value.itemSync() as number);
    return value;
  };
  const [report] = await fit({ model, train, optimizer, loss, epochs: 1 } as never as FitOptions);
  expect(seen).toHaveLength(4);
  expect(report!.trainLoss).toBeCloseTo(seen.reduce((a, b) => a + b) / 4, 5);
  expect(warn).toHaveBeenCalledTimes(1);
  warn.mockRestore();
});

test('fit() trains with float16 plainly where an overflow has to be read back, and leaves its step out', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const model = new nn.Linear(4, 2, { bias: false });
  const optimizer = new optim.Muon(model.parameters());
  const scaler = new amp.GradScaler({ initScale: 2 ** 60, backoffFactor: 2 ** -25 });
  const train = new DataLoader(new TensorDataset(rand([8, 4]), randint(0, 2, [8])), { batchSize: 2 });
  const weights: string[] = [bits(model.weight as Tensor)];
  const onStep = () => void weights.push(bits(model.weight as Tensor));
  await fit({ model, train, optimizer, scaler, amp: 'float16', onStep, epochs: 1 } as never as FitOptions);
  expect(weights.map((now, i) => now === weights[i - 1])).toEqual([false, true, true, false, false]);
  expect(scaler.getScale()).toBe(2 ** 10);
  expect(warn).toHaveBeenCalledTimes(1);
  warn.mockRestore();
});

function structuredCloneState(state: ReturnType<optim.Optimizer['stateDict']>) {
  return {
    state: Object.fromEntries(
      Object.entries(state.state).map(([key, entry]) => [
        key,
        Object.fromEntries(Object.entries(entry).map(([name, t]) => [name, t && (t.clone() as Tensor)])),
      ]),
    ),
    param_groups: structuredClone(state.param_groups),
  };
}
