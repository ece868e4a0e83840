// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { threadId, Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import {
  ArgumentError,
  data,
  DataLoader,
  datasets,
  manualSeed,
  randomSplit,
  type Tensor,
  tensor,
  TensorDataset,
  transforms as T,
  type Dataset,
  type IterableDataset,
} from '../lib/index.js';

const helpers = new URL('./helpers/datasets.mjs', import.meta.url);
const { workerDataset, workerFunction } = data;

const values = async (t: Tensor): Promise<number[]> => Array.from((await t.data()) as ArrayLike<number>, Number);

async function all<B>(loader: AsyncIterable<B>): Promise<B[]> {
  const batches: B[] = [];
  for await (const batch of loader) batches.push(batch);
  return batches;
}

const augment = new T.Compose([
  new T.RandomResizedCrop(16),
  new T.RandomHorizontalFlip(),
  new T.ToDtype('float32', { scale: true }),
  new T.Normalize([0.5], [0.25]),
]);
const fake = new datasets.FakeData({ size: 21, imageSize: [3, 20, 24], transform: augment });

async function epochs(loader: DataLoader<[data.Image, number]>, count: number): Promise<number[][]> {
  const result: number[][] = [];
  for (let e = 0; e < count; e++)
    for await (const [x, y] of loader) result.push([...x.shape, ...(await values(x)), ...(await values(y))]);
  return result;
}

describe('results do not depend on the workers', () => {
  test('the same batches with 0, 1 and 3 workers, persistent or not, at any prefetch', async () => {
    const options = { batchSize: 4, shuffle: true, seed: 11 };
    const expected = await epochs(new DataLoader(fake, options), 2);
    expect(expected[0]).not.toEqual(expected[6]);
    for (const workers of [
      { numWorkers: 1 },
      { numWorkers: 3, prefetchFactor: 1 },
      { numWorkers: 2, persistentWorkers: true, prefetchFactor: 5, pinMemory: true },
    ]) {
      await using loader = new DataLoader(fake, { ...options, ...workers });
      expect(await epochs(loader, 2)).toEqual(expected);
    }
    expect(await epochs(new DataLoader(fake, { ...options, seed: 12, numWorkers: 1 }), 1)).not.toEqual(expected.slice(0, 6));
  });

  test('a generator draws an epoch its seed', async () => {
    const run = async (numWorkers: number, seed: number) =>
      epochs(new DataLoader(fake, { batchSize: 7, shuffle: true, generator: new data.Generator(seed), numWorkers }), 2);
    const expected = await run(0, 3);
    expect(await run(2, 3)).toEqual(expected);
    expect(await run(0, 4)).not.toEqual(expected);
    expect(expected[0]).not.toEqual(expected[3]);
  });

  test('a resumed epoch has the same samples', async () => {
    const options = { batchSize: 21, shuffle: true, seed: 1, numWorkers: 2 };
    const both = await epochs(new DataLoader(fake, options), 2);
    const resumed = new DataLoader(fake, options);
    resumed.epoch = 1;
    expect(await epochs(resumed, 1)).toEqual(both.slice(1));
  });

  test('the samples of one epoch come of independent generators, twice the same position too', async () => {
    const dataset = (await workerDataset(helpers, 'origins', 6)) as Dataset<[number, number, number]>;
    const sampler = { length: 6, indices: () => [2, 2, 2, 3, 3, 3] };
    const [[, threads, draws]] = (await all(new DataLoader(dataset, { batchSize: 6, sampler, numWorkers: 1 }))) as unknown as [
      [Tensor, Tensor, Tensor],
    ];
    expect(new Set(await values(draws)).size).toBe(6);
    expect((await values(threads)).every((id) => id !== threadId)).toBe(true);
  });

  test('subsets and joined datasets go to workers too', async () => {
    const [a, b] = randomSplit(new data.ConcatDataset([fake, fake]), [10, 32], { generator: new data.Generator(1) });
    expect([a!.length, b!.length]).toEqual([10, 32]);
    const options = { batchSize: 5, seed: 2 };
    expect(await epochs(new DataLoader(a!, { ...options, numWorkers: 2 }), 1)).toEqual(await epochs(new DataLoader(a!, options), 1));
  });
});

