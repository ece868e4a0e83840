// SPDX-License-Identifier: Apache-2.0
// What a captured step refuses, and how recordings live, are replaced and are freed.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import {
  capture,
  CaptureError,
  collectGarbage,
  DisposedError,
  IndexError,
  manualSeed,
  memoryStats,
  nn,
  ones,
  optim,
  rand,
  resetPeakMemoryStats,
  tensor,
  type Tensor,
  zeros,
} from '../lib/index.js';
import { batches, bits, captured, make, type Step } from './helpers/captured-steps.js';

describe('what cannot be captured', () => {
  const x = () => rand([2, 3]);

  test.each([
    ['reading a tensor', (t: Tensor): unknown => t.sum().itemSync()],
    ['reading a tensor', (t: Tensor): unknown => void t.data()],
    ['reading a tensor', (t: Tensor): unknown => void t.sum().item()],
    ['reading a tensor', (t: Tensor): unknown => t.dataSync()],
    ['reading a tensor', (t: Tensor): unknown => String(t)],
  ] as const)('%s, at the first call', (what, fn) => {
    const step = captured(fn as (t: Tensor) => unknown);
    expect(() => step(x())).toThrow(CaptureError);
    expect(() => step(x())).toThrow(`${what} cannot be part of a captured step: return the tensor from the step`);
    expect(x().sum().itemSync()).toBeGreaterThan(0);
  });

  test('tensors from JavaScript\'s values, unless the first call alone makes them', () => {
    const step = captured((t: Tensor) => t.add(tensor([1, 2, 3])));
    step(x());
    expect(() => step(x())).toThrow(/a tensor of values from JavaScript cannot be part of a captured step: make it before/);
    let once: Tensor | undefined;
    const lazy = captured((t: Tensor) => t.add((once ??= tensor([1, 2, 3]))));
    for (let i = 0; i < 4; i++) lazy(x());
    expect(lazy.counts.replayed).toBe(2);
  });

  test('promises, plain results, arguments that require gradients', () => {
    expect(() => captured(async (t: Tensor) => t)(x())).toThrow('the step returned a promise; it must be synchronous');
    const plain = captured((t: Tensor) => t.ndim);
    expect(() => plain(x())).toThrow('the step returned the number 2, which a replay could not compute');
    const step = captured((t: Tensor) => t.mul(2));
    const leaf = rand([2], { requiresGrad: true });
    step(leaf);
    expect(() => step(leaf)).toThrow('an argument requires gradients');
  });

  test('backward() through a graph made outside names the operation', () => {
    const w = rand([3], { requiresGrad: true });
    let before: Tensor = w.exp();
    const step = captured((t: Tensor) => {
      t.mul(before).sum().backward();
    });
    step(x());
    before = w.exp();
    expect(() => step(x())).toThrow('backward() through exp, which ran before it, cannot be part of a captured step');
    before = w.exp();
    x().mul(before).sum().backward();
    expect(w.grad).not.toBeNull();
  });

  test('a schedule that follows a measure', () => {
    const optimizer = new optim.SGD([zeros([1], { requiresGrad: true })]);
    const schedule = new optim.ReduceLROnPlateau(optimizer as optim.Optimizer);
    const step = captured((t: Tensor) => (schedule.step(1), t));
    expect(() => step(x())).toThrow('ReduceLROnPlateau.step() cannot be part of a captured step');
  });

  test('an error inside the step leaves nothing behind', () => {
    let fail = false;
    const step = captured((t: Tensor) => {
      if (fail) throw new RangeError('mine');
      return t.mul(2);
    });
    step(tensor([1]));
    fail = true;
    expect(() => step(tensor([1]))).toThrow(RangeError);
    fail = false;
    for (let i = 0; i < 3; i++) expect(step(tensor([i])).itemSync()).toBe(2 * i);
    expect(step.counts.replayed).toBe(2);
  });

  test('otherwise: the step goes on, with one warning', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const seen: number[] = [];
    const step = captured(
      (t: Tensor) => {
        seen.push(t.sum().itemSync() as number);
        return t.mul(2);
      },
      { otherwise: 'run' },
    );
    for (let i = 0; i < 4; i++) expect(step(tensor([i])).itemSync()).toBe(2 * i);
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]![0]).toMatch('reading a tensor cannot be part of a captured step');
    expect(step.counts).toEqual({ plain: 4, recorded: 0, replayed: 0 });
    warn.mockRestore();
  });

  test('a label out of range: an error that names the operation and the line in the step, and updates nothing', async () => {
    const { model, step: plain } = make('lenet5', 'SGD', 40);
    const step = captured(plain);
    const [[images, labels]] = batches([4]) as [[Tensor, Tensor]];
    for (let i = 0; i < 4; i++) step(images, labels);
    const before = model.parameters().map((p) => bits(p as Tensor));
    // Thrown by the call itself if it fails at once, else by the next read-back.
    const bad = async () => step(images, tensor([1, 2, 3, 10], { dtype: 'int64' })).item();
    const failure = (await bad().catch((error: unknown) => error)) as Error;
    expect(failure).toBeInstanceOf(IndexError);
    expect(failure.message).toMatch(/^crossEntropy: /);
    expect(failure.stack).toMatch(/captured-steps\.ts/);
    expect(model.parameters().map((p) => bits(p as Tensor))).toEqual(before);
    expect(Number.isFinite(step(images, labels).itemSync())).toBe(true);
  });
});

