// SPDX-License-Identifier: Apache-2.0
// safetensors files and checkpoints: what comes back, and what is refused without harm.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { GradScaler } from '../lib/amp/index.js';
import {
  CheckpointError, loadCheckpoint, loadSafetensors, loadWeights, openWeights, SafetensorsFile, saveCheckpoint, saveSafetensors,
} from '../lib/io/index.js';
import { ArgumentError, FormatError, StateDictError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import { tensor, zeros } from '../lib/ops/creation.js';
import { crossEntropy } from '../lib/ops/loss.js';
import { manualSeed, rand } from '../lib/ops/random.js';
import { Adam, SGD, StepLR } from '../lib/optim/index.js';
import type { DType } from '../lib/tensor/dtype.js';
import type { Tensor } from '../lib/tensor/tensor.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'lenode-io-'))));
afterAll(() => rm(folder, { recursive: true }));
let files = 0;
const fresh = () => join(folder, `${files++}.safetensors`);

/** A file with the given header and bytes after it. */
async function file(header: unknown, data: Uint8Array | number = 0, length?: bigint): Promise<string> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(length ?? BigInt(text.length));
  const path = fresh();
  await writeFile(path, Buffer.concat([start, text, typeof data === 'number' ? Buffer.alloc(data) : data]));
  return path;
}
const entry = (dtype: string, shape: unknown, begin: number, end: number) => ({ dtype, shape, data_offsets: [begin, end] });