describe('datasets of modules', () => {
  test('classes, functions and objects', async () => {
    const squares = (await workerDataset(helpers, 'Squares', 5)) as Dataset<[Tensor, number]>;
    const batches = await all(new DataLoader(squares, { batchSize: 2, numWorkers: 2 }));
    expect(await Promise.all(batches.map(async ([x, y]) => [await values(x), await values(y)]))).toEqual([
      [[0, 0, 1, 1], [0, 1]],
      [[2, 4, 3, 9], [2, 3]],
      [[4, 16], [4]],
    ]);
    const plain = (await workerDataset(helpers, 'plain')) as Dataset<[number, string]>;
    const [[numbers, strings]] = (await all(new DataLoader(plain, { batchSize: 3, numWorkers: 1 }))) as unknown as [[Tensor, string[]]];
    expect([await values(numbers), strings]).toEqual([[0, 1, 2], ['', 'x', 'xx']]);
    const halves = (await workerDataset(helpers, 'halves')) as Dataset<Tensor>;
    const [half] = await all(new DataLoader(halves, { batchSize: 4, numWorkers: 1 }));
    expect([half!.dtype, half!.shape, await values(half!)]).toEqual(['float16', [4, 1], [0.5, 1.5, 2.5, 3.5]]);
  });

  test('records arrive with their tensors and images; objects of a class are refused', async () => {
    const records = (await workerDataset(helpers, 'records')) as Dataset<{ picture: data.Image; at: { value: Tensor; text: string } }>;
    for (const numWorkers of [0, 1]) {
      const options = { batchSize: 4, numWorkers, collateFn: (samples: unknown[]) => samples };
      const [samples] = (await all(new DataLoader(records, options))) as [Awaited<ReturnType<typeof records.get>>[]];
      expect(samples.map(({ picture, at }) => [...picture.data, at.text])).toEqual([0, 1, 2, 3].map((i) => [i, i, i, i, i, i, `n${i}`]));
      expect(samples[2]!.picture).toBeInstanceOf(data.Image);
      expect(samples[2]!.picture.data.buffer.byteLength).toBe(numWorkers === 0 ? 64 : 6);
      expect(await values(samples[2]!.at.value)).toEqual([2]);
    }
    const special = (await workerDataset(helpers, 'special')) as Dataset<object>;
    await expect(all(new DataLoader(special, { numWorkers: 1 }))).rejects.toThrow('a sample contains a Special');
  });

  test('a collateFn is called in this thread', async () => {
    const squares = (await workerDataset(helpers, 'Squares', 5)) as Dataset<[Tensor, number]>;
    const collateFn = (samples: [Tensor, number][]) => samples.map(([x, y]) => [x.shape.length, y]);
    const loader = new DataLoader(squares, { batchSize: 3, numWorkers: 2, collateFn });
    expect(await all(loader)).toEqual([
      [[1, 0], [1, 1], [1, 2]],
      [[1, 3], [1, 4]],
    ]);
    const images = new DataLoader(fake, { batchSize: 2, numWorkers: 1, collateFn: (s) => s.map(([x]) => x instanceof data.Image) });
    expect((await all(images))[0]).toEqual([true, true]);
  });

  test('Lambdas of modules, workerInitFn', async () => {
    const invert = await workerFunction<(image: data.Image) => data.Image>(helpers, 'invert');
    const bytes = new datasets.FakeData({ size: 3, imageSize: [1, 2, 2] });
    const inverted = new datasets.FakeData({ size: 3, imageSize: [1, 2, 2], transform: new T.Lambda(invert) });
    const [[x]] = await all(new DataLoader(inverted, { batchSize: 3, numWorkers: 2 })) as [[Tensor, Tensor]];
    const [[y]] = await all(new DataLoader(bytes, { batchSize: 3 })) as [[Tensor, Tensor]];
    expect(await values(x.to('float32').add(y.to('float32')))).toEqual(new Array(12).fill(255));

    const initials = (await workerDataset(helpers, 'initials')) as Dataset<number>;
    const workerInitFn = await workerFunction<(worker: number) => void>(helpers, 'initialised');
    const seen = await all(new DataLoader(initials, { numWorkers: 2, workerInitFn }));
    expect(new Set((await Promise.all(seen.map(values))).flat())).toEqual(new Set([0, 1]));
  });

  test('iterable datasets give each worker a part', async () => {
    const stream = (await workerDataset(helpers, 'Stream', 10)) as IterableDataset<number>;
    for (const numWorkers of [0, 1, 3]) {
      const loader = new DataLoader(stream, { batchSize: 2, numWorkers });
      for (let epoch = 0; epoch < 2; epoch++) {
        const seen = (await Promise.all((await all(loader)).map(values))).flat();
        expect(seen.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      }
      expect(() => loader.length).toThrow(ArgumentError);
    }
    const full = await all(new DataLoader(stream, { batchSize: 4, dropLast: true, numWorkers: 1 }));
    expect(full.map((t) => t.shape)).toEqual([[4], [4]]);
    expect(() => new DataLoader(stream, { shuffle: true })).toThrow('its own order');
  });

  test('modules that are not there, and exports that are none', async () => {
    await expect(workerDataset(new URL('./nowhere.mjs', import.meta.url))).rejects.toThrow(data.ModuleError);
    await expect(workerDataset(helpers, 'nothing')).rejects.toThrow(/no export 'nothing'; it has .*Squares/);
    await expect(workerFunction(helpers, 'plain')).rejects.toThrow('is no function');
  });
});

describe('what a worker cannot get is said at once', () => {
  test.each([
    ['a function', new datasets.FakeData({ transform: new T.Lambda((x) => x) }), 'contains a function'],
    ['an object of an unknown class', new (class Mine { length = 1; get = () => 1; })(), 'a Mine, which a worker thread cannot make again'],
    ['a class of the same name', new (class FakeData { length = 1; get = () => 1; })(), 'a FakeData'],
    ['a plain object with a method', { length: 1, get: () => 1 }, 'contains a function'],
  ] as [string, Dataset, string][])('%s', async (_, dataset, message) => {
    const loading = all(new DataLoader(dataset, { numWorkers: 1 }));
    await expect(loading).rejects.toThrow(data.NotPortableError);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toThrow('numWorkers');
  });

  test('tensors are gathered natively whatever numWorkers says', async () => {
    const [[x]] = (await all(new DataLoader(new TensorDataset(tensor([1, 2])), { batchSize: 2, numWorkers: 4 }))) as [[Tensor]];
    expect(await values(x)).toEqual([1, 2]);
  });

  test('options that exclude each other', () => {
    expect(() => new DataLoader(fake, { numWorkers: -1 })).toThrow(ArgumentError);
    expect(() => new DataLoader(fake, { prefetchFactor: 0, numWorkers: 1 })).toThrow(ArgumentError);
    expect(() => new DataLoader(fake, { persistentWorkers: true })).toThrow('persistentWorkers');
    expect(() => new DataLoader(fake, { sampler: new data.SequentialSampler(fake), shuffle: true })).toThrow('exclude');
    expect(() => [...new DataLoader(fake, { numWorkers: 1 })]).toThrow('for await');
  });
});

describe('errors', () => {
  test('an error of a sample has its position, its message and its stack', async () => {
    const dataset = (await workerDataset(helpers, 'Squares', 20, { throwsAt: 13 })) as Dataset<[Tensor, number]>;
    for (const persistentWorkers of [false, true]) {
      await using loader = new DataLoader(dataset, { batchSize: 4, numWorkers: 2, persistentWorkers });
      const seen: number[] = [];
      const error = await (async () => {
        for await (const [, y] of loader) seen.push(...(await values(y)));
      })().catch((e: unknown) => e);
      expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      expect(error).toBeInstanceOf(data.WorkerError);
      const failure = error as data.WorkerError;
      expect(failure.index).toBe(13);
      expect(failure.message).toMatch(/sample 13 failed in worker \d: RangeError: no square of 13 today/);
      expect((failure.cause as Error).stack).toContain('datasets.mjs');
      // The next epoch begins again.
      expect((await (async () => { for await (const [x] of loader) return x.shape; return []; })())).toEqual([4, 2]);
    }
  });

  test('without workers it is the error itself', async () => {
    const dataset = (await workerDataset(helpers, 'Squares', 3, { throwsAt: 1 })) as Dataset<[Tensor, number]>;
    await expect(all(new DataLoader(dataset))).rejects.toThrow(RangeError);
  });

  test('samples that fail after an error has been reported bring nothing down', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const dataset = (await workerDataset(helpers, 'rejectsLate')) as Dataset<number>;
    for (const numWorkers of [0, 1])
      await expect(all(new DataLoader(dataset, { batchSize: 2, numWorkers }))).rejects.toThrow('at once');
    await new Promise((resolve) => setTimeout(resolve, 60));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
    const promises = { length: 2, get: (i: number) => ({ then: (resolve: (v: number) => void) => resolve(i + 1) }) as unknown as Promise<number> };
    expect(await values((await all(new DataLoader(promises, { batchSize: 2 })))[0]!)).toEqual([1, 2]);
  });

  test.each([
    ['nothing', 'undefined was thrown'],
    ['untellable', 'was thrown, which is no Error'],
    ['getter', 'hidden'],
  ])('whatever a dataset throws arrives: %s', async (kind, message) => {
    const dataset = (await workerDataset(helpers, 'thrower', kind)) as Dataset<number>;
    const failure = (await all(new DataLoader(dataset, { numWorkers: 1 })).catch((e: unknown) => e)) as data.WorkerError;
    expect(failure).toBeInstanceOf(data.WorkerError);
    expect(failure.index).toBe(0);
    expect(failure.message).toContain(message);
  });

  test('samples that do not fit together', async () => {
    const of = (...samples: unknown[]): Dataset => ({ length: samples.length, get: (i) => samples[i] });
    const batch = (...samples: unknown[]) => all(new DataLoader(of(...samples), { batchSize: samples.length }));
    await expect(batch(1, undefined)).rejects.toThrow('sample 1 of the batch must be a number as the first is, got undefined');
    await expect(batch(true, 1)).rejects.toThrow('must be a boolean');
    await expect(batch([1, 2], [1])).rejects.toThrow('must be an array of 2 as the first is, got one of 1');
    await expect(batch([1], 'x')).rejects.toThrow('got string');
  });

  test('a worker that ends is noticed', async () => {
    const dataset = (await workerDataset(helpers, 'Squares', 20, { exitsAt: 9 })) as Dataset<[Tensor, number]>;
    await using loader = new DataLoader(dataset, { batchSize: 2, numWorkers: 2, persistentWorkers: true });
    const loading = all(loader);
    await expect(loading).rejects.toThrow(data.WorkerError);
    await expect(loading).rejects.toThrow('exit code 7');
  });

  test('a worker that cannot start is noticed', async () => {
    const dataset = (await workerDataset(helpers, 'startsOnce')) as Dataset<number>;
    await expect(all(new DataLoader(dataset, { numWorkers: 2 }))).rejects.toThrow(/could not start: only once/);
  });

  test('images of different sizes', async () => {
    const sizes = new data.ConcatDataset([1, 2].map((n) => new datasets.FakeData({ size: 1, imageSize: [1, n, 2] })));
    await expect(all(new DataLoader(sizes, { batchSize: 2 }))).rejects.toThrow(/one shape, got \[1, 1, 2\] and \[1, 2, 2\]/);
    const failure = (await all(new DataLoader(sizes, { batchSize: 2, numWorkers: 1 })).catch((e: unknown) => e)) as data.WorkerError;
    expect(failure.message).toMatch(/ShapeError: collate.*resize or crop/);
    expect(failure.index).toBeUndefined();
  });
});

