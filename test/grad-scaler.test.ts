// SPDX-License-Identifier: Apache-2.0
// GradScaler: its factors and steps against PyTorch's, what a step that is left out leaves alone, and captured steps.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  amp, ArgumentError, CaptureError, F, LenodeError, manualSeed, nn, optim, rand, randint, tensor, type Tensor,
} from '../lib/index.js';
import { parameter } from './fixtures/generator.js';
import { bits, captured } from './helpers/captured-steps.js';
import { expectClose, make, type OptimizerName, type Options } from './helpers/optim-fixture.js';

interface Fixture {
  options: Record<'init_scale' | 'growth_factor' | 'backoff_factor' | 'growth_interval', number>;
  rate: number;
  shapes: number[][];
  overflows: Record<string, 'inf' | 'nan'>;
  trajectories: {
    optimizer: OptimizerName;
    options: Options & { lr: number };
    scales: number[];
    trackers: number[];
    steps: number[][][];
    state: Record<string, number[]>[];
  }[];
}
const fixture = JSON.parse(readFileSync(new URL('fixtures/scaler.json', import.meta.url), 'utf8')) as Fixture;
const scaling = {
  initScale: fixture.options.init_scale,
  growthFactor: fixture.options.growth_factor,
  backoffFactor: fixture.options.backoff_factor,
  growthInterval: fixture.options.growth_interval,
};
type AnyOptimizer = Parameters<amp.GradScaler['step']>[0];

const drawn = (seed: number, shape: number[]) => parameter(seed, shape.reduce((n, size) => n * size, 1), 1);
const leaves = (shapes: number[][]): Tensor[] => shapes.map((shape, i) => tensor(drawn(i, shape), { shape, requiresGrad: true }));
const list = (t: Tensor): number[] => [...t.to('float64').dataSync()] as number[];
/** All that steps change, bit by bit. */
const everything = (params: readonly Tensor[], { state }: optim.Optimizer) =>
  params.map((p) => [bits(p), Object.entries(state.get(p) ?? {}).map(([name, t]) => [name, bits(t)])]);
const variants = fixture.trajectories.map((row) => [`${row.optimizer} ${JSON.stringify(row.options)}`, row] as const);

test.each(variants)('%s: factors, parameters and states are those of PyTorch', (_, { optimizer: name, options, scales, trackers, steps, state }) => {
  const shapes = fixture.shapes.slice(0, steps[0]!.length);
  const params = leaves(shapes);
  const optimizer = make(name, params, options) as AnyOptimizer;
  const scaler = new amp.GradScaler(scaling);
  steps.forEach((expected, step) => {
    optimizer.paramGroups[0]!.lr = options.lr * fixture.rate ** step;
    optimizer.zeroGrad();
    const factors = shapes.map((shape, i) => {
      const values = drawn(100 * (step + 1) + i, shape);
      const bad = fixture.overflows[step];
      if (bad && i === shapes.length - 1) values[1] = bad === 'inf' ? Infinity : NaN;
      return tensor(values, { shape });
    });
    scaler.scale(params.map((p, i) => p.mul(factors[i]!).sum()).reduce((a, b) => a.add(b))).backward();
    if (step % 2) {
      scaler.unscale_(optimizer);
      optim.clipGradNorm_(params, 1.5);
    }
    scaler.step(optimizer);
    scaler.update();
    expect(scaler.stateDict()).toEqual({ ...fixtureState, scale: scales[step], _growth_tracker: trackers[step] });
    // Muon's iteration is computed in bfloat16, whose roundings differ from one library to the other.
    params.forEach((p, i) => expectClose(p, expected[i]!, name === 'Muon' ? 4e-3 : 4e-6));
  });
  const saved = optimizer.stateDict().state;
  state.forEach((expected, i) => {
    expect(Object.keys(saved[i] ?? {}).sort()).toEqual(Object.keys(expected).sort());
    for (const [key, values] of Object.entries(expected)) expectClose(saved[i]![key] as Tensor, values, 1e-5);
  });
});
const { init_scale: _, ...fixtureState } = fixture.options;

