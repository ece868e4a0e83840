// SPDX-License-Identifier: Apache-2.0
// Two small training steps, eager and captured, for tools that make every access slow: node bench/small-step.mjs [device]
import { capture, F, models, optim, rand, randint, synchronize } from '../dist/index.js';

const device = process.argv[2] ?? 'cuda';
const model = models.lenet5().to(device);
const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
const [images, labels] = [rand([4, 1, 28, 28], { device }), randint(0, 10, [4], { device })];
function train(images, labels) {
  optimizer.zeroGrad();
  const loss = F.crossEntropy(model.forward(images), labels);
  loss.backward();
  optimizer.step();
  return loss;
}
const captured = capture(train);
for (const step of [train, captured, captured]) {
  const loss = await step(images, labels).item();
  if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`);
}
await synchronize(device);
console.log(JSON.stringify({ steps: 3 }));
