// SPDX-License-Identifier: Apache-2.0
// Ends processes at random moments of planning, computing and reading back, by every way there is, with and without
// workers, and counts those that a signal ended: node bench/exits.mjs [how many] [how many at once] [seed]
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const child = fileURLToPath(new URL('./exits-child.mjs', import.meta.url));

// How a process may end, and what it then says.
const ways = { end: 0, exit: 3, throw: 1, reject: 1, handler: 4, terminate: 0, worker: 0, sigterm: 'SIGTERM' };

function endOne(way, seed) {
  return new Promise((resolve, reject) => {
    const started = spawn(process.execPath, [child, way, String(seed)], { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    started.stderr.on('data', (data) => (text += data));
    started.on('error', reject);
    started.on('close', (code, signal) => resolve({ way, seed, code, signal, text }));
  });
}

/** Ends `count` processes; returns those that did not end as they should. */
export async function endMany(count, { parallel = 2, seed = 1, log } = {}) {
  const names = Object.keys(ways);
  const wrong = [];
  let next = 0;
  const work = async () => {
    while (next < count) {
      const i = next++;
      const ended = await endOne(names[i % names.length], seed + i);
      const expected = ways[ended.way];
      if ((ended.signal ?? ended.code) !== expected) wrong.push(ended);
      if (log && next % 100 === 0) log(`${next} of ${count}, ${wrong.length} wrong`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return wrong;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [count = 1000, parallel = 2, seed = 1] = process.argv.slice(2).map(Number);
  const wrong = await endMany(count, { parallel, seed, log: console.log });
  for (const { way, seed: of, code, signal, text } of wrong) console.log(`${way} ${of}: code ${code}, signal ${signal}\n${text}`);
  console.log(`${count} processes (${Object.keys(ways).join(', ')}): ${wrong.length} did not end as they should`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
