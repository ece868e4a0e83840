// SPDX-License-Identifier: Apache-2.0
// Optimizers, clipping and averages against PyTorch's numbers, and what they promise.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { loadCheckpoint, saveCheckpoint } from '../lib/io/checkpoint.js';
import { ArgumentError, AutogradError, ShapeError, StateDictError } from '../lib/native/errors.js';
import { BatchNorm1d, Linear, Module, Parameter, Sequential } from '../lib/nn/index.js';
import { tensor, zeros } from '../lib/ops/creation.js';
import * as optim from '../lib/optim/index.js';
import type { Tensor } from '../lib/tensor/tensor.js';
import { type Options, type OptimizerName, fixture, parameters, setGradients, make, inGroups, expectClose } from './helpers/optim-fixture.js';

describe('steps', () => {
  test.each(fixture.trajectories.map((row) => [`${row.optimizer} ${JSON.stringify(row.options)}${row.groups ? ' in groups' : ''}`, row] as const))(
    '%s',
    (_, { optimizer: name, options, groups, steps, state, last64 }) => {
      const count = steps[0]!.length;
      const params = parameters().slice(0, count);
      const optimizer = make(name, inGroups(params, groups), options);
      // Muon's iteration is computed in bfloat16, whose roundings differ from one library to the other.
      const tolerance = name === 'Muon' ? 4e-3 : 2e-6;
      steps.forEach((expected, step) => {
        setGradients(params, step);
        optimizer.step();
        params.forEach((p, i) => expectClose(p, expected[i]!, tolerance));
      });
      const saved = optimizer.stateDict();
      state.forEach((expected, i) => {
        expect(Object.keys(saved.state[i] ?? {}).sort()).toEqual(Object.keys(expected).sort());
        for (const [key, values] of Object.entries(expected)) expectClose(saved.state[i]![key] as Tensor, values);
      });
      // PyTorch's state can be loaded, and gives the same step as one's own.
      const copies = params.map((p) => p.detach().clone());
      for (const p of copies) p.requiresGrad = true;
      const second = make(name, inGroups(copies, groups), {});
      const entries = state.map((values, i) =>
        Object.fromEntries(Object.entries(values).map(([key, list]) =>
          [key, tensor(list, { dtype: 'float32', shape: saved.state[i]![key]!.shape })])),
      );
      second.loadStateDict({ state: Object.fromEntries(entries.entries()), param_groups: saved.param_groups });
      setGradients(params, 0);
      setGradients(copies, 0);
      optimizer.step();
      second.step();
      params.forEach((p, i) => expectClose(copies[i]!, p.dataSync() as Float32Array));

      const wide = parameters('float64').slice(0, count);
      const precise = make(name, inGroups(wide, groups), options);
      steps.forEach((_, step) => {
        setGradients(wide, step);
        precise.step();
      });
      // NAdam and ASGD keep factors in float32, as PyTorch does; their last bits differ.
      wide.forEach((p, i) => expectClose(p, last64[i]!, name === 'Muon' ? tolerance : name === 'NAdam' || name === 'ASGD' ? 1e-7 : 1e-12));
    },
  );

  test('a parameter without a gradient is skipped, and keeps its own count of steps', () => {
    // Each alone must do what both do together, whoever sits out when.
    const present = [[0], [0, 1], [1], [0, 1], [0, 1], [0]];
    const params = parameters();
    const alone = parameters();
    const together = new optim.Adam(params, { lr: 0.05 });
    const apart = alone.map((p) => new optim.Adam([p], { lr: 0.05 }));
    present.forEach((who, step) => {
      for (const i of [0, 1]) {
        const grad = () => tensor(fixture.gradients[step]![i]!, { shape: fixture.shapes[i]! });
        params[i]!.grad = who.includes(i) ? grad() : null;
        alone[i]!.grad = who.includes(i) ? grad() : null;
      }
      together.step();
      for (const optimizer of apart) optimizer.step();
    });
    params.forEach((p, i) => expectClose(p, alone[i]!.dataSync() as Float32Array, 0));
    expect(params.map((p) => together.state.get(p)!['step']!.itemSync())).toEqual([5, 4]);
  });

  test('momentum may be late for a parameter: its buffer begins as its first gradient', () => {
    const params = parameters();
    const optimizer = new optim.SGD(params, { lr: 0.1, momentum: 0.9, dampening: 0.5 });
    setGradients(params, 0);
    params[1]!.grad = null;
    optimizer.step();
    setGradients(params, 1);
    optimizer.step();
    expectClose(optimizer.state.get(params[1]!)!['momentum_buffer']!, fixture.gradients[1]![1]!);
    const first = fixture.gradients[0]![0]!.map((g, i) => 0.9 * g + 0.5 * fixture.gradients[1]![0]![i]!);
    expectClose(optimizer.state.get(params[0]!)!['momentum_buffer']!, first);
  });

  test('the lr of a group can be changed at any time', () => {
    const [p] = [tensor([1], { requiresGrad: true })];
    const optimizer = new optim.SGD([p], { lr: 0.5 });
    for (const lr of [0.5, 0.25, 0.25, 0]) {
      p.grad = tensor([1]);
      optimizer.paramGroups[0]!.lr = lr;
      optimizer.step();
    }
    expect(p.itemSync()).toBe(0);
  });

  test('gradients in another layout or dtype are converted', () => {
    const p = tensor([1, 2, 3, 4], { shape: [2, 2], requiresGrad: true });
    p.grad = tensor([1, 2, 3, 4], { shape: [2, 2], dtype: 'float64' }).t();
    new optim.SGD([p], { lr: 1 }).step();
    expectClose(p, [0, -1, 1, 0], 0);
    p.grad = tensor([1]);
    expect(() => new optim.SGD([p]).step()).toThrow(ShapeError);
  });

  test('parameters of several dtypes share a group', () => {
    const params = (['float32', 'float64', 'bfloat16', 'float16'] as const).map((dtype) => tensor([1, 2], { dtype, requiresGrad: true }));
    const optimizer = new optim.Adam(params, { lr: 0.5 });
    for (const p of params) p.grad = tensor([1, -1], { dtype: p.dtype });
    optimizer.step();
    for (const p of params) expectClose(p, [0.5, 2.5], 1e-5);
  });

  test('filters in channels-last memory', () => {
    const values = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
    const both = [tensor(values, { shape: [2, 3, 2, 2] }).contiguous('channelsLast'), tensor(values, { shape: [2, 3, 2, 2] })];
    for (const p of both) {
      p.requiresGrad = true;
      p.grad = tensor(values.map((x) => x * x), { shape: [2, 3, 2, 2] });
      new optim.RMSprop([p], { lr: 0.1, momentum: 0.5 }).step();
    }
    expect(both[0]!.isContiguous('channelsLast')).toBe(true);
    expectClose(both[0]!, both[1]!.dataSync() as Float32Array, 0);
  });

  test('a step changes what an earlier forward pass saved, and backward notices', () => {
    const w = tensor([2], { requiresGrad: true });
    const loss = w.square().sum();
    w.grad = tensor([1]);
    new optim.SGD([w], { lr: 1 }).step();
    expect(() => loss.backward()).toThrow(AutogradError);
  });

  test('zeroGrad frees the gradients', () => {
    const layer = new Linear(3, 2);
    const optimizer = new optim.SGD(layer.parameters());
    layer.forward(zeros([1, 3])).sum().backward();
    const grad = layer.weight.grad!;
    optimizer.zeroGrad();
    expect(layer.weight.grad).toBeNull();
    expect(grad.disposed).toBe(true);
  });

  test('step(closure) returns the loss', () => {
    const w = tensor([3], { requiresGrad: true });
    const optimizer = new optim.SGD([w], { lr: 0.5 });
    const loss = optimizer.step(() => {
      optimizer.zeroGrad();
      const value = w.square().sum();
      value.backward();
      return value;
    });
    expect(loss.itemSync()).toBe(9);
    expect(w.itemSync()).toBe(0);
  });
});

