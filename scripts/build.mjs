// SPDX-License-Identifier: Apache-2.0
// `npm run build`: the addon, with a new look for compilers and libraries, and dist/. `--ts`: dist/ alone.
// `--prepare`, for npm: dist/ alone, and only where the packages for development are.
import { rmSync } from 'node:fs';
import { buildAddon } from './lib/addon.mjs';
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
    if (!option) buildAddon({ anew: true });
    rmSync(at('dist'), { recursive: true, force: true });
    compile();
  });
});
