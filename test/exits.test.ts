// SPDX-License-Identifier: Apache-2.0
// However and whenever a process ends, nothing crashes: `node bench/exits.mjs` ends a thousand.
import { expect, test } from 'vitest';
import { endMany } from '../bench/exits.mjs';

test('processes that end at random moments are ended by no signal but the one they were sent', async () => {
  expect(await endMany(48, { parallel: 2, seed: Number(process.env['LENODE_EXIT_SEED'] ?? 1) })).toEqual([]);
});
