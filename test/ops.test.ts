// SPDX-License-Identifier: Apache-2.0
// Every op case against PyTorch's numbers, forward and backward, on every device. On a machine without a GPU the CUDA
// cases are skipped, never passed.
import { describe, expect, test } from 'vitest';
import { cudaStatus } from '../lib/native/cuda.js';
import { loadCases, type OpCase } from '../lib/selftest/cases.js';
import { runCase } from '../lib/selftest/run-cases.js';

const byFunction = new Map<string, OpCase[]>();
for (const row of loadCases()) byFunction.set(row.fn, [...(byFunction.get(row.fn) ?? []), row]);

for (const place of ['cpu', 'cuda'] as const)
  describe.skipIf(place === 'cuda' && !cudaStatus().available)(place, () => {
    describe.each([...byFunction])('%s', (_, rows) => {
      test.each(rows.map((row) => [row.name, row] as const))('%s', async (_name, row) => {
        const report = await runCase(row, place);
        if (!report.passed) expect.fail(report.failure);
      });
    });
  });
