// SPDX-License-Identifier: Apache-2.0
// A step that fits into LENODE_MEMORY_LIMIT, but not together with the arena of its recording.
import { capture, memoryStats, ones } from '../../dist/index.js';

const x = ones([24 * 2 ** 18]); // 24 MiB
let kept;
const step = capture(() => {
  kept?.dispose();
  kept = x.mul(2);
  return kept.sum();
});
const warnings = [];
process.on('warning', (warning) => warnings.push(warning.message));
const sums = Array.from({ length: 4 }, () => step().itemSync());
setTimeout(() => {
  console.log(JSON.stringify({ sums, counts: step.counts, warnings, bytes: memoryStats().allocatedBytes }));
}, 0);
