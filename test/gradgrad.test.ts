// SPDX-License-Identifier: Apache-2.0
// Gradients of gradients of every operation: those of the float64 op cases against central differences.
import { expect, test } from 'vitest';
import { loadCases } from '../lib/selftest/cases.js';
import { checkSecondDerivative } from '../lib/selftest/run-cases.js';

// Not where there is nothing to differentiate, nor at a kink: one difference in this case is exactly 0.
const atKinks = ['l1Loss(float64[3,4], float64[3,4])'];
const rows = loadCases().filter(
  (row) => row.gradcheck && !atKinks.includes(row.name) && row.outputs.every((y) => !y.shape.includes(0)),
);

test.each(rows.map((row) => [row.name, row] as const))('%s', async (_, row) => {
  await checkSecondDerivative(row, 'cpu');
});

test('there are cases of all differentiable functions', () => {
  expect(new Set(rows.map((row) => row.fn)).size).toBeGreaterThan(150);
});
