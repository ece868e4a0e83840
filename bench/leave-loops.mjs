// SPDX-License-Identifier: Apache-2.0
// Whether a program goes on after a loop over worker threads however it is left: each way in many processes.
// usage: node bench/leave-loops.mjs [--runs 200] [--per-process 10]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '200' }, 'per-process': { type: 'string', default: '10' } } });
const runs = Number(values.runs);
const perProcess = Math.min(runs, Number(values['per-process']));
const program = fileURLToPath(new URL('../test/helpers/leave-loops.mjs', import.meta.url));
const call = (...args) => execFileSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 600_000 });

let lost = 0;
for (const way of call().trim().split(' ')) {
  let reached = 0;
  let processes = 0;
  for (let begun = 0; begun < runs; begun += perProcess, processes++) {
    const output = call(way, String(perProcess), String(processes));
    reached += output.split('\n').filter((line) => line.startsWith('after')).length;
  }
  lost += processes * perProcess - reached;
  console.log(`${way.padEnd(12)}${reached} of ${processes * perProcess} reached the line after the loop`);
}
process.exitCode = lost > 0 ? 1 : 0;
