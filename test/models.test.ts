// SPDX-License-Identifier: Apache-2.0
// The networks: names, sizes and results against PyTorch's, options, weights from files, errors.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { GOAL, overfit } from '../bench/overfit-run.mjs';
import { compute } from '../bench/parity-run.mjs';
import * as lenode from '../lib/index.js';
import { models, nn, tensor, type Tensor } from '../lib/index.js';
import { bits, classification, PLACE, SIGN, stateValues } from './fixtures/generator.js';

interface Case {
  name: string;
  label?: string;
  options?: object;
  input: number[];
  classes: number;
  lr: number;
  seed?: number;
}
interface Expected {
  network: string;
  parameters: number;
  keys: number;
  hash: string;
  loss?: number[];
  results?: Record<string, number[]>;
}
const read = <T>(name: string) => JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')) as T;
const cases = new Map(read<Case[]>('networks.json').map((entry) => [entry.label ?? entry.name, entry]));
const { networks } = read<{ networks: Expected[] }>('models.json');

const build = ({ name, options = {} }: Case) =>
  (models as unknown as Record<string, (options: object) => nn.AnyModule>)[name]!(options);
const sizeOf = (model: nn.AnyModule) => model.parameters().reduce((n, p) => n + p.numel, 0);
const PATIENCE = 900_000; // seconds are enough, but not on a busy machine

describe('names and sizes are those of torchvision, or of the paper', () => {
  test('no network is left out', () => {
    expect(networks.map(({ network }) => network)).toEqual([...cases.keys()]);
  });
  test.each(networks)('$network', (expected) => {
    const model = build(cases.get(expected.network)!);
    const lines = Object.entries(model.stateDict()).map(([name, { shape }]) => `${name} ${shape.join('x')}`);
    expect(sizeOf(model)).toBe(expected.parameters);
    expect(lines.length).toBe(expected.keys);
    const hash = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16);
    expect(hash, 'names differ; bench/parity.mjs compares them one by one').toBe(expected.hash);
  }, PATIENCE);
});

function fill(model: nn.AnyModule): void {
  const state = model.stateDict();
  Object.entries(state).forEach(([key, { shape }], position) => {
    const normalisation = Object.hasOwn(state, `${key.slice(0, key.lastIndexOf('.'))}.running_mean`);
    const values = key === 'output.weight' ? null : stateValues(key, shape, position, normalisation);
    if (values) state[key] = tensor(values, { shape }) as Tensor;
  });
  model.loadStateDict(state);
}

/** max |x|, the norm, the sum with random signs, and some values at random places: make_models.py says the same. */
function digestOf(t: Tensor): number[] {
  const x = t.dataSync() as Float32Array;
  let [largest, squares, signed] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    // Not Math.max: it would have to tell -0 from 0.
    if (!(Math.abs(value) <= largest)) largest = Math.abs(value);
    squares += value * value;
    signed += bits(SIGN, i) & 1 ? value : -value;
  }
  return [largest, Math.sqrt(squares), signed, ...[0, 1, 2].map((k) => x[bits(PLACE, k) % x.length]!)];
}

const RELATIVE = 1e-3;
const VANISHING = 1e-9; // of the largest gradient: zero in exact arithmetic

function compareDigests(found: ReadonlyMap<string, Tensor>, expected: Record<string, number[]>): string[] {
  expect([...found.keys()].filter((name) => name !== 'loss').sort()).toEqual(Object.keys(expected).sort());
  const largestGradient = Math.max(...Object.entries(expected).map(([name, [max]]) => (name.startsWith('grad.') ? max! : 0)));
  return Object.entries(expected).flatMap(([name, wanted]) => {
    const t = found.get(name)!;
    const got = digestOf(t);
    const zero = name.startsWith('grad.') && wanted[0]! < VANISHING * largestGradient;
    const scale = zero ? largestGradient : wanted[0]!;
    // Elements that differ by up to a thousandth of the largest, each its own way, change these two by so much.
    const ofSums = scale * Math.sqrt(t.numel);
    const scales = [scale, ofSums, ofSums, scale, scale, scale];
    const fits = got.every((value, i) => Math.abs(value - wanted[i]!) <= RELATIVE * scales[i]!);
    return fits ? [] : [`${name}: ${got.join(', ')}; PyTorch: ${wanted.join(', ')}`];
  });
}

