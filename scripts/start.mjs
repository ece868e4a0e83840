// SPDX-License-Identifier: Apache-2.0
// `npm start [-- flags]`: sets up what is missing, then `lenode train [flags]`.
import { pathToFileURL } from 'node:url';
import { at, main } from './lib/project.mjs';
import { setUp } from './lib/setup.mjs';

await main(async () => {
  setUp();
  const command = at('dist', 'cli', 'main.js');
  process.argv.splice(1, 1, command, 'train');
  await import(pathToFileURL(command).href);
});
