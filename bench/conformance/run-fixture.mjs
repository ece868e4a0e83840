// SPDX-License-Identifier: Apache-2.0
import { MODULES } from './modules.mjs';
import { Runner } from './replay.mjs';
import { ModuleRunner } from './replay-modules.mjs';
import { callText } from './report.mjs';
import { OPS } from './table.mjs';

/**
 * Runs the samples of one job of a fixture. What is not as it was when the fixture was made is a failure, but for what
 * was refused then and passes now.
 * @returns how many runs passed, and the failures
 */
export function runJob(lenode, { kind, row, refused, samples, tensor }) {
  const ofModules = kind.startsWith('module');
  const runner = new (ofModules ? ModuleRunner : Runner)(lenode);
  const known = new Set(refused);
  const failures = [];
  let passed = 0;
  for (const [i, sample] of samples.entries()) {
    runner.capturing = i === 0; // recording collects all garbage
    for (const { way, outcome, message } of runner.run((ofModules ? MODULES : OPS)[row], sample, tensor)) {
      if (outcome === 'pass') passed++;
      else if (outcome === 'wrong' || !known.has(`${i} ${way}`))
        failures.push(`${row}${callText(sample, tensor)} ${way}: ${outcome}: ${message}`);
    }
  }
  return { passed, failures };
}
