// SPDX-License-Identifier: Apache-2.0
// Gradients that are recorded (createGraph) and differentiated again: penalties, Hessians, hooks, checkpoints.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { AutogradError, autograd, F, grad, nn, noGrad, randn, tensor, type Tensor } from '../lib/index.js';
import { defineOp } from '../lib/autograd/op.js';
import { Op } from '../lib/native/ops.gen.js';
import { run } from '../lib/native/run.js';
import { fresh } from '../lib/tensor/tensor.js';
import { parameter } from './fixtures/generator.js';

const list = (t: Tensor | null) => [...t!.dataSync()].map(Number);
const numbers = (position: number, shape: readonly number[], bound: number) =>
  tensor(parameter(position, shape.reduce((a, b) => a * b, 1), bound), { shape: [...shape], dtype: 'float64' }) as Tensor;

function close(got: Tensor | null, expected: readonly number[], tolerance = 1e-9): void {
  const values = list(got);
  expect(values.length).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs), 1e-3);
  values.forEach((v, i) => expect(Math.abs(v - expected[i]!)).toBeLessThanOrEqual(tolerance * scale));
}

interface Penalty {
  norm: 'none' | 'batch' | 'layer';
  loss: number;
  input: number[];
  parameters: Record<string, number[]>;
}
const path = fileURLToPath(new URL('fixtures/double.json', import.meta.url));
const { penalties } = JSON.parse(readFileSync(path, 'utf8')) as { penalties: Penalty[] };

function critic(norm: Penalty['norm']): nn.Sequential {
  const layers: nn.Module[] = [new nn.Conv2d(3, 4, 3, { padding: 1 })];
  if (norm === 'batch') layers.push(new nn.BatchNorm2d(4));
  if (norm === 'layer') layers.push(new nn.LayerNorm([4, 6, 6]));
  layers.push(new nn.LeakyReLU({ negativeSlope: 0.2 }), new nn.Conv2d(4, 5, 3, { stride: 2, padding: 1, bias: norm !== 'batch' }));
  if (norm === 'batch') layers.push(new nn.BatchNorm2d(5));
  layers.push(new nn.SiLU(), new nn.AvgPool2d(3), new nn.Flatten(), new nn.Linear(5, 1));
  const model = new nn.Sequential(...(layers as never[])) as nn.Sequential;
  model.to('float64');
  noGrad(() => [...model.parameters()].forEach((p, i) => p.copy_(numbers(i, p.shape, 0.5))));
  return model;
}

function gradientPenalty(scores: (x: Tensor) => Tensor, x: Tensor): Tensor {
  const [g] = grad(scores(x).sum(), x, { createGraph: true });
  return g!.flatten(1).norm(2, 1).sub(1).square().mean();
}

test.each(penalties)('the gradient penalty of a convolutional network is PyTorch\'s, normalisation: $norm', (expected) => {
  for (const checkpointed of [false, true]) {
    const model = critic(expected.norm);
    const x = numbers(50, [2, 3, 6, 6], 1).requiresGrad_();
    const scores = (t: Tensor): Tensor => (checkpointed ? nn.checkpoint(model, t) : model.forward(t)) as Tensor;
    const loss = gradientPenalty(scores, x);
    close(loss, [expected.loss]);
    loss.backward();
    close(x.grad, expected.input);
    for (const [name, p] of model.namedParameters())
      if (expected.parameters[name]) close(p.grad, expected.parameters[name]);
      else if (p.grad) expect(Math.max(...list(p.grad).map(Math.abs))).toBeLessThan(1e-12);
  }
});

test('Hessian-vector products, and derivatives of any order', () => {
  const x = tensor([0.3, -1.2, 2], { dtype: 'float64', requiresGrad: true });
  const f = x.pow(3).sum().add(x.prod());
  const [g] = grad(f, x, { createGraph: true });
  const v = tensor([1, 2, -1], { dtype: 'float64' });
  const [hv] = grad(g!, x, { gradOutputs: [v] });
  const [a, b, c] = [0.3, -1.2, 2];
  close(hv!, [6 * a * 1 + c * 2 + b * -1, c * 1 + 6 * b * 2 + a * -1, b * 1 + a * 2 + 6 * c * -1]);

  const t = tensor(0.7, { dtype: 'float64', requiresGrad: true });
  let y: Tensor = t.sin().mul(t.exp());
  for (let order = 0; order < 4; order++) [y] = grad(y, t, { createGraph: true }) as [Tensor];
  close(y, [-4 * Math.sin(0.7) * Math.exp(0.7)]); // the fourth derivative
});

