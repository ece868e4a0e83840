// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ArgumentError, data, DataLoader, datasets, FileError, ForbiddenGlobalError, FormatError, IndexError, transforms as T, type Tensor } from '../lib/index.js';
import { cifar, idx, tar } from './helpers/files.js';
import { mutants, survey } from './helpers/mutate.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'lenode-datasets-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const fresh = (): string => mkdtempSync(join(folder, 'd-'));
function write(root: string, files: Record<string, Uint8Array | string>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}
const values = (t: Tensor): number[] => Array.from(t.dataSync() as ArrayLike<number>, Number);

describe('FashionMNIST and KMNIST', () => {
  const images = idx([10000, 28, 28], Uint8Array.from({ length: 7840000 }, (_, i) => (i * 7) & 255));
  const labels = idx([10000], Uint8Array.from({ length: 10000 }, (_, i) => i % 10));
  const names = { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte' };

  test.each([[datasets.FashionMNIST, 'Sandal', 0.286, 0.353], [datasets.KMNIST, 'ha', 0.1918, 0.3483]] as const)('%#', async (Kind, fifth, mean, std) => {
    const root = write(fresh(), { [names.images]: images, [names.labels]: labels });
    const dataset = await Kind.load({ root, train: false, download: false });
    expect(dataset.length).toBe(10000);
    expect(dataset.classes[5]).toBe(fifth);
    const [x, y] = dataset.getBatch(Int32Array.of(3, 9999));
    expect([x.shape, x.dtype, values(y)]).toEqual([[2, 1, 28, 28], 'float32', [3, 9]]);
    expect(values(x)[1]).toBeCloseTo((((3 * 784 + 1) * 7) & 255) / 255 / std - mean / std, 4);
    // One by one, and in batches.
    const [image, label] = dataset.get(3);
    expect([label, ...image.data]).toEqual([3, ...values(x).slice(0, 784)]);
    // A transform gets the bytes.
    const raw = await Kind.load({ root, train: false, download: false, transform: new T.RandomHorizontalFlip(0) });
    expect(raw.getBatch(Int32Array.of(3))[0].dtype).toBe('uint8');
  });

  test('wrong files are told', async () => {
    const options = { root: fresh(), train: false, download: false };
    await expect(datasets.KMNIST.load(options)).rejects.toThrow(/KMNIST: t10k-\w+-idx\d-ubyte is neither in .*download is switched off/);
    write(options.root, { [names.images]: images, [`${names.labels}.gz`]: gzipSync(labels) });
    await expect(datasets.KMNIST.load(options)).rejects.toThrow(/its content is not KMNIST's .*MD5/);
    write(options.root, { [names.labels]: labels.subarray(0, 9000) });
    await expect(datasets.KMNIST.load(options)).rejects.toThrow('truncated');
    const bad = Buffer.from(labels);
    bad[8 + 77] = 10;
    write(options.root, { [names.labels]: bad });
    await expect(datasets.KMNIST.load(options)).rejects.toThrow('image 77 has the label 10');
  });
});

describe('CIFAR', () => {
  const files10 = Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, cifar(i)]));
  const test10 = { 'test_batch.bin': cifar(12) };
  const small = { verify: false, download: false };
  const prefixed = (prefix: string, files: Record<string, Uint8Array>) => Object.fromEntries(Object.entries(files).map(([k, v]) => [prefix + k, v]));
  const archive10 = gzipSync(tar({ 'cifar-10-batches-bin/': new Uint8Array(0), 'cifar-10-batches-bin/readme.html': Buffer.from('hello'), ...prefixed('cifar-10-batches-bin/', { ...files10, ...test10 }) }));

  test('is read unpacked, in its folder, and from the archive', async () => {
    for (const root of [
      write(fresh(), { ...files10, ...test10 }),
      write(fresh(), prefixed('cifar-10-batches-bin/', { ...files10, ...test10 })),
      write(fresh(), { 'cifar-10-binary.tar.gz': archive10 }),
      join(write(fresh(), { 'mine.tgz': archive10 }), 'mine.tgz'),
    ]) {
      const train = await datasets.CIFAR10.load({ root, ...small });
      const held = await datasets.CIFAR10.load({ root, ...small, train: false });
      expect([train.length, held.length]).toEqual([15, 12]);
      expect([...train.targets.slice(0, 6)]).toEqual([0, 0, 1, 0, 1, 2]);
      const [x, y] = held.getBatch(Int32Array.of(11, 4));
      expect([x.shape, x.dtype, values(y)]).toEqual([[2, 3, 32, 32], 'uint8', [1, 4]]);
      expect(x.isContiguous('channelsLast')).toBe(true);
      const flat = values(x);
      expect([flat[0], flat[5], flat[1024], flat[3 * 1024 - 1]]).toEqual([11, 26, 18, (11 + 3 * 1023 + 14) & 255]);
      expect(held.get(4)[0].shape).toEqual([3, 32, 32]);
    }
  });

  test('CIFAR100 takes the fine labels', async () => {
    const options = { labelBytes: 2, classes: 100 };
    const root = write(fresh(), { 'train.bin': cifar(120, options), 'test.bin': cifar(3, options) });
    const train = await datasets.CIFAR100.load({ root, ...small });
    expect([train.length, train.targets[119], train.classes.length, train.classes[19]]).toEqual([120, 19, 100, 'cattle']);
    expect(values(train.getBatch(Int32Array.of(5))[0])[0]).toBe(5);
  });

  test('the python version: unpacked, from the archive, damaged', async () => {
    const fixture = (name: string) => join(import.meta.dirname, 'fixtures', 'cifar', name);
    const binary = await datasets.CIFAR10.load({ root: write(fresh(), { 'test_batch.bin': cifar(3) }), train: false, ...small });
    const expected = values(binary.getBatch(Int32Array.of(2, 0, 1))[0]);
    for (const pickled of ['python2.pkl', 'python3.pkl']) {
      const content = readFileSync(fixture(pickled));
      const files = { 'cifar-10-batches-py/test_batch': content };
      const archive = gzipSync(tar(files));
      for (const root of [
        write(fresh(), files),
        write(fresh(), { 'cifar-10-python.tar.gz': archive }),
        join(write(fresh(), { 'mine.tgz': archive }), 'mine.tgz'),
      ]) {
        const dataset = await datasets.CIFAR10.load({ root, train: false, ...small });
        expect([...dataset.targets]).toEqual([0, 1, 2]);
        expect(values(dataset.getBatch(Int32Array.of(2, 0, 1))[0])).toEqual(expected);
      }
      const hundred = await datasets.CIFAR100.load({ root: write(fresh(), { 'cifar-100-python/train': content }), ...small });
      expect([...hundred.targets]).toEqual([97, 98, 99]);
    }
    const content = readFileSync(fixture('python2.pkl'));
    const root = fresh();
    const load = () => datasets.CIFAR10.load({ root, train: false, ...small });
    write(root, { test_batch: Buffer.from(content.toString('latin1').replace('numpy\nndarray', 'os\nsystem'), 'latin1') });
    await expect(load()).rejects.toThrow(ForbiddenGlobalError);
    write(root, { test_batch: Buffer.from(content.toString('latin1').replace('labels', 'lapels'), 'latin1') });
    await expect(load()).rejects.toThrow("no dict with 'data' and 'labels'");
    const { refused, read } = await survey(mutants(content, { count: 300, seed: 6 }), async (bytes) => {
      write(root, { test_batch: bytes });
      expect((await load()).targets.every((label) => label >= 0 && label < 10)).toBe(true);
    });
    expect([refused > 30, read > 30]).toEqual([true, true]);
  });

  test('wrong files are told', async () => {
    const load = (files: Record<string, Uint8Array>, options = {}) => datasets.CIFAR10.load({ root: write(fresh(), files), train: false, ...small, ...options });
    await expect(load({})).rejects.toThrow(/CIFAR10: .* has neither cifar-10-batches-bin\/ nor cifar-10-binary.tar.gz/);
    await expect(load({ 'test_batch.bin': cifar(2).subarray(1) })).rejects.toThrow('no whole number of records');
    await expect(load({ 'test_batch.bin': Buffer.alloc(0) })).rejects.toThrow(FormatError);
    await expect(load({ 'test_batch.bin': cifar(12, { classes: 12 }) })).rejects.toThrow('image 10 has the label 10, there are 10 classes');
    await expect(load(test10, { verify: true })).rejects.toThrow("has 12 images, CIFAR10's has 10000");
    await expect(load({ 'data_batch_1.bin': cifar(1) }, { train: true })).rejects.toThrow('lacks data_batch_2.bin, data_batch_3.bin');
    const archive = (bytes: Uint8Array) => load({ 'cifar-10-binary.tar.gz': bytes });
    await expect(archive(archive10.subarray(0, archive10.length >> 1))).rejects.toThrow(/truncated or corrupt/);
    await expect(archive(gzipSync(tar({ 'x/other.bin': cifar(1) })))).rejects.toThrow('has no test_batch.bin');
    await expect(archive(gzipSync(Buffer.alloc(2048, 65)))).rejects.toThrow('no tar archive');
    await expect(archive(Buffer.from('not gzip'))).rejects.toThrow(FormatError);
  });

  test('batches are the samples, with native transforms and others, in workers too', async () => {
    const root = write(fresh(), test10);
    for (const transform of [
      new T.Compose([new T.RandomCrop(32, { padding: 4 }), new T.RandomHorizontalFlip(), new T.ToDtype('float32', { scale: true }), new T.Normalize([0.5, 0.4, 0.3], [0.2, 0.2, 0.2])]),
      new T.Compose([new T.ColorJitter({ hue: 0.3, contrast: 0.5 }), new T.Resize(20)]),
    ]) {
      const dataset = await datasets.CIFAR10.load({ root, ...small, train: false, transform });
      const expected = Array.from({ length: 12 }, (_, i) => dataset.get(i, new data.Generator(3, 1, 0, i))[0]);
      for (const numWorkers of [0, 2]) {
        const batches: Tensor[] = [];
        for await (const [x] of new DataLoader(dataset, { batchSize: 12, numWorkers, seed: 3 })) batches.push(x);
        expect(batches[0]!.dataSync()).toEqual((data.defaultCollate(expected) as Tensor).dataSync());
      }
    }
    const mixed = new DataLoader(await datasets.CIFAR10.load({ root, ...small, train: false, transform: new T.ToDtype('float32', { scale: true }) }), {
      batchSize: 6,
      batchTransform: new T.MixUp({ numClasses: 10 }),
    });
    for (const [x, y] of mixed) expect([x.shape, y.shape]).toEqual([[6, 3, 32, 32], [6, 10]]);
  });

  test('1000 damaged files and archives: a typed error or images', async () => {
    const root = fresh();
    const load = async () => {
      const dataset = await datasets.CIFAR10.load({ root, ...small, train: false });
      expect(dataset.targets.every((label) => label >= 0 && label < 10)).toBe(true);
      expect(dataset.image(dataset.length - 1).data.length).toBe(3072);
    };
    const bins = await survey(mutants(cifar(3), { count: 500, seed: 3 }), async (bytes) => (write(root, { 'test_batch.bin': bytes }), load()));
    rmSync(join(root, 'test_batch.bin'));
    const archive = gzipSync(tar({ 'a/test_batch.bin': cifar(2) }));
    const archives = await survey(mutants(archive, { count: 300, seed: 4 }), async (bytes) => (write(root, { 'cifar-10-binary.tar.gz': bytes }), load()));
    const raw = tar({ 'a/test_batch.bin': cifar(2) });
    const tars = await survey(mutants(raw, { count: 200, seed: 5 }), async (bytes) => (write(root, { 'cifar-10-binary.tar.gz': gzipSync(bytes, { level: 1 }) }), load()));
    expect([bins.refused > 50, bins.read > 50, archives.refused > 100, tars.read > 10, tars.refused > 10]).toEqual([true, true, true, true, true]);
  });
});

