// SPDX-License-Identifier: Apache-2.0
// What the compiler knows of modules and optimizers.
import { expectTypeOf, test } from 'vitest';
import { defineFunction } from '../lib/autograd/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import type { Tensor } from '../lib/tensor/tensor.js';

class Length extends nn.Module<[x: Tensor], number> {
  forward(x: Tensor): number {
    return x.numel;
  }
}
class Pair extends nn.Module<[a: Tensor, b: Tensor], Tensor> {
  forward(a: Tensor, b: Tensor): Tensor {
    return a.add(b);
  }
}

test('a Sequential has the type of its ends', () => {
  const plain = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU());
  expectTypeOf(plain.forward).toEqualTypeOf<(x: Tensor) => Tensor>();
  const counted = new nn.Sequential(new Pair(), new nn.ReLU(), new Length());
  expectTypeOf<Parameters<typeof counted.forward>>().toEqualTypeOf<[a: Tensor, b: Tensor]>();
  expectTypeOf(counted.forward).returns.toEqualTypeOf<number>();
  expectTypeOf(plain).toExtend<nn.Sequential>();
  expectTypeOf(plain).toExtend<nn.Module>();
  expectTypeOf(new nn.Sequential(...([] as nn.Module[])).forward).toEqualTypeOf<(x: Tensor) => Tensor>();
});

test('modules that do not fit together are errors', () => {
  // @ts-expect-error a number is no tensor
  new nn.Sequential(new Length(), new nn.ReLU());
  // @ts-expect-error the second takes two tensors
  new nn.Sequential(new nn.ReLU(), new Pair());
});

test('modules have no properties but their own', () => {
  const layer = new nn.Linear(1, 1);
  expectTypeOf(layer.weight).toEqualTypeOf<nn.Parameter>();
  expectTypeOf(layer.weight).toExtend<Tensor>();
  // @ts-expect-error a slip of the pen
  void layer.wieght;
  // @ts-expect-error dtypes of modules are floating
  layer.to('int32');
});

test('hooks know the module and its signature', () => {
  new Length().registerForwardHook((module, args, output) => {
    expectTypeOf(module).toEqualTypeOf<Length>();
    expectTypeOf(args).toEqualTypeOf<[x: Tensor]>();
    expectTypeOf(output).toEqualTypeOf<number>();
  });
  // @ts-expect-error the result is a number
  new Length().registerForwardHook(() => 'long');
});

test('optimizers take parameters or groups, and every one has a schedule', () => {
  const layer = new nn.Linear(1, 1);
  const adam = new optim.Adam([{ params: layer.weight, betas: [0.8, 0.9] }, { params: [layer.bias!] }], { lr: 0.1 });
  expectTypeOf(adam.paramGroups[0]!.betas).toEqualTypeOf<readonly [number, number]>();
  expectTypeOf(adam).toExtend<optim.Optimizer>();
  new optim.StepLR(adam, 3);
  new optim.OneCycleLR(new optim.SGD(layer.parameters()), 0.1, { totalSteps: 3 });
  // @ts-expect-error SGD has no betas
  new optim.SGD(layer.parameters(), { betas: [0.9, 0.9] });
  // @ts-expect-error not an option
  new optim.RMSprop(layer.parameters(), { rate: 3 });
  expectTypeOf(adam.step(() => 3)).toEqualTypeOf<number>();
});

test('activations and losses know their options', () => {
  new nn.ReLU({ inplace: true });
  // @ts-expect-error the slope has another name
  new nn.LeakyReLU({ slope: 0.1 });
  // @ts-expect-error only KLDivLoss has it
  new nn.HuberLoss({ reduction: 'batchmean' });
  expectTypeOf(new nn.KLDivLoss({ reduction: 'batchmean' }).reduction).toEqualTypeOf<'mean' | 'sum' | 'none' | 'batchmean'>();
  expectTypeOf(new nn.Bilinear(1, 2, 3).forward).parameters.toEqualTypeOf<[x1: Tensor, x2: Tensor]>();
  expectTypeOf(new nn.ModuleDict({ act: new nn.ReLU() }).get('act')).toEqualTypeOf<nn.ReLU>();
  expectTypeOf(new nn.LazyLinear(3)).toExtend<nn.Linear>();
});

test('positions are in the type where they are asked for', () => {
  expectTypeOf(new nn.MaxPool2d(2).forward).toEqualTypeOf<(x: Tensor) => Tensor>();
  expectTypeOf(new nn.MaxPool2d(2, { stride: 1 })).toExtend<nn.Module>();
  const x = null as unknown as Tensor;
  const both = new nn.MaxPool2d(2, { returnIndices: true }).forward(x);
  expectTypeOf(both[1]).toEqualTypeOf<Tensor>();
  expectTypeOf(both.length).toEqualTypeOf<2>();
  // @ts-expect-error the next layer takes no pair
  new nn.Sequential(new nn.MaxPool2d(2, { returnIndices: true }), new nn.ReLU());
  expectTypeOf(new nn.TripletMarginLoss().forward(x, x, x)).toEqualTypeOf<Tensor>();
  // @ts-expect-error a triplet is three
  new nn.TripletMarginLoss().forward(x, x);
  // @ts-expect-error this loss has no margin
  new nn.PoissonNLLLoss({ margin: 1 });
});

test('checkpoint() has the signature of its function', () => {
  const x = null as unknown as Tensor;
  expectTypeOf(nn.checkpoint((a: Tensor, k: number) => [a, k] as const, x, 3)).toEqualTypeOf<readonly [Tensor, number]>();
  expectTypeOf(nn.checkpoint(new Pair(), x, x)).toEqualTypeOf<Tensor>();
  // @ts-expect-error a number is missing
  nn.checkpoint((a: Tensor, k: number) => [a, k], x);
});

test('a function with its own gradient returns what fits its arguments', () => {
  const scale = defineFunction({
    name: 'scale',
    forward: (_ctx, x: Tensor, _k: number): [Tensor, Tensor] => [x, x],
    backward: (_ctx, a, b) => {
      expectTypeOf(a).toEqualTypeOf<Tensor>();
      return [a.add(b), null];
    },
  });
  expectTypeOf(scale).toEqualTypeOf<(x: Tensor, _k: number) => [Tensor, Tensor]>();
  // @ts-expect-error there is no gradient with respect to a number
  defineFunction({ name: 'bad', forward: (_ctx, x: Tensor, _k: number) => x, backward: (_ctx, g) => [g, g] });
});
