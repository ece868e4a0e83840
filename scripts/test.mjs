// SPDX-License-Identifier: Apache-2.0
// `npm test [-- vitest's arguments]`: sets up what is missing, then all tests, those of the types included.
import path from 'node:path';
import { main, require, runVisible } from './lib/project.mjs';
import { setUp } from './lib/setup.mjs';

await main(() => {
  setUp();
  const vitest = path.join(path.dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
  process.exitCode = runVisible(process.execPath, [vitest, 'run', ...process.argv.slice(2)]);
});
