// SPDX-License-Identifier: Apache-2.0
// Arguments of the wrong type, everywhere in optim: typed errors that name the class, and nothing that has happened.
import { expect, test } from 'vitest';
import { ArgumentError, LenodeError, nn, optim, rand } from '../lib/index.js';

const layer = () => new nn.Linear(2, 2, { bias: false });
const wrong = [undefined, null, 3, 'abc', {}, [], layer(), [1], [{}], [{ params: 3 }], () => 1, Symbol('x'), 10n, true, [null], new Map()];
const optimizers = ['SGD', 'Adam', 'AdamW', 'NAdam', 'RAdam', 'Adamax', 'Adagrad', 'Adadelta', 'RMSprop', 'Rprop', 'ASGD', 'Adafactor', 'Muon', 'LBFGS'] as const;
type Any = new (...args: unknown[]) => optim.Optimizer;

test.each(optimizers)('%s: parameters, options, and rates that are set later', (name) => {
  const Optimizer = optim[name] as unknown as Any;
  for (const params of wrong) expect(() => new Optimizer(params)).toThrow(ArgumentError);
  for (const options of [0.1, 'abc', null, { lr: 'abc' }, { lr: NaN }, { lr: -1 }, { lr: 10n }, { learningRate: 1 }])
    expect(() => new Optimizer(layer().parameters(), options)).toThrow(ArgumentError);
  for (const lr of ['abc', NaN, undefined, null, {}]) {
    const model = layer();
    const optimizer = new Optimizer(model.parameters());
    const before = model.weight.dataSync();
    Object.assign(optimizer.paramGroups[0]!, { lr });
    const loss = () => {
      const value = model.forward(rand([3, 2])).square().sum();
      value.backward();
      return value;
    };
    if (name !== 'LBFGS') loss();
    expect(() => (name === 'LBFGS' ? optimizer.step(loss) : optimizer.step())).toThrow(LenodeError);
    expect(model.weight.dataSync()).toEqual(before);
  }
});

const schedules = ['ConstantLR', 'LinearLR', 'PolynomialLR', 'StepLR', 'MultiStepLR', 'ExponentialLR', 'CosineAnnealingLR', 'CosineAnnealingWarmRestarts',
  'CyclicLR', 'OneCycleLR', 'LambdaLR', 'MultiplicativeLR', 'ReduceLROnPlateau', 'SWALR', 'SequentialLR', 'ChainedScheduler'] as const;

test.each(schedules)('%s: another thing than an optimizer, and wrong values', (name) => {
  const Schedule = optim[name] as unknown as Any;
  for (const optimizer of [undefined, null, 3, 'abc', {}, layer()]) expect(() => new Schedule(optimizer, 1, 2, 3)).toThrow(ArgumentError);
  const sgd = () => new optim.SGD(layer().parameters(), { lr: 0.1, momentum: 0.5 });
  for (const value of ['abc', null, NaN, {}]) expect(() => new Schedule(sgd(), value, value, value)).toThrow(ArgumentError);
});

test('clipping', () => {
  for (const clip of [optim.clipGradNorm_, optim.clipGradValue_] as ((...args: unknown[]) => unknown)[])
    for (const args of [[], [3, 1], [null, 1], ['a', 1], [[3], 1], [layer().parameters(), 'x'], [layer().parameters(), NaN]])
      expect(() => clip(...args)).toThrow(ArgumentError);
});
