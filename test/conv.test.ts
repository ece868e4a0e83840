// SPDX-License-Identifier: Apache-2.0
// Which kernel a convolution runs on depends on its sizes: every kind must agree with the plain loops, which are what
// float64 takes and which the op cases compare with PyTorch.
import { expect, test } from 'vitest';
import { F, manualSeed, randn, type Tensor } from '../lib/index.js';

interface Case {
  n: number;
  c: number;
  k: number;
  size: [number, number];
  kernel: [number, number];
  stride?: [number, number];
  padding?: [number, number];
  dilation?: [number, number];
  groups?: number;
}

const sizes: Record<string, Case> = {
  '3x3': { n: 2, c: 32, k: 48, size: [9, 12], kernel: [3, 3], padding: [1, 1] },
  '3x3, odd, unpadded': { n: 3, c: 40, k: 32, size: [7, 11], kernel: [3, 3] },
  '3x3, padded by 2 and 0': { n: 1, c: 32, k: 40, size: [8, 6], kernel: [3, 3], padding: [2, 0] },
  '3x3, channels that fill no vector': { n: 2, c: 36, k: 37, size: [8, 8], kernel: [3, 3], padding: [1, 1] },
  '3x3, many tiles': { n: 2, c: 64, k: 64, size: [40, 36], kernel: [3, 3], padding: [1, 1] },
  'strided': { n: 2, c: 20, k: 37, size: [13, 14], kernel: [3, 3], stride: [2, 2], padding: [1, 1] },
  'strided, dilated': { n: 2, c: 16, k: 24, size: [17, 15], kernel: [3, 2], stride: [3, 2], padding: [2, 1], dilation: [2, 3] },
  'stride beyond the kernel': { n: 2, c: 16, k: 24, size: [15, 15], kernel: [2, 2], stride: [3, 4] },
  'grouped': { n: 2, c: 32, k: 48, size: [9, 9], kernel: [5, 5], padding: [2, 2], groups: 2 },
  'grouped, strided': { n: 2, c: 32, k: 32, size: [9, 9], kernel: [3, 3], stride: [2, 2], groups: 2 },
  'an image, 11x11': { n: 2, c: 3, k: 64, size: [35, 31], kernel: [11, 11], stride: [4, 4], padding: [2, 2] },
  'an image, 7x7': { n: 2, c: 3, k: 16, size: [20, 22], kernel: [7, 7], stride: [2, 2], padding: [3, 3] },
  '1x1': { n: 2, c: 80, k: 144, size: [5, 7], kernel: [1, 1] },
  '1x1, strided': { n: 2, c: 32, k: 64, size: [6, 7], kernel: [1, 1], stride: [2, 2] },
  'few output channels': { n: 2, c: 24, k: 9, size: [6, 7], kernel: [3, 3], padding: [1, 1] },
};

const maximum = (t: Tensor): number => t.abs().amax().itemSync() as number;

for (const [name, c] of Object.entries(sizes))
  for (const layout of ['channels-last', 'row-major'])
    test(`${name}, ${layout}`, () => {
      manualSeed(1);
      const { stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = c;
      const options = { stride, padding, dilation, groups };
      const make = (shape: number[], permuted: number[], order: number[]) =>
        layout === 'row-major' ? randn(shape) : randn(permuted).permute(order);
      const [h, w] = c.size;
      const [kh, kw] = c.kernel;
      const inputs = [
        make([c.n, c.c, h, w], [c.n, h, w, c.c], [0, 3, 1, 2]),
        make([c.k, c.c / groups, kh, kw], [c.k, kh, kw, c.c / groups], [0, 3, 1, 2]),
        randn([c.k]),
      ].map((t) => t.detach());
      const run = (dtype: 'float32' | 'float64') => {
        const [x, weight, bias] = inputs.map((t) => (dtype === 'float32' ? t.detach() : t.to(dtype)).requiresGrad_());
        const y = F.conv2d(x!, weight!, bias!, options);
        manualSeed(2);
        const grad = randn([...y.shape]);
        y.backward(grad.to(dtype));
        return [y.detach(), x!.grad!, weight!.grad!, bias!.grad!].map((t) => t.to('float64'));
      };
      const expected = run('float64');
      run('float32').forEach((actual, i) => {
        // The weight gradient sums thousands of float32 products one after the other: about 3e-6 of the largest sum.
        expect(maximum(actual.sub(expected[i]!)) / maximum(expected[i]!)).toBeLessThan(1e-5);
      });
    });
