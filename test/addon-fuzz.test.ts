// SPDX-License-Identifier: Apache-2.0
// The addon itself, called with what TypeScript would never send, returns or throws; the process goes on.
// `node test/helpers/addon-fuzz.mjs <calls> <seed>` does so with other seeds, or under sanitizers.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ones, type Tensor } from '../lib/index.js';

const fuzz = fileURLToPath(new URL('./helpers/addon-fuzz.mjs', import.meta.url));

test.each([1, 2])('4,000 hostile calls (seed %i)', (seed) => {
  const env = { ...process.env, LENODE_MEMORY_LIMIT: '256M' };
  const output = execFileSync(process.execPath, [fuzz, '4000', String(seed)], { encoding: 'utf8', env, timeout: 240_000 });
  const { accepted, failed } = JSON.parse(output) as { accepted: number; failed: number };
  // Were nothing let through, nothing would have been tried.
  expect(accepted - failed).toBeGreaterThan(400);
});

test('an argument whose conversion runs an operation disturbs none', () => {
  const a = ones([3]) as Tensor;
  const sneaky = { valueOf: () => (a.add_(1), 0.5) };
  expect(() => ones([4]).clamp(sneaky as never, 1)).toThrow(/^clamp: /);
  expect([...a.dataSync()]).toEqual([1, 1, 1]);
});
