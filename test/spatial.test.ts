// SPDX-License-Identifier: Apache-2.0
// Spatial functions and layers beyond what the op cases compare with PyTorch: bad input, printing, memory.
import { describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { ArgumentError, DTypeError, ShapeError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import { ones } from '../lib/ops/creation.js';
import * as F from '../lib/ops/functional.js';
import { rand } from '../lib/ops/random.js';
import type { Tensor } from '../lib/tensor/tensor.js';
import { refuses } from './helpers/refuses.js';

const f = (...shape: number[]): Tensor => ones(shape);
const long = (...shape: number[]): Tensor => ones(shape, { dtype: 'int64' }) as Tensor;
const list = (t: Tensor) => Array.from(t.dataSync() as Float32Array);

describe('adaptive pooling', () => {
  const x = f(2, 3, 8, 8);
  refuses([
    [() => F.adaptiveAvgPool2d(x, 0), ArgumentError, /^adaptiveAvgPool2d: outputSize must be 2 positive integers.*got 0$/],
    [() => F.adaptiveAvgPool2d(x, [1.5, 2]), ArgumentError, /^adaptiveAvgPool2d: outputSize .*got \[1.5, 2\]$/],
    [() => F.adaptiveAvgPool2d(x, [1]), ArgumentError, /^adaptiveAvgPool2d: outputSize .*got \[1\]$/],
    [() => F.adaptiveMaxPool2d(x, [1, -1]), ArgumentError, /^adaptiveMaxPool2d: outputSize/],
    [() => F.adaptiveMaxPool1d(f(2, 3, 4), 'all' as never), ArgumentError, /^adaptiveMaxPool1d: outputSize must be a positive integer.*got all$/],
    [() => F.adaptiveAvgPool2d(f(8, 8), 1), ShapeError, /^adaptiveAvgPool2d: expected input \[N, C, H, W\].*got \[8, 8\]/],
    [() => F.adaptiveAvgPool2d(f(2, 3, 0, 8), 1), ShapeError, /^adaptiveAvgPool2d: only the batch may be empty/],
    [() => F.adaptiveMaxPool3d(f(2, 0, 4, 4, 4), 1), ShapeError, /^adaptiveMaxPool3d: only the batch may be empty/],
    [() => F.adaptiveMaxPool2d(long(2, 3, 8, 8), 1), DTypeError, /^adaptiveMaxPool2d: .*int64/],
    [() => new nn.AdaptiveAvgPool2d([1, 2, 3]), ArgumentError, /^AdaptiveAvgPool2d: outputSize .*got \[1, 2, 3\]$/],
    [() => new nn.AdaptiveMaxPool1d(-1), ArgumentError, /^AdaptiveMaxPool1d: outputSize/],
  ]);

  test('layers are their functions', () => {
    const images = rand([2, 3, 7, 5]);
    expect(list(new nn.AdaptiveAvgPool2d([2, null]).forward(images))).toEqual(list(F.adaptiveAvgPool2d(images, [2, null])));
    expect(list(new nn.AdaptiveMaxPool2d(2).forward(images))).toEqual(list(F.adaptiveMaxPool2d(images, 2)));
    const [values, indices] = new nn.AdaptiveMaxPool2d(2, { returnIndices: true }).forward(images);
    const [wanted, places] = F.adaptiveMaxPool2d(images, 2, { returnIndices: true });
    expect(list(values)).toEqual(list(wanted));
    expect(indices.dtype).toBe('int64');
    expect(indices.dataSync()).toEqual(places.dataSync());
    expect(String(new nn.AdaptiveAvgPool2d([null, 7]))).toBe('AdaptiveAvgPool2d(output_size=(None, 7))');
    expect(String(new nn.AdaptiveMaxPool2d(1))).toBe('AdaptiveMaxPool2d(output_size=1)');
  });

  test('results keep the memory layout', () => {
    const images = rand([2, 3, 7, 5]).contiguous('channelsLast');
    expect(F.adaptiveAvgPool2d(images, [2, 3]).isContiguous('channelsLast')).toBe(true);
    expect(F.adaptiveMaxPool2d(images.contiguous(), [2, 3]).isContiguous()).toBe(true);
  });
});

describe('local response normalisation', () => {
  const x = f(2, 3, 4, 4);
  refuses([
    [() => F.localResponseNorm(x, 0), ArgumentError, /^localResponseNorm: size must be an integer of at least 1, got 0/],
    [() => F.localResponseNorm(x, 5, { beta: NaN }), ArgumentError, /^localResponseNorm: beta must be a number/],
    [() => F.localResponseNorm(f(2, 3), 5), ShapeError, /^localResponseNorm: expected input \[N, C, ...\].*got \[2, 3\]/],
    [() => F.localResponseNorm(long(2, 3, 4), 5), DTypeError, /^localResponseNorm: .*int64/],
    [() => new nn.LocalResponseNorm(1.5), ArgumentError, /^LocalResponseNorm: size/],
  ]);

  test('the layer is its function', () => {
    const images = rand([1, 7, 3, 2]);
    const layer = new nn.LocalResponseNorm(5, { alpha: 0.5, k: 2 });
    expect(list(layer.forward(images))).toEqual(list(F.localResponseNorm(images, 5, { alpha: 0.5, k: 2 })));
    expect(String(layer)).toBe('LocalResponseNorm(5, alpha=0.5, beta=0.75, k=2.0)');
  });
});
