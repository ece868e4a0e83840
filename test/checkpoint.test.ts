// SPDX-License-Identifier: Apache-2.0
// Computing again instead of remembering; functions with a gradient of their own; inferenceMode and detectAnomaly.
import { beforeEach, describe, expect, test } from 'vitest';
import {
  backward, defineFunction, detectAnomaly, enableGrad, grad, gradcheck, inferenceMode, isGradEnabled, isInferenceModeEnabled, noGrad,
} from '../lib/autograd/index.js';
import { ArgumentError, AutogradError, LenodeError } from '../lib/native/errors.js';
import { sweep } from '../lib/native/run.js';
import * as nn from '../lib/nn/index.js';
import { ones, tensor, zeros } from '../lib/ops/creation.js';
import * as F from '../lib/ops/functional.js';
import '../lib/ops/methods.js';
import { getRngState, manualSeed, randn } from '../lib/ops/random.js';
import { memoryStats } from '../lib/tensor/memory.js';
import type { Tensor } from '../lib/tensor/tensor.js';

const { checkpoint, checkpointSequential } = nn;
beforeEach(() => manualSeed(0));
const list = (t: Tensor) => Array.from(t.dataSync(), Number);

function network(): nn.Sequential {
  manualSeed(1);
  return new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { padding: 1 }), new nn.BatchNorm2d(4), new nn.ReLU(), new nn.Dropout(0.4),
    new nn.Conv2d(4, 4, 3, { padding: 1 }), new nn.Tanh(), new nn.Flatten(), new nn.Linear(64, 3),
  ) as nn.Sequential;
}

