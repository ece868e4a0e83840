// SPDX-License-Identifier: Apache-2.0
// Spatial functions and layers beyond what the op cases compare with PyTorch: bad input, printing, memory.
import { describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { ArgumentError, DTypeError, ShapeError } from '../lib/native/errors.js';
import { capture } from '../lib/autograd/capture.js';
import { grad } from '../lib/autograd/engine.js';
import * as nn from '../lib/nn/index.js';
import { ones } from '../lib/ops/creation.js';
import * as F from '../lib/ops/functional.js';
import { rand } from '../lib/ops/random.js';
import { synchronizeSync } from '../lib/tensor/device.js';
import { collectGarbage, memoryStats, resetPeakMemoryStats } from '../lib/tensor/memory.js';
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

describe('borders', () => {
  const x = f(2, 3, 4, 5);
  refuses([
    [() => F.pad(x, [1, 1, 1], { mode: 'reflect' }), ArgumentError, /^pad: expected an even number of integers/],
    [() => F.pad(x, [1, 1], { mode: 'mirror' as never }), ArgumentError, /^pad: mode must be .*got mirror/],
    [() => F.pad(x, [1, 1], { mode: 'reflect' }), ShapeError, /^pad: mode 'reflect' takes 2, 4 or 6 numbers.*got \[1, 1\] for input \[2, 3, 4, 5\]/],
    [() => F.pad(x, [5, 0, 0, 0], { mode: 'reflect' }), ShapeError, /^pad: mode 'reflect' needs padding less than the size/],
    [() => F.pad(x, [6, 0, 0, 0], { mode: 'circular' }), ShapeError, /^pad: mode 'circular' needs padding at most the size/],
    [() => F.pad(f(2, 3, 0, 5), [0, 0, 1, 1], { mode: 'replicate' }), ShapeError, /^pad: mode 'replicate' needs/],
    [() => F.pad(x, [-3, -2, 0, 0], { mode: 'replicate' }), ShapeError, /^pad: .* leaves nothing of/],
    [() => F.pad(x, [1, 1, 1, 1], { mode: 'circular', value: 1 }), ArgumentError, /^pad: mode 'circular' takes no value/],
    [() => F.pad(long(2, 3, 4, 5), [1, 1, 1, 1], { mode: 'reflect' }), DTypeError, /^pad: mode 'reflect' is for floating tensors, got int64/],
    [() => new nn.ReflectionPad2d([1, 2]), ArgumentError, /^ReflectionPad2d: padding must be an integer or 4 integers, got \[1, 2\]/],
    [() => new nn.ZeroPad1d(0.5), ArgumentError, /^ZeroPad1d: padding .*got 0.5/],
  ]);

  test('layers are their functions', () => {
    const images = rand([2, 3, 4, 5]);
    for (const [layer, mode] of [
      [new nn.ReflectionPad2d([1, 2, 3, 0]), 'reflect'],
      [new nn.ReplicationPad2d([1, 2, 3, 0]), 'replicate'],
      [new nn.CircularPad2d([1, 2, 3, 0]), 'circular'],
      [new nn.ZeroPad2d([1, 2, 3, 0]), 'constant'],
    ] as const)
      expect(list(layer.forward(images))).toEqual(list(F.pad(images, [1, 2, 3, 0], { mode })));
    expect(list(new nn.ConstantPad2d(1, 3).forward(images))).toEqual(list(F.pad(images, [1, 1, 1, 1], { value: 3 })));
    expect(new nn.ReplicationPad3d(2).forward(rand([1, 2, 3, 4, 5])).shape).toEqual([1, 2, 7, 8, 9]);
    expect(String(new nn.ZeroPad2d(1))).toBe('ZeroPad2d((1, 1, 1, 1))');
    expect(String(new nn.ConstantPad1d([1, 2], 3.5))).toBe('ConstantPad1d(padding=(1, 2), value=3.5)');
  });

  test('a convolution makes its own', () => {
    const images = rand([2, 3, 6, 5]);
    for (const paddingMode of ['reflect', 'replicate', 'circular'] as const) {
      const conv = new nn.Conv2d(3, 4, [2, 3], { padding: 'same', paddingMode });
      const wanted = F.conv2d(F.pad(images, [1, 1, 0, 1], { mode: paddingMode }), conv.weight, conv.bias);
      expect(list(conv.forward(images))).toEqual(list(wanted));
      const fused = new nn.Sequential(conv, new nn.ReLU()).forward(images);
      expect(list(fused)).toEqual(list(F.relu(wanted)));
      expect(String(conv)).toBe(`Conv2d(3, 4, kernel_size=(2, 3), stride=(1, 1), padding=same, padding_mode=${paddingMode})`);
    }
    expect(() => new nn.Conv1d(1, 1, 3, { paddingMode: 'zero' as never })).toThrow(/^Conv1d: paddingMode must be/);
  });
});

describe('interpolation and orders', () => {
  const x = f(2, 4, 6, 6);
  refuses([
    [() => F.interpolate(x, {}), ArgumentError, /^interpolate: expected either size or scaleFactor, got neither/],
    [() => F.interpolate(x, { size: 3, scaleFactor: 2 }), ArgumentError, /^interpolate: .*got both/],
    [() => F.interpolate(x, { size: 3, mode: 'cubic' as never }), ArgumentError, /^interpolate: mode must be/],
    [() => F.interpolate(x, { size: 3, alignCorners: false }), ArgumentError, /^interpolate: alignCorners is for the linear and cubic modes, got mode 'nearest'/],
    [() => F.interpolate(x, { size: 3, mode: 'linear' }), ShapeError, /^interpolate: mode 'linear' is for 1 spatial dimensions.*\[2, 4, 6, 6\]/],
    [() => F.interpolate(f(2, 3), { size: 3 }), ShapeError, /^interpolate: .*got input \[2, 3\]/],
    [() => F.interpolate(x, { size: [3, 3, 3] }), ArgumentError, /^interpolate: size must be a number or 2 numbers/],
    [() => F.interpolate(x, { size: 0 }), ArgumentError, /^interpolate: size must be positive/],
    [() => F.interpolate(x, { scaleFactor: -1 }), ArgumentError, /^interpolate: scaleFactor must be a positive number/],
    [() => F.interpolate(x, { scaleFactor: 0.1 }), ShapeError, /^interpolate: scaleFactor \[0.1, 0.1\] leaves nothing/],
    [() => F.interpolate(x, { size: 3, recomputeScaleFactor: true }), ArgumentError, /^interpolate: recomputeScaleFactor/],
    [() => F.interpolate(x, { size: 3, antialias: true }), ArgumentError, /^interpolate: antialias/],
    [() => F.interpolate(long(1, 1, 2, 2), { size: 3 }), DTypeError, /^interpolate: .*int64/],
    [() => F.interpolate(f(2, 3, 0, 4), { size: 3 }), ShapeError, /^interpolate: only the batch may be empty/],
    [() => new nn.Upsample({}), ArgumentError, /^Upsample: expected either size or scaleFactor/],
    [() => F.pixelShuffle(x, 3), ShapeError, /^pixelShuffle: 4 channels of input \[2, 4, 6, 6\] are not divisible by 3\^2/],
    [() => F.pixelUnshuffle(x, 4), ShapeError, /^pixelUnshuffle: .* not divisible by 4/],
    [() => F.pixelShuffle(f(2, 2), 1), ShapeError, /^pixelShuffle: expected input/],
    [() => F.channelShuffle(x, 3), ShapeError, /^channelShuffle: 4 channels/],
    [() => F.channelShuffle(x, 0), ArgumentError, /^channelShuffle: groups/],
    [() => F.lpPool2d(x, 0, 2), ArgumentError, /^lpPool2d: normType must not be 0/],
  ]);

  test('layers are their functions', () => {
    const images = rand([2, 4, 6, 6]);
    const same = (layer: nn.Module, wanted: Tensor) => expect(list(layer.forward(images))).toEqual(list(wanted));
    same(new nn.Upsample({ scaleFactor: 2 }), F.interpolate(images, { scaleFactor: 2 }));
    same(new nn.UpsamplingNearest2d({ size: 9 }), F.interpolate(images, { size: 9 }));
    same(new nn.UpsamplingBilinear2d({ scaleFactor: 2 }), F.interpolate(images, { scaleFactor: 2, mode: 'bilinear', alignCorners: true }));
    same(new nn.PixelShuffle(2), F.pixelShuffle(images, 2));
    same(new nn.PixelUnshuffle(2), F.pixelUnshuffle(images, 2));
    same(new nn.ChannelShuffle(2), F.channelShuffle(images, 2));
    same(new nn.LPPool2d(2, 3, { stride: 2 }), F.lpPool2d(images, 2, 3, { stride: 2 }));
    same(new nn.Unflatten(1, [2, -1]), images);
    expect(new nn.Unflatten(1, [2, -1]).forward(images).shape).toEqual([2, 2, 2, 6, 6]);
    expect(String(new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }))).toBe("Upsample(scale_factor=2.0, mode='bilinear')");
    expect(String(new nn.Upsample({ size: [4, 5] }))).toBe("Upsample(size=(4, 5), mode='nearest')");
    expect(String(new nn.LPPool2d(2, 3))).toBe('LPPool2d(norm_type=2.0, kernel_size=3, stride=None, ceil_mode=False)');
  });

  test('channels-last stays channels-last', () => {
    const images = rand([2, 4, 6, 6]).contiguous('channelsLast');
    for (const y of [F.interpolate(images, { scaleFactor: 2 }), F.pixelShuffle(images, 2), F.pixelUnshuffle(images, 2),
                     F.channelShuffle(images, 2), F.pad(images, [1, 1, 1, 1], { mode: 'reflect' }), F.pad(images, [1, 1])])
      expect(y.isContiguous('channelsLast')).toBe(true);
  });
});