describe('scores, losses, gradients and running statistics are PyTorch\'s', () => {
  test.each(networks.filter(({ results }) => results))('$network', (expected) => {
    const entry = cases.get(expected.network)!;
    const model = build(entry);
    fill(model);
    const { images, labels } = classification(entry.input, entry.classes, entry.seed ?? 0);
    const x = tensor(images, { shape: entry.input }) as Tensor;
    const found = compute(lenode, model, x, tensor(labels) as Tensor, entry);
    const losses = Array.from(found.get('loss')!.dataSync() as Float32Array);
    losses.forEach((loss, step) => {
      const wanted = expected.loss![step]!;
      expect(Math.abs(loss - wanted) <= RELATIVE * Math.max(...expected.loss!), `loss ${step}: ${loss}, PyTorch: ${wanted}`).toBe(true);
    });
    expect(compareDigests(found, expected.results!)).toEqual([]);
  }, PATIENCE);
});

describe('learning 64 images by heart', () => {
  // The others take minutes: node bench/overfit.mjs.
  test.each(['lenet5', 'lenet5 paper', 'lenet5 tutorial', 'resnet18'])('%s', async (label) => {
    const losses = await overfit(lenode, label);
    expect(losses[0]).toBeGreaterThan(1);
    expect(losses.at(-1)).toBeLessThan(GOAL);
  }, PATIENCE);
});

describe('options', () => {
  const smallResNet = { numClasses: 3 };
  test('numClasses is the number of scores; a new head takes its place', () => {
    const model = models.resnet18(smallResNet).eval();
    const x = lenode.randn([2, 3, 32, 32]);
    expect(model.forward(x).shape).toEqual([2, 3]);
    model.fc = new nn.Linear(model.fc.inFeatures, 5);
    expect(model.forward(x).shape).toEqual([2, 5]);
    const lenet = models.lenet5();
    lenet.classifier.set(-1, new nn.Linear(84, 3));
    expect(lenet.forward(lenode.randn([1, 1, 28, 28])).shape).toEqual([1, 3]);
  });

  test('ResNet: zeroInitResidual makes each block begin as its shortcut', () => {
    const { layer1 } = models.resnet18({ ...smallResNet, zeroInitResidual: true }).eval();
    const x = lenode.rand([1, 64, 4, 4]);
    expect(layer1.forward(x).sub(x).abs().max().itemSync()).toBe(0);
    const { layer1: bottlenecks } = models.resnet50({ ...smallResNet, zeroInitResidual: true });
    const weights = bottlenecks.namedParameters().filter(([name]) => name.endsWith('bn3.weight'));
    expect(weights.map(([, p]) => p.abs().max().itemSync())).toEqual([0, 0, 0]);
  });

  test('ResNet: dilation keeps the size, another normalisation takes the place of BatchNorm2d', () => {
    const dilated = models.resnet50({ ...smallResNet, replaceStrideWithDilation: [false, true, true] });
    expect(dilated.layer4.forward(lenode.randn([1, 1024, 4, 4])).shape).toEqual([1, 2048, 4, 4]);
    const plain = models.resnet18({ ...smallResNet, normLayer: () => new nn.Identity() });
    expect(Object.keys(plain.stateDict()).filter((name) => name.includes('bn'))).toEqual([]);
    expect(plain.forward(lenode.randn([1, 3, 32, 32])).shape).toEqual([1, 3]);
    expect(() => models.resnet18({ groups: 2 })).toThrow(/BasicBlock: groups must be 1/);
    expect(() => models.resnet34({ replaceStrideWithDilation: [false, false, true] })).toThrow(/bottlenecks/);
    expect(() => models.resnet50({ replaceStrideWithDilation: [true] as never })).toThrow(/three booleans/);
  });

  test('DenseNet: memoryEfficient gives the same gradients and running statistics', () => {
    const shape = { growthRate: 4, blockConfig: [2, 2], numInitFeatures: 8, numClasses: 3 };
    lenode.manualSeed(1);
    const plain = new models.DenseNet(shape);
    const thrifty = new models.DenseNet({ ...shape, memoryEfficient: true });
    thrifty.loadStateDict(plain.stateDict());
    const x = lenode.randn([2, 3, 32, 32]);
    for (const model of [plain, thrifty]) model.forward(x).square().sum().backward();
    const values = (model: nn.AnyModule) => [
      ...model.parameters().map((p) => Array.from(p.grad!.dataSync() as Float32Array)),
      ...model.buffers().map((b) => Array.from(b.dataSync() as Float32Array, Number)),
    ];
    expect(values(thrifty)).toEqual(values(plain));
  });

  test('GoogLeNet: three results in training with auxiliary classifiers, else one', () => {
    const model = models.googlenet({ numClasses: 3, initWeights: false });
    const x = lenode.randn([2, 3, 32, 32]);
    const output = model.forward(x);
    expect('logits' in output && [output.logits, output.auxLogits2, output.auxLogits1].map((t) => t.shape)).toEqual([
      [2, 3], [2, 3], [2, 3],
    ]);
    expect((model.eval().forward(x) as Tensor).shape).toEqual([2, 3]);
    const alone = models.googlenet({ numClasses: 3, auxLogits: false, initWeights: false });
    expect((alone.forward(x) as Tensor).shape).toEqual([2, 3]);
  });

  test('VGG takes any layout, and GoogLeNet and VGG the start of torchvision\'s weights', () => {
    const layers = models.VGG.makeLayers([8, 'M', 512, 'M'], { batchNorm: true, inChannels: 1 });
    expect(Object.keys(layers.stateDict()).filter((name) => name.endsWith('weight'))).toEqual([
      '0.weight', '1.weight', '4.weight', '5.weight',
    ]);
    expect(layers.forward(lenode.randn([1, 1, 8, 8])).shape).toEqual([1, 512, 2, 2]);
    expect(() => models.VGG.makeLayers([8, 'P' as 'M'])).toThrow(/expected channels or 'M', got P/);
    const spread = (t: Tensor) => lenode.std(t).itemSync();
    lenode.manualSeed(0);
    const { conv3 } = models.googlenet({ numClasses: 3, auxLogits: false });
    expect(spread(conv3.conv.weight)).toBeCloseTo(0.01, 3);
    const first = (models.densenet121({ numClasses: 3 }).features as nn.AnyModule).getSubmodule('conv0') as nn.Conv2d;
    expect(spread(first.weight)).toBeCloseTo(Math.sqrt(2 / (3 * 49)), 2);
    expect(spread(models.resnet18(smallResNet).conv1.weight)).toBeCloseTo(Math.sqrt(2 / (64 * 49)), 3);
  });

  test('LeNet-5 of the paper: layer sizes of the paper, fixed codes, classes beyond the digits', () => {
    const model = models.lenet5({ variant: 'paper' });
    const sizes = model.namedChildren().map(([name, child]) => [name, sizeOf(child)]);
    expect(sizes).toEqual([['c1', 156], ['s2', 12], ['c3', 1516], ['s4', 32], ['c5', 48_120], ['f6', 10_164], ['output', 0]]);
    const codes = model.output.weight;
    expect(codes.abs().min().itemSync()).toBe(1);
    // The score is minus the distance: nothing for a code itself.
    const answers = model.output.forward(codes).max(1)[1];
    expect(Array.from(answers.dataSync() as BigInt64Array, Number)).toEqual([...Array(10).keys()]);
    expect(model.output.forward(codes).max().itemSync()).toBeCloseTo(0, 10);
    const many = models.lenet5({ variant: 'paper', numClasses: 40 });
    expect(many.output.weight.shape).toEqual([40, 84]);
    expect(many.output.weight.sub(models.lenet5({ variant: 'paper', numClasses: 40 }).output.weight).abs().max().itemSync()).toBe(0);
    expect(many.forward(lenode.zeros([2, 1, 32, 32])).shape).toEqual([2, 40]);
    expect(() => models.lenet5({ variant: 'other' as 'paper' })).toThrow(/variant must be 'relu', 'paper' or 'tutorial', got 'other'/);
  });
});

