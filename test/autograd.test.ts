// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import {
  autograd,
  AutogradError,
  enableGrad,
  grad,
  isGradEnabled,
  noGrad,
  randn,
  tensor,
  type Tensor,
} from '../lib/index.js';

const values = async (t: Tensor | null) => [...(await t!.data())].map(Number);

test('gradients accumulate over backward passes and shared uses', async () => {
  const x = tensor([1, 2, 3], { requiresGrad: true });
  x.mul(x).add(x).sum().backward();
  expect(await values(x.grad)).toEqual([3, 5, 7]);
  x.mul(2).sum().backward();
  expect(await values(x.grad)).toEqual([5, 7, 9]);
});

test('leaves that receive one gradient do not share its memory', async () => {
  const a = tensor([1, 2], { requiresGrad: true });
  const b = tensor([3, 4], { requiresGrad: true });
  a.add(b).sum().backward();
  noGrad(() => a.grad!.mul_(10));
  expect(await values(a.grad)).toEqual([10, 10]);
  expect(await values(b.grad)).toEqual([1, 1]);
});

test('backward twice throws unless the graph is retained', async () => {
  const x = tensor([2], { requiresGrad: true });
  const y = x.mul(x).sum();
  y.backward(undefined, { retainGraph: true });
  y.backward();
  expect(await values(x.grad)).toEqual([8]);
  expect(() => y.backward()).toThrow(AutogradError);
  expect(() => y.backward()).toThrow('retainGraph');
});

test('backward needs a scalar or a gradient of the right shape', () => {
  const x = tensor([1, 2], { requiresGrad: true });
  expect(() => x.mul(2).backward()).toThrow('one element only');
  expect(() => x.mul(2).backward(tensor([1, 2, 3]))).toThrow('[2]');
  expect(() => tensor([1]).backward()).toThrow(AutogradError);
});

test('a value changed in place since it was saved is noticed', () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const y = x.exp();
  noGrad(() => y.add_(1));
  expect(() => y.sum().backward()).toThrow('changed in place');
  expect(() => x.add_(1)).toThrow(AutogradError);
});

test('noGrad follows an asynchronous body and nothing else', async () => {
  const x = tensor([1], { requiresGrad: true });
  const inside = noGrad(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return [x.mul(2).requiresGrad, enableGrad(() => x.mul(2).requiresGrad)];
  });
  expect(x.mul(2).requiresGrad).toBe(true);
  expect(isGradEnabled()).toBe(true);
  expect(await inside).toEqual([false, true]);
  expect(noGrad(() => x.mul(2).requiresGrad)).toBe(false);
  expect(() => noGrad(() => { throw new Error('x'); })).toThrow('x');
  expect(isGradEnabled()).toBe(true);
});

test('grad() leaves .grad alone and can ask for inner tensors', async () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const other = tensor([1, 2], { requiresGrad: true });
  const h = x.mul(3);
  const y = h.mul(h).sum();
  const [dh, dx] = grad(y, [h, x], { retainGraph: true });
  expect(await values(dh!)).toEqual([6, 12]);
  expect(await values(dx!)).toEqual([18, 36]);
  expect(x.grad).toBeNull();
  expect(() => grad(y, other, { retainGraph: true })).toThrow('allowUnused');
  expect(grad(y, other, { allowUnused: true })).toEqual([null]);
});

test('hooks see and may replace gradients; retained gradients stay', async () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const h = x.mul(2).retainGrad();
  const seen: number[][] = [];
  const remove = h.registerHook((g) => {
    seen.push([...(g.dataSync() as Float32Array)]);
    return g.mul(10);
  });
  h.sum().backward();
  expect(seen).toEqual([[1, 1]]);
  expect(await values(h.grad)).toEqual([10, 10]);
  expect(await values(x.grad)).toEqual([20, 20]);
  remove();
  x.mul(2).sum().backward();
  expect(await values(x.grad)).toEqual([22, 22]);
});

test('detach cuts the computation and shares memory', async () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const d = x.detach();
  expect(d.requiresGrad).toBe(false);
  noGrad(() => d.fill_(7));
  expect(await values(x)).toEqual([7, 7]);
});

test('a chain as deep as 20,000 operations does not meet the stack', async () => {
  const x = tensor([1], { requiresGrad: true });
  let y: Tensor = x;
  for (let i = 0; i < 20000; i++) y = y.add(1);
  y.backward();
  expect(await values(x.grad)).toEqual([1]);
});

test('gradcheck finds a wrong gradient', async () => {
  const wrong = autograd.defineOp({
    name: 'wrong',
    forward: (ctx: autograd.Context<undefined>, x: Tensor) => (ctx.save(x), noGrad(() => x.mul(x))),
    gradients: [(g, ctx) => noGrad(() => g.mul(ctx.saved(0)))],
  });
  const x = tensor([1, 2], { dtype: 'float64', requiresGrad: true });
  await expect(autograd.gradcheck((t) => wrong(t), [x])).rejects.toThrow('element 0');
  await expect(autograd.gradcheck((t) => t.mul(t), [x])).resolves.toBe(true);
});

// Rows of 40 channels, which neither begin nor end where the memory does, and sums that round.
test.each(['float32', 'bfloat16'] as const)('slices of channels-last gradients in %s add up as row-major copies do', (dtype) => {
  const x = randn([2, 5, 3, 64]).to(dtype).permute([0, 3, 1, 2]);
  const [a, b] = [x.narrow(1, 3, 40), x.narrow(1, 21, 40)];
  const expected = a.to('float32').contiguous().add(b.to('float32').contiguous()).to(dtype);
  const bits = (t: Tensor) => [...t.to('float32').contiguous().dataSync()];
  expect(bits(a.add(b))).toEqual(bits(expected));
  expect(bits(a.add(b.contiguous()))).toEqual(bits(expected));
});
