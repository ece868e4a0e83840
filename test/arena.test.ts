// SPDX-License-Identifier: Apache-2.0
// Where the tensors of a recorded step lie: native/core/arena.cc by itself.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

test('items that live at once share no bytes, and few bytes go from thread to thread', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lenode-arena-'));
  try {
    const program = path.join(folder, 'check');
    const sources = ['test/native/arena_check.cc', 'native/core/arena.cc'];
    execFileSync(process.env.CXX ?? 'g++', ['-std=c++17', '-O1', '-I', 'native', ...sources, '-o', program], { cwd: root });
    const plans = execFileSync(program, { encoding: 'utf8' }).trim().split('\n').map((line) => line.split(' ').map(Number));
    expect(plans.length).toBe(40);
    let [handedPlainly, handed] = [0, 0];
    for (let i = 0; i < plans.length; i += 2) {
      const [smallest, isSound, plainly] = plans[i]!;
      const [size, isSharedSound, shared] = plans[i + 1]!;
      expect([isSound, isSharedSound]).toEqual([1, 1]);
      expect(size!).toBeLessThanOrEqual(smallest! + Math.max(smallest! / 6, 2 ** 24));
      handedPlainly += plainly!;
      handed += shared!;
    }
    // A plan for one thread hands over about a quarter of the bytes of these lists.
    expect(handed).toBeLessThan(handedPlainly / 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