describe('images that do not fit', () => {
  test.each([
    ['alexnet', [1, 3, 62, 63], /AlexNet: expected images \[N, 3, H, W\] with H and W at least 63, got \[1, 3, 62, 63\]/],
    ['googlenet', [1, 3, 14, 14], /GoogLeNet: expected images \[N, 3, H, W\] with H and W at least 15, got/],
    ['densenet121', [1, 3, 28, 28], /DenseNet: .*at least 29/],
    ['resnet18', [1, 1, 32, 32], /ResNet: expected images \[N, 3, H, W\], got \[1, 1, 32, 32\]/],
    ['resnet18', [3, 32, 32], /ResNet: expected images/],
    ['lenet5', [1, 1, 32, 32], /LeNet5: expected images \[N, 1, 28, 28\], got \[1, 1, 32, 32\]/],
  ] as const)('%s %j', (name, shape, message) => {
    const make = models[name] as (options: object) => nn.AnyModule;
    const model = make({ ...(name === 'lenet5' || name === 'alexnet' ? {} : { numClasses: 3 }), ...(name === 'googlenet' ? { initWeights: false } : {}) });
    expect(() => model.forward(lenode.zeros(shape))).toThrow(message);
    expect(() => model.forward(lenode.zeros(shape))).toThrow(lenode.ShapeError);
  });
  test('the smallest ones pass', () => {
    for (const [model, size] of [[models.googlenet({ numClasses: 3, initWeights: false }), 15], [models.densenet121({ numClasses: 3 }), 29]] as const)
      expect((model.eval().forward(lenode.zeros([1, 3, size, size])) as Tensor).shape).toEqual([1, 3]);
    expect(models.alexnet({ numClasses: 3 }).eval().forward(lenode.zeros([1, 3, 63, 63])).shape).toEqual([1, 3]);
  });
});

