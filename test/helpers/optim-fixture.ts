// SPDX-License-Identifier: Apache-2.0
// PyTorch's numbers for optimizers and schedules (test/fixtures/make_optim.py), and comparing with them.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import '../../lib/ops/methods.js';
import { tensor } from '../../lib/ops/creation.js';
import * as optim from '../../lib/optim/index.js';
import type { DType } from '../../lib/tensor/dtype.js';
import type { Tensor } from '../../lib/tensor/tensor.js';

export type Options = Record<string, unknown>;
export interface Descent {
  losses: number[];
  steps: number[][][];
  evaluations: number;
  iterations: number;
}
interface Fixture {
  shapes: number[][];
  start: number[][];
  gradients: number[][][];
  trajectories: { optimizer: OptimizerName; options: Options; groups?: Options[]; steps: number[][][]; state: Record<string, number[]>[]; last64: number[][] }[];
  plateau: { options: Options; lr: number[] }[];
  metrics: (number | null)[];
  schedules: { scheduler: string; options: Options; optimizer: OptimizerName; optimizerOptions: Options; lr: number[]; momentum: number[] }[];
  closures: { options: Options; float32: Descent; float64: Descent }[];
  averages: { kind: string; useBuffers: boolean; state: Record<string, number[]> }[];
  means: number[][];
  clipping: { maxNorm: number; normType: number | 'Infinity'; norm: number; grads: number[][] }[];
}
export type OptimizerName = 'SGD' | 'Adam' | 'AdamW' | 'NAdam' | 'RAdam' | 'Adamax' | 'Adagrad' | 'Adadelta' | 'RMSprop' | 'Rprop' | 'ASGD' | 'Adafactor' | 'Muon';
export const fixture = JSON.parse(readFileSync(new URL('../fixtures/optim.json', import.meta.url), 'utf8')) as Fixture;

// float32 numbers, whatever they are computed in.
export const parameters = (dtype: DType = 'float32'): Tensor[] =>
  fixture.start.map((values, i) => tensor(Float32Array.from(values), { shape: fixture.shapes[i]!, dtype, requiresGrad: true }));
export function setGradients(params: readonly Tensor[], step: number): void {
  params.forEach(
    (p, i) => (p.grad = tensor(Float32Array.from(fixture.gradients[step]![i]!), { shape: fixture.shapes[i]!, dtype: p.dtype })),
  );
}
export function make(name: OptimizerName, params: unknown, options: Options): optim.Optimizer {
  return new optim[name](params as Tensor[], options);
}
export function inGroups(params: readonly Tensor[], groups: Options[] | undefined): unknown {
  return groups ? params.map((p, i) => ({ ...groups[i], params: p })) : params;
}
export function expectClose(t: Tensor, expected: ArrayLike<number>, tolerance = 2e-6): void {
  const values = t.dataSync() as Float32Array;
  expect(values.length).toBe(expected.length);
  values.forEach((x, i) => {
    if (!(Math.abs(x - expected[i]!) <= tolerance + tolerance * Math.abs(expected[i]!)))
      expect.fail(`element ${i}: ${x}, expected ${expected[i]}`);
  });
}