describe('recordings', () => {
  test('a parameter that is converted is recorded anew; one that is disposed is refused', () => {
    manualSeed(6);
    const layer = new nn.Linear(3, 2);
    const step = captured((t: Tensor) => layer.forward(t).sum());
    const input = rand([4, 3]);
    for (let i = 0; i < 4; i++) step(input);
    layer.to('float64');
    const wide = input.to({ dtype: 'float64' });
    for (let i = 0; i < 4; i++) expect(bits(step(wide))).toEqual(bits(layer.forward(wide).sum()));
    layer.to('float32');
    for (let i = 0; i < 4; i++) expect(bits(step(input))).toEqual(bits(layer.forward(input).sum()));
    layer.weight.dispose();
    expect(() => step(input)).toThrow(DisposedError);
  });

  test('their number is bounded; the one least used goes', () => {
    const step = captured((t: Tensor) => t.mul(2), { recordings: 2 });
    const sizes = [1, 2, 1, 2, 1, 2, 3, 3, 3, 1, 1];
    for (const n of sizes) expect(step(ones([n])).sum().itemSync()).toBe(2 * n);
    expect(step.counts).toEqual({ plain: 3, recorded: 4, replayed: 4 });
  });

  test('recordings that never last are given up', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const layer = new nn.Linear(2, 2);
    const step = captured((t: Tensor) => layer.forward(t).sum());
    for (let i = 0; i < 20; i++) {
      layer.to(i % 2 ? 'float32' : 'float64');
      step(zeros([1, 2], { dtype: layer.weight.dtype }));
    }
    expect(warn).toHaveBeenCalledTimes(1);
    expect(step.counts.recorded).toBeLessThan(14);
    warn.mockRestore();
  });

  test('dispose() frees the arena, but not what others hold of it', () => {
    collectGarbage();
    const before = memoryStats().allocatedBytes;
    const { model, step: plain } = make('lenet5', 'SGD', 40);
    const step = captured(plain);
    const [[images, labels]] = batches([64]) as [[Tensor, Tensor]];
    for (let i = 0; i < 4; i++) step(images, labels);
    collectGarbage();
    const during = memoryStats().allocatedBytes;
    const gradient = bits(model.parameters()[0]!.grad as Tensor);
    step.dispose();
    expect(() => step(images, labels)).toThrow(DisposedError);
    expect(bits(model.parameters()[0]!.grad as Tensor)).toEqual(gradient);
    model.zeroGrad();
    collectGarbage();
    expect(during - memoryStats().allocatedBytes).toBeGreaterThan(2 ** 20);
    expect(memoryStats().allocatedBytes - before).toBeLessThan(2 ** 20 + 2 * images.nbytes + 4 * 250_000);
  });

  test('recording keeps nothing beside the arena', () => {
    const step = captured(make('mnist-cnn', 'SGD', 40).step);
    const [[images, labels]] = batches([32]) as [[Tensor, Tensor]];
    step(images, labels);
    step(images, labels);
    expect(step.counts.recorded).toBe(1);
    const { reservedBytes, allocatedBytes } = memoryStats();
    expect(reservedBytes - allocatedBytes).toBeLessThan(2 ** 20);
  });

  test('a step whose arena does not fit runs plainly', () => {
    const file = fileURLToPath(new URL('./helpers/capture-memory.mjs', import.meta.url));
    const env = { ...process.env, LENODE_MEMORY_LIMIT: '64M' };
    const { sums, counts, warnings, bytes } = JSON.parse(
      execFileSync(process.execPath, [file], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    expect(sums).toEqual(new Array(4).fill(12 * 2 ** 20));
    expect(counts).toEqual({ plain: 3, recorded: 1, replayed: 0 });
    expect(warnings).toEqual([expect.stringContaining('out of memory')]);
    expect(bytes).toBeLessThan(49 * 2 ** 20);
  });

  test('a step that nobody holds is freed', async () => {
    collectGarbage();
    const before = memoryStats().allocatedBytes;
    (() => {
      const step = capture((t: Tensor) => t.mul(2).add(1).sum());
      const big = ones([1024, 1024]);
      for (let i = 0; i < 3; i++) step(big);
    })();
    for (let i = 0; i < 20 && memoryStats().allocatedBytes - before > 2 ** 20; i++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    collectGarbage();
    expect(memoryStats().allocatedBytes - before).toBeLessThan(2 ** 20);
  });

  test('memory is flat over thousands of replays', () => {
    const layer = new nn.Linear(8, 4);
    const optimizer = new optim.Adam(layer.parameters());
    const step = captured((x: Tensor) => {
      optimizer.zeroGrad();
      const loss = layer.forward(x).square().mean();
      loss.backward();
      optimizer.step();
      return loss;
    });
    const run = (steps: number) => {
      for (let i = 0; i < steps; i++) step(rand([2, 8]));
      collectGarbage();
      return memoryStats();
    };
    const early = run(1000);
    const late = run(20_000);
    expect(late.allocatedBytes).toBeLessThanOrEqual(early.allocatedBytes + 4096);
    expect(late.tensors).toBeLessThanOrEqual(early.tensors + 8);
    expect(step.counts.replayed).toBe(20_998);
  });

  test('a replay of a network needs less memory than its plain step', () => {
    const { step: plain } = make('mnist-cnn', 'SGD', 40);
    const [[images, labels]] = batches([32]) as [[Tensor, Tensor]];
    const peak = (step: Step) => {
      step(images, labels);
      collectGarbage();
      const before = memoryStats().allocatedBytes;
      resetPeakMemoryStats();
      step(images, labels);
      return memoryStats().peakAllocatedBytes - before;
    };
    const ofPlain = peak(plain);
    const step = captured(plain);
    step(images, labels);
    const arena = -memoryStats().allocatedBytes + (step(images, labels), memoryStats().allocatedBytes);
    expect(arena).toBeLessThan(ofPlain);
    expect(peak(step)).toBeLessThan(1024);
  });
});
