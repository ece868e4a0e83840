// SPDX-License-Identifier: Apache-2.0
// `node bench/overfit.mjs [--only NAMES] [--device cuda]`: every network of lib/models learns 64 images of noise by
// heart, to a training loss below 0.01.
import { parseArgs } from 'node:util';
import * as lenode from '../dist/index.js';
import { GOAL, overfit, recipes } from './overfit-run.mjs';

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, device: { type: 'string', default: 'cpu' }, json: { type: 'boolean', default: false } },
});
const wanted = options.only?.split(',').map((name) => name.trim()) ?? Object.keys(recipes);
const unknown = wanted.filter((name) => !recipes[name]);
if (unknown.length > 0) throw new Error(`no such network: ${unknown.join(', ')}; there are ${Object.keys(recipes).join(', ')}`);

const reports = [];
for (const label of wanted) {
  const begin = performance.now();
  const onStep = (step, loss) => process.stderr.isTTY && process.stderr.write(`\r${label}: step ${step}, loss ${loss.toFixed(4)}  `);
  const losses = await overfit(lenode, label, { device: options.device, onStep });
  const [seconds, last] = [(performance.now() - begin) / 1000, losses.at(-1)];
  const report = { network: label, first: losses[0], last, steps: losses.length, seconds, pass: last < GOAL };
  reports.push(report);
  if (options.json) continue;
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const figures = `loss ${losses[0].toFixed(2)} -> ${last.toFixed(4)} in ${losses.length} steps, ${seconds.toFixed(1)} s`;
  console.log(`${label.padEnd(18)} ${figures}${report.pass ? '' : '  FAILS'}`);
}
if (options.json) console.log(JSON.stringify(reports));
process.exitCode = reports.every(({ pass }) => pass) ? 0 : 1;
