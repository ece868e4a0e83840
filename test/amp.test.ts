// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { amp, ArgumentError, F, manualSeed, memoryStats, nn, noGrad, ones, optim, randint, randn, synchronize, tensor, type Tensor } from '../lib/index.js';

const bits = (t: Tensor): number[] => [...t.to('float32').dataSync()] as number[];

describe('autocast', () => {
  test('products and convolutions compute in the half type, as if their operands had been converted', () => {
    manualSeed(0);
    const [x, weight, bias] = [randn([2, 3, 6, 6]), randn([4, 3, 3, 3]), randn([4])];
    const y = amp.autocast('bfloat16', () => F.conv2d(x, weight, bias));
    expect(y.dtype).toBe('bfloat16');
    expect(bits(y)).toEqual(bits(F.conv2d(x.to('bfloat16'), weight.to('bfloat16'), bias.to('bfloat16'))));
    const [a, b] = [randn([3, 5]), randn([5, 2])];
    for (const dtype of ['bfloat16', 'float16'] as const) {
      const products = amp.autocast(dtype, () => [a.matmul(b), F.linear(a, b.t()), F.convTranspose2d(x, weight.permute([1, 0, 2, 3]))]);
      expect(products.map((t) => t.dtype)).toEqual([dtype, dtype, dtype]);
      expect(bits(products[0]!)).toEqual(bits(a.to(dtype).matmul(b.to(dtype))));
    }
  });

// Wider than what the CPU converts to float32 at a time.
test('products with large weights', () => {
  for (const dtype of ['bfloat16', 'float16'] as const) {
    const [x, weight, bias] = [randn([3, 8192]).to(dtype), randn([401, 8192]).to(dtype), randn([401]).to(dtype)];
    const [x32, weight32, bias32] = [x.to('float32'), weight.to('float32'), bias.to('float32')];
    const grad = randn([3, 401]).to(dtype);
    const close = (a: Tensor, b: Tensor) => expect(a.to('float32').sub(b).abs().max().itemSync()).toBeLessThan(2 ** -8 * (b.abs().max().itemSync() as number));
    close(F.linear(x, weight, bias), F.linear(x32, weight32, bias32));
    close(grad.matmul(weight), grad.to('float32').matmul(weight32));
    close(grad.t().matmul(x), grad.to('float32').t().matmul(x32));
  }
});

  test('losses, softmax and exponentials compute in float32; what is added or joined takes the wider type', () => {
    const half = randn([4, 3]).to('bfloat16');
    const labels = tensor([0, 1, 2, 1], { dtype: 'int64' });
    amp.autocast('bfloat16', () => {
      for (const t of [F.crossEntropy(half, labels), F.softmax(half, 1), half.exp(), half.abs().pow(2), F.mseLoss(half, half), half.sum()])
        expect(t.dtype).toBe('float32');
      for (const t of [half.relu(), half.add(half), half.mul(2)]) expect(t.dtype).toBe('bfloat16');
      expect(half.add(randn([4, 3])).dtype).toBe('float32');
    });
    expect(half.exp().dtype).toBe('bfloat16');
  });

  test('float64 and integers are left alone; options switch it off; scopes nest and end', () => {
    const x = randn([2, 2], { dtype: 'float64' });
    const y = randn([2, 2]);
    amp.autocast('bfloat16', () => {
      expect(amp.autocastDType()).toBe('bfloat16');
      expect(x.matmul(x).dtype).toBe('float64');
      amp.autocast('float16', () => expect(y.matmul(y).dtype).toBe('float16'));
      amp.autocast('float16', () => expect(y.matmul(y).dtype).toBe('float32'), { enabled: false });
      expect(y.matmul(y).dtype).toBe('bfloat16');
    });
    expect(() => amp.autocast('bfloat16', () => { throw new RangeError('inside'); })).toThrow(RangeError);
    expect(amp.autocastDType()).toBeNull();
    expect(() => amp.autocast('float32' as never, () => 0)).toThrow(ArgumentError);
    expect(() => amp.autocast('bfloat16', 3 as never)).toThrow(ArgumentError);
  });

  test('an asynchronous body keeps the mode across its awaits, and nobody else sees it', async () => {
    const x = randn([2, 2]);
    const inside = amp.autocast('bfloat16', async () => {
      await Promise.resolve();
      return x.matmul(x).dtype;
    });
    expect(x.matmul(x).dtype).toBe('float32');
    expect(await inside).toBe('bfloat16');
  });

  test('a parameter is converted once, again when it has changed, and gets its gradient in its own type', () => {
    const layer = new nn.Linear(3, 3);
    const x = randn([2, 3]);
    const twice = amp.autocast('bfloat16', () => layer.forward(layer.forward(x)));
    twice.sum().backward();
    expect(layer.weight.grad!.dtype).toBe('float32');
    const half = { weight: layer.weight.detach().to('bfloat16').requiresGrad_(), bias: layer.bias!.detach().to('bfloat16').requiresGrad_() };
    const once = F.linear(x.to('bfloat16'), half.weight, half.bias);
    F.linear(once, half.weight, half.bias).sum().backward();
    const difference = layer.weight.grad!.sub(half.weight.grad!.to('float32')).abs().max().itemSync();
    expect(difference).toBeLessThan(2 ** -7 * (half.weight.grad!.to('float32').abs().max().itemSync() as number));
    amp.autocast('bfloat16', () => {
      const before = bits(layer.forward(x));
      noGrad(() => nn.init.zeros_(layer.weight));
      expect(bits(layer.forward(x))).not.toEqual(before);
      // What was converted without recording has no gradient to pass on.
      layer.zeroGrad();
      noGrad(() => layer.forward(x));
      layer.forward(x).sum().backward();
    });
    expect(layer.weight.grad).not.toBeNull();
  });

  // On a CPU gradients of parameters are what was summed up in float32, on a GPU they are rounded on the way.
  test.each(['bfloat16', 'float16'] as const)('gradients of parameters under %s are those of rounded operands, not rounded themselves', (dtype) => {
    manualSeed(5);
    const rounded = (t: Tensor) => t.to(dtype).to('float32');
    for (const [layer, x] of [
      [new nn.Linear(5, 3), randn([4, 5])],
      [new nn.Conv2d(4, 6, 3, { padding: 1, groups: 2 }), randn([2, 4, 5, 5])],
      [new nn.Conv2d(32, 32, 3, { padding: 1 }), randn([2, 32, 8, 8])],
    ] as const) {
      const y = amp.autocast(dtype, () => layer.forward(x));
      const g = randn([...y.shape]).to(dtype);
      y.backward(g);
      const [weight, bias] = [layer.weight, layer.bias!].map((p) => rounded(p.detach()).requiresGrad_());
      const [input, grad] = [rounded(x), g.to('float32')];
      const plain = layer instanceof nn.Linear ? F.linear(input, weight!, bias) : F.conv2d(input, weight!, bias, { padding: 1, groups: layer.groups });
      plain.backward(grad);
      for (const [ours, exact] of [[layer.weight.grad!, weight!.grad!], [layer.bias!.grad!, bias!.grad!]] as const) {
        expect(ours.dtype).toBe('float32');
        const difference = ours.sub(exact).abs().max().itemSync() as number;
        expect(difference).toBeLessThan(2e-5 * (exact.abs().max().itemSync() as number));
      }
    }
  });

  test('a gradient is as wide as its edge takes it: a user sees half types where they asked for them', () => {
    const weight = randn([3, 4], { requiresGrad: true });
    const half = weight.to('bfloat16');
    half.retainGrad();
    const x = randn([2, 4]).to('bfloat16');
    F.linear(x, half).sum().backward();
    expect([half.grad!.dtype, weight.grad!.dtype]).toEqual(['bfloat16', 'float32']);
    // One use makes a wide gradient, the other a narrow one.
    weight.grad = null;
    amp.autocast('bfloat16', () => F.linear(x, weight).sum().add(weight.matmul(x.t()).sum())).backward();
    const expected = x.to('float32').sum([0]).mul(2);
    expect(weight.grad!.sub(expected).abs().max().itemSync()).toBeLessThan(0.05);
  });

  test('the half forms of parameters are freed with the last who needs them, not by a later collection', async () => {
    const weight = randn([1024, 1024], { requiresGrad: true }); // 2 MiB as bfloat16
    const x = randn([2, 1024]);
    const allocated = async () => (await synchronize(), memoryStats('cpu').allocatedBytes);
    const MiB = 2 ** 20;
    let before = await allocated();
    const seen = noGrad(() => amp.autocast('bfloat16', () => F.linear(x, weight)));
    expect((await allocated()) - before).toBeLessThan(MiB);
    before = await allocated();
    const loss = amp.autocast('bfloat16', () => F.linear(F.linear(x, weight), weight).sum());
    expect((await allocated()) - before).toBeGreaterThan(2 * MiB); // the backward pass needs it
    loss.backward();
    expect((await allocated()) - before).toBeLessThan(4 * MiB + MiB); // the gradient
    expect([seen.dtype, weight.grad!.dtype]).toEqual(['bfloat16', 'float32']);
  });

  test('a network learns', () => {
    manualSeed(3);
    const model = new nn.Sequential(new nn.Conv2d(1, 8, 3), new nn.BatchNorm2d(8), new nn.ReLU(), new nn.Flatten(), new nn.Linear(8 * 36, 4));
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });
    const [images, labels] = [randn([32, 1, 8, 8]), randint(0, 4, [32])];
    let loss: Tensor = ones([]);
    for (let i = 0; i < 30; i++) {
      optimizer.zeroGrad();
      loss = amp.autocast('bfloat16', () => F.crossEntropy(model.forward(images), labels));
      expect(loss.dtype).toBe('float32');
      loss.backward();
      optimizer.step();
    }
    expect(loss.itemSync()).toBeLessThan(0.1);
  });
});
