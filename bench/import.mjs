// SPDX-License-Identifier: Apache-2.0
// `node bench/import.mjs`: what `import 'lenode'` costs, in processes of its own: the median, beside Node's own start.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { median } from './contender.mjs';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '15' } } });
const library = new URL('../dist/index.js', import.meta.url).href;
const program = `const begin = performance.now();
await import(${JSON.stringify(library)});
console.log(performance.now() - begin);`;
const run = (source) => {
  const begin = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return { whole: performance.now() - begin, printed: Number(stdout) };
};
const times = Array.from({ length: Number(values.runs) }, () => ({ start: run('').whole, lenode: run(program).printed }));
const milliseconds = (name) => `${median(times.map((time) => time[name])).toFixed(0)} ms`;
console.log(`import 'lenode': ${milliseconds('lenode')}; Node's own start, process and all: ${milliseconds('start')}`);
