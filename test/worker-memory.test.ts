// SPDX-License-Identifier: Apache-2.0
// A worker's end gives back all that its tensors held.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const helper = fileURLToPath(new URL('./helpers/holding-worker.mjs', import.meta.url));

// In a process of its own: the resident memory of this one is its runner's too.
test.each(['terminate', 'exit', 'end'])('workers that hold tensors when they end leave nothing behind (%s)', (way) => {
  const program = `
    import { readFileSync } from 'node:fs';
    import { Worker } from 'node:worker_threads';
    const resident = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
    const seen = [];
    for (let i = 0; i < 8; i++) {
      const worker = new Worker('${helper}', { argv: ['${way}'], execArgv: [] });
      worker.on('error', (error) => { throw error; });
      const ended = new Promise((resolve) => worker.on('exit', resolve));
      await new Promise((resolve) => worker.once('message', resolve));
      if ('${way}' === 'terminate') await worker.terminate();
      if ('${way}' === 'end') worker.postMessage('end');
      await ended;
      seen.push(resident());
    }
    console.log(JSON.stringify(seen));`;
  if (!readFileSync('/proc/self/status', 'utf8').includes('VmRSS')) return;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const seen = JSON.parse(output) as number[];
  // Each holds 64 MB and has cached as much: five of them 320 and 640. What the first two leave are thread stacks and the like.
  expect(Math.min(...seen.slice(-3)) - seen[1]!).toBeLessThan(64);
});
