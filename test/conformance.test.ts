// SPDX-License-Identifier: Apache-2.0
// A few small samples of each operation and layer of PyTorch's own tests, as `npm run conformance` runs all of them:
// forward, each gradient alone, captured, and with operands in other memory layouts. Made by
// `npm run conformance -- --fixture test/fixtures/conformance.bin`.
import { describe, expect, test } from 'vitest';
import * as lenode from '../lib/index.js';
import { runJob } from '../bench/conformance/run-fixture.mjs';
import { readFixture } from '../bench/conformance/samples.mjs';

const jobs = readFixture(new URL('./fixtures/conformance.bin', import.meta.url));
const kinds = { op: 'operations', errors: 'calls that are refused', module: 'layers', 'module errors': 'layers that are refused' };

for (const [kind, title] of Object.entries(kinds))
  describe(title, () => {
    for (const job of jobs.filter((other) => other.kind === kind))
      test(`${job.row} ${job.variant}`.trim(), () => {
        expect(runJob(lenode, job).failures).toEqual([]);
      });
  });

test('the fixture covers what there is', () => {
  expect(new Set(jobs.filter(({ kind }) => kind === 'op').map(({ row }) => row)).size).toBeGreaterThan(150);
  expect(jobs.filter(({ kind }) => kind === 'module').length).toBeGreaterThan(60);
});