describe('arguments', () => {
  const w = () => tensor([1], { requiresGrad: true });
  test.each<[string, () => unknown]>([
    ['no parameters', () => new optim.SGD([])],
    ['a foreign object', () => new optim.SGD([{ params: [{}] }] as never)],
    ['the result of an operation', () => new optim.SGD([w().mul(2)])],
    ['a parameter twice', () => ((p) => new optim.SGD([p, p]))(w())],
    ['a parameter in two groups', () => ((p) => new optim.SGD([{ params: [p] }, { params: p }]))(w())],
    ['a negative lr', () => new optim.SGD([w()], { lr: -1 })],
    ['NaN', () => new optim.Adam([w()], { eps: NaN })],
    ['nesterov without momentum', () => new optim.SGD([w()], { nesterov: true })],
    ['a beta of 1', () => new optim.AdamW([w()], { betas: [0.9, 1] })],
    ['a rho above 1', () => new optim.Adadelta([w()], { rho: 1.5 })],
    ['a negative sum', () => new optim.Adagrad([w()], { initialAccumulatorValue: -1 })],
    ['one beta', () => new optim.Adamax([w()], { betas: [0.9] as never })],
    ['a negative decay of momentum', () => new optim.NAdam([w()], { momentumDecay: -1 })],
    ['a negative eps', () => new optim.RAdam([w()], { eps: -1 })],
    ['etas that do not shrink', () => new optim.Rprop([w()], { etas: [1.1, 1.2] })],
    ['steps the wrong way round', () => new optim.Rprop([w()], { stepSizes: [1, 0.1] })],
    ['a text for lambd', () => new optim.ASGD([w()], { lambd: 'much' as never })],
    ['a beta2Decay above 0', () => new optim.Adafactor([w()], { beta2Decay: 0.1 })],
    ['one eps', () => new optim.Adafactor([w()], { eps: [1] as never })],
    ['a vector for Muon', () => new optim.Muon([w()])],
    ['two coefficients', () => new optim.Muon([zeros([2, 2], { requiresGrad: true })], { nsCoefficients: [1, 2] as never })],
    ['too many iterations', () => new optim.Muon([zeros([2, 2], { requiresGrad: true })], { nsSteps: 100 })],
    ['another adjustment', () => new optim.Muon([zeros([2, 2], { requiresGrad: true })], { adjustLrFn: 'x' as never })],
    ['groups for LBFGS', () => new optim.LBFGS([{ params: [w()] }, { params: [w()] }])],
    ['dtypes for LBFGS', () => new optim.LBFGS([w(), tensor([1], { dtype: 'float64', requiresGrad: true })])],
    ['another line search', () => new optim.LBFGS([w()], { lineSearchFn: 'armijo' as never })],
    ['no closure for LBFGS', () => new optim.LBFGS([w()]).step()],
    ['a closure without a loss', () => new optim.LBFGS([w()]).step(() => 'loss')],
    ['bad options of a group', () => new optim.RMSprop([{ params: w(), alpha: -1 }])],
  ])('%s', (_, fn) => expect(fn).toThrow(ArgumentError));
});

