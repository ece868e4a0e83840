#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The command `lenode`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../native/paths.js';
import { LenodeError } from '../native/errors.js';
import { registerDoctor } from './doctor.js';
import { registerSelftest } from './selftest.js';
import { registerSummary } from './summary.js';
import { registerTrain } from './train.js';
import { registerVisualize } from './visualize.js';

const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
const program = new Command('lenode').description('Train convolutional networks from TypeScript.').version(version);
registerTrain(program);
registerVisualize(program);
registerDoctor(program);
registerSummary(program);
registerSelftest(program);

try {
  await program.parseAsync();
} catch (error) {
  // What lenode itself reports is complete as a message; anything else keeps its stack.
  console.error(error instanceof LenodeError ? `lenode: ${error.message}` : error);
  process.exitCode = 1;
}
