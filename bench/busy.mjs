// SPDX-License-Identifier: Apache-2.0
// What other work on the machine costs: how much slower steps get beside 1, 3 and 6 programs that compute all the time,
// and how much slower the peers' do in the same run. node bench/busy.mjs [--only resnet18,lenet5] [--loops 1,3,6]
// [--rounds 3] [--seconds 2] [--python path]
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Contender, median } from './contender.mjs';
import { findPython } from './find-python.mjs';
import { own, peer } from './peers.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'resnet18,lenet5' }, loops: { type: 'string', default: '1,3,6' },
    task: { type: 'string', default: 'inference,training' },
    rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '2' }, python: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const loops = [0, ...values.loops.split(',').map(Number)];
const python = findPython(values.python);
// It ends by itself, should this program be killed.
const LOOP = 'const end = Date.now() + 3600e3; while (Date.now() < end) for (let i = 0; i < 1e7; i++);';

/** Milliseconds of a step, beside each number of loops. */
async function measure(contenders) {
  const table = new Map(contenders.map((one) => [one, []]));
  for (const count of loops) {
    const others = Array.from({ length: count }, () => spawn(process.execPath, ['-e', LOOP], { stdio: 'ignore' }));
    try {
      const before = contenders.map((one) => one.rounds.length);
      for (let round = 0; round < rounds; round++) for (const one of contenders) await one.measure(seconds);
      contenders.forEach((one, i) =>
        table.get(one).push(1000 * median(one.rounds.slice(before[i]).map((result) => result.secondsPerStep))),
      );
    } finally {
      for (const other of others) other.kill('SIGKILL');
    }
  }
  return table;
}

const heading = loops.map((n) => (n === 0 ? 'alone' : `${n} beside`));
console.log(`milliseconds of a step, and how many times longer than alone; medians of ${rounds} rounds of ${seconds} s\n`);
for (const task of values.task.split(','))
  for (const network of values.only.split(',')) {
    const batch = task === 'inference' ? 1 : network.startsWith('lenet5') ? 64 : 8;
    const spec = { network, batch, task, device: 'cpu', dtype: 'fp32' };
    const peers = (task === 'inference' ? ['onnxruntime', 'channels-last'] : ['pytorch', 'channels-last']);
    const all = [own({ ...spec, mode: 'captured' }), own({ ...spec, mode: 'eager' }), ...peers.map((name) => peer(name, spec, python))];
    const contenders = all.filter((one) => one instanceof Contender);
    for (const one of contenders) await one.start();
    const table = await measure(contenders);
    await Promise.all(contenders.map((one) => one.close()));
    console.log(`${network}, batch ${batch}, ${task}`);
    console.log(`  ${''.padEnd(24)}${heading.map((text) => text.padStart(16)).join('')}`);
    for (const one of all) {
      const times = table.get(one);
      const cells = times?.map((ms, i) => `${ms.toPrecision(3)}${i ? ` (${(ms / times[0]).toFixed(1)})` : ''}`.padStart(16));
      console.log(`  ${one.label.padEnd(24)}${cells?.every((cell) => !cell.includes('NaN')) ? cells.join('') : (one.note ?? '')}`);
    }
  }