describe('weights from a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lenode-models-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const save = async (name: string, state: Record<string, Tensor>) => {
    const path = join(folder, name);
    await lenode.saveSafetensors(path, state);
    return path;
  };
  const equal = (a: Tensor, b: Tensor) => a.sub(b).abs().max().itemSync() === 0;

  test('the network is that of the file, its number of classes included', async () => {
    const trained = models.resnet18({ numClasses: 7 });
    const path = await save('resnet18.safetensors', trained.stateDict());
    const model = await models.resnet18({ weights: path });
    const x = lenode.randn([1, 3, 32, 32]);
    expect(equal(model.eval().forward(x), trained.eval().forward(x))).toBe(true);
    await expect(models.resnet18({ weights: path, numClasses: 7 })).resolves.toBeInstanceOf(models.ResNet);
    const other = models.resnet18({ weights: path, numClasses: 5 });
    await expect(other).rejects.toThrow(/resnet18: numClasses is 5, but .* has 7\. .* in the place of 'fc'/);
    await expect(models.resnet34({ weights: path })).rejects.toThrow(lenode.StateDictError);
    await expect(models.resnet18({ weights: join(folder, 'none') })).rejects.toThrow(lenode.FileError);
    expect(() => models.resnet18({ weights: 3 as never })).toThrow(/weights must be the path of a file/);
  });

  test('GoogLeNet: auxiliary classifiers are read and dropped, and the input is transformed', async () => {
    const trained = models.googlenet({ numClasses: 4, initWeights: false });
    const path = await save('googlenet.safetensors', trained.stateDict());
    const model = await models.googlenet({ weights: path });
    expect([model.transformInput, model.auxLogits, model.aux1, model.aux2]).toEqual([true, false, null, null]);
    expect(Object.keys(model.stateDict()).some((name) => name.startsWith('aux'))).toBe(false);
    const whole = await models.googlenet({ weights: path, auxLogits: true, transformInput: false });
    expect([whole.transformInput, whole.auxLogits, whole.aux2?.fc2.outFeatures]).toEqual([false, true, 4]);

    // What was saved without them loads, too.
    const small = await save('small.safetensors', model.stateDict());
    expect((await models.googlenet({ weights: small })).aux1).toBe(null);
    await expect(models.googlenet({ weights: small, auxLogits: true })).rejects.toThrow(/no auxiliary classifiers/);

    // ImageNet's normalisation of a pixel, then (pixel - 0.5) / 0.5.
    trained.eval();
    model.eval();
    const pixels = lenode.rand([1, 3, 32, 32]);
    const [mean, deviation] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]].map((v) => tensor(v, { shape: [1, 3, 1, 1] }) as Tensor);
    const [a, b] = [model.forward(pixels.sub(mean!).div(deviation!)), trained.forward(pixels.sub(0.5).div(0.5))] as [Tensor, Tensor];
    expect(a.sub(b).abs().max().itemSync()).toBeLessThan(1e-4);
    expect((model.train().forward(lenode.randn([2, 3, 32, 32])) as Tensor).shape).toEqual([2, 4]);
  });

  test('DenseNet: the names of old files', async () => {
    const trained = models.densenet121({ numClasses: 3 });
    const old = Object.fromEntries(
      Object.entries(trained.stateDict())
        .filter(([name]) => !name.endsWith('num_batches_tracked'))
        .map(([name, value]) => [name.replace(/(denselayer\d+\.(?:norm|conv))([12])\./, '$1.$2.'), value]),
    );
    expect(Object.keys(old)).toContain('features.denseblock1.denselayer1.norm.1.weight');
    const model = await models.densenet121({ weights: await save('densenet.safetensors', old) });
    const x = lenode.randn([1, 3, 32, 32]);
    expect(equal(model.eval().forward(x), trained.eval().forward(x))).toBe(true);
  });

  test.each(['paper', 'tutorial'] as const)('lenet5, %s', async (variant) => {
    const options = variant === 'paper' ? { variant, numClasses: 4 } : { variant, imageSize: 32 };
    const trained = models.lenet5(options as { variant: 'paper' });
    const path = await save(`${variant}.safetensors`, trained.stateDict());
    const { numClasses: _, ...rest } = options as { variant: 'paper'; numClasses?: number };
    const model = await models.lenet5({ ...rest, weights: path });
    const x = lenode.randn(variant === 'paper' ? [1, 1, 32, 32] : [1, 3, 32, 32]);
    expect(equal(model.forward(x), trained.forward(x))).toBe(true);
  });
});
