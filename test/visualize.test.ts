// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ArgumentError, manualSeed, models, nn, randn, ShapeError, tensor, visualize, zeros, type Tensor } from '../lib/index.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'lenode-visualize-'))));
afterAll(() => rm(folder, { recursive: true }));

const decode = (picture: visualize.Picture) => PNG.sync.read(picture.toPng());
const colourAt = (picture: visualize.Picture, x: number, y: number) => {
  const { data, width } = decode(picture);
  return [...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 4)];
};

// Scores that are the image's four pixels.
class Copy extends nn.Module {
  forward(x: Tensor): Tensor {
    return x.flatten(1);
  }
}
const image = (...pixels: number[]) => tensor(pixels).reshape([1, 2, 2]);

describe('pictures', () => {
  test('grids of planes keep every pixel, and are written as PNG files', async () => {
    const planes = [0, 1, 2].map((i) => visualize.planePicture([i, 0, 0, 2], 2, 2, (v) => [Math.round(v * 255), 0, 0], [0, 2]));
    const picture = visualize.grid(planes, { columns: 2, scale: 3, gap: 1 });
    expect([picture.width, picture.height]).toEqual([15, 15]);
    expect(colourAt(picture, 0, 0)).toEqual([255, 255, 255, 255]);
    expect(colourAt(picture, 8, 1)).toEqual([128, 0, 0, 255]);
    expect(colourAt(picture, 13, 6)).toEqual([255, 0, 0, 255]);
    expect(colourAt(picture, 3, 10)).toEqual([255, 0, 0, 255]);
    await picture.save(join(folder, 'deep', 'grid.png'));
    expect(PNG.sync.read(await readFile(join(folder, 'deep', 'grid.png'))).width).toBe(15);
    expect(() => visualize.grid([])).toThrow(ArgumentError);
  });

  test('images in grey and in colour; NaN and one value for all do no harm', () => {
    expect(colourAt(visualize.imagePicture([0, 1, 2, 4], [1, 2, 2]), 1, 1)).toEqual([255, 255, 255, 255]);
    const red = [1, 0, 0, 0, 0, 0];
    expect(colourAt(visualize.imagePicture(red, [3, 1, 2]), 0, 0)).toEqual([255, 0, 0, 255]);
    expect(colourAt(visualize.imagePicture([NaN, 3], [1, 1, 2]), 1, 0)).toEqual([0, 0, 0, 255]);
  });
});

describe('layers', () => {
  test('filters have the values of the weights: in colour over three channels, else a column for each channel', async () => {
    manualSeed(0);
    const model = new nn.Sequential(new nn.Conv2d(3, 4, 3), new nn.ReLU(), new nn.Conv2d(4, 2, 3));
    const first = await visualize.filters(model, '0', { scale: 1, gap: 0 });
    expect(first.shape).toEqual([4, 3, 3, 3]);
    expect([...first.values]).toEqual([...(model.at(0) as nn.Conv2d).weight.dataSync()]);
    expect([first.picture.width, first.picture.height]).toEqual([6, 6]);
    const second = await visualize.filters(model, '2', { scale: 1, gap: 0 });
    expect([second.picture.width, second.picture.height]).toEqual([12, 6]);
    await expect(visualize.filters(model, '1')).rejects.toThrow(/there are 0, 2/);
  });

  test('feature maps are what the layers return, ReLUs apart from convolutions; the model is left as it was', async () => {
    manualSeed(0);
    const model = new nn.Sequential(new nn.Conv2d(1, 3, 3), new nn.BatchNorm2d(3), new nn.ReLU(), new nn.Dropout(0.5), new nn.MaxPool2d(2));
    const x = randn([1, 6, 6]);
    const before = JSON.stringify(Object.values(model.stateDict()).map((t) => [...t.dataSync()].map(Number)));
    const maps = await visualize.featureMaps(model, x);
    expect(maps.map((m) => [m.layer, ...m.shape])).toEqual([['0', 3, 4, 4], ['1', 3, 4, 4], ['2', 3, 4, 4], ['3', 3, 4, 4], ['4', 3, 2, 2]]);
    expect(model.modules().every((m) => m.training)).toBe(true);
    expect(JSON.stringify(Object.values(model.stateDict()).map((t) => [...t.dataSync()].map(Number)))).toBe(before);
    model.eval();
    const y = model.forward(x.unsqueeze(0));
    [...y.dataSync()].forEach((value, i) => expect(maps[4]!.values[i]).toBeCloseTo(value as number, 5));
    await expect(visualize.featureMaps(model, zeros([2, 1, 6, 6]))).rejects.toThrow(ShapeError);
  });

  test('saliency is the gradient of the score', async () => {
    const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(8, 3));
    const x = randn([2, 2, 2]);
    const { values, target } = await visualize.saliency(model, x, { target: 1 });
    expect(target).toBe(1);
    const weight = [...(model.at(1) as nn.Linear).weight.dataSync()].slice(8, 16) as number[];
    [...values].forEach((v, i) => expect(v).toBeCloseTo(Math.max(Math.abs(weight[i]!), Math.abs(weight[i + 4]!)), 6));
    expect((model.at(1) as nn.Linear).weight.grad).toBeNull();
    await expect(visualize.saliency(model, x, { target: 3 })).rejects.toThrow(ArgumentError);
  });
});

