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
  it('exist for every graph, dtype and layout that the backend asks for', () => {
    const result = spawnSync(program, [device], { encoding: 'utf8' });
    expect(result.stderr).toBe('');
    const rows = result.stdout.trim().split('\n').slice(1);
    expect(rows.filter((line) => line.includes('NO PLAN'))).toEqual([]);
    expect(result.status).toBe(0);
    let expected = 0;
    const expectRows = (graphs: string[], dtype: string, layout: string, count: number) => {
      for (const graph of graphs) {
        const wanted = new RegExp(` ${graph.replaceAll('+', '\\+')} +${dtype} +${layout} +[1-9]`);
        const found = rows.filter((row) => wanted.test(row));
        expect(found, `${graph} ${dtype} ${layout}`).toHaveLength(count);
        expected += count;
      }
    };
    for (const layout of ['NHWC', 'NCHW']) {
      for (const dtype of ['tf32', 'float32', 'float16', 'bfloat16', 'float64'])
        expectRows(
          ['conv', 'conv + bias', 'conv + bias + relu', 'conv_backward_input', 'conv_backward_weight'],
          dtype,
          layout,
          16,
        );
      // One of four shapes has a number of channels that halves do not go with.
      for (const dtype of ['float32', 'float16', 'bfloat16'])
        expectRows(
          ['batch_norm', 'batch_norm + relu', 'batch_norm + add + relu', 'batch_norm_backward'],
          dtype,
          layout,
          dtype === 'float32' ? 4 : 3,
        );
      // One of six shapes has windows that reach beyond the padding, which averages must not count then.
      for (const dtype of ['float32', 'float16', 'bfloat16', ...(layout === 'NCHW' ? ['float64'] : [])]) {
        expectRows(['max_pool', 'avg_pool, inside'], dtype, layout, 6);
        expectRows(['avg_pool'], dtype, layout, 5);
        expectRows(['avg_pool_backward'], dtype, layout, layout === 'NHWC' ? 5 : 0);
        expectRows(['avg_pool_bwd, inside'], dtype, layout, layout === 'NHWC' ? 6 : 0);
      }
    }
    expect(rows.at(-1)).toBe(`${expected} graphs, 0 without a plan`);
  }, 600_000); // a minute of computing, on a machine that may be doing other things

  it('are refused for a device that is not described', () => {
    const result = spawnSync(program, [fileURLToPath(import.meta.url)], { encoding: 'utf8' });
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/^plan_check: .*CUDNN_STATUS/);
  });
});
