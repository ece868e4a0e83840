// SPDX-License-Identifier: Apache-2.0
// Trains a small network in a worker thread: until it is terminated, or for a number of steps.
import { parentPort, workerData } from 'node:worker_threads';
import { capture, F, manualSeed, models, optim, rand, randint } from '../../dist/index.js';

manualSeed(workerData.seed ?? 0);
const model = models.lenet5();
const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
const images = rand([16, 1, 28, 28]);
const labels = randint(0, 10, [16]);
const plain = (images, labels) => {
  optimizer.zeroGrad();
  const loss = F.crossEntropy(model.forward(images), labels);
  loss.backward();
  optimizer.step();
  return loss;
};
const run = workerData.capture ? capture(plain) : plain;
let loss;
for (let step = 0; step < (workerData.steps ?? Infinity); step++) {
  loss = run(images, labels);
  if (step === (workerData.capture ? 4 : 0)) parentPort.postMessage('started');
  if (step % 8 === 7) await loss.item();
}
parentPort.postMessage({ loss: await loss.item() });
