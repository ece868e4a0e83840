// SPDX-License-Identifier: Apache-2.0
// Flat memory: LeNet-5 for many steps with no dispose, in a `for await` loop, in a synchronous one, and in one of
// captured steps. Prints the resident set after a tenth of the steps and at the end.
import { capture, DataLoader, F, memoryStats, models, optim, rand, randint, TensorDataset } from '../dist/index.js';

const steps = Number(process.argv[2] ?? 20000);
const kind = process.argv[3] ?? 'all';
if (!Number.isSafeInteger(steps) || steps < 10) throw new RangeError(`usage: memory.mjs [steps, 10 or more] [kind], got ${process.argv[2]}`);
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

function snapshot() {
  const { rss, heapTotal } = process.memoryUsage();
  const { allocatedBytes, reservedBytes, tensors } = memoryStats();
  return { rss, heapTotal, allocatedBytes, reservedBytes, tensors };
}

function report(name, early) {
  const end = snapshot();
  console.log(`${name}: RSS after ${steps / 10} and ${steps} steps differ by ${(100 * (end.rss / early.rss - 1)).toFixed(1)} %`);
  for (const [when, s] of [[steps / 10, early], [steps, end]])
    console.log(
      `  ${String(when).padStart(6)}: RSS ${mib(s.rss)} MiB, JavaScript heap ${mib(s.heapTotal)} MiB, ` +
        `${s.tensors} tensors in ${mib(s.allocatedBytes)} MiB, reserved ${mib(s.reservedBytes)} MiB`,
    );
}

if (kind === 'async' || kind === 'all') {
  const { step, loader } = setUp();
  let n = 0;
  let early;
  outer: while (true)
    for await (const [images, labels] of loader) {
      step(images, labels);
      if (++n === steps / 10) early = snapshot();
      if (n === steps) break outer;
    }
  report('for await', early);
}
for (const [name, wrap] of [['sync', (step) => step], ['captured', capture]]) {
  if (kind !== name && kind !== 'all') continue;
  const { step: plain, loader } = setUp();
  const step = wrap(plain);
  let n = 0;
  let early;
  outer: while (true)
    for (const [images, labels] of loader) {
      step(images, labels);
      if (++n === steps / 10) early = snapshot();
      if (n === steps) break outer;
    }
  report(name === 'sync' ? 'synchronous' : 'captured', early);
}
