// SPDX-License-Identifier: Apache-2.0
// Flat memory: LeNet-5 for many steps with no dispose, in a `for await` loop and in a synchronous one. Prints the
// resident set after a tenth of the steps and at the end.
import { DataLoader, F, memoryStats, models, optim, rand, randint, TensorDataset } from '../dist/index.js';

const steps = Number(process.argv[2] ?? 20000);
const kind = process.argv[3] ?? 'both';
const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);

function setUp() {
  const model = models.lenet5();
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const step = (images, labels) => {
    optimizer.zeroGrad();
    F.crossEntropy(model.forward(images), labels).backward();
    optimizer.step();
  };
  const data = new TensorDataset(rand([6400, 1, 28, 28]), randint(0, 10, [6400]));
  return { step, loader: new DataLoader(data, { batchSize: 64, shuffle: true }) };
}

function report(name, early, tensors) {
  const end = process.memoryUsage.rss();
  const { allocatedBytes, reservedBytes, tensors: now } = memoryStats();
  console.log(
    `${name}: RSS ${mib(early)} MiB after ${steps / 10} steps, ${mib(end)} MiB after ${steps} ` +
      `(${(100 * (end / early - 1)).toFixed(1)} %); tensors ${tensors} -> ${now}, ` +
      `in use ${mib(allocatedBytes)} MiB, reserved ${mib(reservedBytes)} MiB`,
  );
}

if (kind !== 'sync') {
  const { step, loader } = setUp();
  let n = 0;
  let early, tensors;
  outer: while (true)
    for await (const [images, labels] of loader) {
      step(images, labels);
      if (++n === steps / 10) [early, tensors] = [process.memoryUsage.rss(), memoryStats().tensors];
      if (n === steps) break outer;
    }
  report('for await', early, tensors);
}
if (kind !== 'async') {
  const { step, loader } = setUp();
  let n = 0;
  let early, tensors;
  outer: while (true)
    for (const [images, labels] of loader) {
      step(images, labels);
      if (++n === steps / 10) [early, tensors] = [process.memoryUsage.rss(), memoryStats().tensors];
      if (n === steps) break outer;
    }
  report('synchronous', early, tensors);
}
