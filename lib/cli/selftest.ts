// SPDX-License-Identifier: Apache-2.0
// `lenode selftest`: every operation on a device against PyTorch's results.
import type { Command } from 'commander';
import { runAgreement } from '../selftest/agreement.js';
import { loadCases } from '../selftest/cases.js';
import { runCases, type CaseReport } from '../selftest/run-cases.js';
import { backends } from '../tensor/backends.js';
import { device as toDevice, type DeviceLike } from '../tensor/device.js';

interface SelftestOptions {
  device: DeviceLike;
  only?: string;
  json?: boolean;
}

export function registerSelftest(program: Command): void {
  program
    .command('selftest')
    .description("check every operation of a device against PyTorch's results")
    .option('--device <name>', 'auto, cpu, cuda or cuda:<index>', 'auto')
    .option('--only <text>', 'cases whose name or function contains this')
    .option('--json', 'print the results as one JSON object')
    .action(selftest);
}

async function selftest(options: SelftestOptions): Promise<void> {
  const place = toDevice(options.device);
  backends.cudnn.allowTf32 = false; // the fixtures are float32 results
  const chosen = ({ name, fn }: { name: string; fn: string }) =>
    options.only === undefined || name.includes(options.only) || fn.includes(options.only);
  const reports: CaseReport[] = [];
  const begin = performance.now();
  for await (const report of runCases(loadCases().filter(chosen), place)) reports.push(report);
  // The CPU is what the others are compared with.
  if (place.type !== 'cpu') for await (const report of runAgreement(place)) if (chosen(report)) reports.push(report);
  const failed = reports.filter((report) => !report.passed);
  const seconds = (performance.now() - begin) / 1000;
  if (options.json) {
    console.log(JSON.stringify({ device: String(place), cases: reports.length, failed, seconds }));
  } else {
    for (const { name, failure } of failed) console.log(`FAILED ${name}\n  ${failure}`);
    console.log(
      `${place}: ${reports.length - failed.length} of ${reports.length} cases agree with the reference ` +
        `(${seconds.toFixed(1)} s)`,
    );
    const functions = [...new Set(failed.map((report) => report.fn))];
    if (functions.length) console.log(`failing operations: ${functions.join(', ')}`);
  }
  if (failed.length || reports.length === 0) process.exitCode = 1;
}
