// SPDX-License-Identifier: Apache-2.0
// Thousands of damaged files: each is refused by a typed error or read correctly; none ends the process, takes memory
// without bound or runs anything.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { parseIdx } from '../lib/data/idx.js';
import { load, loadCheckpoint, loadSafetensors, saveCheckpoint, saveSafetensors } from '../lib/io/index.js';
import { RandomFile } from '../lib/io/files.js';
import { ZipArchive } from '../lib/io/zip.js';
import { LenodeError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import { numelOf } from '../lib/tensor/shape.js';
import { Tensor } from '../lib/tensor/tensor.js';
import { tensor, zeros } from '../lib/ops/creation.js';
import { Adam } from '../lib/optim/index.js';
import { mutants, survey } from './helpers/mutate.js';
import { zip } from './helpers/torch-archive.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'lenode-hostile-'))));
afterAll(() => rm(folder, { recursive: true }));

const ascii = (...texts: string[]) => texts.map((text) => Buffer.from(text, 'latin1'));

/** What was read must be readable. */
async function touch(tensors: Iterable<Tensor>): Promise<void> {
  for (const t of tensors) {
    expect((await t.data()).length).toBe(numelOf(t.shape));
    t.dispose();
  }
}

describe('the mutants themselves', () => {
  test('are the same for the same seed, differ from the original and from one another', () => {
    const original = Uint8Array.from({ length: 200 }, (_, i) => i);
    const all = [...mutants(original, { count: 300, seed: 5 })];
    expect(all).toEqual([...mutants(original, { count: 300, seed: 5 })]);
    expect(new Set(all.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size).toBeGreaterThan(280);
    expect(all.filter(({ bytes }) => Buffer.compare(bytes, original) === 0).length).toBeLessThan(10);
    expect(original).toEqual(Uint8Array.from({ length: 200 }, (_, i) => i));
  });

  test('an untyped error, and memory without bound, fail the survey', async () => {
    const cases = () => mutants(Uint8Array.of(1, 2, 3), { count: 2 });
    await expect(survey(cases(), () => Promise.reject(new TypeError('no')))).rejects.toThrow(/mutant 0 of seed 1.*TypeError: no/s);
    const kept: Buffer[] = [];
    await expect(survey(cases(), () => kept.push(Buffer.alloc(2 ** 26, 1)), { maxBytes: 2 ** 24 })).rejects.toThrow(/memory grew/);
    expect(await survey(cases(), () => Promise.reject(new LenodeError('typed')))).toEqual({ refused: 2, read: 0 });
    expect(await survey(cases(), () => 0)).toEqual({ refused: 0, read: 2 });
  });
});

describe('mutated files', () => {
  test('IDX, plain and gzipped', async () => {
    const idx = Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]), Buffer.alloc(24, 7)]);
    const read = (bytes: Uint8Array) => {
      const { shape, values } = parseIdx(bytes, 'mutant');
      expect(values.length).toBe(numelOf(shape));
    };
    const plain = await survey(mutants(idx, { count: 1000, seed: 1 }), read);
    const zipped = await survey(mutants(gzipSync(idx), { count: 500, seed: 2 }), read);
    expect(plain.refused).toBeGreaterThan(300);
    expect(zipped.refused).toBeGreaterThan(300);
  });

  test('safetensors', async () => {
    const path = join(folder, 'a.safetensors');
    await saveSafetensors(path, { w: tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3] }), n: tensor([1n], { dtype: 'int64' }), b: zeros([4], { dtype: 'bool' }) }, { metadata: { a: 'b' } });
    const original = await readFile(path);
    const tokens = ascii('"F64"', '"shape"', '[0,0]', '9007199254740993', '-1', '1e999', '{', '}', '"__proto__"', '"__metadata__"', '"data_offsets"');
    const found = await survey(mutants(original, { count: 2000, seed: 3, tokens }), async (bytes) => {
      await writeFile(path, bytes);
      await touch(Object.values(await loadSafetensors(path)));
    });
    expect(found.refused).toBeGreaterThan(1200);
    expect(found.read).toBeGreaterThan(50);
  });

  test('checkpoints: nothing is loaded from one that is refused', async () => {
    const path = join(folder, 'checkpoint');
    const model = new nn.Linear(3, 2);
    const optimizer = new Adam(model.parameters());
    model.forward(zeros([1, 3])).sum().backward();
    optimizer.step();
    await saveCheckpoint(path, { model, optimizer, epoch: 1 });
    const original = await readFile(path);
    const other = new nn.Linear(3, 2);
    const parts = { model: other, optimizer: new Adam(other.parameters()) };
    let before = await other.weight.data();
    const found = await survey(mutants(original, { count: 1000, seed: 4, tokens: ascii('null', '[]', '{}', '"F64"', '-1') }), async (bytes) => {
      await writeFile(path, bytes);
      const error = await loadCheckpoint(path, { ...parts, rng: false }).then(() => null, (thrown: unknown) => thrown);
      if (error === null) before = await other.weight.data();
      expect(await other.weight.data()).toEqual(before);
      if (error !== null) throw error;
    });
    expect(found.refused).toBeGreaterThan(500);
    expect(found.read).toBeGreaterThan(20);
  });

  const opcodes = ascii(...'(.012NMKJQRbcde}jpqrstu)]aGX', '\x81', '\x85', '\x86', '\x87', '\x8a\x08', '\x8c\x03', '\x8e', '\x90', '\x93', '\x94');
  const names = ascii('torch\nLongStorage\n', 'os\nsystem\n', 'ctorch._utils\n_rebuild_tensor_v2\n', 'ctorch\nSize\n', 'cbuiltins\nset\n');
  const fixture = (name: string) => readFile(new URL(`./fixtures/weights/${name}`, import.meta.url));

  // Loads it and reads every tensor that is not a huge view.
  async function readTorch(bytes: Uint8Array): Promise<void> {
    const path = join(folder, 'mutant.pth');
    await writeFile(path, bytes);
    const value = await load(path);
    const open: unknown[] = [value];
    const seen = new Set<unknown>();
    for (let at = open.pop(); open.length > 0 || at !== undefined; at = open.pop()) {
      if (typeof at !== 'object' || at === null || seen.has(at)) continue;
      seen.add(at);
      if (at instanceof Tensor) {
        if (numelOf(at.shape) < 1e5) expect((await at.data()).length).toBe(numelOf(at.shape));
      } else if (!(at instanceof Uint8Array)) open.push(...(at instanceof Map || at instanceof Set ? at.values() : Object.values(at)));
    }
  }

  test('.pth as a zip archive, changed anywhere', async () => {
    const found = await survey(mutants(await fixture('state.pth'), { count: 1500, seed: 5, tokens: ascii('PK\x01\x02', 'PK\x03\x04', 'PK\x05\x06', 'PK\x06\x07') }), readTorch);
    expect(found.refused).toBeGreaterThan(600);
    expect(found.read).toBeGreaterThan(100);
  });

  test.each([['checkpoint.pth', 1200, 6], ['numpy.pth', 800, 7], ['batch-norm.pth', 500, 8]])('the pickle of %s, in an archive that is sound', async (name, count, seed) => {
    const path = join(folder, 'original.pth');
    await writeFile(path, await fixture(name));
    const file = await RandomFile.open(path);
    const archive = await ZipArchive.open(file);
    const entries = await Promise.all(archive.names.map(async (entry) => [entry, await archive.read(entry)] as const));
    await file.close();
    const pickle = entries.find(([entry]) => entry.endsWith('data.pkl'))![1];
    const found = await survey(mutants(pickle, { count, seed, tokens: [...opcodes, ...names] }), async (bytes) =>
      readTorch(await zip(entries.map(([entry, data]) => [entry, data === pickle ? bytes : data]))),
    );
    expect(found.refused).toBeGreaterThan(count / 3);
    expect(found.read).toBeGreaterThan(count / 100);
  });

  test.each([['state-legacy.pth', 1200, 9], ['checkpoint-legacy.pth', 300, 10]])('%s, from before zip archives', async (name, count, seed) => {
    const found = await survey(mutants(await fixture(name), { count, seed, tokens: [...opcodes, ...names] }), readTorch);
    expect(found.refused).toBeGreaterThan(count / 3);
    expect(found.read).toBeGreaterThan(count / 100);
  });
});
