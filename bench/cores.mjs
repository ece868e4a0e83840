// SPDX-License-Identifier: Apache-2.0
// How far apart two cores are: the nanoseconds of a round trip of one cache line between two threads. Some 70 where they
// share a last-level cache, several hundred where they do not; a virtual machine's cores may move from one to the other
// at any moment, and what threads hand to each other then costs as much as memory. Alone: node bench/cores.mjs [seconds]
import { availableParallelism } from 'node:os';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';

const TRIPS = 2_000; // few, so that in some of the games neither thread is interrupted
const GAMES = 100;

function play(line, mine) {
  for (let i = 0; i < TRIPS; i++) {
    while (Atomics.load(line, 0) !== mine);
    Atomics.store(line, 0, 1 - mine);
  }
}

/** @returns {Promise<number | undefined>} nanoseconds, the least of several games; nothing where there is one core */
export async function coreRoundTrip() {
  if (availableParallelism() < 2) return undefined; // each trip would take a time slice
  const line = new Int32Array(new SharedArrayBuffer(128));
  const other = new Worker(fileURLToPath(import.meta.url), { workerData: { line } });
  await new Promise((resolve) => other.once('online', resolve));
  let least = Infinity;
  for (let game = 0; game < GAMES; game++) {
    while (Atomics.load(line, 0) !== 0);
    const begin = performance.now();
    play(line, 0);
    least = Math.min(least, ((performance.now() - begin) * 1e6) / TRIPS);
  }
  await other.terminate();
  return least;
}

if (!isMainThread && workerData?.line) {
  for (let game = 0; game < GAMES; game++) play(workerData.line, 1);
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const until = performance.now() + 1000 * Number(process.argv[2] ?? 0);
  do {
    const nanoseconds = await coreRoundTrip();
    console.log(nanoseconds === undefined ? 'there is one core' : `${nanoseconds.toFixed(0)} ns`);
    if (nanoseconds === undefined) break;
  } while (performance.now() < until);
}
