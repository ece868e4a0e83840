// SPDX-License-Identifier: Apache-2.0
// How long the event loop is held up while LeNet-5 trains and every loss is awaited: the delay of a timer, as
// perf_hooks measures it.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { F, models, optim, rand, randint } from '../dist/index.js';

const steps = Number(process.argv[2] ?? 3000);
const model = models.lenet5();
const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
const images = rand([64, 1, 28, 28]);
const labels = randint(0, 10, [64]);
async function train(n) {
  for (let i = 0; i < n; i++) {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model.forward(images), labels);
    loss.backward();
    optimizer.step();
    await loss.item();
  }
}
await train(100);
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
await train(steps);
delay.disable();
const ms = (ns) => +(ns / 1e6).toFixed(2);
console.log(JSON.stringify({ steps, p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) }));
