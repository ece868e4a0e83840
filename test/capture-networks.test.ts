// SPDX-License-Identifier: Apache-2.0
// bench/capture.mjs compares all networks; here are those with layers and branches of each kind.
import { expect, test } from 'vitest';
import * as lenode from '../lib/index.js';
import { compareCaptured, STEPS } from '../bench/capture-run.mjs';

const networks = ['lenet5', 'mnistCnn', 'googlenet', 'resnet18', 'densenet121'];
const cases = [
  ...networks.flatMap((label) => [[label, 'fp32'], [label, 'bf16']] as const),
  ['alexnet2012', 'fp32'] as const,
  ...['lenet5', 'mnistCnn', 'cifarCnn'].map((label) => [label, 'fp16'] as const),
];

test.each(cases)(
  '%s in %s trains to the same bits captured as plainly, with dropout and a one-cycle schedule',
  (label, dtype) => {
    const { replayed, leftOut, differing } = compareCaptured(lenode, label, { dtype });
    expect(differing).toEqual([]);
    expect(replayed).toBeGreaterThan(STEPS - 5);
    if (dtype !== 'fp16') return;
    expect(leftOut).toBeGreaterThan(1);
    expect(leftOut).toBeLessThan(STEPS - 5);
  },
);