describe('checkpoint', () => {
  const x = () => (manualSeed(5), randn([2, 1, 4, 4]).requiresGrad_());
  const trained = (run: (model: nn.Sequential, input: Tensor) => Tensor) => {
    const model = network();
    const input = x();
    manualSeed(9);
    const y = run(model, input);
    const after = list(getRngState());
    y.square().sum().backward();
    expect(list(getRngState())).toEqual(after); // the second pass draws nothing from what follows
    return [y.detach(), input.grad!, ...model.parameters().map((p) => p.grad!), ...model.buffers()].map(list);
  };
  const plain = trained((model, input) => model.forward(input));

  test.each<[string, (model: nn.Sequential, input: Tensor) => Tensor]>([
    ['a module', (model, input) => checkpoint(model, input)],
    ['a function', (model, input) => checkpoint((a: Tensor) => model.forward(a), input)],
    ['nested', (model, input) => checkpoint((a: Tensor) => checkpoint(model, a), input)],
    ['parts', (model, input) => checkpointSequential(model, 3, input)],
    ['one part, which is kept', (model, input) => checkpointSequential(model, 1, input)],
    ['as many parts as modules', (model, input) => checkpointSequential([...model], model.length, input)],
  ])('%s: the same results, gradients, dropout and running statistics', (_, run) => {
    const got = trained(run);
    expect(got.length).toBe(plain.length);
    got.forEach((values, k) => values.forEach((v, i) => expect(v).toBeCloseTo(plain[k]![i]!, 5)));
  });

  test('of an input without gradients: parameters get theirs', () => {
    const layer = new nn.Linear(3, 2);
    checkpoint(layer, ones([1, 3])).sum().backward();
    expect(list(layer.bias!.grad!)).toEqual([1, 1]);
  });

  test('several arguments and results; gradcheck; grad() of some', async () => {
    const [a, b] = [randn([3], { dtype: 'float64' }).requiresGrad_(), randn([3], { dtype: 'float64' }).requiresGrad_()];
    const f = (u: Tensor, v: Tensor, k: number): [Tensor, Tensor] => [u.mul(v).sigmoid().mul(k), u.exp()];
    await gradcheck((u, v) => checkpoint(f, u!, v!, 3), [a, b]);
    const [y] = checkpoint(f, a, b, 2);
    const [g] = grad(y.sum(), b, { retainGraph: true });
    expect(list(g!)).toEqual(list(grad(f(a, b, 2)[0].sum(), b)[0]!));
    expect(list(grad(y.sum(), b)[0]!)).toEqual(list(g!));
    expect(() => y.sum().backward()).toThrow(AutogradError);
  });

  test('keeps no memory for the backward pass', () => {
    const held = (run: (f: (t: Tensor) => Tensor, t: Tensor) => Tensor) => {
      const input = ones([1 << 16]).requiresGrad_();
      const deep = (t: Tensor) => {
        for (let i = 0; i < 20; i++) t = t.sigmoid();
        return t;
      };
      sweep(true);
      const before = memoryStats('cpu').allocatedBytes;
      const y = run(deep, input);
      sweep(true);
      const bytes = memoryStats('cpu').allocatedBytes - before;
      y.sum().backward();
      return { bytes, gradient: list(input.grad!.slice(0, 0, 3)) };
    };
    held((f, t) => f(t)); // warm
    const kept = held((f, t) => f(t));
    const again = held((f, t) => checkpoint(f, t));
    expect(again.gradient).toEqual(kept.gradient);
    expect(kept.bytes).toBeGreaterThan(19 * 4 * 2 ** 16);
    expect(again.bytes).toBeLessThan(kept.bytes / 2);
  });

  test('calls the function twice, or once without recording', () => {
    let calls = 0;
    const f = (t: Tensor) => (calls++, t.exp());
    const leaf = ones([2]).requiresGrad_();
    checkpoint(f, leaf).sum().backward();
    expect(calls).toBe(2);
    noGrad(() => checkpoint(f, leaf));
    expect(calls).toBe(3);
  });

  test('what differs the second time is found', () => {
    const model = network();
    const y = checkpoint(model, x());
    model.eval();
    expect(() => y.sum().backward()).toThrow(/^checkpoint: the function computed something else the second time/);
    const input = randn([3]);
    const weight = randn([3]).requiresGrad_();
    const z = checkpoint((t: Tensor) => t.mul(weight), input);
    input.add_(1);
    expect(() => z.sum().backward()).toThrow(/^checkpoint: an argument of shape \[3\] was changed in place since/);
    const other = randn([3]);
    const w = checkpoint((t: Tensor) => t.mul(other), weight);
    other.add_(1);
    expect(() => w.sum().backward()).toThrow(/^checkpoint: a tensor of shape \[3\] .* changed in place since/);
  });

  test('errors', () => {
    expect(() => checkpoint(3 as never)).toThrow(ArgumentError);
    expect(() => checkpoint(async (t: Tensor) => t, ones([1]))).toThrow(/must not be asynchronous/);
    expect(() => checkpointSequential(network(), 9, x())).toThrow(/there are 8 modules for 9 segments/);
    expect(() => checkpointSequential(network(), 0, x())).toThrow(ArgumentError);
    const failing = checkpoint((t: Tensor) => {
      if (!first) throw new RangeError('changed its mind');
      first = false;
      return t.exp();
    }, ones([1]).requiresGrad_());
    expect(() => failing.backward()).toThrow(RangeError);
    expect(isGradEnabled()).toBe(true);
    const after = ones([1]).requiresGrad_();
    after.exp().backward(); // nothing is left behind
    expect(after.grad).not.toBeNull();
  });
  let first = true;
});

