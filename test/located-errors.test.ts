// SPDX-License-Identifier: Apache-2.0
// What an error inside a network says, and how Node prints it.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { LenodeError, nn, rand, ShapeError, type Tensor } from '../lib/index.js';

class Block extends nn.Module {
  norm = new nn.BatchNorm2d(4);
  conv = new nn.Conv2d(4, 4, 3);
  forward(x: Tensor): Tensor {
    return this.conv.forward(this.norm.forward(x));
  }
}
class Wide extends Block {
  override forward(x: Tensor): Tensor {
    return super.forward(x).relu();
  }
}
class Net extends nn.Module {
  features = new nn.Sequential(new nn.Conv2d(3, 8, 3), new nn.ReLU(), new Wide(), new nn.Conv2d(5, 8, 3), new nn.ReLU());
  blocks = new nn.ModuleList([new Block()]);
  forward(x: Tensor): Tensor {
    return this.blocks.at(0).forward(this.features.forward(x));
  }
}
const caught = (body: () => unknown): Error => {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
};

test.each<[string, () => unknown, RegExp]>([
  ['a layer in a container', () => new Net().forward(rand([1, 3, 8, 8])), /^features\.2\.norm \(BatchNorm2d\): BatchNorm2d: expected input/],
  ['one that is computed with its neighbour', () => new Net().features.forward(rand([1, 4, 8, 8])), /^0 \(Conv2d\): conv2d: /],
  ['the first of a network', () => new Net().forward(rand([1, 4, 8, 8])), /^features\.0 \(Conv2d\): conv2d: /],
  ['a module of a list', () => new nn.Sequential(new Net().blocks.at(0)).forward(rand([1, 3, 8, 8])), /^0\.norm \(BatchNorm2d\): BatchNorm2d: expected input/],
  ['no path for a layer by itself', () => new nn.Conv2d(3, 4, 3).forward(rand([1, 4, 8, 8])), /^conv2d: /],
  ['arguments of a layer', () => new nn.Sequential(new nn.Linear(2, 2)).forward('x' as never), /^0 \(Linear\): linear: /],
])('%s', (_, body, message) => {
  const error = caught(body);
  expect(error).toBeInstanceOf(LenodeError);
  expect(error.message).toMatch(message);
  expect(error.stack!.split('\n')[0]).toBe(`${error.name}: ${error.message}`);
  expect(error.stack).toContain('located-errors.test.ts');
});

test('errors of others pass as they are; hooks and methods of an object change nothing', () => {
  const net = new Net();
  net.features.at(1).registerForwardHook(() => {
    throw new RangeError('mine');
  });
  expect(() => net.forward(rand([1, 3, 8, 8]))).toThrow(new RangeError('mine'));
  const other = new Net();
  other.features.at(0).registerForwardHook(() => undefined);
  expect(() => other.forward(rand([1, 4, 8, 8]))).toThrow(/^features\.0 \(Conv2d\): conv2d: /);
  expect(Net.prototype.forward).toHaveLength(1);
  expect(Net.prototype.forward.name).toBe('forward');
});

test('an uncaught error is printed once', () => {
  const index = new URL('../dist/index.js', import.meta.url).href;
  const program = `import { zeros } from ${JSON.stringify(index)}; zeros([2]).add(zeros([3]))`;
  const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr.split('ShapeError: ')).toHaveLength(2);
  expect(stderr).not.toContain('internalStack');
  expect(new ShapeError('x').internalStack).toContain('located-errors');
});