describe('a step that is left out', () => {
  test.each(variants)('%s: parameters, states and counts are left alone', (_name, { optimizer: name, options, steps }) => {
    const params = leaves(fixture.shapes.slice(0, steps[0]!.length));
    const optimizer = make(name, params, options) as AnyOptimizer;
    const scaler = new amp.GradScaler({ initScale: 16 });
    const step = (factor: number) => {
      optimizer.zeroGrad();
      scaler.scale(params.map((p) => p.square().sum()).reduce((a, b) => a.add(b)).mul(factor)).backward();
      scaler.step(optimizer);
      scaler.update();
    };
    step(1);
    const before = everything(params, optimizer);
    for (const bad of [Infinity, NaN, -Infinity]) step(bad);
    expect(everything(params, optimizer)).toEqual(before);
    expect(scaler.getScale()).toBe(2);
    step(1);
    everything(params, optimizer).forEach((now, i) => expect(now).not.toEqual(before[i]));
    expect(scaler.getScale()).toBe(2);
  });

  test('lists of several types, and parameters without gradients', () => {
    const dtypes = ['float64', 'float32', 'float16', 'bfloat16'] as const;
    for (const overflowing of [...dtypes, null]) {
      const params = [...dtypes, 'float32' as const].map((dtype) => tensor([1, 2], { dtype, requiresGrad: true }) as Tensor);
      const optimizer = new optim.Adam(params, { lr: 0.5 });
      const scaler = new amp.GradScaler({ initScale: 4 });
      dtypes.forEach((dtype, i) => (params[i]!.grad = tensor([8, dtype === overflowing ? Infinity : -4], { dtype })));
      scaler.unscale_(optimizer);
      expect(params.map((p) => p.grad && list(p.grad as Tensor))).toEqual([
        ...dtypes.map((dtype) => [2, dtype === overflowing ? Infinity : -1]),
        null,
      ]);
      scaler.step(optimizer);
      scaler.update();
      const moved = overflowing === null;
      params.forEach((p, i) => expect(list(p)[0] !== 1).toBe(moved && i < dtypes.length));
      expect(params.slice(0, 4).map((p) => optimizer.state.get(p)!['step']!.itemSync())).toEqual(dtypes.map(() => (moved ? 1 : 0)));
      expect(optimizer.state.has(params[4]!)).toBe(false);
      expect(scaler.getScale()).toBe(moved ? 4 : 2);
    }
  });

  test('float64 gradients keep their precision', () => {
    const p = tensor([0.1], { dtype: 'float64', requiresGrad: true }) as Tensor;
    const scaler = new amp.GradScaler({ initScale: 3 });
    scaler.scale(p.square().sum()).backward();
    scaler.unscale_(new optim.SGD([p]) as AnyOptimizer);
    expect(p.grad!.itemSync()).toBeCloseTo(0.2, 15);
  });

  test('each optimizer for itself; the factor shrinks if one of them overflowed', () => {
    for (const bad of [[true, false], [false, true], [false, false], [true, true]]) {
      const params = [0, 1].map(() => tensor([1, 2], { requiresGrad: true }) as Tensor);
      const optimizers = params.map((p) => new optim.SGD([p], { lr: 0.5 }) as AnyOptimizer);
      const scaler = new amp.GradScaler({ initScale: 8, growthInterval: 1 });
      params.forEach((p, i) => scaler.scale(p.mul(bad[i] ? NaN : 2).sum()).backward());
      for (const optimizer of optimizers) scaler.step(optimizer);
      scaler.update();
      expect(params.map(list)).toEqual(bad.map((left) => (left ? [1, 2] : [0, 1])));
      expect(scaler.getScale()).toBe(bad.includes(true) ? 4 : 16);
    }
  });

  test('what JavaScript has a part in is not called at all', () => {
    const calls: string[] = [];
    class Own extends optim.SGD {
      override step(): never {
        calls.push('step');
        return super.step() as never;
      }
    }
    class Other extends optim.Adam {
      protected override update(...args: Parameters<optim.Adam['update']>): void {
        calls.push('update');
        super.update(...args);
      }
    }
    for (const Kind of [Own, Other]) {
      const p = tensor([1], { requiresGrad: true }) as Tensor;
      const optimizer = new Kind([p], { lr: 0.5 }) as AnyOptimizer;
      const scaler = new amp.GradScaler();
      for (const bad of [true, false]) {
        optimizer.zeroGrad();
        scaler.scale(p.mul(bad ? Infinity : 1).sum()).backward();
        scaler.step(optimizer);
        scaler.update();
        expect(list(p)[0]).toBeCloseTo(bad ? 1 : 0.5);
      }
    }
    expect(calls).toEqual(['step', 'update']);
  });
});

