// SPDX-License-Identifier: Apache-2.0
// `npm run build`: the addon, with a new look for compilers and libraries, and dist/. `--addon`, `--ts`: one of them.
// `--sanitize`: the addon once more, under build/sanitized and with the address and undefined-behaviour sanitizers.
// `--prepare`, for npm: dist/, if the packages for development are there.
import { rmSync } from 'node:fs';
import { buildAddon, buildSanitized } from './lib/addon.mjs';
import { at, exclusively, main, require } from './lib/project.mjs';
import { compile } from './lib/setup.mjs';

const option = process.argv[2];

function canCompile() {
  try {
    return Boolean(require.resolve('typescript/package.json'));
  } catch {
    return false;
  }
}

await main(() => {
  if (option === '--prepare' && !canCompile()) return;
  exclusively(() => {
    if (option === '--sanitize') return void buildSanitized();
    if (!option || option === '--addon') buildAddon({ anew: true });
    if (option === '--addon') return;
    rmSync(at('dist'), { recursive: true, force: true });
    compile();
  });
});