describe('defineFunction', () => {
  const cube = defineFunction({
    name: 'cube',
    forward(ctx, x: Tensor) {
      ctx.save(x);
      return x.pow(3);
    },
    backward(ctx, g) {
      return ctx.saved[0]!.square().mul(3).mul(g);
    },
  });
  const scaledSum = defineFunction({
    name: 'scaledSum',
    forward(ctx, factor: number, a: Tensor, b: Tensor | null): [Tensor, Tensor] {
      ctx.params = { factor };
      ctx.save(a, ...(b ? [b] : []));
      return [b ? a.add(b).mul(factor) : a.mul(factor), a.square()];
    },
    backward(ctx, gSum: Tensor, gSquare: Tensor) {
      const { factor } = ctx.params as { factor: number };
      const first = gSum.mul(factor);
      return [null, ctx.needsInputGrad[1] ? first.add(gSquare.mul(ctx.saved[0]!).mul(2)) : null, ctx.needsInputGrad[2] ? first : null];
    },
  });
  const leaf = (...shape: number[]) => randn(shape, { dtype: 'float64' }).requiresGrad_();

  test('has the gradient that it states', async () => {
    await gradcheck((x) => cube(x!), [leaf(3)]);
    await gradcheck((a, b) => scaledSum(2, a!, b!), [leaf(3), leaf(3)]);
    await gradcheck((a) => scaledSum(2, a!, null), [leaf(3)]);
    await gradcheck((a) => scaledSum(2, a!, null)[1], [leaf(3)]); // zeros for the other result
    await gradcheck((a) => checkpoint(cube, a!), [leaf(3)]);
    await gradcheck((b) => scaledSum(3, ones([3], { dtype: 'float64' }), b!)[0], [leaf(3)]);
    expect(cube(ones([2])).requiresGrad).toBe(false);
  });

  test('nothing inside is recorded, and gradients may be kept', () => {
    const seen: Tensor[] = [];
    const identity = defineFunction({
      name: 'identity',
      forward: (_, x: Tensor) => {
        expect(isGradEnabled()).toBe(false);
        return x;
      },
      backward: (_, g) => (seen.push(g), g),
    });
    const x = tensor([1, 2]).requiresGrad_() as Tensor;
    const y = identity(x);
    expect([y === x, y.requiresGrad, x.isLeaf, y.isLeaf]).toEqual([false, true, true, false]);
    y.mul(3).sum().backward();
    expect([list(x.grad!), list(seen[0]!)]).toEqual([[3, 3], [3, 3]]);
  });

  test('errors name it', () => {
    const bad = (result: unknown) =>
      defineFunction({ name: 'bad', forward: (_, x: Tensor, _k: number) => x.exp(), backward: () => result as never });
    const run = (result: unknown) => () => bad(result)(ones([2]).requiresGrad_(), 1).sum().backward();
    expect(run([ones([3]), null])).toThrow(/^bad: backward\(\) must return a gradient of shape \[2\] and dtype float32 for argument 0, got \[3\]/);
    expect(run([3, null])).toThrow(AutogradError);
    expect(run([null, ones([2])])).toThrow(/^bad: .* argument 1, which is no tensor/);
    expect(run([null, null, null])).toThrow(/^bad: backward\(\) returned 3 gradients for 2 arguments/);
    expect(() => defineFunction({ name: 'none', forward: () => 3 as never, backward: () => [] })()).toThrow(/^none: forward\(\) must return/);
    const x = ones([2]).requiresGrad_();
    const y = x.mul(1);
    const z = cube(y);
    y.relu_();
    expect(() => z.sum().backward()).toThrow(/^cube: .* changed in place/);
    const twice = cube(x).sum();
    twice.backward();
    expect(() => twice.backward()).toThrow(AutogradError);
  });
});

describe('inferenceMode', () => {
  test('records nothing, whatever is called inside, and follows an asynchronous body', async () => {
    const x = ones([1]).requiresGrad_();
    inferenceMode(() => {
      expect([isInferenceModeEnabled(), isGradEnabled()]).toEqual([true, false]);
      expect(enableGrad(() => x.mul(2)).requiresGrad).toBe(false);
      noGrad(() => expect(isInferenceModeEnabled()).toBe(true));
    });
    expect([isInferenceModeEnabled(), isGradEnabled()]).toEqual([false, true]);
    const pending = inferenceMode(async () => {
      await Promise.resolve();
      return [isInferenceModeEnabled(), x.mul(2).requiresGrad, zeros([1]).add_(1).requiresGrad];
    });
    expect(x.mul(2).requiresGrad).toBe(true);
    expect(await pending).toEqual([true, false, false]);
    expect(isGradEnabled()).toBe(true);
  });
});

describe('detectAnomaly', () => {
  test('names the operation and the line that called it', async () => {
    const x = tensor([0, 1]).requiresGrad_() as Tensor;
    const root = (t: Tensor) => t.mul(0).sqrt(); // its gradient at 0 is 0 / 0
    let thrown: unknown;
    try {
      detectAnomaly(() => root(x).mul(0).sum().backward());
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(AutogradError);
    expect((thrown as Error).message).toMatch(/^sqrt: its gradient for input 0, of shape \[2\], has NaN/);
    expect((thrown as LenodeError).stack).toMatch(/at root .*checkpoint\.test\.ts/);
    backward(root(x).mul(0).sum()); // nobody looks
    await expect(detectAnomaly(async () => (await Promise.resolve(), root(x).mul(0).sum().backward()))).rejects.toThrow(/^sqrt/);
    detectAnomaly(() => F.relu(x).sum().backward());
    expect(() => detectAnomaly(() => x.reshape([3]))).toThrow(LenodeError);
  });
});
