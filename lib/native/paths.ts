// SPDX-License-Identifier: Apache-2.0
// Where things are. This file is in a folder of lib/, and its code in a folder of dist/.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** lib/ or dist/, with what they hold beside code; ends with a separator. */
export const libraryRoot = fileURLToPath(new URL('..', import.meta.url));

/** The folder of package.json; ends with a separator. */
export const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

/** The folder of the addon and of the libraries that it opens; LENODE_ADDON_FOLDER names that of another build. */
export const addonFolder = resolve(packageRoot, process.env.LENODE_ADDON_FOLDER ?? 'build/Release');
