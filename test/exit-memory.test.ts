// SPDX-License-Identifier: Apache-2.0
// A program that holds more memory at its end than the allocator keeps for later ends nevertheless.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('a program with more than a gibibyte in tensors ends by itself', () => {
  const program = `
    import * as lenode from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    globalThis.kept = lenode.empty([300, 1024, 1024]);
    lenode.ones([2]).add(1).dataSync();
    console.log('made');`;
  const { stdout, status, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', timeout: 60_000 });
  expect({ stdout, status, signal }).toEqual({ stdout: 'made\n', status: 0, signal: null });
});
