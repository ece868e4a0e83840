// SPDX-License-Identifier: Apache-2.0
// Hooks on tensors: when they are called, with what, and what becomes of their results. Expected values are PyTorch's.
import { expect, test } from 'vitest';
import { ArgumentError, AutogradError, autograd, grad, nn, noGrad, randn, tensor, type Tensor } from '../lib/index.js';
import { memoryStats } from '../lib/tensor/memory.js';

const scalar = (value: number) => tensor(value, { requiresGrad: true });
const valueOf = (t: Tensor | null) => Number(t!.dataSync()[0]);

test('a hook on a leaf sees its whole gradient once', () => {
  const p = scalar(1);
  const seen: number[] = [];
  p.registerHook((g) => {
    seen.push(valueOf(g));
    return g.clamp(-1, 1);
  });
  p.mul(2).add(p.mul(3)).backward();
  expect(seen).toEqual([5]);
  expect(valueOf(p.grad)).toBe(1);
  p.mul(2).add(p.mul(-3)).sub(p.mul(p)).backward();
  expect(seen).toEqual([5, -3]);
  expect(valueOf(p.grad)).toBe(0);
});

test('the number of uses does not matter, nor where they are', () => {
  for (const uses of [1, 2, 3, 7]) {
    const p = scalar(2);
    let calls = 0;
    p.registerHook(() => void calls++);
    let y: Tensor = p;
    for (let i = 1; i < uses; i++) y = i % 2 ? y.mul(p) : p.mul(y).add(y.detach());
    y.add(p).backward();
    expect(calls).toBe(1);
  }
});

test('a hook on a leaf comes before grad, of which it sees that of earlier passes', () => {
  const p = scalar(1);
  const before: (number | null)[] = [];
  p.registerHook((g) => {
    before.push(p.grad && valueOf(p.grad));
    return g.mul(10);
  });
  p.mul(3).backward();
  p.mul(4).backward();
  expect(before).toEqual([null, 30]);
  expect(valueOf(p.grad)).toBe(70);
});

test('hooks run in the order of registration on what the one before returned, the same function as often as given', () => {
  const p = scalar(1);
  const double = (g: Tensor) => g.mul(2);
  p.registerHook(double);
  p.registerHook((g) => g.add(1));
  const remove = p.registerHook(double);
  p.mul(5).backward();
  expect(valueOf(p.grad)).toBe(22);
  remove();
  p.grad = null;
  p.mul(5).backward();
  expect(valueOf(p.grad)).toBe(11);
});

test('hooks added and removed by hooks count from the next pass on', () => {
  const p = scalar(1);
  const called: string[] = [];
  const removers: (() => void)[] = [];
  removers.push(
    p.registerHook(() => {
      called.push('a');
      removers[1]!();
      removers.push(p.registerHook(() => void called.push('c')));
    }),
  );
  removers.push(p.registerHook(() => void called.push('b')));
  p.mul(1).backward();
  expect(called).toEqual(['a', 'b']);
  p.mul(1).backward();
  expect(called).toEqual(['a', 'b', 'a', 'c']);
});

test('grad() calls the hooks of what it is asked for, and of what lies between', () => {
  const [p, q] = [scalar(1), scalar(3)];
  let others = 0;
  p.registerHook((g) => g.clamp(-1, 1));
  q.registerHook(() => void others++);
  const y = p.mul(2);
  y.registerHook((g) => g.mul(100));
  expect(valueOf(grad(y.add(p.mul(q)), p)[0]!)).toBe(1);
  expect(valueOf(grad(p.mul(2).add(p.mul(q)).mul(-1), p)[0]!)).toBe(-1);
  expect(others).toBe(0);
  expect(p.grad).toBeNull();
});

test('a leaf that is an output has its hooks called too', () => {
  const p = scalar(1);
  const seen: number[] = [];
  p.registerHook((g) => void seen.push(valueOf(g)));
  p.backward();
  expect(seen).toEqual([1]);
  expect(valueOf(grad([p, p.mul(2)], p)[0]!)).toBe(3);
  expect(seen).toEqual([1, 3]);
});

test('retained gradients come after all hooks, add up over passes, and are kept by grad() too', () => {
  const x = scalar(2);
  const y = x.mul(3).retainGrad();
  y.registerHook((g) => g.mul(10));
  const z = y.mul(5);
  expect(valueOf(grad(z, x, { retainGraph: true })[0]!)).toBe(150);
  expect(valueOf(y.grad)).toBe(50);
  z.backward();
  expect(valueOf(y.grad)).toBe(100);
  expect(valueOf(x.grad)).toBe(150);
});

test('what a hook may not return', () => {
  for (const wrong of [tensor([1, 2]), tensor(1).to('float64'), 1 as unknown as Tensor]) {
    const p = scalar(1);
    p.registerHook(() => wrong);
    expect(() => p.mul(2).backward()).toThrow(AutogradError);
    expect(p.grad).toBeNull();
  }
});

test('gradients that hooks keep stay as they were', () => {
  const p = randn([4], { requiresGrad: true });
  const q = randn([4], { requiresGrad: true });
  const kept: Tensor[] = [];
  p.registerHook((g) => void kept.push(g));
  p.add(q).sum().backward();
  noGrad(() => p.grad!.mul_(7));
  expect([...kept[0]!.dataSync()]).toEqual([1, 1, 1, 1]);
  expect([...q.grad!.dataSync()]).toEqual([1, 1, 1, 1]);
});

test('a gradient that a leaf alone receives is not copied, nor are the parts of a sum', () => {
  const n = 1 << 20;
  const p = randn([n], { requiresGrad: true });
  const loss = p.mul(2).add(p.mul(3)).add(p.mul(4)).sum();
  loss.dataSync();

  const before = memoryStats().allocations;
  loss.backward();
  p.grad!.dataSync();
  expect(memoryStats().allocations - before).toBe(6); // the first one, three products, two sums
});

test('a leaf without hooks gathers the gradient of a pass before it is added to grad', () => {
  // 256 + 0.5 + 0.5 in bfloat16: one after the other they would be lost.
  const p = tensor([1], { dtype: 'bfloat16', requiresGrad: true });
  p.grad = tensor([256], { dtype: 'bfloat16' });
  p.mul(1).add(p.mul(1)).sum().backward();
  expect([...p.grad.dataSync()]).toEqual([258]);
  expect(autograd.grad).toBe(grad);
});

test('a hook that is no function is refused where it is registered', () => {
  expect(() => scalar(1).registerHook(3 as never)).toThrow(/^registerHook: hook must be a function, got 3/);
  const layer = new nn.Linear(1, 1);
  for (const name of ['registerForwardPreHook', 'registerForwardHook', 'registerFullBackwardPreHook', 'registerFullBackwardHook'] as const)
    expect(() => layer[name](undefined as never)).toThrow(new RegExp(`^${name}: hook must be a function`));
  expect(() => layer.apply(undefined as never)).toThrow(ArgumentError);
  expect(() => layer.train('no' as never)).toThrow(/^train: mode must be true or false, got 'no'/);
});
