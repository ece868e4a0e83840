// SPDX-License-Identifier: Apache-2.0
// JavaScript's time of one training step of LeNet-5: plain, replayed, and replayed while it is followed. One image, so that
// the queue is never full.  node bench/follow.mjs
import { capture, F, manualSeed, models, optim, rand, randint } from '../dist/index.js';

const ROUNDS = 15;
const STEPS = 100;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

function make(options) {
  manualSeed(1);
  const model = models.lenet5();
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const [x, y] = [rand([1, 1, 28, 28]), randint(0, 10, [1])];
  const step = () => {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { step: options ? capture(step, options) : step, times: [] };
}

const kinds = { plain: make(), replayed: make({}), followed: make({ follow: true }) };
for (let round = 0; round <= ROUNDS; round++)
  for (const { step, times } of Object.values(kinds)) {
    const of = [];
    for (let i = 0; i < STEPS; i++) {
      const start = performance.now();
      const loss = step();
      of.push(performance.now() - start);
      if (i % 10 === 9) await loss.item();
    }
    if (round > 0) times.push(median(of)); // the first warms up
  }
for (const [kind, { times }] of Object.entries(kinds)) console.log(`${kind.padEnd(10)}${median(times).toFixed(4)} ms`);
