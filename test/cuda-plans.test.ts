// SPDX-License-Identifier: Apache-2.0
// The CUDA backend's cuDNN graphs, planned on the properties of an H200 that need not be here. It shows that cuDNN
// accepts them, not what they compute.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = path.join(root, 'build', 'Release', 'plan_check');
const device = path.join(root, 'test', 'fixtures', 'h200-deviceprop.json');

// Built together with the CUDA backend, where cuDNN and nvcc were found.
describe.skipIf(!existsSync(program))('cuDNN plans', () => {
  it('exist for every convolution, dtype and layout', () => {
    const result = spawnSync(program, [device], { encoding: 'utf8' });
    expect(result.stderr).toBe('');
    expect(result.stdout.split('\n').filter((line) => line.includes('NO PLAN'))).toEqual([]);
    expect(result.status).toBe(0);
    const rows = result.stdout.split('\n');
    for (const graph of ['conv', 'conv \\+ bias', 'conv \\+ bias \\+ relu', 'conv_backward_input', 'conv_backward_weight'])
      for (const dtype of ['tf32', 'float32', 'float16', 'bfloat16', 'float64'])
        for (const layout of ['NHWC', 'NCHW'])
          expect(rows.filter((row) => new RegExp(` ${graph} +${dtype} +${layout} +[1-9]`).test(row)).length).toBe(16);
  }, 300_000); // a quarter of a minute of computing, on a machine that may be doing other things

  it('are refused for a device that is not described', () => {
    const result = spawnSync(program, [fileURLToPath(import.meta.url)], { encoding: 'utf8' });
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/^plan_check: .*CUDNN_STATUS/);
  });
});
