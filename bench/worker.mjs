// SPDX-License-Identifier: Apache-2.0
// Trains one network on random images in a process of its own. A line on stdin asks for one measurement of so many
// seconds; a line of JSON on stdout answers it. bench/peers/pytorch.py speaks the same protocol.
import { createInterface } from 'node:readline';
import * as lenode from '../dist/index.js';
import { networks } from './networks.mjs';

const [name, deviceName, batchText, mode = 'captured'] = process.argv.slice(2);
const { capture, F, device, manualSeed, optim, rand, randint, synchronize } = lenode;
const network = networks[name];
const place = device(deviceName ?? 'cpu');
const batch = Number(batchText) || network.batch;

manualSeed(0);
const model = network.make(lenode).to(place);
const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
const images = rand([batch, ...network.input], { device: place });
const labels = randint(0, network.classes, [batch], { device: place });

function plain(images, labels) {
  optimizer.zeroGrad();
  const loss = F.crossEntropy(model.forward(images), labels);
  loss.backward();
  optimizer.step();
  return loss;
}
const step = mode === 'captured' ? capture(plain) : plain;

async function measure(seconds) {
  const begin = performance.now();
  let steps = 0;
  do {
    for (let i = 0; i < 10; i++) step(images, labels);
    steps += 10;
    await synchronize(place);
  } while (performance.now() - begin < seconds * 1000);
  const elapsed = (performance.now() - begin) / 1000;
  return { steps, secondsPerStep: elapsed / steps, imagesPerSecond: (batch * steps) / elapsed };
}

await measure(0.5);
console.log(JSON.stringify({ ready: true, batch }));
for await (const line of createInterface({ input: process.stdin })) {
  const result = await measure(Number(line));
  console.log(JSON.stringify({ ...result, peakBytes: process.resourceUsage().maxRSS * 1024 }));
}