describe('the factor', () => {
  test('grows after enough good steps in a row, but never to infinity', async () => {
    const p = tensor([1], { requiresGrad: true }) as Tensor;
    const optimizer = new optim.SGD([p]) as AnyOptimizer;
    const scaler = new amp.GradScaler({ initScale: 2 ** 126, growthFactor: 2, growthInterval: 2 });
    const scales = [];
    for (let i = 0; i < 6; i++) {
      p.grad = tensor([0]);
      scaler.step(optimizer);
      scaler.update();
      scales.push(await scaler.getScaleAsync());
    }
    expect(scales).toEqual([126, 127, 127, 127, 127, 127].map((n) => 2 ** n));
  });

  test('losses of half types are scaled in float32, of float64 in float64', () => {
    const scaler = new amp.GradScaler();
    for (const dtype of ['float16', 'bfloat16', 'float32', 'float64'] as const) {
      const scaled = scaler.scale(tensor([1.5, 2], { dtype }));
      expect([scaled.dtype, list(scaled)]).toEqual([dtype === 'float64' ? dtype : 'float32', [98304, 131072]]);
    }
  });

  test('can be set, saved and loaded, before the first loss and after', () => {
    const p = tensor([1], { requiresGrad: true }) as Tensor;
    const optimizer = new optim.SGD([p]) as AnyOptimizer;
    // As PyTorch's state_dict() has it.
    const saved = { scale: 12, growth_factor: 3, backoff_factor: 0.25, growth_interval: 5, _growth_tracker: 4 };
    for (const used of [false, true]) {
      const scaler = new amp.GradScaler();
      if (used) scaler.scale(p.sum());
      scaler.update(4);
      expect(scaler.getScale()).toBe(4);
      scaler.loadStateDict(saved);
      expect(scaler.stateDict()).toEqual(saved);
      expect(() => scaler.loadStateDict({ ...saved, scale: 0 })).toThrow(ArgumentError);
      expect(() => scaler.loadStateDict({ ...saved, scale: 1e39 })).toThrow(ArgumentError);
      expect(() => scaler.loadStateDict({ ...saved, growth_interval: 0 })).toThrow(ArgumentError);
      expect(() => scaler.loadStateDict({ ...saved, _growth_tracker: -1 })).toThrow(ArgumentError);
      expect(() => scaler.loadStateDict({} as amp.GradScalerState)).toThrow(ArgumentError);
      expect(scaler.stateDict()).toEqual(saved);
      optimizer.zeroGrad();
      scaler.scale(p.sum()).backward();
      expect(list(p.grad as Tensor)).toEqual([12]);
      scaler.step(optimizer);
      scaler.update();
      expect(scaler.stateDict()).toEqual({ ...saved, scale: 36, _growth_tracker: 0 });
    }
  });

  test('misuse', () => {
    const p = tensor([1, 2], { requiresGrad: true }) as Tensor;
    const optimizer = new optim.SGD([p]) as AnyOptimizer;
    const scaler = new amp.GradScaler();
    expect(() => scaler.update()).toThrow(LenodeError);
    p.sum().backward();
    scaler.unscale_(optimizer);
    expect(() => scaler.unscale_(optimizer)).toThrow(/unscaled already/);
    scaler.step(optimizer);
    expect(() => scaler.step(optimizer)).toThrow(/called already/);
    expect(() => scaler.unscale_(optimizer)).toThrow(/unscaled already/);
    expect(() => scaler.update(-1)).toThrow(ArgumentError);
    scaler.update();
    expect(() => scaler.update()).toThrow(/no step/);
    for (const options of [{ initScale: -1 }, { initScale: 1e39 }, { growthFactor: 1 }, { backoffFactor: 1 }, { growthInterval: 0 }])
      expect(() => new amp.GradScaler(options)).toThrow(ArgumentError);
  });

  test('is 1 if it is switched off, and no step is left out', async () => {
    const p = tensor([1, 2], { requiresGrad: true }) as Tensor;
    const optimizer = new optim.SGD([p], { lr: 1 }) as AnyOptimizer;
    const off = new amp.GradScaler({ enabled: false });
    expect([off.getScale(), await off.getScaleAsync()]).toEqual([1, 1]);
    expect(off.scale(p)).toBe(p);
    p.grad = tensor([Infinity, 1]);
    off.unscale_(optimizer);
    off.step(optimizer);
    off.update();
    expect(list(p)).toEqual([-Infinity, 1]);
    expect(off.stateDict()).toEqual({});
  });
});