describe('state', () => {
  const options: [OptimizerName, Options][] = [
    ['SGD', { lr: 0.1, momentum: 0.9, weightDecay: 0.01 }],
    ['Adam', { lr: 0.05, amsgrad: true }],
    ['RMSprop', { lr: 0.02, momentum: 0.9, centered: true }],
    ['NAdam', { lr: 0.02, momentumDecay: 0.1 }],
    ['RAdam', { lr: 0.02, betas: [0.8, 0.9] }],
    ['Adamax', { lr: 0.02 }],
    ['Adagrad', { lr: 0.02, lrDecay: 0.1, initialAccumulatorValue: 0.5 }],
    ['Adadelta', { rho: 0.8 }],
    ['Rprop', { lr: 0.02 }],
    ['ASGD', { lr: 0.02, lambd: 0.1, t0: 2 }],
    ['Adafactor', { lr: 0.2, eps: [null, 1e-2] }],
  ];

  test.each(options)('%s goes on where another left off', (name, opts) => {
    const straight = parameters();
    const [a, b] = [parameters(), parameters()];
    const reference = make(name, straight, opts);
    const first = make(name, a, opts);
    for (let step = 0; step < 4; step++) {
      setGradients(straight, step);
      reference.step();
      setGradients(a, step);
      first.step();
    }
    b.forEach((p, i) => p.detach().copy_(a[i]!));
    const second = make(name, b, {});
    second.loadStateDict(first.stateDict());
    expect(second.paramGroups[0]).toMatchObject(opts);
    for (let step = 4; step < 8; step++) {
      setGradients(straight, step);
      reference.step();
      setGradients(b, step);
      second.step();
    }
    b.forEach((p, i) => expectClose(p, straight[i]!.dataSync() as Float32Array, 0));
  });

  test("has PyTorch's structure", () => {
    const params = parameters();
    const optimizer = new optim.AdamW([{ params: params[0]! }, { params: params[1]!, lr: 0.1 }]);
    setGradients(params, 0);
    optimizer.step();
    const { state, param_groups } = optimizer.stateDict();
    expect(Object.keys(state)).toEqual(['0', '1']);
    expect(Object.keys(state[0]!).sort()).toEqual(['exp_avg', 'exp_avg_sq', 'step']);
    expect(state[1]!['step']!.itemSync()).toBe(1);
    expect(param_groups[1]).toEqual({
      lr: 0.1, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01, amsgrad: false, maximize: false,
      decoupled_weight_decay: true, params: [1],
    });
  });

  test('what does not fit changes nothing', () => {
    const trained = () => {
      const params = parameters();
      const optimizer = new optim.Adam(params, { lr: 0.05 });
      setGradients(params, 0);
      optimizer.step();
      return { params, optimizer };
    };
    const spoil: [RegExp, (s: optim.OptimizerState) => unknown][] = [
      [/missing: state\.1\.exp_avg_sq/, (s) => delete s.state[1]!['exp_avg_sq']],
      [/unexpected: state\.0\.other/, (s) => (s.state[0]!['other'] = zeros([1]))],
      [/unexpected: state\.7\.step/, (s) => (s.state[7] = { step: zeros([]) })],
      [/state\.0\.exp_avg: expected shape \[3, 4\], got \[4, 3\]/, (s) => (s.state[0]!['exp_avg'] = zeros([4, 3]))],
      [/no tensor/, (s) => (s.state[0]!['exp_avg'] = 5 as never)],
      [/1 parameter groups/, (s) => s.param_groups.push({})],
      [/group 0 has 2 parameters/, (s) => (s.param_groups[0]!['params'] = [0])],
      [/parameter 0 is listed twice/, (s) => (s.param_groups[0]!['params'] = [0, 0])],
      [/lists none/, (s) => delete s.param_groups[0]!['params']],
      [/lr must be a number/, (s) => (s.param_groups[0]!['lr'] = 'fast')],
      [/lr must be a number in/, (s) => (s.param_groups[0]!['lr'] = -1)],
      [/initial_lr must be a number/, (s) => (s.param_groups[0]!['initial_lr'] = null)],
      [/expected \{ state/, (s) => (s.param_groups = 3 as never)],
    ];
    for (const [message, change] of spoil) {
      const saved = trained().optimizer.stateDict();
      change(saved);
      const { params, optimizer } = trained();
      optimizer.paramGroups[0]!.lr = 0.25;
      const before = optimizer.state.get(params[0]!);
      expect(() => optimizer.loadStateDict(saved)).toThrow(StateDictError);
      expect(() => optimizer.loadStateDict(saved)).toThrow(message);
      expect(optimizer.paramGroups[0]!.lr).toBe(0.25);
      expect(optimizer.state.get(params[0]!)).toBe(before);
    }
  });

  test('one counter for all after loading, so that a step stays one native call', () => {
    const params = parameters();
    const optimizer = new optim.Adam(params);
    setGradients(params, 0);
    optimizer.step();
    optimizer.loadStateDict(optimizer.stateDict());
    const [a, b] = params.map((p) => optimizer.state.get(p)!['step']!);
    expect(a).toBe(b);
  });

  test('memory follows a parameter to another dtype', () => {
    const p = new Parameter(tensor([1, 2]));
    const layer = new Linear(1, 1);
    layer.registerParameter('weight', p);
    const optimizer = new optim.Adam([p], { lr: 0.5 });
    p.grad = tensor([1, 1]);
    optimizer.step();
    layer.to('float64');
    expect(p.grad!.dtype).toBe('float64');
    optimizer.step();
    expectClose(p, [0, 1], 1e-6);
    expect(optimizer.state.get(p)!['exp_avg']!.dtype).toBe('float64');
  });
});

describe('clipping', () => {
  test.each(fixture.clipping.map((row) => [`norm ${row.normType}, at most ${row.maxNorm}`, row] as const))('%s', (_, row) => {
    const params = parameters();
    setGradients(params, 0);
    const norm = optim.clipGradNorm_(params, row.maxNorm, { normType: Number(row.normType) });
    expectClose(norm, [row.norm]);
    params.forEach((p, i) => expectClose(p.grad!, row.grads[i]!));
  });

  test('by value; without gradients; without a finite norm', () => {
    const params = parameters();
    expect(optim.clipGradNorm_(params, 1).itemSync()).toBe(0);
    setGradients(params, 0);
    optim.clipGradValue_(params, 0.5);
    params.forEach((p, i) => expectClose(p.grad!, fixture.gradients[0]![i]!.map((g) => Math.min(Math.max(g, -0.5), 0.5))));
    params[0]!.grad!.fill_(Infinity);
    expect(() => optim.clipGradNorm_(params, 1, { errorIfNonfinite: true })).toThrow(/Infinity/);
    expect(() => optim.clipGradNorm_(params, -1)).toThrow(ArgumentError);
  });

  test('the norm alone', () => {
    const list = [tensor([3, 0]), tensor([[4]], { dtype: 'float64' })];
    expect(optim.getTotalNorm(list).itemSync()).toBe(5);
    expect(optim.getTotalNorm(list, { normType: Infinity }).itemSync()).toBe(4);
    expect(optim.getTotalNorm([]).itemSync()).toBe(0);
    expect(() => optim.getTotalNorm([tensor([Infinity])], { errorIfNonfinite: true })).toThrow(/Infinity/);
    expect(() => optim.getTotalNorm([tensor([1], { dtype: 'int64' })])).toThrow(/floating/);
  });
});

describe('averages', () => {
  class Model extends Module {
    readonly weight: Parameter;
    readonly bias: Parameter;
    declare readonly mean: Tensor;
    declare readonly count: Tensor;
    constructor(step: number, dtype: 'float32' | 'float64' = 'float32') {
      super();
      const [weight, bias] = fixture.gradients[step]!.map((values, i) => tensor(values, { shape: fixture.shapes[i]!, dtype }));
      this.weight = new Parameter(weight!);
      this.bias = new Parameter(bias!);
      this.registerBuffer('mean', tensor(fixture.means[step]!));
      this.registerBuffer('count', tensor(10 * step, { dtype: 'int64' }));
    }
    forward(x: Tensor): Tensor {
      return x.mul(this.weight);
    }
  }

  test.each(fixture.averages.map((row) => [`${row.kind}${row.useBuffers ? ' with buffers' : ''}`, row] as const))(
    '%s, by one call or tensor by tensor, and after loading',
    (_, { kind, useBuffers, state }) => {
      const multi = kind === 'ema' ? { multiAvgFn: optim.getEmaMultiAvgFn(0.75) } : {};
      const single = { avgFn: kind === 'ema' ? optim.getEmaAvgFn(0.75) : optim.getSwaAvgFn() };
      for (const options of [multi, single]) {
        let averaged = new optim.AveragedModel(new Model(0), { ...options, useBuffers });
        for (let step = 0; step < 5; step++) {
          const saved = averaged.stateDict();
          averaged = new optim.AveragedModel(new Model(4), { ...options, useBuffers });
          averaged.loadStateDict(saved);
          averaged.updateParameters(new Model(step));
        }
        const got = averaged.stateDict();
        expect(Object.keys(got).sort()).toEqual(Object.keys(state).sort());
        for (const [key, values] of Object.entries(state))
          expectClose(got[key]!.to('float32'), values);
        expect(averaged.forward(tensor([1, 1, 1, 1])).shape).toEqual([3, 4]);
      }
    },
  );

  test('an average in another layout and dtype', () => {
    const [a, b] = [new Linear(3, 2), new Linear(3, 2)];
    const averaged = new optim.AveragedModel(new Linear(3, 2).to('float64'), { multiAvgFn: optim.getEmaMultiAvgFn(0.5) });
    averaged.updateParameters(a);
    b.registerParameter('weight', new Parameter(b.weight.detach().t().contiguous().t()));
    averaged.updateParameters(b);
    expectClose(averaged.module.stateDict()['weight']!, a.weight.add(b.weight).mul(0.5).dataSync() as Float32Array);
  });

  test('what cannot be averaged', () => {
    const model = new Model(0);
    const averaged = new optim.AveragedModel(model);
    expect(() => averaged.updateParameters(model)).toThrow(/holds the average itself/);
    expect(() => averaged.updateParameters(new Linear(2, 2))).toThrow(ShapeError);
    expect(() => new optim.AveragedModel(new Linear(2, 2)).updateParameters(new Linear(2, 3))).toThrow(/shape \[2, 2\], of the model \[3, 2\]/);
    expect(() => optim.getEmaMultiAvgFn(1.5)).toThrow(ArgumentError);
    expect(() => new optim.AveragedModel(model, { avgFn: optim.getSwaAvgFn(), multiAvgFn: optim.getSwaMultiAvgFn() })).toThrow(ArgumentError);
  });

  test('updateBn: plain averages over a loader, and the modes as they were', async () => {
    const layer = new BatchNorm1d(2, { momentum: 0.3 });
    const model = new Sequential(layer, new Linear(2, 2));
    model.eval();
    model.training = true;
    layer.runningMean!.fill_(5);
    const batches = [tensor([1, 2, 3, 6], { shape: [2, 2] }), tensor([5, 5, 9, 7], { shape: [2, 2] })];
    await optim.updateBn(batches.map((x) => [x, 'label'] as const), model);
    expectClose(layer.runningMean!, [4.5, 5]);
    expectClose(layer.runningVar!, [5, 5]);
    expect([layer.momentum, layer.training, model.training, layer.numBatchesTracked!.itemSync()]).toEqual([0.3, false, true, 2]);
    await optim.updateBn([], new Linear(1, 1));
  });
});

describe('LBFGS', () => {
  const descent = (dtype: 'float32' | 'float64', options: Options) => {
    const [a, b] = parameters(dtype) as [Tensor, Tensor];
    const [target] = fixture.gradients[0]!;
    const [scale] = fixture.gradients[1]!;
    const [goal, weight] = [target!, scale!].map((v) => tensor(Float32Array.from(v), { shape: [3, 4], dtype })) as [Tensor, Tensor];
    const optimizer = new optim.LBFGS([a, b], options);
    const compute = (): Tensor => {
      optimizer.zeroGrad();
      const valley = a.sub(goal).square().mul(weight.add(1.5)).sum().add(b.pow(4).sum());
      const loss = valley.add(b.sum().sub(a.mean()).square().mul(0.3)).add(b.sum().mul(0.1));
      loss.backward();
      return loss;
    };
    return { params: [a, b], optimizer, compute };
  };

  test.each(fixture.closures.map((row) => [JSON.stringify(row.options), row] as const))('%s', (_, { options, float64, float32 }) => {
    const { params, optimizer, compute } = descent('float64', options);
    float64.steps.forEach((expected, step) => {
      expectClose(optimizer.step(compute), [float64.losses[step]!], 1e-9);
      params.forEach((p, i) => expectClose(p, expected[i]!, 1e-8));
    });
    const saved = optimizer.stateDict().state[0] as unknown as Record<string, unknown>;
    expect([saved['func_evals'], saved['n_iter']]).toEqual([float64.evaluations, float64.iterations]);
    expect(Object.keys(saved)).toEqual(['func_evals', 'n_iter', 'd', 't', 'old_dirs', 'old_stps', 'ro', 'H_diag', 'prev_flat_grad', 'prev_loss']);
    // In float32 both come down the same way, but not by the same roundings.
    const single = descent('float32', options);
    float32.losses.forEach((loss) => expectClose(single.optimizer.step(single.compute), [loss], 2e-3));
  });

  test('goes on where another left off, by state and by checkpoint', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lenode-lbfgs-'));
    try {
      for (const by of ['state', 'file']) {
        const [straight, first, second] = [0, 1, 2].map(() => descent('float64', { maxIter: 4, historySize: 3 }));
        for (const { optimizer, compute } of [straight!, first!]) for (let i = 0; i < 2; i++) optimizer.step(compute);
        second!.params.forEach((p, i) => p.detach().copy_(first!.params[i]!));
        if (by === 'state') {
          second!.optimizer.loadStateDict(first!.optimizer.stateDict());
        } else {
          const path = join(folder, 'run.safetensors');
          await saveCheckpoint(path, { model: new Linear(1, 1), optimizer: first!.optimizer });
          await loadCheckpoint(path, { optimizer: second!.optimizer });
        }
        for (const { optimizer, compute } of [straight!, second!]) optimizer.step(compute);
        second!.params.forEach((p, i) => expectClose(p, straight!.params[i]!.dataSync() as Float64Array, 0));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a state that does not fit changes nothing', () => {
    const { optimizer, compute } = descent('float64', { maxIter: 3 });
    optimizer.step(compute);
    const before = optimizer.stateDict().state[0]!;
    for (const [name, value] of [['d', zeros([3])], ['n_iter', 'two'], ['old_dirs', 5], ['ro', []]] as const) {
      const saved = optimizer.stateDict();
      (saved.state[0] as Record<string, unknown>)[name] = value;
      expect(() => optimizer.loadStateDict(saved)).toThrow(StateDictError);
    }
    expect(optimizer.stateDict().state[0]!['n_iter']).toBe(before['n_iter']);
  });
});

test('Muon treats a matrix as its transpose', () => {
  const p = parameters()[0]!;
  const q = p.detach().t().contiguous();
  q.requiresGrad = true;
  setGradients([p], 0);
  q.grad = p.grad!.t().contiguous();
  for (const x of [p, q]) new optim.Muon([x], { lr: 0.1, adjustLrFn: 'match_rms_adamw' }).step();
  expectClose(q.t().contiguous(), p.dataSync() as Float32Array, 2e-3);
});
