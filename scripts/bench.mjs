// SPDX-License-Identifier: Apache-2.0
// `npm run bench [-- flags]`: sets up what is missing, then bench/run.mjs.
import { pathToFileURL } from 'node:url';
import { at, main } from './lib/project.mjs';
import { setUp } from './lib/setup.mjs';

await main(async () => {
  setUp();
  const program = at('bench', 'run.mjs');
  process.argv[1] = program;
  await import(pathToFileURL(program).href);
});