describe('safetensors', () => {
  test('every dtype, layout and odd size comes back', async () => {
    const values: [string, Tensor][] = (['float32', 'float64', 'float16', 'bfloat16', 'int32', 'int64', 'uint8', 'bool'] as DType[]).map(
      (dtype) => [dtype, tensor([0, 1, 2.5, 3, 250, 5], { dtype: 'float64', shape: [2, 3] }).to(dtype)],
    );
    const tensors = Object.fromEntries([
      ...values,
      ['a scalar', tensor(-0.5)],
      ['nothing', zeros([0, 3])],
      ['transposed', tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3] }).t()],
      ['channels-last', rand([2, 3, 4, 5]).contiguous('channelsLast')],
      ['части.权重', tensor([1])],
      ['7', tensor([7])],
    ]);
    const path = fresh();
    await saveSafetensors(path, tensors, { metadata: { note: 'Zürich\n' } });
    const back = await loadSafetensors(path);
    expect(Object.keys(back).sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, t] of Object.entries(tensors)) {
      expect(back[name]).toMatchObject({ shape: t.shape, dtype: t.dtype });
      expect(await back[name]!.data()).toEqual(await t.data());
      expect(back[name]!.isContiguous()).toBe(true);
    }
    const opened = await SafetensorsFile.open(path);
    expect(Object.fromEntries(opened.metadata)).toEqual({ note: 'Zürich\n' });
    for (const { begin, dtype } of opened.tensors.values())
      if (dtype === 'float64' || dtype === 'int64') expect(begin % 8).toBe(0);
    expect((await opened.tensor('float16')).dtype).toBe('float16');
    await expect(opened.tensor('other')).rejects.toThrow(ArgumentError);
    await opened.close();
  });

  test('a file as other libraries write it', async () => {
    const data = Buffer.alloc(12);
    data.writeFloatLE(1.5, 0);
    data.writeFloatLE(-2, 4);
    data.writeInt32LE(7, 8);
    const path = await file(
      JSON.stringify({ b: entry('I32', [], 8, 12), __metadata__: { format: 'pt' }, a: entry('F32', [1, 2], 0, 8) }) + '   ',
      data,
    );
    const { a, b } = await loadSafetensors(path);
    expect([...(a!.dataSync() as Float32Array), b!.itemSync()]).toEqual([1.5, -2, 7]);
  });

  test('headers of up to 100 MB, the limit of the safetensors library', async () => {
    const header = JSON.stringify({ __metadata__: { note: 'x'.repeat(20_000_000) }, a: entry('F32', [1], 0, 4) });
    const path = await file(header, Buffer.from(Float32Array.of(5).buffer));
    expect((await loadSafetensors(path)).a!.itemSync()).toBe(5);
    await using opened = await openWeights(path);
    expect(opened.keys()).toEqual(['a']);
    const more = await file('{}' + ' '.repeat(99_999_999), 0);
    await expect(loadSafetensors(more)).rejects.toThrow(/at most 100000000 are allowed/);
  });

  const hostile: [string, () => Promise<string>, RegExp][] = [
    ['an empty file', async () => (await writeFile(join(folder, 'empty'), ''), join(folder, 'empty')), /0 bytes/],
    ['seven bytes', async () => (await writeFile(join(folder, 'seven'), '1234567'), join(folder, 'seven')), /7 bytes/],
    ['a header longer than the file', () => file({}, 0, 1000n), /should have 1000 bytes/],
    ['a header of 2^63 bytes', () => file({}, 0, 2n ** 63n), /should have/],
    ['another kind of file', () => file('PK\u0003\u0004 not this at all', 0), /no JSON/],
    ['JSON cut short', () => file('{"a": {"dtype": "F3', 0), /no JSON/],
    ['deeply nested JSON', () => file('['.repeat(1_000_000), 0), /no JSON/],
    ['an array', () => file([], 0), /no JSON object/],
    ['null', () => file('null', 0), /no JSON object/],
    ['an entry that is no object', () => file({ a: 3 }, 0), /a: its header entry/],
    ['an unknown dtype', () => file({ a: entry('F8_E4M3', [1], 0, 1) }, 1), /a: expected one of the dtypes.*F8_E4M3/],
    ['a dtype that is no text', () => file({ a: { ...entry('', [1], 0, 4), dtype: { toString: 1 } } }, 4), /a: /],
    ['a negative size', () => file({ a: entry('U8', [-1], 0, 1) }, 1), /a: the shape/],
    ['a fractional size', () => file({ a: entry('U8', [0.5], 0, 1) }, 1), /a: the shape/],
    ['a shape that is no array', () => file({ a: entry('U8', '3', 0, 3) }, 3), /a: the shape/],
    ['sizes that overflow', () => file({ a: entry('F32', [2 ** 32, 2 ** 32], 0, 0) }), /a: shape/],
    ['sizes whose product is 2^64', () => file({ a: entry('U8', [2 ** 50, 2 ** 14], 0, 8) }, 8), /a: shape/],
    ['nine dimensions', () => file({ a: entry('U8', new Array(9).fill(1), 0, 1) }, 1), /at most 8/],
    ['offsets that do not fit the shape', () => file({ a: entry('F32', [2], 0, 4) }, 4), /takes 8 bytes/],
    ['offsets in reverse', () => file({ a: entry('U8', [4], 4, 0) }, 4), /a: shape/],
    ['one offset', () => file({ a: { dtype: 'U8', shape: [1], data_offsets: [0] } }, 1), /data_offsets/],
    ['no offsets', () => file({ a: { dtype: 'U8', shape: [1] } }, 1), /data_offsets/],
    ['negative offsets', () => file({ a: entry('U8', [4], -4, 0) }, 4), /data_offsets/],
    ['truncated data', () => file({ a: entry('F32', [2], 0, 8) }, 7), /a ends at byte 8.*truncated/],
    ['overlapping tensors', () => file({ a: entry('U8', [4], 0, 4), b: entry('U8', [4], 2, 6) }, 6), /b begins at byte 2, inside/],
    ['two tensors in one place', () => file({ a: entry('U8', [4], 0, 4), b: entry('U8', [4], 0, 4) }, 4), /inside another/],
    ['a gap', () => file({ a: entry('U8', [1], 0, 1), b: entry('U8', [1], 2, 3) }, 3), /b begins at byte 2, after a gap/],
    ['bytes after the last tensor', () => file({ a: entry('U8', [1], 0, 1) }, 2), /belong to nothing/],
    ['metadata that is no text', () => file({ __metadata__: { a: 1 } }), /__metadata__/],
    ['a bool of 2', () => file({ a: entry('BOOL', [2], 0, 2) }, Uint8Array.of(1, 2)), /a: bools/],
  ];
  test.each(hostile)('%s is refused', async (_, make, message) => {
    const path = await make();
    await expect(loadSafetensors(path)).rejects.toThrow(FormatError);
    await expect(loadSafetensors(path)).rejects.toThrow(message);
    await expect(loadSafetensors(path)).rejects.toThrow(path);
  });

  test('names that mean something to JavaScript are names like others', async () => {
    const path = await file(`{"__proto__": ${JSON.stringify(entry('U8', [1], 0, 1))}, "constructor": ${JSON.stringify(entry('U8', [1], 1, 2))}}`, 2);
    const back = await loadSafetensors(path);
    expect(Object.keys(back).sort()).toEqual(['__proto__', 'constructor']);
    const again = fresh();
    await saveSafetensors(again, back);
    expect(Object.keys(await loadSafetensors(again)).sort()).toEqual(['__proto__', 'constructor']);
  });

  test('a failed save leaves the old file and nothing else', async () => {
    const place = await mkdtemp(join(folder, 'atomic-'));
    const path = join(place, 'a.safetensors');
    await saveSafetensors(path, { a: tensor([1, 2]) });
    const before = await readFile(path);
    const gone = tensor([3]);
    gone.dispose();
    await expect(saveSafetensors(path, { a: tensor([1]), b: gone })).rejects.toThrow(/dispose/);
    await expect(saveSafetensors(path, { a: {} as Tensor })).rejects.toThrow(ArgumentError);
    await expect(saveSafetensors(path, { __metadata__: tensor([1]) })).rejects.toThrow(ArgumentError);
    await expect(saveSafetensors(path, {}, { metadata: { a: 1 as never } })).rejects.toThrow(ArgumentError);
    await expect(saveSafetensors(join(place, 'none', 'a'), {})).rejects.toThrow(/ENOENT/);
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(place)).toEqual(['a.safetensors']);
    await expect(loadSafetensors(join(place, 'none'))).rejects.toThrow(/ENOENT/);
  });
});

