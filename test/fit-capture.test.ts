// SPDX-License-Identifier: Apache-2.0
// fit() with captured steps against fit() with plain ones: whatever JavaScript changes in between or inside, every loss and
// every weight is the same, bit for bit.
import { afterEach, beforeEach, expect, type MockInstance, test, vi } from 'vitest';
import {
  capture,
  data as sets,
  F,
  fit,
  type FitOptions,
  manualSeed,
  nn,
  noGrad,
  optim,
  rand,
  randint,
  tensor,
  type Tensor,
  zeros,
} from '../lib/index.js';
import { bits } from './helpers/captured-steps.js';

const { DataLoader, Generator, TensorDataset } = sets;

let warn: MockInstance;
beforeEach(() => void (warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)));
afterEach(() => warn.mockRestore());

class Net extends nn.Module {
  first = new nn.Linear(6, 8);
  norm = new nn.BatchNorm1d(8);
  act: nn.Module = new nn.ReLU();
  drop = new nn.Dropout(0.3);
  last = new nn.Linear(8, 3);
  scale = 1;
  deep = false;
  forward(x: Tensor): Tensor {
    let y = this.drop.forward(this.act.forward(this.norm.forward(this.first.forward(x)))).mul(this.scale);
    if (this.deep) y = y.add(y.tanh());
    return this.last.forward(y);
  }
}

interface Scenario extends Partial<FitOptions> {
  /** What else is to be equal. */
  seen?: () => unknown;
}
type Make = (net: Net, optimizer: optim.Optimizer) => Scenario;
const set = (target: object, values: object) => void Object.assign(target, values);

const scenarios: Record<string, Make> = {
  'a loss weight annealed in onEpoch': () => {
    let weight = 1;
    return { loss: (y, t) => F.crossEntropy(y, t).mul(weight), onEpoch: () => void (weight *= 0.7) };
  },
  'a loss weight annealed in onStep': () => {
    let weight = 1;
    return { loss: (y, t) => F.crossEntropy(y, t).mul(weight), onStep: () => void (weight *= 0.97) };
  },
  'a loss weight of a callback': () => {
    let weight = 1;
    const callback = { onStep: ({ step }: { step: number }) => void (weight = 1 / step), onEpoch: () => void (weight = 3) };
    return { loss: (y, t) => F.crossEntropy(y, t).mul(weight), callbacks: [callback] };
  },
  'a loss that counts its calls': () => {
    let calls = 0;
    return { loss: (y, t) => F.crossEntropy(y, t).div(++calls), seen: () => calls };
  },
  'a factor that transform draws': () => {
    const generator = new Generator(3);
    let lambda = 1;
    return {
      transform: (x, t) => ((lambda = generator.random()), [x, t]),
      loss: (y, t) => F.crossEntropy(y, t).mul(lambda).add(F.crossEntropy(y, t).mul(1 - lambda)),
    };
  },
  'a rate of dropout': (net) => ({ onEpoch: ({ epoch }) => set(net.drop, { p: epoch === 2 ? 0 : 0.1 * epoch }) }),
  'a branch on the epoch': (net) => ({ onEpoch: ({ epoch }) => set(net, { deep: epoch === 1 }) }),
  'a branch on the step': (net) => ({ onStep: ({ step }) => set(net, { deep: step % 3 === 1 }) }),
  'a branch drawn at random': (net) => {
    const generator = new Generator(5);
    return { loss: (y, t) => (generator.random() < 0.3 ? F.crossEntropy(y.mul(2), t) : F.crossEntropy(y, t)), seen: () => net.deep };
  },
  "a module's field": (net) => ({ onEpoch: ({ epoch }) => set(net, { scale: 1 + epoch }) }),
  'options of layers': (net) => ({
    onEpoch: ({ epoch }) => {
      set(net.norm, { momentum: 0.1 / (epoch + 1), eps: 1e-5 * (epoch + 1) });
      if (epoch === 1) net.norm.eval();
    },
  }),
  'hooks that come and go': (net) => {
    const seen: Tensor[] = [];
    let remove = (): void => undefined;
    return {
      onEpoch: ({ epoch }) => {
        remove();
        if (epoch === 0) remove = net.first.registerForwardHook((_, __, y) => y.mul(0.5));
        if (epoch === 1) remove = net.last.registerFullBackwardHook((_, grads) => grads.map((g) => g && g.mul(2)));
        if (epoch === 2) remove = net.first.weight.registerHook((g) => (seen.push(g), g.clamp(-0.01, 0.01)));
      },
      seen: () => seen.map(bits),
    };
  },
  'a module replaced': (net) => ({
    onEpoch: ({ epoch }) => {
      if (epoch === 0) net.act = new nn.Tanh();
      if (epoch === 1) net.last = new nn.Linear(8, 3);
    },
  }),
  'a method replaced': (net) => ({
    onEpoch: ({ epoch }) => {
      const { forward } = Net.prototype;
      net.forward = (x) => forward.call(net, x.add(epoch));
    },
  }),
  'frozen layers': (net) => ({ onEpoch: ({ epoch }) => void net.first.requiresGrad_(epoch === 1) }),
  'values set by hand': (net) => ({ onStep: ({ step }) => void (step % 4 === 0 && noGrad(() => net.last.bias!.mul_(0.5))) }),
  'options of the optimizer': (_, { paramGroups: [group] }) => ({
    onEpoch: () => set(group!, { weightDecay: 0.1 }), onStep: ({ step }) => set(group!, { momentum: 0.5 + step / 100, lr: 0.1 / step }),
  }),
  'tensors kept of every step': () => {
    const kept: Tensor[] = [];
    return {
      loss: (y, t) => {
        const value = F.crossEntropy(y, t);
        kept.push(value.detach(), y.exp().select(1, 0));
        return value;
      },
      seen: () => kept.map(bits),
    };
  },
  'a running total in place': () => {
    const total = zeros([3]);
    return { loss: (y, t) => (noGrad(() => total.add_(y.sum(0))), F.crossEntropy(y, t)), seen: () => bits(total) };
  },
  'gradients looked at, kept and changed in onStep': (net) => {
    const seen: string[] = [];
    return {
      onStep: ({ step }) => {
        seen.push(bits(net.first.weight.grad!));
        if (step % 3 === 0) net.first.weight.grad!.fill_(1);
        if (step % 5 === 0) net.zeroGrad();
      },
      seen: () => seen,
    };
  },
  'values read now and then': () => {
    const read: unknown[] = [];
    let calls = 0;
    return {
      loss: (y, t) => {
        const value = F.crossEntropy(y, t);
        if (++calls % 7 === 5) read.push(value.itemSync());
        return value;
      },
      seen: () => read,
    };
  },
  "tensors of JavaScript's values now and then": () => {
    let calls = 0;
    return { loss: (y, t) => (++calls % 5 === 4 ? F.crossEntropy(y.mul(tensor([1, 2, calls])), t) : F.crossEntropy(y, t)) };
  },
  'penalties over the parameters, clipping, an average': (net) => {
    let factor = 0.1;
    const ema = new optim.AveragedModel(new Net(), { multiAvgFn: optim.getEmaMultiAvgFn(0.8) });
    return {
      loss: (y, t) => net.parameters().reduce((sum, p) => sum.add(p.square().sum().mul(factor)), F.crossEntropy(y, t)),
      onEpoch: () => void (factor /= 2), clipGradNorm: 0.5, clipGradValue: 0.2, ema,
      seen: () => Object.values(ema.stateDict()).map(bits),
    };
  },
};

