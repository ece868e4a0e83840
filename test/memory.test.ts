// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import {
  collectGarbage,
  DataLoader,
  DisposedError,
  emptyCache,
  F,
  memoryStats,
  models,
  optim,
  OutOfMemoryError,
  rand,
  randint,
  type Tensor,
  TensorDataset,
  tensor,
  zeros,
} from '../lib/index.js';

function setUp() {
  const model = models.lenet5();
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const step = (images: Tensor, labels: Tensor) => {
    optimizer.zeroGrad();
    F.crossEntropy(model.forward(images), labels).backward();
    optimizer.step();
  };
  const dataset = new TensorDataset(rand([640, 1, 28, 28]), randint(0, 10, [640]));
  return { step, loader: new DataLoader(dataset, { batchSize: 64, shuffle: true }) };
}

// Live tensors and bytes after so many steps must not depend on how many there were.
const STEPS = 600;

test('a synchronous training loop runs in flat memory with no dispose', () => {
  const { step, loader } = setUp();
  let peakTensors = 0;
  let peakBytes = 0;
  for (let n = 0; n < STEPS; ) {
    for (const [images, labels] of loader) {
      step(images!, labels!);
      if (++n > STEPS / 4) {
        const stats = memoryStats();
        peakTensors = Math.max(peakTensors, stats.tensors);
        peakBytes = Math.max(peakBytes, stats.allocatedBytes);
      }
    }
  }
  // One step makes about 5 MB in 60 tensors: without collection there would be 3 GB and 36,000.
  expect(peakBytes).toBeLessThan(400 * 2 ** 20);
  expect(peakTensors).toBeLessThan(8000);
});

test('what a step has computed is freed before the next step needs memory', async () => {
  collectGarbage();
  const before = memoryStats().allocatedBytes;
  const x = rand([2 ** 21], { requiresGrad: true });
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1000)); // collections take a small share of the time
    let y: Tensor = x;
    for (let layer = 0; layer < 16; layer++) y = y.sigmoid();
    y.sum().backward();
    x.grad = null;
    expect(memoryStats().allocatedBytes - before).toBeLessThan(5 * x.nbytes);
  }
});

test('an asynchronous training loop runs in flat memory with no dispose', async () => {
  const { step, loader } = setUp();
  let peakBytes = 0;
  for (let n = 0; n < STEPS; ) {
    for await (const [images, labels] of loader) {
      step(images!, labels!);
      if (++n > STEPS / 4) peakBytes = Math.max(peakBytes, memoryStats().allocatedBytes);
    }
  }
  expect(peakBytes).toBeLessThan(400 * 2 ** 20);
});

test('a loop that only makes tensors of arrays runs in flat memory', () => {
  const before = memoryStats().allocatedBytes;
  const values = new Float32Array(1 << 20);
  let peak = 0;
  for (let n = 0; n < 100; n++) {
    tensor(values);
    peak = Math.max(peak, memoryStats().allocatedBytes - before);
  }
  expect(peak).toBeLessThan(160 * 2 ** 20);
});

test('collectGarbage frees what is unreachable and keeps what is not', async () => {
  const kept = rand([1000]);
  collectGarbage();
  const before = memoryStats().tensors;
  for (let i = 0; i < 100; i++) rand([1000]);
  await new Promise((resolve) => setImmediate(resolve)); // locals of the loop may be held by the frame
  collectGarbage();
  expect(memoryStats().tensors).toBeLessThanOrEqual(before + 5);
  expect((await kept.data()).length).toBe(1000);
});

test('views keep the memory alive; dispose is final for its own tensor only', async () => {
  const x = tensor([[1, 2], [3, 4]]);
  const row = x.select(0, 1);
  x.dispose();
  expect([...(await row.data())]).toEqual([3, 4]);
  expect(x.disposed).toBe(true);
  expect(() => x.add(1)).toThrow(DisposedError);
  expect(() => x.add(1)).toThrow('add: a tensor of shape [2, 2] was used after dispose()');
  await expect(x.data()).rejects.toThrow(DisposedError);
  x.dispose();
});

test('`using` frees at the end of the block', () => {
  let outer: Tensor;
  {
    using inner = zeros([4]);
    outer = inner;
  }
  expect(outer.disposed).toBe(true);
});

test('running out of memory says who holds what, and the process goes on', async () => {
  const held = zeros([1024, 1024]);
  expect(() => zeros([1 << 20, 1 << 20])).toThrow(OutOfMemoryError);
  try {
    zeros([1 << 20, 1 << 20]);
  } catch (error) {
    expect((error as Error).message).toMatch(/cpu holds .* tensors; the largest:\n.*float32 \[1024, 1024\]/);
  }
  expect(await held.sum().item()).toBe(0);
});

test('freed blocks are reused, and emptyCache gives them back', () => {
  for (let i = 0; i < 10; i++) zeros([333, 777]).dispose();
  const before = memoryStats();
  for (let i = 0; i < 10; i++) zeros([333, 777]).dispose();
  expect(memoryStats().deviceAllocations).toBe(before.deviceAllocations);
  emptyCache();
  const after = memoryStats();
  expect(after.reservedBytes).toBe(after.allocatedBytes);
});
