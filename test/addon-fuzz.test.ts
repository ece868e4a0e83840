// SPDX-License-Identifier: Apache-2.0
// The addon itself, called with what TypeScript would never send, returns or throws; the process goes on.
// `node test/helpers/addon-fuzz.mjs <calls> <seed>` does so with other seeds, or under sanitizers.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LenodeError, ones, type Tensor, zeros } from '../lib/index.js';
import { Op } from '../lib/native/ops.gen.js';
import { run } from '../lib/native/run.js';
import { fresh } from '../lib/tensor/tensor.js';

const fuzz = fileURLToPath(new URL('./helpers/addon-fuzz.mjs', import.meta.url));

test.each([1, 2])('4,000 hostile calls (seed %i)', (seed) => {
  const env = { ...process.env, LENODE_MEMORY_LIMIT: '256M' };
  const output = execFileSync(process.execPath, [fuzz, '4000', String(seed)], { encoding: 'utf8', env, timeout: 240_000 });
  const { accepted, failed } = JSON.parse(output) as { accepted: number; failed: number };
  // Were nothing let through, nothing would have been tried.
  expect(accepted - failed).toBeGreaterThan(400);
});

test('operands whose shapes do not fit are refused by the kernels, not read past their end', () => {
  const empty = zeros([0, 1, 5]) as Tensor;
  const pairs: [number, Tensor[], Tensor[], number[]][] = [
    [Op.sigmoid, [empty], [fresh([5], 'float32', empty.device) as Tensor], []],
    [Op.sigmoid, [zeros([0, 5]) as Tensor], [fresh([1, 5], 'float32', empty.device) as Tensor], []],
    [Op.maxDim, [ones([2, 3]) as Tensor], [fresh([2, 2], 'float32', empty.device) as Tensor, fresh([2, 2], 'int64', empty.device) as Tensor], [1]],
    [Op.maxDim, [ones([1, 1, 1, 1, 1, 1, 1]) as Tensor], [ones([1, 1, 1, 1, 1, 1, 1, 1]) as Tensor, zeros([1, 1, 1, 1, 1, 1, 1, 1]) as Tensor], [1]],
  ];
  for (const [op, inputs, outputs, attrs] of pairs) {
    run(op as never, inputs as never, outputs as never, attrs as never);
    expect(() => outputs[0]!.dataSync()).toThrow(LenodeError);
  }
});

test('an argument whose conversion runs an operation disturbs none', () => {
  const a = ones([3]) as Tensor;
  const sneaky = { valueOf: () => (a.add_(1), 0.5) };
  expect(() => ones([4]).clamp(sneaky as never, 1)).toThrow(/^clamp: /);
  expect([...a.dataSync()]).toEqual([1, 1, 1]);
});
