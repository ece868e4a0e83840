// SPDX-License-Identifier: Apache-2.0
// Schedules against PyTorch's numbers.
import { describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { ArgumentError, StateDictError } from '../lib/native/errors.js';
import { tensor } from '../lib/ops/creation.js';
import * as optim from '../lib/optim/index.js';
import { type Options, fixture, make } from './helpers/optim-fixture.js';

describe('schedules', () => {
  type Schedule = optim.Scheduler & { getLastLr(): number[] };
  const functions: Record<string, (x: number) => number> = { inverse: (x) => 1 / (1 + 0.1 * x) };
  // Options that are positional arguments.
  const positional = ['lrLambda', 'milestones', 'stepSize', 'gamma', 'TMax', 'T0', 'baseLr', 'maxLr', 'swaLr'];
  const leading: Record<string, string[]> = { StepLR: ['stepSize'], MultiStepLR: ['milestones'] };
  const build = (name: string, optimizer: optim.Optimizer, { schedulers, ...options }: Options): Schedule => {
    if (schedulers) {
      const parts = (schedulers as [string, Options][]).map((part) => build(part[0], optimizer, part[1]) as optim.LRScheduler);
      if (name === 'ChainedScheduler') return new optim.ChainedScheduler(parts);
      return new optim.SequentialLR(optimizer, parts, options['milestones'] as number[]);
    }
    const names = leading[name] ?? positional.filter((key) => key in options);
    const value = (key: string) => functions[options[key] as string] ?? options[key];
    const rest = Object.fromEntries(Object.keys(options).filter((key) => !names.includes(key)).map((key) => [key, value(key)]));
    if (name === 'CyclicLR') return new optim.CyclicLR(optimizer, options['baseLr'] as number, options['maxLr'] as number, {
      ...rest, ...('gamma' in options ? { gamma: options['gamma'] as number } : {}),
    });
    const Kind = optim[name as 'StepLR'] as unknown as new (...args: unknown[]) => Schedule;
    return new Kind(optimizer, ...names.map(value), rest);
  };
  const near = (values: number[], expected: number[]) =>
    values.forEach((x, i) => expect(Math.abs(x - expected[i]!), `step ${i}`).toBeLessThanOrEqual(1e-12 * Math.abs(expected[i]!)));

  test.each(fixture.schedules.map((row) => [`${row.scheduler} ${JSON.stringify(row.options)} of ${row.optimizer}`, row] as const))(
    '%s, and from every step on after loading',
    (_, row) => {
      const optimizer = make(row.optimizer, [tensor([0], { requiresGrad: true })], row.optimizerOptions);
      let scheduler = build(row.scheduler, optimizer, row.options);
      const lr: number[] = [];
      const momentum: number[] = [];
      for (let step = 0; step < row.lr.length; step++) {
        const group = optimizer.paramGroups[0]!;
        lr.push(group.lr);
        momentum.push(group.betas ? group.betas[0] : group.momentum!);
        expect(scheduler.getLastLr()).toEqual([group.lr]);
        if (step + 1 === row.lr.length) break;
        // As a checkpoint keeps it.
        const saved = { optimizer: optimizer.stateDict(), scheduler: JSON.parse(JSON.stringify(scheduler.stateDict())) };
        scheduler = build(row.scheduler, optimizer, row.options);
        optimizer.loadStateDict(saved.optimizer);
        scheduler.loadStateDict(saved.scheduler);
        scheduler.step();
      }
      near(lr, row.lr);
      near(momentum, row.momentum);
    },
  );

  const sgd = (lr: number) => new optim.SGD([tensor([0], { requiresGrad: true })], { lr });
  const rates = (scheduler: optim.LRScheduler, steps: number) =>
    Array.from({ length: steps }, () => {
      const [lr] = scheduler.getLastLr();
      scheduler.step();
      return lr!;
    });

  test.each(fixture.plateau.map((row) => [JSON.stringify(row.options), row] as const))('ReduceLROnPlateau %s', (_, { options, lr }) => {
    const optimizer = sgd(0.1);
    let scheduler = new optim.ReduceLROnPlateau(optimizer, options);
    const got = fixture.metrics.map((metric) => {
      const saved = JSON.parse(JSON.stringify(scheduler.stateDict()));
      scheduler = new optim.ReduceLROnPlateau(optimizer);
      scheduler.loadStateDict(saved);
      scheduler.step(metric ?? NaN);
      expect(scheduler.getLastLr()).toEqual([optimizer.paramGroups[0]!.lr]);
      return optimizer.paramGroups[0]!.lr;
    });
    near(got, lr);
  });

  test('one value for each group', () => {
    const two = () => new optim.SGD([0, 1].map(() => ({ params: [tensor([0], { requiresGrad: true })] })), { lr: 1, momentum: 0.5 });
    const optimizer = two();
    const cyclic = new optim.CyclicLR(optimizer, [0.1, 0.2], [0.3, 0.6], { stepSizeUp: 2, baseMomentum: [0.5, 0.6] });
    cyclic.step();
    near(cyclic.getLastLr(), [0.2, 0.4]);
    near(optimizer.paramGroups.map((g) => g.momentum!), [0.7, 0.75]);
    near(new optim.SWALR(two(), [0.1, 0.2], { annealEpochs: 0 }).getLastLr(), [0.1, 0.2]);
    near(new optim.LambdaLR(two(), [(e) => e + 2, (e) => e + 3]).getLastLr(), [2, 3]);
    const plateau = new optim.ReduceLROnPlateau(two(), { patience: 0, minLr: [0.5, 0] });
    plateau.step(1);
    plateau.step(2);
    near(plateau.getLastLr(), [0.5, 0.1]);
  });

  test.each<[string, (o: optim.Optimizer) => unknown, RegExp]>([
    ['functions', (o) => new optim.LambdaLR(o, [Math.abs, Math.abs]), /1 functions, one for each parameter group, got 2/],
    ['no function', (o) => new optim.MultiplicativeLR(o, 0.5 as never), /must be a function/],
    ['factor', (o) => new optim.ConstantLR(o, { factor: 2 }), /factor must be a number in \[0, 1\]/],
    ['startFactor', (o) => new optim.LinearLR(o, { startFactor: 0 }), /above 0/],
    ['totalIters', (o) => new optim.PolynomialLR(o, { totalIters: 0 }), /totalIters/],
    ['T0', (o) => new optim.CosineAnnealingWarmRestarts(o, 0.5), /T0 must be an integer/],
    ['mode', (o) => new optim.CyclicLR(o, 0.1, 1, { mode: 'square' as never }), /mode must be 'triangular'/],
    ['milestones', (o) => new optim.SequentialLR(o, [new optim.ConstantLR(o)], [1]), /1 schedules need 0 milestones/],
    ['order', (o) => new optim.SequentialLR(o, [1, 2, 3].map(() => new optim.ConstantLR(o)), [5, 2]), /go up/],
    ['owner', (o) => new optim.SequentialLR(sgd(1), [new optim.ConstantLR(o)], []), /another optimizer/],
    ['plateau', (o) => new optim.ChainedScheduler([new optim.ReduceLROnPlateau(o) as never]), /takes arguments/],
    ['none', () => new optim.ChainedScheduler([]), /no schedules/],
    ['plateau factor', (o) => new optim.ReduceLROnPlateau(o, { factor: 1 }), /factor/],
    ['metric', (o) => new optim.ReduceLROnPlateau(o).step('low' as never), /metric must be a number/],
    ['annealStrategy', (o) => new optim.SWALR(o, 1, { annealStrategy: 'fast' as never }), /annealStrategy/],
  ])('bad arguments: %s', (_, fn, message) => {
    expect(() => fn(sgd(1))).toThrow(ArgumentError);
    expect(() => fn(sgd(1))).toThrow(message);
  });

  test('states of composed schedules that do not fit change nothing', () => {
    const optimizer = sgd(1);
    const make = (n: number) => new optim.ChainedScheduler(Array.from({ length: n }, () => new optim.ExponentialLR(optimizer, 0.5)));
    const chained = make(2);
    const before = chained.stateDict();
    expect(() => chained.loadStateDict(make(3).stateDict())).toThrow(/it has 2 schedules, the state 3/);
    expect(() => chained.loadStateDict({ ...before, _schedulers: [{}, {}] })).toThrow(StateDictError);
    expect(() => new optim.ReduceLROnPlateau(optimizer).loadStateDict({})).toThrow(StateDictError);
    expect(chained.stateDict()).toEqual(before);
  });

  test('MultiStepLR, ExponentialLR, LambdaLR', () => {
    expect(rates(new optim.MultiStepLR(sgd(1), [4, 2, 2], { gamma: 0.5 }), 6)).toEqual([1, 1, 0.25, 0.25, 0.125, 0.125]);
    expect(rates(new optim.ExponentialLR(sgd(1), 0.5), 4)).toEqual([1, 0.5, 0.25, 0.125]);
    expect(rates(new optim.LambdaLR(sgd(8), (epoch) => 1 / (1 + epoch)), 4)).toEqual([8, 4, 8 / 3, 2]);
  });

  test('two schedules combine', () => {
    const optimizer = sgd(1);
    const both = [new optim.StepLR(optimizer, 2, { gamma: 0.1 }), new optim.ExponentialLR(optimizer, 0.5)];
    for (let step = 0; step < 2; step++) for (const s of both) s.step();
    expect(optimizer.paramGroups[0]!.lr).toBeCloseTo(0.025, 12);
  });

  test('lastEpoch goes on with groups that have an initialLr', () => {
    const optimizer = sgd(0.5);
    expect(() => new optim.StepLR(optimizer, 2, { lastEpoch: 3 })).toThrow(/initialLr/);
    optimizer.paramGroups[0]!.initialLr = 1;
    expect(rates(new optim.StepLR(optimizer, 2, { gamma: 0.5, lastEpoch: 2 }), 2)).toEqual([0.5, 0.25]);
  });

  test('bad arguments, the end of a cycle, states that do not fit', () => {
    expect(() => new optim.StepLR(sgd(1), 0)).toThrow(ArgumentError);
    expect(() => new optim.OneCycleLR(sgd(1), 1, {})).toThrow(/totalSteps/);
    expect(() => new optim.OneCycleLR(sgd(1), [1, 2], { totalSteps: 3 })).toThrow(/1 values of maxLr/);
    const cycle = new optim.OneCycleLR(sgd(1), 1, { totalSteps: 2 });
    cycle.step();
    cycle.step();
    expect(() => cycle.step()).toThrow(/over/);
    expect(() => cycle.loadStateDict({})).toThrow(StateDictError);
    expect(() => cycle.loadStateDict(new optim.StepLR(sgd(1), 3).stateDict())).toThrow(/total_steps/);
    expect(cycle.lastEpoch).toBe(2);
    expect(rates(new optim.OneCycleLR(sgd(1), 1, { totalSteps: 10, pctStart: 0.1 }), 1)).toEqual([1]);
  });
});