describe('errors', () => {
  const images = [image(9, 0, 0, 0), image(0, 9, 0, 0), image(0, 0, 1, 0), image(0, 5, 0, 0)];
  const stacked = images.reduce<number[]>((all, t) => [...all, ...(t.dataSync() as Iterable<number>)], []);
  const batch = [tensor(stacked).reshape([4, 1, 2, 2]), tensor([0, 1, 3, 0], { dtype: 'int64' })] as const;

  test('confusion counts which class is taken for which', async () => {
    const { matrix, accuracy } = await visualize.confusion(new Copy(), [batch, batch]);
    expect(matrix).toEqual([[2, 2, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 2, 0]]);
    expect(accuracy).toBe(0.5);
    await expect(visualize.confusion(new Copy(), [])).rejects.toThrow(ArgumentError);
    await expect(visualize.confusion(new Copy(), [[batch[0], tensor([0, 1, 4, 0], { dtype: 'int64' })]])).rejects.toThrow(/label 4/);
  });

  test('misclassified samples come with the surest first', async () => {
    const { samples, picture } = await visualize.misclassified(new Copy(), [batch, batch], { most: 3 });
    expect(samples.map((s) => [s.index, s.label, s.predicted])).toEqual([[3, 0, 1], [7, 0, 1], [2, 3, 2]]);
    expect(samples[0]!.confidence).toBeCloseTo(Math.exp(5) / (Math.exp(5) + 3), 5);
    expect(picture).not.toBeNull();
    const none = await visualize.misclassified(new Copy(), [[batch[0].narrow(0, 0, 2), batch[1].narrow(0, 0, 2)]]);
    expect(none).toEqual({ samples: [], picture: null });
  });
});

describe('the page', () => {
  interface Data {
    layers: { name: string; input: number; output: number; rule?: { weight: string; bias: string; padding: number[] } }[];
    tensors: { shape: number[]; values?: string }[];
    probabilities: number[];
    title: string;
  }
  const dataOf = (html: string) => JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]!) as Data;
  const floats = (text: string) => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);

  test('holds every number that the sum of a pixel needs, and they add up', async () => {
    manualSeed(1);
    const model = models.lenet5();
    const html = await visualize.page(model, randn([1, 28, 28]), { classes: ['zero'], label: 0 });
    const { layers, tensors, probabilities } = dataOf(html);
    expect(layers.map((l) => l.name)).toContain('classifier.2');
    expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    const layer = layers.find((l) => l.name === 'features.3')!;
    const [input, output] = [tensors[layer.input]!, tensors[layer.output]!];
    const [x, y, weight, bias] = [input.values!, output.values!, layer.rule!.weight, layer.rule!.bias].map(floats) as Float32Array[];
    const [k, row, column] = [5, 3, 7];
    let sum = bias![k]!;
    for (let c = 0; c < 6; c++)
      for (let i = 0; i < 5; i++)
        for (let j = 0; j < 5; j++) sum += x![(c * 14 + row + i) * 14 + column + j]! * weight![((k * 6 + c) * 5 + i) * 5 + j]!;
    expect(sum).toBeCloseTo(y![(k * 10 + row) * 10 + column]!, 4);
  });

  test('needs nothing from a network, and no name breaks out of it', async () => {
    const model = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.Flatten(), new nn.Linear(8, 2));
    const title = '</script><script>alert(1)</script>&TITLE DATA $&';
    const html = await visualize.page(model, randn([1, 4, 4]), { title });
    expect(html).not.toMatch(/(src|href)\s*=|https?:|@import|url\(/);
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(dataOf(html).title).toBe(title);
  });

  test('stays small for large layers: pictures without the numbers', async () => {
    const model = new nn.Sequential(new nn.Conv2d(3, 64, 3, { padding: 1 }), new nn.ReLU());
    const html = await visualize.page(model, randn([3, 160, 160]));
    expect(html.length).toBeLessThan(2_000_000);
    expect(dataOf(html).tensors.at(-1)!.values).toBeUndefined();
  });
});
