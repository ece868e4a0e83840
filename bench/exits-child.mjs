// SPDX-License-Identifier: Apache-2.0
// A process, or a worker of one, that is busy and ends at a random moment; see exits.mjs.
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { nn, rand } from '../dist/index.js';

const [way, seed] = isMainThread ? [process.argv[2], Number(process.argv[3])] : [workerData.way, workerData.seed];

// Reproducible, and nothing of the library's.
let state = seed * 2654435761 + 1;
const below = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;

// New shapes make new plans, which take most of the time; the same ones are only computed.
let fixed = null;
function enqueue(news = 3) {
  const [channels, filters, size] = [1 + below(48), 1 + below(48), 4 + below(12)];
  const again = fixed && below(4) >= news;
  const [conv, x] = again ? fixed : [new nn.Conv2d(channels, filters, 1 + below(5), { padding: 2 }), rand([1 + below(4), channels, size, size])];
  fixed ??= [conv, x];
  const y = conv.forward(x).relu().sum();
  y.backward();
  return y;
}

function endNow() {
  if (way === 'exit') process.exit(3);
  if (way === 'throw') throw new Error('as planned');
  if (way === 'reject') void Promise.reject(new Error('as planned'));
  if (way === 'sigterm') process.kill(process.pid, 'SIGTERM');
  if (way === 'handler') {
    setTimeout(() => undefined, 60_000);
    process.kill(process.pid, 'SIGUSR2');
  }
}

async function beBusy(until) {
  while (performance.now() < until) {
    for (let i = below(6); i >= 0; i--) enqueue();
    const last = enqueue();
    if (below(3) === 0) await last.item();
    else if (below(4) === 0) void last.item().catch(() => undefined);
    else await turn();
  }
}

process.on('SIGUSR2', () => process.exit(4));
const moment = performance.now() + 2 + below(120);
if (isMainThread && (way === 'worker' || way === 'terminate' || below(3) === 0)) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { way: 'forever', seed: seed + 7 } });
  worker.unref();
  if (way === 'terminate') setTimeout(() => void worker.terminate(), below(150));
  if (way === 'worker') setTimeout(() => process.exit(0), 20 + below(150)).unref();
}
if (way === 'forever') await beBusy(Infinity);
else {
  await beBusy(moment);
  // Half of them in the middle of planning.
  const news = below(2) ? 4 : below(4);
  for (let i = 8 + below(24); i >= 0; i--) enqueue(news);
  const last = below(2) ? enqueue().item() : null;
  last?.catch(() => undefined);
  endNow();
}
