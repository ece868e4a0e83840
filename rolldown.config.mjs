// SPDX-License-Identifier: Apache-2.0
// lib/ as few files of JavaScript: Node imports them faster than a file each (bench/import.mjs).

/** @type {import('rolldown').RolldownOptions} */
export default {
  input: { index: 'lib/index.ts', 'cli/main': 'lib/cli/main.ts', 'data/workers/thread': 'lib/data/workers/thread.ts' },
  platform: 'node',
  external: /^[^./]/, // packages, and Node's modules
  output: {
    dir: 'dist',
    format: 'esm',
    // A folder of dist, so that lib/native/paths.ts finds the same places from it.
    chunkFileNames: 'bundle/[name]-[hash].js',
    sourcemap: true,
  },
};
