// SPDX-License-Identifier: Apache-2.0
// npm's `install` script, in a clone and as a dependency of another project: builds the addon from source.
import { buildAddon } from './lib/addon.mjs';
import { exclusively, main } from './lib/project.mjs';

await main(() => exclusively(() => buildAddon({ anew: process.env.npm_command === 'rebuild' })));