async function train(make: Make, captures: boolean) {
  manualSeed(4);
  const net = new Net();
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 });
  const data = new TensorDataset(rand([46, 6]), randint(0, 3, [46]));
  const { seen, ...options } = make(net, optimizer as unknown as optim.Optimizer);
  const reports = await fit({
    model: net, train: new DataLoader(data, { batchSize: 6, shuffle: true, seed: 1 }) as never, validation: new DataLoader(data, { batchSize: 23 }) as never,
    optimizer: optimizer as never, epochs: 4, capture: captures, ...options,
  });
  return [
    seen?.(),
    reports.map(({ trainLoss, validationLoss, accuracy }) => [trainLoss, validationLoss, accuracy]),
    Object.entries(net.stateDict()).map(([name, t]) => [name, bits(t)]),
    net.parameters().map((p) => p.grad && bits(p.grad as Tensor)),
  ];
}

test.each(Object.entries(scenarios))('%s', async (_, make) => {
  const plain = await train(make, false);
  expect(await train(make, true)).toEqual(plain);
  expect(warn).not.toHaveBeenCalled();
});

test('an error in the middle of a step leaves what a plain step leaves', async () => {
  const run = async (captures: boolean) => {
    manualSeed(4);
    const net = new Net();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 });
    const data = new TensorDataset(rand([40, 6]), randint(0, 3, [40]));
    let calls = 0;
    const loss = (y: Tensor, t: Tensor) => {
      if (++calls === 5) throw new Error('enough');
      return F.crossEntropy(y, t);
    };
    const options = { model: net, train: new DataLoader(data, { batchSize: 4 }), optimizer, loss, epochs: 1, capture: captures };
    await expect(fit(options as never)).rejects.toThrow('enough');
    return Object.values(net.stateDict()).map(bits);
  };
  expect(await run(true)).toEqual(await run(false));
});

test('a followed step: numbers that change are handed to the replay, other calls are made plainly, lasting ones recorded', () => {
  let [factor, deep] = [1, false];
  const step = capture((x: Tensor) => (deep ? x.mul(factor).tanh() : x.mul(factor)).sum(0), { follow: true });
  const call = (x = rand([3, 2])) => expect(bits(step(x))).toBe(bits((deep ? x.mul(factor).tanh() : x.mul(factor)).sum(0)));
  for (let i = 0; i < 6; i++) {
    factor = i;
    call();
  }
  expect(step.counts).toEqual({ plain: 1, recorded: 1, replayed: 4 });
  deep = true;
  call();
  deep = false;
  call();
  expect(step.counts).toEqual({ plain: 2, recorded: 1, replayed: 5 });
  deep = true;
  for (let i = 0; i < 6; i++) call();
  expect(step.counts).toEqual({ plain: 4, recorded: 2, replayed: 8 });
  step.dispose();
});

test('a followed step that is never the same is given up, with one warning', () => {
  let calls = 0;
  const step = capture((x: Tensor) => x.narrow(0, 0, ++calls).sum(), { follow: true });
  for (let i = 0; i < 60; i++) expect(step(rand([60])).ndim).toBe(0);
  expect(calls).toBe(60);
  expect(warn).toHaveBeenCalledTimes(1);
  expect(step.counts.plain).toBeGreaterThan(40);
  step.dispose();
});

test('a tensor that only some steps keep says so when it is used, and is never wrong', () => {
  let kept: Tensor | undefined;
  let keep = false;
  const step = capture((x: Tensor) => {
    const y = x.mul(2);
    if (keep) kept = y;
    return y.sum();
  }, { follow: true });
  for (let i = 0; i < 4; i++) step(rand([3]));
  keep = true;
  step(rand([3]));
  expect(() => kept!.dataSync()).toThrow(/had not kept it when it was recorded/);
  step.dispose();
});