describe('leaving early', () => {
  test('ends the workers, or keeps them for the next epoch', async () => {
    for (const persistentWorkers of [false, true]) {
      await using loader = new DataLoader(fake, { batchSize: 2, seed: 1, numWorkers: 2, persistentWorkers });
      for await (const _ of loader) break;
      expect(await epochs(loader, 1)).toEqual((await epochs(new DataLoader(fake, { batchSize: 2, seed: 1 }), 2)).slice(11));
    }
  });

  const program = fileURLToPath(new URL('./helpers/leave-loops.mjs', import.meta.url));
  const run = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args], { timeout: 120_000 });

  // The outcome is decided by whether a batch arrives while the workers end: once in a few times.
  test.each('break error return signal dataset collate exit iterable persistent end'.split(' '))(
    'the line after a loop is reached: %s',
    async (way) => {
      const { stdout } = await run(way, '20', '1');
      expect(stdout.trim().split('\n')).toEqual([...Array.from({ length: 20 }, (_, i) => `after ${i}`), 'done']);
    },
  );

  test.each(['persistent', 'iterator', 'hanging'])('idle workers keep no process alive: %s', async (what) => {
    expect((await run('idle', what)).stdout).toBe('done\n');
  });

  test('a loader works inside a worker thread', async () => {
    const program = `
      import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}).then(async ({ DataLoader, datasets }) => {
        let count = 0;
        for await (const [x] of new DataLoader(new datasets.FakeData({ size: 5, imageSize: [1, 2, 2] }), { numWorkers: 1 })) count += x.shape[0];
        require('node:worker_threads').parentPort.postMessage(count);
      });`;
    const worker = new Worker(program, { eval: true });
    expect(await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))).toBe(5);
    await worker.terminate();
  });
});

