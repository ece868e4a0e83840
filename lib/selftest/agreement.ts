// SPDX-License-Identifier: Apache-2.0
// What PyTorch's results cannot tell: random numbers, parameter updates and a few training steps, on a device against
// the CPU of the same machine.
import { backward } from '../autograd/engine.js';
import { noGrad } from '../autograd/mode.js';
import { lenet5 } from '../models/index.js';
import { dropout } from '../ops/dropout.js';
import { crossEntropy } from '../ops/loss.js';
import { bernoulli, manualSeed, rand, randint, randn, randperm } from '../ops/random.js';
import { full, ones } from '../ops/creation.js';
import { to } from '../ops/view.js';
import { Adam, AdamW, clipGradNorm_, RMSprop, SGD, type Optimizer } from '../optim/index.js';
import { device as toDevice, type Device, type DeviceLike } from '../tensor/device.js';
import type { Tensor } from '../tensor/tensor.js';
import { compare, type CaseReport } from './run-cases.js';
import type { Tolerance } from './cases.js';

type Check = (place: Device) => readonly Tensor[];

const exact: Tolerance = { rtol: 0, atol: 0 };
// Logarithm, sine and cosine may differ in the last digit between the libraries.
const rounded: Tolerance = { rtol: 1e-4, atol: 1e-6 };
const training: Tolerance = { rtol: 1e-3, atol: 1e-5 };

function seeded(draw: Check): Check {
  return (place) => {
    manualSeed(1234);
    return draw(place);
  };
}

/** Three steps of LeNet-5 from weights and images that are drawn on the CPU; the parameters and the last loss. */
function steps(make: (model: ReturnType<typeof lenet5>) => Optimizer, clip = false): Check {
  return (place) => {
    manualSeed(7);
    const model = lenet5();
    const images = to(rand([8, 1, 28, 28]), place);
    const labels = to(randint(0, 10, [8]), place);
    model.to(place);
    const optimizer = make(model);
    let loss!: Tensor;
    for (let i = 0; i < 3; i++) {
      optimizer.zeroGrad();
      loss = crossEntropy(model.forward(images), labels);
      backward(loss);
      if (clip) clipGradNorm_(model.parameters(), 0.5);
      optimizer.step();
    }
    return [loss.detach(), ...model.parameters()];
  };
}

const checks: Record<string, [Tolerance, Check]> = {
  'rand: the same numbers': [exact, seeded((device) => [rand([1001], { device }), rand([7], { device })])],
  'rand of float64 and float16': [
    exact,
    seeded((device) => [rand([101], { device, dtype: 'float64' }), rand([101], { device, dtype: 'float16' })]),
  ],
  'randn: the same numbers': [rounded, seeded((device) => [randn([1001], { device })])],
  'randint: the same numbers': [exact, seeded((device) => [randint(-5, 1000, [1001], { device })])],
  'randperm: the same order': [exact, seeded((device) => [randperm(513, { device })])],
  'bernoulli: the same draws': [exact, seeded((device) => [bernoulli(full([777], 0.3, { device }))])],
  'dropout: the same mask, forward and backward': [
    exact,
    seeded((device) => {
      const x = ones([33, 31], { device, requiresGrad: true });
      const y = dropout(x, { p: 0.4 });
      backward(y, noGrad(() => ones([33, 31], { device })));
      return [y.detach(), x.grad!];
    }),
  ],
  'LeNet-5, 3 steps of SGD': [training, steps((m) => new SGD(m.parameters(), { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-3 }))],
  'LeNet-5, 3 steps of Adam': [training, steps((m) => new Adam(m.parameters(), { lr: 1e-3, amsgrad: true }))],
  'LeNet-5, 3 steps of AdamW, clipped': [training, steps((m) => new AdamW(m.parameters(), { lr: 1e-3 }), true)],
  'LeNet-5, 3 steps of RMSprop': [training, steps((m) => new RMSprop(m.parameters(), { lr: 1e-3, momentum: 0.9, centered: true }))],
};

/** Runs each check on the device and on the CPU and compares the results. Never throws. */
export async function* runAgreement(place: DeviceLike): AsyncGenerator<CaseReport> {
  for (const [name, [tolerance, check]] of Object.entries(checks)) {
    let error = 0;
    const failures: string[] = [];
    try {
      const expected = check(toDevice('cpu'));
      const got = check(toDevice(place));
      for (const [i, t] of got.entries()) {
        const reference = expected[i]!;
        const result = await compare(
          t,
          { shape: reference.shape, dtype: reference.dtype, data: await reference.detach().data() },
          tolerance,
        );
        error = Math.max(error, result.error);
        if (result.failure) failures.push(`result ${i} ${result.failure}`);
      }
    } catch (thrown) {
      error = Infinity;
      failures.push(thrown instanceof Error ? `threw ${thrown.name}: ${thrown.message}` : String(thrown));
    }
    yield { name, fn: 'agreement', passed: failures.length === 0, error, failure: failures.join('\n  ') };
  }
}