test('backward() with createGraph leaves gradients that can be differentiated', () => {
  const x = tensor([1, 2], { dtype: 'float64', requiresGrad: true });
  x.pow(3).sum().backward(undefined, { createGraph: true });
  expect(x.grad!.requiresGrad).toBe(true);
  const first = x.grad!;
  x.grad = null;
  first.sum().backward();
  expect(list(x.grad)).toEqual([6, 12]);
  x.pow(2).sum().backward(undefined, { createGraph: true });
  expect(list(x.grad)).toEqual([8, 16]);
  const plain = tensor([1, 2], { requiresGrad: true });
  plain.pow(3).sum().backward();
  expect(plain.grad!.requiresGrad).toBe(false);
});

test('the gradients themselves are those of a plain walk, and stay intact', () => {
  const model = critic('batch');
  const x = numbers(50, [2, 3, 6, 6], 1).requiresGrad_();
  const [plain] = grad(model.forward(x).sum() as Tensor, x);
  const [recorded] = grad(model.forward(x).sum() as Tensor, x, { createGraph: true });
  close(recorded!, list(plain!));
  grad(recorded!.square().sum(), x, { retainGraph: true });
  const [again] = grad(recorded!.square().sum(), x);
  expect(list(again!).every(Number.isFinite)).toBe(true);
});

test('hooks see recorded gradients and may return recorded ones', () => {
  const x = tensor(2, { dtype: 'float64', requiresGrad: true });
  x.registerHook((g) => g.mul(x));
  const [g] = grad(x.pow(2), x, { createGraph: true }); // 2x * x
  const remaining = grad(g!, x)[0]!; // 4x, and the hook once more
  expect(list(g!)).toEqual([8]);
  expect(list(remaining)).toEqual([16]);
});

test('operations over their argument, and functions with gradients of their own', () => {
  const x = tensor([0.5, -0.4], { dtype: 'float64', requiresGrad: true });
  const [g] = grad(F.silu(x.mul(2), { inplace: true }).sum(), x, { createGraph: true });
  const [expected] = grad(F.silu(x.mul(2)).sum(), x, { createGraph: true });
  close(grad(g!.sum(), x)[0]!, list(grad(expected!.sum(), x)[0]!));
  const cube = autograd.defineFunction({
    name: 'cube',
    forward(ctx, t: Tensor) {
      ctx.save(t);
      return t.pow(3);
    },
    backward: (ctx, d) => ctx.saved[0]!.square().mul(3).mul(d),
  });
  const [d] = grad(cube(x).sum(), x, { createGraph: true });
  close(grad(d!.sum(), x)[0]!, [3, -2.4]);
});

test('an operation without gradients of gradients says so', () => {
  const halve = defineOp({
    name: 'halve',
    forward(ctx: { save(t: Tensor): void }, x: Tensor): Tensor {
      const y = fresh(x.shape, x.dtype, x.device);
      run(Op.mul, [x, null], [y], [0.5]);
      ctx.save(x);
      return y as Tensor;
    },
    gradients: [
      (g) => {
        const d = fresh(g.shape, g.dtype, g.device);
        run(Op.mul, [g, null], [d], [0.5]);
        return d as Tensor;
      },
    ],
  });
  const x = randn([3], { requiresGrad: true });
  expect(list(grad(halve(x).sum(), x)[0]!)).toEqual([0.5, 0.5, 0.5]);
  expect(() => grad(halve(x.square()).square().sum(), x, { createGraph: true })).toThrow(AutogradError);
  expect(() => grad(halve(x.square()).square().sum(), x, { createGraph: true })).toThrow('halve: there is no gradient');

  const hidden = defineOp({
    name: 'hidden',
    forward(ctx: { save(t: Tensor): void }, x: Tensor): Tensor {
      const e = noGrad(() => x.exp());
      ctx.save(e);
      return noGrad(() => e.mul(1));
    },
    gradients: [(g, ctx) => g.mul(ctx.saved(0))],
  });
  expect(() => grad(hidden(x).sum(), x, { createGraph: true })).toThrow('hidden: there is no gradient');
});

test('detached parts and unused inputs', () => {
  const [x, y] = [randn([2], { dtype: 'float64', requiresGrad: true }), randn([2], { dtype: 'float64', requiresGrad: true })];
  const [g] = grad(x.mul(x.detach()).sum(), x, { createGraph: true });
  expect(g!.requiresGrad).toBe(false);
  const [h] = grad(x.mul(y).sum(), x, { createGraph: true });
  expect(grad(h!.sum(), x, { allowUnused: true, retainGraph: true })).toEqual([null]);
  close(grad(h!.sum(), y)[0]!, [1, 1]);
});
