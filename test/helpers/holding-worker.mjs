// SPDX-License-Identifier: Apache-2.0
// Holds tensors when it ends: 64 MB alive, as much in the cache, a captured step, and a read-back that is under way.
import { parentPort } from 'node:worker_threads';
import { capture, F, manualSeed, models, optim, rand, randint, zeros } from '../../dist/index.js';

manualSeed(0);
const held = Array.from({ length: 16 }, () => zeros([2 ** 20]));
const cached = Array.from({ length: 16 }, () => zeros([2 ** 20]));
for (const t of cached) t.dispose();
const model = models.lenet5();
const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
const step = capture((images, labels) => {
  optimizer.zeroGrad();
  const loss = F.crossEntropy(model.forward(images), labels);
  loss.backward();
  optimizer.step();
  return loss;
});
const [images, labels] = [rand([16, 1, 28, 28]), randint(0, 10, [16])];
for (let i = 0; i < 4; i++) await step(images, labels).item();
const reading = held.map((t) => t.add(1).data());
parentPort.postMessage('holds');
if (process.argv[2] === 'exit') process.exit(0);
await Promise.all(reading);
parentPort.once('message', () => undefined);
