// SPDX-License-Identifier: Apache-2.0
// `node bench/capture.mjs [--only NAMES] [--dtype fp32,bf16,fp16] [--device cuda]`: every network of lib/models trained
// for 20 steps, with dropout and a one-cycle schedule, plainly and captured: losses, parameters, gradients, running
// statistics and the random generator must be the same bits; in fp16 a GradScaler's factors, too, and some steps overflow.
import { parseArgs } from 'node:util';
import * as lenode from '../dist/index.js';
import { compareCaptured, STEPS } from './capture-run.mjs';
import { recipes } from './overfit-run.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(recipes).join(',') },
    dtype: { type: 'string', default: 'fp32,bf16,fp16' },
    device: { type: 'string', default: 'cpu' },
  },
});
const networks = options.only.split(',').map((name) => name.trim());
const unknown = networks.filter((name) => !recipes[name]);
if (unknown.length > 0) throw new Error(`no such network: ${unknown.join(', ')}; there are ${Object.keys(recipes).join(', ')}`);

process.exitCode = 0;
for (const network of networks)
  for (const dtype of options.dtype.split(',')) {
    const { replayed, leftOut, differing } = compareCaptured(lenode, network, { device: options.device, dtype });
    const verdict = differing.length === 0 ? 'the same bits' : `DIFFERENT: ${differing.length}, first ${differing[0]}`;
    const overflows = dtype === 'fp16' ? `, ${leftOut} left out` : '';
    console.log(`${network.padEnd(18)} ${dtype}  ${replayed} of ${STEPS} steps replayed${overflows}, ${verdict}`);
    if (differing.length > 0 || replayed === 0 || (dtype === 'fp16' && (leftOut === 0 || leftOut === STEPS))) process.exitCode = 1;
  }
