// SPDX-License-Identifier: Apache-2.0
// What one small operation costs from the call in TypeScript to the stream's queue, recorded for autograd and not.
// The queue is emptied between bursts, outside the measured time, so that the arithmetic itself is not counted.
import { synchronize, tensor } from '../dist/index.js';

const BURST = 400; // fits the stream's queue
const BURSTS = 400;

async function cost(operation) {
  const bursts = [];
  for (let b = 0; b < BURSTS; b++) {
    await synchronize('cpu');
    const begin = performance.now();
    for (let i = 0; i < BURST; i++) operation();
    bursts.push(((performance.now() - begin) / BURST) * 1000);
  }
  return bursts.sort((a, b) => a - b)[BURSTS >> 1];
}

const a = tensor([1, 2, 3, 4]);
const w = tensor([1, 2, 3, 4], { requiresGrad: true });
const operations = {
  'mul, not recorded': () => a.mul(a),
  'mul, recorded': () => w.mul(a),
  'relu, recorded': () => w.relu(),
  'sum, recorded': () => w.sum(),
  'reshape, recorded': () => w.reshape([2, 2]),
};
for (const operation of Object.values(operations)) await cost(operation); // compile
const results = {};
for (const [name, operation] of Object.entries(operations)) results[name] = await cost(operation);
if (process.argv.includes('--json')) console.log(JSON.stringify({ microsecondsPerOperation: results }));
else for (const [name, us] of Object.entries(results)) console.log(`${name.padEnd(20)} ${us.toFixed(2)} µs`);