interface FixtureImage {
  file: string;
  /** Why Pillow does not read it. */
  refused?: string;
  width: number;
  height: number;
  rgb: string;
  grey: string;
  /** Of the file as it is, and the hash of its values; not where Pillow is no reference. */
  channels?: number;
  unchanged?: string;
  tolerance: number;
}
const corpus = JSON.parse(readFileSync(new URL('./fixtures/images.json', import.meta.url), 'utf8')) as Record<string, FixtureImage>;
const bytesOf = (name: string) => Buffer.from(corpus[name]!.file, 'base64');
// sharp as it comes from npm has no decoder for these.
const UNREADABLE = ['zstd.tiff', 'lzma.tiff'];
const pictures = Object.entries(corpus).filter(([name, { refused }]) => !refused && !UNREADABLE.includes(name));

describe('image files', () => {
  test.each(pictures)('%s is seen as torchvision sees it', async (name, { width, height, rgb, grey, tolerance, channels: own, unchanged }) => {
    const bytes = bytesOf(name);
    for (const [mode, channels, text] of [['RGB', 3, rgb], ['L', 1, grey]] as const) {
      const image = await data.decodeImage(bytes, name, { mode });
      expect(image.shape).toEqual([channels, height, width]);
      const expected = Buffer.from(text, 'base64');
      const worst = image.data.reduce((most, v, i) => Math.max(most, Math.abs(v - expected[i]!)), 0);
      expect(worst).toBeLessThanOrEqual(tolerance);
    }
    const rgba = await data.decodeImage(bytes, name, { mode: 'RGBA' });
    expect(rgba.shape).toEqual([4, height, width]);
    const asIs = await data.decodeImage(bytes, name, { mode: 'unchanged' });
    if (own !== undefined) expect(asIs.channels).toBe(own);
    if (own !== undefined && tolerance === 0) expect(createHash('sha256').update(asIs.data).digest('hex').slice(0, 16)).toBe(unchanged);
    if (own === 4 && tolerance === 0) expect(rgba.data).toEqual(asIs.data);
    expect(bytes, 'the bytes are the caller\'s').toEqual(bytesOf(name));
  });

  test.each(Object.entries(corpus).filter(([name, { refused }]) => refused || UNREADABLE.includes(name)))('%s is refused', async (name) => {
    for (const mode of ['RGB', 'unchanged'] as const)
      await expect(data.decodeImage(bytesOf(name), name, { mode })).rejects.toThrow(data.ImageError);
  });

  test.each([
    ['empty', Buffer.alloc(0)],
    ['text', Buffer.from('hello')],
    ['markup', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['truncated', bytesOf('rgb-8.png').subarray(0, 80)],
    ['truncated JPEG', bytesOf('444.jpg').subarray(0, 500)],
    ['header of a PPM', Buffer.from('P6 999999999 999999999 255\n')],
    ['PPM of words', Buffer.from('P6 two two 255\n')],
  ])('%s: ImageError with its name', async (_, bytes) => {
    const decoding = data.decodeImage(bytes, 'cats/1.jpg');
    await expect(decoding).rejects.toThrow(data.ImageError);
    await expect(decoding).rejects.toThrow(/^cats\/1.jpg: /);
    await expect(decoding).rejects.toMatchObject({ path: 'cats/1.jpg' });
  });

  test('2000 damaged files: a typed error or an image', async () => {
    let refused = 0;
    const each = Math.ceil(2000 / pictures.length);
    for (const [seed, [name]] of pictures.entries()) {
      const result = await survey(mutants(bytesOf(name), { count: each, seed: seed + 1 }), async (bytes) => {
        const image = await data.decodeImage(bytes, name);
        expect([image.channels, image.data.length]).toEqual([3, 3 * image.height * image.width]);
      });
      refused += result.refused;
    }
    expect(refused).toBeGreaterThan(500);
  });

  test('without sharp it is said what to install', () => {
    const hook = `export const resolve = (s, c, next) => { if (s === 'sharp') throw new Error('not here'); return next(s, c); }`;
    const program = `
      import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
      const { data, datasets } = await import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)});
      for (const f of [() => data.readImage('x.png'), () => datasets.ImageFolder.load('.')])
        await f().catch((e) => console.log(e.constructor.name, e.message));`;
    const path = join(folder, 'nosharp.mjs');
    writeFileSync(path, program);
    const output = execFileSync(process.execPath, [path], { encoding: 'utf8', cwd: folder });
    expect(output).toMatch(/FileError x.png cannot be read[\s\S]*MissingPackageError .*npm install sharp/);
  });
});

describe('ImageFolder', () => {
  const build = () =>
    write(fresh(), {
      'dogs/b.png': bytesOf('rgb-8.png'),
      'dogs/a.JPG': bytesOf('444.jpg'),
      'dogs/notes.txt': 'no image',
      'cats/deep/er/z.webp': bytesOf('lossless.webp'),
      'cats/y.png': bytesOf('grey-8.png'),
      'Zebra/1.png': bytesOf('rgb-8.png'),
      'loose.png': bytesOf('rgb-8.png'),
    });

  test('classes are the folders in order, files are found at any depth', async () => {
    const root = build();
    symlinkSync(root, join(root, 'cats', 'circle'));
    const dataset = await datasets.ImageFolder.load(root);
    expect(dataset.classes).toEqual(['Zebra', 'cats', 'dogs']);
    expect(dataset.classToIdx).toEqual({ Zebra: 0, cats: 1, dogs: 2 });
    const samples = Array.from({ length: dataset.length }, (_, i) => dataset.sample(i)).filter(([path]) => !path.includes('circle'));
    expect(samples.map(([path, label]) => [path.slice(root.length + 1), label])).toEqual([
      ['Zebra/1.png', 0], ['cats/y.png', 1], ['cats/deep/er/z.webp', 1], ['dogs/a.JPG', 2], ['dogs/b.png', 2],
    ]);
    const [image, label] = await dataset.get(0);
    expect([image.shape, image.dtype, label]).toEqual([[3, 13, 17], 'uint8', 0]);
    await expect(dataset.get(dataset.length)).rejects.toThrow(IndexError);
  });

  test('a loader just works with workers; the same with and without', async () => {
    const transform = new T.Compose([new T.RandomResizedCrop(8), new T.ColorJitter({ brightness: 0.3 }), new T.ToDtype('float32', { scale: true })]);
    const dataset = await datasets.ImageFolder.load(build(), { transform });
    const run = async (numWorkers: number) => {
      const seen: number[][] = [];
      for await (const [x, y] of new DataLoader(dataset, { batchSize: 2, shuffle: true, seed: 1, numWorkers })) seen.push([...x.shape, ...values(x), ...values(y)]);
      return seen;
    };
    expect(await run(2)).toEqual(await run(0));
  });

  test('corrupt images throw with their path, or are skipped and counted', async () => {
    const root = write(build(), { 'cats/bad.png': bytesOf('rgb-8.png').subarray(0, 80), 'dogs/none.bmp': 'BM' });
    const transform = new T.Resize([4, 4]);
    const throwing = await datasets.ImageFolder.load(root, { transform });
    const skipping = await datasets.ImageFolder.load(root, { transform, onCorrupt: 'skip' });
    expect(skipping.length).toBe(7);
    for (const numWorkers of [0, 2]) {
      const loading = (async () => { for await (const _ of new DataLoader(throwing, { numWorkers })); })();
      await expect(loading).rejects.toThrow('cats/bad.png: ');
      const loader = new DataLoader(skipping, { batchSize: 2, numWorkers });
      for (let epoch = 0; epoch < 2; epoch++) {
        const counts: number[] = [];
        for await (const [x] of loader) counts.push(x.shape[0]!);
        expect(counts.reduce((a, b) => a + b)).toBe(5);
        expect(loader.skipped.map(({ message }) => message).sort()).toEqual([expect.stringContaining('bad.png'), expect.stringContaining('none.bmp')]);
        expect(loader.skipped[0]!.index).toBeGreaterThan(0);
      }
      // Of single samples none is left in some batches.
      const single = new DataLoader(skipping, { numWorkers });
      let batches = 0;
      for await (const _ of single) batches++;
      expect(batches).toBe(5);
    }
    // Other errors are no corrupt images.
    rmSync(join(root, 'cats/y.png'));
    await expect((async () => { for await (const _ of new DataLoader(skipping)); })()).rejects.toThrow(FileError);
  });

  test('bad folders and options', async () => {
    await expect(datasets.ImageFolder.load(join(folder, 'nowhere'))).rejects.toThrow(FileError);
    await expect(datasets.ImageFolder.load(write(fresh(), { 'x.png': '' }))).rejects.toThrow('has no folders');
    const root = write(fresh(), { 'a/x.png': '', 'b/x.txt': '' });
    await expect(datasets.ImageFolder.load(root)).rejects.toThrow(/no file that counts for b .*endings: .jpg/);
    expect((await datasets.ImageFolder.load(root, { allowEmpty: true })).length).toBe(1);
    await expect(datasets.ImageFolder.load(root, { onCorrupt: 'ignore' as never })).rejects.toThrow(ArgumentError);
    const text = await datasets.DatasetFolder.load(root, { loader: (path) => readFileSync(path, 'utf8').length, isValidFile: () => true, targetTransform: (label) => label + 10 });
    expect([await text.get(0), await text.get(1)]).toEqual([[0, 10], [0, 11]]);
    await expect(datasets.DatasetFolder.load(root, { loader: () => 1 })).rejects.toThrow('either extensions or isValidFile');
  });
});

test('FakeData is the same each time', () => {
  const a = new datasets.FakeData({ size: 3, imageSize: [1, 5, 3], numClasses: 4 });
  expect(a.get(2)).toEqual(a.get(2));
  expect(a.get(2)).not.toEqual(a.get(1));
  expect(new datasets.FakeData({ size: 3, imageSize: [1, 5, 3], randomOffset: 1 }).get(1)[0]).toEqual(a.get(2)[0]);
  expect(() => a.get(3)).toThrow(IndexError);
});