describe('captured', () => {
  type Wrap = <A extends unknown[], R>(step: (...args: A) => R) => (...args: A) => R;
  // A replay must do to the parameters, the states and the factor what the plain step does.
  const same = (run: (wrap: Wrap) => unknown, replayed: number) => {
    const plain = run((step) => step);
    let counts: { replayed: number } = { replayed: 0 };
    expect(run((step) => { const made = captured(step); counts = made.counts; return made; })).toEqual(plain);
    expect(counts.replayed).toBe(replayed);
  };
  const network = () => {
    manualSeed(5);
    return new nn.Sequential(new nn.Linear(6, 8), new nn.Tanh(), new nn.Dropout(0.3), new nn.Linear(8, 3));
  };
  const STEPS = 14;
  /** Batches; some make gradients that overflow. */
  const data = (bad: number[]): [Tensor, Tensor][] => {
    manualSeed(6);
    return Array.from({ length: STEPS }, (_, i) => [bad.includes(i) ? rand([4, 6]).mul(1e38) : rand([4, 6]), randint(3, [4])]);
  };

  test.each(['SGD', 'SGD with dampening', 'Adam', 'AdamW', 'RMSprop', 'ASGD'] as const)(
    '%s: overflows first and in the middle, growth, clipping and a one-cycle schedule',
    (kind) => {
      const bad = kind === 'SGD with dampening' ? [6, 7] : [0, 6, 7];
      same((wrap) => {
        const model = network();
        const params = model.parameters() as Tensor[];
        const optimizer = (kind === 'Adam' ? new optim.Adam(params, { lr: 0.01 })
          : kind === 'AdamW' ? new optim.AdamW(params, { lr: 0.01, amsgrad: true })
          : kind === 'RMSprop' ? new optim.RMSprop(params, { lr: 0.01, centered: true, momentum: 0.5 })
          : kind === 'ASGD' ? new optim.ASGD(params, { lr: 0.01 })
          : new optim.SGD(params, { lr: 0.01, momentum: 0.9, dampening: kind === 'SGD' ? 0 : 0.2 })) as AnyOptimizer;
        const cycled = kind !== 'ASGD' && kind !== 'SGD with dampening';
        const scheduler = new optim.OneCycleLR(optimizer, 0.05, { totalSteps: STEPS + 1, cycleMomentum: cycled });
        const scaler = new amp.GradScaler({ initScale: 64, growthInterval: 3 });
        const batches = data(bad);
        const body = (x: Tensor, y: Tensor) => {
          optimizer.zeroGrad();
          const loss = amp.autocast('float16', () => F.crossEntropy(model.forward(x), y));
          scaler.scale(loss).backward();
          scaler.unscale_(optimizer);
          optim.clipGradNorm_(params, 0.5);
          scaler.step(optimizer);
          scaler.update();
          scheduler.step();
          return loss;
        };
        // Whether a first step with dampening has begun must be known to JavaScript.
        if (kind === 'SGD with dampening') body(...batches[0]!);
        const step = wrap(body);
        let left = 0;
        const results = batches.map(([x, y], i) => {
          const before = params.map(bits);
          const loss = bits(step(x, y));
          const untouched = JSON.stringify(params.map(bits)) === JSON.stringify(before);
          expect(untouched).toBe(bad.includes(i));
          if (untouched) left++;
          return [loss, scaler.stateDict()];
        });
        expect(left).toBe(bad.length);
        return [results, everything(params, optimizer as optim.Optimizer), params.map((p) => bits(p.grad as Tensor))];
      }, STEPS - 2);
    },
  );

  test('loaded states and other options are followed', () => {
    same((wrap) => {
      const model = network();
      const optimizer = new optim.SGD(model.parameters() as Tensor[], { lr: 0.1, momentum: 0.9 }) as AnyOptimizer;
      const scaler = new amp.GradScaler({ initScale: 16 });
      const step = wrap((x: Tensor, y: Tensor) => {
        optimizer.zeroGrad();
        scaler.scale(F.crossEntropy(model.forward(x), y)).backward();
        scaler.step(optimizer);
        scaler.update();
      });
      return data([3, 9]).map(([x, y], i) => {
        if (i === 5) scaler.loadStateDict({ scale: 3, growth_factor: 5, backoff_factor: 0.1, growth_interval: 2, _growth_tracker: 1 });
        if (i === 8) scaler.update(7);
        step(x, y);
        return [scaler.stateDict(), model.parameters().map((p) => bits(p as Tensor))];
      });
    }, STEPS - 2);
  });

  test.each(['backward', 'unscaled', 'stepped', 'two optimizers'])('only a part of the step: %s', (part) => {
    same((wrap) => {
      const model = network();
      const params = model.parameters() as Tensor[];
      const groups = part === 'two optimizers' ? [params.slice(0, 2), params.slice(2)] : [params];
      const optimizers = groups.map((group) => new optim.Adam(group, { lr: 0.01 }) as AnyOptimizer);
      const scaler = new amp.GradScaler({ initScale: 16, growthInterval: 2 });
      const stages = [
        (x: Tensor, y: Tensor) => {
          for (const optimizer of optimizers) optimizer.zeroGrad();
          scaler.scale(F.crossEntropy(model.forward(x), y)).backward();
        },
        () => optimizers.forEach((optimizer) => scaler.unscale_(optimizer)),
        () => optimizers.forEach((optimizer) => scaler.step(optimizer)),
        () => scaler.update(),
      ];
      const until = { backward: 1, unscaled: 2, stepped: 3, 'two optimizers': 4 }[part]!;
      const inside = wrap((x: Tensor, y: Tensor) => stages.slice(0, until).forEach((stage) => stage(x, y)));
      return data([4, 5]).map(([x, y]) => {
        inside(x, y);
        stages.slice(until).forEach((stage) => stage(x, y));
        return [scaler.stateDict(), optimizers.map((optimizer, i) => everything(groups[i]!, optimizer as optim.Optimizer))];
      });
    }, STEPS - 2);
  });

  test('a step that was unscaled by hand is not the one that was recorded without', () => {
    const p = tensor([1], { requiresGrad: true }) as Tensor;
    const optimizer = new optim.SGD([p], { lr: 1 }) as AnyOptimizer;
    const scaler = new amp.GradScaler({ initScale: 4 });
    const step = captured(() => {
      scaler.step(optimizer);
      scaler.update();
    });
    const grad = (p.grad = tensor([4]));
    for (let i = 1; i <= 8; i++) {
      grad.fill_(4);
      if (i > 4) scaler.unscale_(optimizer);
      step();
      expect(list(p)).toEqual([1 - i]);
    }
    expect(step.counts).toEqual({ plain: 1, recorded: 2, replayed: 5 });
  });

  test('what has to be read back cannot be part of it', () => {
    class Own extends optim.SGD {
      override step(): never {
        return super.step() as never;
      }
    }
    const kinds: ((p: Tensor) => unknown)[] = [
      (p) => new optim.Muon([p]), (p) => new optim.Adafactor([p]), (p) => new Own([p]),
      (p) => new optim.SGD([p], { momentum: 0.9, dampening: 0.1 }),
    ];
    for (const kind of kinds) {
      const p = tensor([[1, 2]], { requiresGrad: true }) as Tensor;
      const optimizer = kind(p) as AnyOptimizer;
      const scaler = new amp.GradScaler();
      const step = captured(() => {
        optimizer.zeroGrad();
        scaler.scale(p.sum()).backward();
        scaler.step(optimizer);
        scaler.update();
      });
      expect(step).toThrow(CaptureError);
    }
  });
});