describe('checkpoints', () => {
  const network = () =>
    new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.ReLU(), new nn.Flatten(), new nn.Dropout(0.2), new nn.Linear(8, 3));
  interface Training {
    model: ReturnType<typeof network>;
    optimizer: Adam;
    scheduler: StepLR;
    scaler: GradScaler;
  }
  function start(seed: number): Training {
    manualSeed(seed);
    const model = network();
    const optimizer = new Adam(model.parameters(), { lr: 0.01 });
    return { model, optimizer, scheduler: new StepLR(optimizer, 2), scaler: new GradScaler({ growthInterval: 2 }) };
  }
  // With numbers from the device's generator, for dropout and the images.
  function train({ model, optimizer, scheduler, scaler }: Training, steps: number): number[] {
    return Array.from({ length: steps }, () => {
      optimizer.zeroGrad();
      const loss = crossEntropy(model.forward(rand([4, 1, 4, 4])), tensor([0, 1, 2, 0], { dtype: 'int64' }));
      scaler.scale(loss).backward();
      scaler.step(optimizer);
      scaler.update();
      scheduler.step();
      return loss.itemSync() as number;
    });
  }
  const snapshot = ({ model, optimizer, scheduler, scaler }: Training) =>
    JSON.stringify([model.stateDict(), optimizer.stateDict(), scheduler.stateDict(), scaler.stateDict()], (_key, value: unknown) =>
      value !== null && typeof value === 'object' && 'dataSync' in value ? Array.from((value as Tensor).dataSync() as Float32Array) : value,
    );

  test('training goes on bit by bit as if it had not been interrupted', async () => {
    const path = fresh();
    const straight = start(1);
    train(straight, 3);
    await saveCheckpoint(path, { ...straight, epoch: 3, metadata: { note: ['a', 1, null] } });
    const expected = train(straight, 4);
    const resumed = start(99);
    train(resumed, 1);
    expect(await loadCheckpoint(path, resumed)).toEqual({ epoch: 3, metadata: { note: ['a', 1, null] } });
    expect(train(resumed, 4)).toEqual(expected);
    expect(snapshot(resumed)).toBe(snapshot(straight));
  });

  test('loadWeights() takes the model of a checkpoint', async () => {
    const path = fresh();
    const a = start(1);
    train(a, 1);
    await saveCheckpoint(path, a);
    const b = network();
    expect(await loadWeights(b, path)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    for (const [i, p] of b.parameters().entries()) expect(await p.data()).toEqual(await a.model.parameters()[i]!.data());
    await using opened = await openWeights(path);
    expect(opened.keys().sort()).toEqual(Object.keys(b.stateDict()).sort());
    await expect(loadWeights(new nn.Linear(2, 1), path)).rejects.toThrow(/missing|unexpected/);
  });

  test('the weights alone; no tensor is left behind', async () => {
    const path = fresh();
    const a = start(1);
    await saveCheckpoint(path, { model: a.model });
    const b = start(2);
    expect(await loadCheckpoint(path, { model: b.model, rng: false })).toEqual({ epoch: 0, metadata: null });
    expect(await b.model.parameters()[0]!.data()).toEqual(await a.model.parameters()[0]!.data());
    await expect(loadCheckpoint(path, b)).rejects.toThrow(/no schedule in it/);
    await expect(loadCheckpoint(path, { optimizer: b.optimizer })).rejects.toThrow(/no optimizer in it/);
  });

  interface Description {
    epoch?: number;
    optimizer: { type: unknown; param_groups: unknown };
    scheduler?: { state: Record<string, unknown> };
    scaler?: { state: Record<string, unknown> | null };
  }
  // A checkpoint with its parts changed, written anew.
  async function altered(change: (tensors: nn.StateDict, description: Description) => unknown): Promise<string> {
    const path = fresh();
    const run = start(1);
    train(run, 2);
    await saveCheckpoint(path, { ...run, epoch: 2 });
    const opened = await SafetensorsFile.open(path);
    const metadata = Object.fromEntries(opened.metadata);
    await opened.close();
    const tensors = await loadSafetensors(path);
    const description = JSON.parse(metadata['checkpoint']!) as Description;
    change(tensors, description);
    await saveSafetensors(path, tensors, { metadata: { ...metadata, checkpoint: JSON.stringify(description) } });
    return path;
  }

  const misfits: [string, Parameters<typeof altered>[0], RegExp][] = [
    ['a missing weight', (t) => delete t['model.0.weight'], /missing: 0\.weight/],
    ['an extra weight', (t) => (t['model.0.scale'] = tensor([1])), /unexpected: 0\.scale/],
    ['a misshapen weight', (t) => (t['model.4.weight'] = zeros([8, 3])), /4\.weight: expected shape \[3, 8\], got \[8, 3\]/],
    ['a weight of another dtype', (t) => (t['model.4.bias'] = zeros([3], { dtype: 'float64' }) as Tensor), /4\.bias: expected dtype float32/],
    ['a missing average', (t) => delete t['optimizer.state.1.exp_avg'], /missing: state\.1\.exp_avg/],
    ['an extra average', (t) => (t['optimizer.state.9.exp_avg'] = tensor([1])), /unexpected: state\.9\.exp_avg/],
    ['a misshapen average', (t) => (t['optimizer.state.0.exp_avg_sq'] = zeros([2])), /state\.0\.exp_avg_sq: expected shape/],
    ['an average of another dtype', (t) => (t['optimizer.state.0.exp_avg'] = t['optimizer.state.0.exp_avg']!.to('float64')), /exp_avg: expected dtype float32/],
    ['a tensor of no part', (t) => (t['other'] = tensor([1])), /unexpected tensor other/],
    ['a bad name in the optimizer', (t) => (t['optimizer.state.x.exp_avg'] = tensor([1])), /unexpected tensor optimizer\.state\.x/],
    ['a bad generator', (t) => (t['rng.cpu'] = tensor([1])), /rng\.cpu: the state/],
    ['a generator of no device', (t) => (t['rng.tpu'] = t['rng.cpu']!), /rng\.tpu/],
    ['no epoch', (_, d) => delete d.epoch, /description is damaged/],
    ['another optimizer', (_, d) => (d.optimizer.type = 'SGD'), /of type "SGD", not Adam/],
    ['damaged groups', (_, d) => (d.optimizer.param_groups = 3), /param_groups/],
    ['a damaged rate', (_, d) => ((d.optimizer.param_groups as Record<string, unknown>[])[0]!['lr'] = { toString: 1 }), /lr must be a number/],
    ['a damaged schedule', (_, d) => (d.scheduler!.state['gamma'] = null), /gamma should be number/],
    ['a damaged scaler', (_, d) => (d.scaler!.state!['scale'] = '1'), /scale must be positive/],
    ['a scaler without a state', (_, d) => (d.scaler!.state = null), /scale must be positive/],
    ['no scaler', (_, d) => delete d.scaler, /no scaler in it/],
    ['no schedule', (_, d) => delete d.scheduler, /no schedule in it/],
  ];
  test.each(misfits)('%s is refused, and nothing is loaded', async (_, change, message) => {
    const path = await altered(change);
    const run = start(2);
    train(run, 1);
    const before = snapshot(run);
    await expect(loadCheckpoint(path, run)).rejects.toThrow(CheckpointError);
    await expect(loadCheckpoint(path, run)).rejects.toThrow(message);
    await expect(loadCheckpoint(path, run)).rejects.toThrow(path);
    expect(snapshot(run)).toBe(before);
    train(run, 1);
  });

  test('a truncated file at every length, and other files', async () => {
    const path = await altered(() => undefined);
    const bytes = await readFile(path);
    const run = start(2);
    const before = snapshot(run);
    for (const length of [0, 7, 8, 9, 100, bytes.length >> 1, bytes.length - 1]) {
      const cut = fresh();
      await writeFile(cut, bytes.subarray(0, length));
      await expect(loadCheckpoint(cut, run), `${length} bytes`).rejects.toThrow(FormatError);
    }
    const other = fresh();
    await saveSafetensors(other, run.model.stateDict());
    await expect(loadCheckpoint(other, run)).rejects.toThrow(/no checkpoint/);
    expect(snapshot(run)).toBe(before);
  });

  test('arguments', async () => {
    const { model } = start(1);
    await expect(saveCheckpoint(fresh(), { model, epoch: -1 })).rejects.toThrow(ArgumentError);
    await expect(saveCheckpoint(fresh(), { model, metadata: 1n as never })).rejects.toThrow(ArgumentError);
    const path = fresh();
    await saveCheckpoint(path, { model, optimizer: new SGD(model.parameters(), { lr: 0.1 }) });
    expect((await stat(path)).size).toBeGreaterThan(0);
    expect(new StateDictError('x')).not.toBeInstanceOf(CheckpointError);
  });
});
