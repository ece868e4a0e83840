// SPDX-License-Identifier: Apache-2.0
// Steps to capture, and what they must leave behind.
import { afterEach } from 'vitest';
import {
  capture,
  type Captured,
  type DeviceLike,
  F,
  getRngState,
  manualSeed,
  models,
  type nn,
  optim,
  rand,
  randint,
  type Tensor,
} from '../../lib/index.js';
import { digest as bits } from '../../bench/capture-run.mjs';

export { bits };

export type Step = (images: Tensor, labels: Tensor) => Tensor;

export interface Made {
  model: nn.Module;
  optimizer: optim.Optimizer;
  step: Step;
}

/** A network in training; the same for the same seed. */
export function make(network: 'lenet5' | 'mnist-cnn', kind: 'SGD' | 'Adam', steps: number, place: DeviceLike = 'cpu'): Made {
  manualSeed(11);
  const model = (network === 'lenet5' ? models.lenet5() : models.mnistCnn()).to(place);
  const optimizer =
    kind === 'SGD'
      ? new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 1e-4 })
      : new optim.Adam(model.parameters(), { lr: 2e-3 });
  const scheduler = new optim.OneCycleLR(optimizer as optim.Optimizer, 0.01, { totalSteps: steps });
  const step = (images: Tensor, labels: Tensor) => {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model.forward(images), labels);
    loss.backward();
    optim.clipGradNorm_(model.parameters(), 1);
    optimizer.step();
    scheduler.step();
    return loss;
  };
  return { model, optimizer: optimizer as optim.Optimizer, step };
}

export function batches(sizes: readonly number[]): [Tensor, Tensor][] {
  manualSeed(5);
  return sizes.map((n) => [rand([n, 1, 28, 28]), randint(0, 10, [n])]);
}

/** Everything a step changes. */
export function snapshot({ model, optimizer }: Made, place: DeviceLike) {
  return {
    parameters: model.parameters().map((p) => bits(p as Tensor)),
    gradients: model.parameters().map((p) => p.grad && bits(p.grad as Tensor)),
    states: [...optimizer.state.values()].map((state) => Object.entries(state).map(([name, t]) => [name, bits(t)])),
    rates: optimizer.paramGroups.map(({ lr, momentum, betas }) => [lr, momentum, betas]),
    generator: bits(getRngState(place)),
  };
}

export const made: Captured<never[], unknown>[] = [];
export function captured<A extends unknown[], R>(fn: (...args: A) => R, options?: Parameters<typeof capture>[1]): Captured<A, R> {
  const step = capture(fn, options);
  made.push(step as never);
  return step;
}
afterEach(() => {
  for (const step of made.splice(0)) step.dispose();
});

/** A step of gradient descent on the sum of the squares of what a layer gives. */
export function descend(layer: nn.Module<[Tensor], Tensor>, optimizer: optim.Optimizer): (x: Tensor) => Tensor {
  return (x) => {
    optimizer.zeroGrad();
    const loss = layer.forward(x).square().sum();
    loss.backward();
    optimizer.step();
    return loss;
  };
}