describe('transposed convolution layers', () => {
  test('are their functions', () => {
    const images = rand([2, 4, 5, 3]);
    const options = { stride: 2, padding: 1, outputPadding: 1, groups: 2 } as const;
    const layer = new nn.ConvTranspose2d(4, 6, 3, options);
    expect(layer.weight.shape).toEqual([4, 3, 3, 3]);
    expect(Object.keys(layer.stateDict())).toEqual(['weight', 'bias']);
    expect(list(layer.forward(images))).toEqual(list(F.convTranspose2d(images, layer.weight, layer.bias, options)));
    expect(Math.max(...list(layer.weight).map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(27));
    expect(String(layer)).toBe(
      'ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1), groups=2)',
    );
    expect(new nn.ConvTranspose1d(2, 3, 4, { stride: 2 }).forward(rand([1, 2, 5])).shape).toEqual([1, 3, 12]);
    expect(new nn.ConvTranspose3d(2, 3, 2, { bias: false }).forward(rand([1, 2, 3, 4, 5])).shape).toEqual([1, 3, 4, 5, 6]);
  });

  test('outputSize chooses among the sizes that a stride leaves open', () => {
    const layer = new nn.ConvTranspose2d(1, 1, 3, { stride: 2, padding: 1 });
    const images = rand([2, 1, 5, 3]);
    expect(layer.forward(images).shape).toEqual([2, 1, 9, 5]);
    expect(layer.forward(images, [10, 5]).shape).toEqual([2, 1, 10, 5]);
    expect(layer.forward(images, [2, 1, 10, 6]).shape).toEqual([2, 1, 10, 6]);
    expect(() => layer.forward(images, [11, 5])).toThrow(ShapeError);
    expect(() => layer.forward(images, [11, 5])).toThrow(/outputSize must lie between \[9, 5\] and \[10, 6\]/);
    expect(() => layer.forward(images, [10])).toThrow(/outputSize must have 2 or 4 sizes/);
  });

  refuses([
    [() => new nn.ConvTranspose2d(4, 6, 3, { groups: 4 }), ArgumentError, /^ConvTranspose2d: inChannels 4 and outChannels 6/],
    [() => new nn.ConvTranspose1d(0, 6, 3), ArgumentError, /^ConvTranspose1d: inChannels/],
    [() => new nn.ConvTranspose2d(4, 6, 3, { outputPadding: -1 }), ArgumentError, /^ConvTranspose2d: outputPadding/],
    [() => new nn.ConvTranspose2d(1, 1, 3, { outputPadding: 1 }).forward(f(1, 1, 3, 3)), ArgumentError, /^convTranspose2d: outputPadding/],
  ]);
});

describe("layout 'NHWC'", () => {
  const x = f(2, 8, 8, 3);
  const w = f(3, 3, 3, 4);
  refuses([
    [() => F.conv2d(f(2, 8, 8, 5), w, null, { layout: 'NHWC' }), ShapeError, /^conv2d: weight \[3, 3, 3, 4\].*expects 3 input channels, got input \[2, 8, 8, 5\]/],
    [() => F.conv2d(f(8, 8), w, null, { layout: 'NHWC' }), ShapeError, /^conv2d: expected input \[N, H, W, C\]/],
    [() => F.conv2d(x, f(3, 3, 3), null, { layout: 'NHWC' }), ShapeError, /^conv2d: expected weight \[kH, kW, C \/ groups, K\]/],
    [() => F.conv2d(x, w, null, { layout: 'HWC' as never }), ArgumentError, /^conv2d: layout must be/],
    [() => F.conv2d(f(2, 3, 8, 8), f(4, 3, 3, 3), null, { padding: 'SAME' as never }), ArgumentError, /^conv2d: padding 'SAME' is for layout 'NHWC'/],
    [() => F.conv2d(f(2, 2, 2, 3), w, null, { layout: 'NHWC', padding: 'VALID' }), ShapeError, /^conv2d: the kernel is larger/],
    [() => F.maxPool2d(f(2, 3, 8, 8), 2, { padding: 'SAME' as never }), ArgumentError, /^maxPool2d: padding 'SAME' is for layout 'NHWC'/],
    [() => F.avgPool2d(x, 2, { layout: 'NHWC', padding: 'FULL' as never }), ArgumentError, /^avgPool2d: padding must be/],
    [() => F.avgPool2d(x, 2, { layout: 'NHWC', padding: 'SAME', ceilMode: true }), ArgumentError, /^avgPool2d: ceilMode/],
    [() => F.maxPool2d(f(2, 8), 2, { layout: 'NHWC' }), ShapeError, /^maxPool2d: expected input \[N, H, W, C\]/],
  ]);

  // Forward, and backward to the input, with odd sums of padding: only results and gradients may need memory.
  test('copies no activation', async () => {
    const images = rand([4, 32, 32, 16]).requiresGrad_().mul(1); // no leaf: those own their gradients' memory
    const filters = rand([3, 3, 16, 16]);
    for (const call of [
      () => F.conv2d(images, filters, null, { layout: 'NHWC', padding: 'SAME', stride: 2 }),
      () => F.conv2d(images, filters.slice(0, 0, 2), null, { layout: 'NHWC', padding: 'SAME' }),
      () => F.maxPool2d(images.detach(), 3, { layout: 'NHWC', padding: 'SAME', stride: 2 }),
      () => F.avgPool2d(images, 2, { layout: 'NHWC', padding: 'SAME' }),
    ]) {
      synchronizeSync();
      collectGarbage();
      resetPeakMemoryStats();
      const before = memoryStats().allocatedBytes;
      const y = call();
      synchronizeSync();
      expect(y.isContiguous()).toBe(true);
      const slack = 4096; // sizes are powers of two, to which the allocator rounds
      expect(memoryStats().peakAllocatedBytes - before).toBeLessThanOrEqual(y.nbytes + slack);
      if (!y.requiresGrad) continue;
      const gradient = rand(y.shape);
      synchronizeSync();
      resetPeakMemoryStats();
      const middle = memoryStats().allocatedBytes;
      const [dX] = grad(y, images, { gradOutputs: [gradient] });
      synchronizeSync();
      expect(memoryStats().peakAllocatedBytes - middle).toBeLessThanOrEqual(images.nbytes + slack);
      expect(dX!.isContiguous()).toBe(true);
    }
  });
});

describe('captured steps', () => {
  test('resample as plain ones do, with tables that were made while a step was recorded', () => {
    const conv = new nn.Conv2d(3, 3, [2, 3], { bias: false });
    const { weight } = conv;
    const loss = (images: Tensor, size: number) => {
      conv.zeroGrad();
      const padded = F.pad(images, [1, 2, 2, 1], { mode: 'reflect' });
      const y = F.interpolate(conv.forward(padded), { size, mode: 'bilinear' });
      const total = F.adaptiveMaxPool2d(F.localResponseNorm(y, 3), 2).sum();
      total.backward();
      return total;
    };
    const batches = Array.from({ length: 4 }, () => rand([2, 3, 6, 5]));
    const plain = batches.map((images) => [loss(images, 23).itemSync(), list(weight.grad!)]);
    // Other sizes make the cache forget what the plain runs have left.
    for (let i = 0; i < 150; i++) F.interpolate(batches[0]!, { size: 24 + i });
    const step = capture((images: Tensor) => loss(images, 23));
    batches.forEach((images, i) => {
      // The tables of the first, plain call are forgotten too, so that the recording makes them.
      if (i === 1) for (let k = 0; k < 150; k++) F.interpolate(batches[0]!, { size: 24 + k });
      expect([step(images).itemSync(), list(weight.grad!)]).toEqual(plain[i]);
    });
    expect(step.counts).toEqual({ plain: 1, recorded: 1, replayed: 2 });
    step.dispose();
  });
});
