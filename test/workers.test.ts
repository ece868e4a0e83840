// SPDX-License-Identifier: Apache-2.0
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { tensor } from '../lib/index.js';

const file = new URL('./helpers/worker.mjs', import.meta.url);

function train(workerData: { seed: number; steps: number; capture?: boolean }): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData });
    worker.on('message', (message) => {
      if (message !== 'started') resolve(message.loss);
    });
    worker.on('error', reject);
  });
}

test('several workers train at once, each with its own state, and agree with a lone one', async () => {
  const alone = await train({ seed: 3, steps: 24 });
  const together = await Promise.all([3, 3, 4].map((seed) => train({ seed, steps: 24 })));
  expect(together[0]).toBe(alone);
  expect(together[1]).toBe(alone);
  expect(together[2]).not.toBe(alone);
});

test('several workers replay captured steps at once, with the results of plain ones', async () => {
  const plain = await train({ seed: 3, steps: 24 });
  const captured = await Promise.all([3, 3].map((seed) => train({ seed, steps: 24, capture: true })));
  expect(captured).toEqual([plain, plain]);
});

test.each([false, true])('workers terminated in the middle of work bring nothing down (captured: %s)', async (capture) => {
  for (let round = 0; round < 8; round++) {
    const workers = [0, 1, 2].map((seed) => new Worker(file, { workerData: { seed, capture } }));
    await Promise.all(workers.map((w) => new Promise((resolve, reject) => w.on('message', resolve).on('error', reject))));
    await Promise.all(workers.map((w) => w.terminate()));
  }
  expect(await tensor([1, 2, 3]).sum().item()).toBe(6);
});
