// SPDX-License-Identifier: Apache-2.0
// A process that runs samples, so that one that ends it or never ends is known by name. Each line of the input is a job:
// {kind, file, name, from, modes, captures, progress}. Before a sample is run, its position and the way are written to `progress`, which
// outlives the process. Each line of the output is one result, the last one says that the job is done.
import { openSync, readFileSync, closeSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readSamples } from './samples.mjs';
import { Runner } from './replay.mjs';
import { ModuleRunner } from './replay-modules.mjs';
import { MODULES } from './modules.mjs';
import { OPS } from './table.mjs';

const lenode = await import(process.env.LENODE_CONFORMANCE ?? fileURLToPath(new URL('../../dist/index.js', import.meta.url)));
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
const rows = { op: OPS, errors: OPS, module: MODULES, 'module errors': MODULES };

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, file, name, from, modes, captures, progress: path } = JSON.parse(line);
  const progress = openSync(path, 'w');
  const { samples, tensor } = readSamples(readFileSync(file));
  const runner = new (kind.startsWith('module') ? ModuleRunner : Runner)(lenode, modes);
  const passed = {};
  // Recording collects all garbage: of many samples some are captured.
  const sparse = captures ? Math.max(Math.ceil(samples.length / captures), 1) : 1;
  for (let i = from; i < samples.length; i++) {
    const began = (way) => writeSync(progress, JSON.stringify({ i, way }).padEnd(80), 0);
    runner.capturing = i % sparse === 0;
    for (const result of runner.run(rows[kind][name], samples[i], tensor, began)) {
      if (result.outcome === 'pass') passed[result.way] = (passed[result.way] ?? 0) + 1;
      else say({ i, ...result });
    }
  }
  closeSync(progress);
  say({ done: true, passed });
}
