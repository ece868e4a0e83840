// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A Python that can import torch: the one given, LENODE_BENCH_PYTHON, the bench's own environment, or python3. */
export function findPython(given) {
  const own = fileURLToPath(new URL('../build/bench-venv/bin/python', import.meta.url));
  const candidates = [given, process.env.LENODE_BENCH_PYTHON, own, 'python3'];
  return candidates.find(
    (path) => path && (path === 'python3' || existsSync(path)) && spawnSync(path, ['-c', 'import torch']).status === 0,
  );
}
