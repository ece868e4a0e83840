// SPDX-License-Identifier: Apache-2.0
// Runs one network on random images in a process of its own: node bench/worker.mjs '{"network": "lenet5", ...}'. A line
// on stdin asks for one measurement of so many seconds; a line of JSON on stdout answers it. What is in bench/peers/
// speaks the same protocol.
import { createInterface } from 'node:readline';
import * as lenode from '../dist/index.js';
import { deeper, networks } from './networks.mjs';

const { network: name, device: deviceName = 'cpu', mode = 'captured', dtype = 'fp32', task = 'training', ...rest } = JSON.parse(process.argv[2]);
const { amp, capture, F, device, manualSeed, memoryStats, models, noGrad, optim, rand, randint, summary, synchronize } = lenode;
const place = device(deviceName);
const isHalf = dtype === 'bf16';
manualSeed(0);

/** What a step of matrices of 2048 by 2048 does: the measured peak. */
function product() {
  const type = { device: place, dtype: isHalf ? 'bfloat16' : 'float32' };
  const [a, b] = [rand([2048, 2048], type), rand([2048, 2048], type)];
  return { batch: 1, multiplyAdds: 2048 ** 3, step: () => noGrad(() => a.matmul(b)) };
}

function network() {
  const { input, classes, make, ...sizes } = networks[name] ?? deeper[name];
  const batch = rest.batch ?? (place.type === 'cpu' ? sizes.batch : sizes.gpuBatch);
  const model = make(models).to(place);
  const multiplyAdds = summary(model, [1, ...input]).totals.multAdds;
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
  const images = rand([batch, ...input], { device: place });
  const labels = randint(0, classes, [batch], { device: place });
  const cast = isHalf ? (body) => amp.autocast('bfloat16', body) : (body) => body();
  const train = (images, labels) => {
    optimizer.zeroGrad();
    const loss = cast(() => F.crossEntropy(model.forward(images), labels));
    loss.backward();
    optimizer.step();
    return loss;
  };
  const infer = (images) => noGrad(() => cast(() => model.forward(images)));
  if (task === 'inference') model.eval();
  const plain = task === 'inference' ? infer : train;
  const step = mode === 'captured' ? capture(plain) : plain;
  return { batch, multiplyAdds, step: () => step(images, labels) };
}

let batch, multiplyAdds, step;
// Seconds of one step as far as known: the queue is waited for about ten times a second, and after every slow step.
let known;

async function measure(seconds) {
  const begin = performance.now();
  let steps = 0;
  let elapsed = 0;
  do {
    const burst = known === undefined ? 1 : Math.max(1, Math.min(1000, Math.floor(0.1 / known)));
    for (let i = 0; i < burst; i++) step();
    steps += burst;
    await synchronize(place);
    elapsed = (performance.now() - begin) / 1000;
    known = elapsed / steps;
  } while (elapsed < seconds);
  return { steps, secondsPerStep: elapsed / steps, imagesPerSecond: (batch * steps) / elapsed };
}

try {
  ({ batch, multiplyAdds, step } = name === 'gemm' ? product() : network());
  await measure(0);
  known = undefined; // the first step prepares much that later ones find ready
  await measure(0.3);
} catch (error) {
  console.log(JSON.stringify({ unavailable: `${error.name}: ${error.message.split('\n')[0]}` }));
  process.exit();
}
console.log(JSON.stringify({ ready: true, batch, multiplyAdds }));
for await (const line of createInterface({ input: process.stdin })) {
  const result = await measure(Number(line));
  const device = place.type === 'cpu' ? {} : { devicePeakBytes: memoryStats(place).peakReservedBytes };
  console.log(JSON.stringify({ ...result, peakBytes: process.resourceUsage().maxRSS * 1024, ...device }));
}