test('memory stays flat over epochs', async () => {
  const dataset = new datasets.FakeData({ size: 64, imageSize: [3, 128, 128], transform: new T.ToDtype('float32') });
  await using loader = new DataLoader(dataset, { batchSize: 16, numWorkers: 2, persistentWorkers: true });
  const resident: number[] = [];
  for (let epoch = 0; epoch < 24; epoch++) {
    for await (const [x] of loader) expect(x.dtype).toBe('float32');
    resident.push(process.memoryUsage.rss() / 2 ** 20);
  }
  // An epoch's batches are 12 MiB: what is kept of each would be 192 MiB over the last 16 epochs.
  expect(resident.at(-1)! - resident[7]!).toBeLessThan(96);
});

test('batches arrive while the event loop stays free, in the layout of convolutions', async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const [[x, y]] = (await all(new DataLoader(fake, { batchSize: 21, numWorkers: 2 }))) as [[Tensor, Tensor]];
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(3);
  expect([x.shape, x.dtype, y.dtype]).toEqual([[21, 3, 16, 16], 'float32', 'int64']);
  expect(x.isContiguous('channelsLast')).toBe(true);
});

test('manualSeed seeds loaders and the default generator', () => {
  manualSeed(3);
  const a = [data.defaultGenerator().random(), data.defaultGenerator().random()];
  manualSeed(3);
  expect([data.defaultGenerator().random(), data.defaultGenerator().random()]).toEqual(a);
  expect(new DataLoader(fake).seed).toBe(3);
});
