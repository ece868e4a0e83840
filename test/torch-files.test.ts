// SPDX-License-Identifier: Apache-2.0
// Files that PyTorch, safetensors and NumPy have written (test/fixtures/make_weights.py), and ours.
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { load, loadSafetensors, loadWeights, openWeights, renames, save, saveSafetensors, type Loaded } from '../lib/io/index.js';
import { toBytes } from '../lib/io/bytes.js';
import { ArgumentError, DTypeError, FileError, FormatError, StateDictError, UnsupportedError } from '../lib/native/errors.js';
import * as nn from '../lib/nn/index.js';
import { versionsOf } from '../lib/nn/state.js';
import { tensor, zeros } from '../lib/ops/creation.js';
import { manualSeed, rand } from '../lib/ops/random.js';
import { Adam } from '../lib/optim/index.js';
import { unpickle } from '../lib/pickle/machine.js';
import { buildNumpy, type NumpyArray, numpyGlobals } from '../lib/pickle/numpy.js';
import { globalsTable, pythonGlobals } from '../lib/pickle/python.js';
import type { DType } from '../lib/tensor/dtype.js';
import { Tensor } from '../lib/tensor/tensor.js';
import expectedValues from './fixtures/weights.json' with { type: 'json' };

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/weights/${name}`, import.meta.url));
const expectedOf = (name: string): unknown => {
  const found = (expectedValues as Record<string, unknown>)[name];
  return typeof found === 'string' ? expectedOf(found) : found;
};

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'lenode-torch-'))));
afterAll(() => rm(folder, { recursive: true }));
let files = 0;
const fresh = (ending = 'pth') => join(folder, `${files++}.${ending}`);

/** As make_weights.py encodes what it saves. */
async function encode(value: unknown): Promise<unknown> {
  const list = (items: Iterable<unknown>) => Promise.all([...items].map(encode));
  if (value instanceof Tensor) {
    const { dtype, shape, requiresGrad } = value as Tensor;
    const bytes = Buffer.from(await toBytes(value as Tensor)).toString('hex');
    return { tensor: dtype, shape, bytes, requiresGrad, parameter: value instanceof nn.Parameter };
  }
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') };
  if (value instanceof Set) return { set: [...value].sort() };
  if (value instanceof Map) return { map: await list([...value].map(([key, item]) => [key, item])) };
  if (Array.isArray(value)) return list(value);
  if (typeof value === 'bigint') return { integer: String(value) };
  if (typeof value === 'number' && !Number.isFinite(value)) return { float: String(value).replace('Infinity', 'inf').toLowerCase() };
  if (typeof value !== 'object' || value === null) return value;
  const result = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) result[key] = await encode(item);
  return { dict: result };
}
// Objects with and without prototype are alike in it.
const text = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
const encoded = async (value: unknown) => text(await encode(value));

describe('load', () => {
  test.each(Object.keys(expectedValues).filter((name) => !name.startsWith('integers')))('%s, bit for bit', async (name) => {
    expect(await encoded(await load(fixture(name)))).toEqual(text(expectedOf(name)));
  });

  test.each(['values.pth', 'values-legacy.pth'])('%s: what shared memory shares it again', async (name) => {
    const values = await load<{ views: Record<string, Tensor>; parameter: Tensor; 'the same': Tensor }>(fixture(name));
    const { whole, transposed, overlapping, expanded } = values.views;
    expect(values.parameter).toBe(values['the same']);
    expect(transposed!.strides).toEqual([1, 6]);
    expect(expanded!.strides).toEqual([0, 0]);
    expect(values.views['channels last']!.isContiguous('channelsLast')).toBe(true);
    whole!.mul_(2);
    expect(Array.from((await overlapping!.data()) as Float32Array)).toEqual([6, 10, 14, 8, 12, 16, 10, 14, 18, 12, 16, 20]);
    expect((await transposed!.select(0, 1).data())[1]).toBe(14);
  });

  test('dtype converts floating tensors, and shared memory once', async () => {
    const { kinds, views, parameter } = await load<Record<string, Record<string, Tensor>> & { parameter: Tensor }>(fixture('values.pth'), { dtype: 'float64' });
    expect(Object.fromEntries(Object.entries(kinds!).map(([name, t]) => [name, t.dtype]))).toEqual({
      float64: 'float64', float32: 'float64', float16: 'float64', bfloat16: 'float64', special: 'float64',
      int64: 'int64', int32: 'int32', uint8: 'uint8', bool: 'bool', large: 'int64',
    });
    expect(parameter).toBeInstanceOf(nn.Parameter);
    expect(parameter.dtype).toBe('float64');
    views!['whole']!.add_(1);
    expect([...(await views!['part']!.data())]).toEqual([6, 7, 8, 9]);
    await expect(load(fixture('values.pth'), { dtype: 'int32' as 'float32' })).rejects.toThrow(DTypeError);
  });

  test('integers that tensors do not have are an error, or wider', async () => {
    await expect(load(fixture('integers.pth'))).rejects.toThrow(/int8.*widen: true.*int32/);
    await expect(load(fixture('integers.pth'))).rejects.toThrow(DTypeError);
    await expect(loadSafetensors(fixture('integers.safetensors'))).rejects.toThrow(DTypeError);
    const { int8, int16, uint16, uint32 } = await load<Record<string, Tensor>>(fixture('integers.pth'), { widen: true });
    expect([int8!.dtype, int16!.dtype, uint16!.dtype, uint32!.dtype]).toEqual(['int32', 'int32', 'int32', 'int64']);
    const values = async (t: Tensor) => [...(await t.data())].map(Number);
    expect(await values(int8!)).toEqual([-128, 127]);
    expect(await values(int16!)).toEqual([-(2 ** 15), 2 ** 15 - 1]);
    expect(await values(uint16!)).toEqual([0, 2 ** 16 - 1]);
    expect(await values(uint32!)).toEqual([0, 2 ** 32 - 1]);
    const same = await loadSafetensors(fixture('integers.safetensors'), { widen: true });
    expect(await values(same['int8']!)).toEqual([-128, 127]);
    expect(await values(same['int16']!)).toEqual([-(2 ** 15), 2 ** 15 - 1]);
  });

  test('device may be a function of the place', async () => {
    const places: string[] = [];
    await load(fixture('state.pth'), { device: (location) => (places.push(location), 'cpu') });
    expect(places).toEqual(['cpu', 'cpu', 'cpu', 'cpu']);
  });

  test('what is not supported is said by name', async () => {
    await expect(load(fixture('complex.pth'))).rejects.toThrow(/torch\.ComplexFloatStorage is not supported/);
    await expect(load(fixture('module.pth'))).rejects.toThrow(/"torch\.nn\.modules\.container\.Sequential".*state_dict/);
    const tar = Buffer.alloc(1024);
    tar.write('storages');
    tar.write('ustar', 257);
    const path = fresh();
    await writeFile(path, tar);
    await expect(load(path)).rejects.toThrow(UnsupportedError);
    await expect(load(path)).rejects.toThrow(/before version 0\.2/);
    await expect(load(join(folder, 'none'))).rejects.toThrow(FileError);
    await expect(load(folder)).rejects.toThrow(FileError);
    await expect(load(fixture('state.safetensors'))).rejects.toThrow(FormatError);
  });

  test('a file cut short at any place is refused', async () => {
    for (const name of ['state.pth', 'state-legacy.pth']) {
      const bytes = await readFile(fixture(name));
      const path = fresh();
      for (let length = 0; length < bytes.length; length += 1 + Math.floor(bytes.length / 60)) {
        await writeFile(path, bytes.subarray(0, length));
        await expect(load(path)).rejects.toThrow(FormatError);
        await expect(load(path)).rejects.toThrow(path);
      }
    }
  });

  test("Python 2's byte strings and arrays", async () => {
    const { value } = unpickle(await readFile(fixture('python2.pkl')), 'batch', {
      globals: globalsTable(pythonGlobals, numpyGlobals), build: (target, state, call) => void buildNumpy(target, state, call), strings: 'latin1',
    });
    const batch = value as Map<string, unknown>;
    expect(batch.get('labels')).toEqual([6, 9]);
    const data = batch.get('data') as NumpyArray;
    expect([data.shape, data.dtype.name, [...data.data]]).toEqual([[2, 3], 'uint8', [1, 2, 128, 255, 0, 7]]);
  });
});

const network = () => new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.ReLU(), new nn.Flatten(), new nn.Linear(8, 3));
const stateOf = async (module: nn.AnyModule) => encoded(module.stateDict());

describe('weights of a network', () => {
  const sources = [
    'state.pth', 'state-legacy.pth', 'state.safetensors', 'checkpoint.pth', 'checkpoint-legacy.pth',
    'pytorch_model.bin.index.json', 'model.safetensors.index.json',
  ];
  test.each(sources)('%s', async (name) => {
    const model = network();
    expect(await loadWeights(model, fixture(name))).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(await stateOf(model)).toEqual(text(expectedOf('state.pth')));
  });

  test.each(sources)('%s, tensor by tensor', async (name) => {
    await using file = await openWeights(fixture(name));
    expect(file.keys().sort()).toEqual(['0.bias', '0.weight', '3.bias', '3.weight']);
    expect(file.info('3.weight')).toMatchObject({ shape: [3, 8], dtype: 'float32' });
    const state = expectedOf('state.pth') as { dict: Record<string, unknown> };
    expect(await encoded(await file.tensor('3.weight'))).toEqual(state.dict['3.weight']);
    expect((await file.tensor('0.bias', { dtype: 'float16', device: 'cpu' })).dtype).toBe('float16');
    expect(() => file.info('other')).toThrow(ArgumentError);
    await expect(file.tensor('other')).rejects.toThrow(/there is no tensor other/);
  });

  test('misfits leave the module as it was', async () => {
    const model = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.ReLU(), new nn.Flatten(), new nn.Linear(8, 4), new nn.Linear(4, 1));
    const before = await stateOf(model);
    for (const name of ['state.pth', 'state.safetensors']) {
      const failed = loadWeights(model, fixture(name), { strict: false });
      await expect(failed).rejects.toThrow(StateDictError);
      await expect(failed).rejects.toThrow(fixture(name));
      await expect(failed).rejects.toThrow(/3\.weight: expected shape \[4, 8\], got \[3, 8\]/);
      await expect(loadWeights(network(), fixture('parallel.pth'))).rejects.toThrow(/missing: 0\.weight.*\n.*unexpected: module\.0\.weight/);
    }
    expect(await stateOf(model)).toEqual(before);
  });

  test('names are changed, dtypes converted, parts loaded', async () => {
    const model = network();
    await loadWeights(model, fixture('parallel.pth'), { rename: renames.dataParallel });
    expect(await stateOf(model)).toEqual(text(expectedOf('state.pth')));
    const half = network();
    await loadWeights(half, fixture('state.pth'), { dtype: 'bfloat16' });
    expect(half.parameters().map((p) => p.dtype)).toEqual(['bfloat16', 'bfloat16', 'bfloat16', 'bfloat16']);
    const exact = Object.values(model.stateDict()).map((t) => t.to('bfloat16'));
    expect(await encoded(Object.values(half.stateDict()))).toEqual(await encoded(exact));
    // The head is new.
    const report = await loadWeights(network(), fixture('state.pth'), { strict: false, rename: (name) => (name.startsWith('3.') ? null : name) });
    expect(report).toEqual({ missingKeys: ['3.weight', '3.bias'], unexpectedKeys: [] });
    const both = await loadWeights(network(), fixture('parallel.pth'), { rename: [renames.dataParallel, (name) => `x.${name}`], strict: false });
    expect(both.unexpectedKeys).toEqual(['x.0.weight', 'x.0.bias', 'x.3.weight', 'x.3.bias']);
    await expect(loadWeights(network(), fixture('state.pth'), { rename: () => 'same' })).rejects.toThrow(/0\.weight and 0\.bias would both be called same/);
    await expect(loadWeights(network(), fixture('state.pth'), { rename: () => 3 as never })).rejects.toThrow(ArgumentError);
    expect(renames.densenet('features.denseblock1.denselayer2.norm.1.running_mean')).toBe('features.denseblock1.denselayer2.norm1.running_mean');
    expect(renames.densenet('features.denseblock4.denselayer12.conv.2.weight')).toBe('features.denseblock4.denselayer12.conv2.weight');
    expect(renames.densenet('features.transition1.norm.weight')).toBe('features.transition1.norm.weight');
  });

  test('the part of a checkpoint', async () => {
    const path = fixture('checkpoint.pth');
    await loadWeights(network(), path, { key: 'model_state_dict' });
    await expect(loadWeights(network(), path, { key: 'epoch' })).rejects.toThrow(/"epoch" is no state dict; it holds epoch, model_state_dict, optimizer_state_dict/);
    await expect(loadWeights(network(), path, { key: '__proto__' })).rejects.toThrow(FormatError);
    await expect(loadWeights(network(), fixture('values.pth'))).rejects.toThrow(/no state dict found; it holds kinds, views/);
    const { scheduler, optimizer_state_dict: optimizer } = await load<Record<string, Record<string, Loaded>>>(path);
    expect(scheduler).toMatchObject({ step_size: 2, last_epoch: 1 });
    expect(Object.keys(optimizer!['state'] as object)).toEqual(['0', '1', '2', '3']);
  });

  // With a count of 7.
  function norm(): nn.Sequential {
    const layer = new nn.BatchNorm2d(2);
    layer.loadStateDict({ ...layer.stateDict(), num_batches_tracked: tensor(7n, { dtype: 'int64' }) });
    return new nn.Sequential(layer);
  }
  test.each([['batch-norm', 0], ['batch-norm-old', 7], ['batch-norm-version1', 7]])('%s: the count of batches', async (name, count) => {
    const model = norm();
    expect(await loadWeights(model, fixture(`${name}.pth`))).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(Number(model.stateDict()['0.num_batches_tracked']!.itemSync())).toBe(count);
    expect([...(await model.stateDict()['0.running_mean']!.data())]).toEqual([1, 1]);
    const other = norm();
    other.loadStateDict(await load<nn.StateDict>(fixture(`${name}.pth`)));
    expect(Number(other.stateDict()['0.num_batches_tracked']!.itemSync())).toBe(count);
  });
  test('a count that should be there is missed', async () => {
    const path = fixture('batch-norm-damaged.pth');
    expect(versionsOf(await load<object>(path))).toEqual(new Map([['', 1], ['0', 2]]));
    await expect(loadWeights(norm(), path)).rejects.toThrow(/missing: 0\.num_batches_tracked/);
    const inner = new nn.Sequential(norm());
    await expect(loadWeights(inner, path, { rename: (name) => `0.${name}` })).rejects.toThrow(/missing: 0\.0\.num_batches_tracked/);
    const state = await load<nn.StateDict>(path);
    expect(() => norm().loadStateDict(state)).toThrow(/missing: 0\.num_batches_tracked/);
  });
});

describe('several files', () => {
  async function copy(change: (index: { weight_map: Record<string, unknown> }) => string | void, stem = 'model.safetensors'): Promise<string> {
    const place = await mkdtemp(join(folder, 'shards-'));
    for (const name of await readdir(fixture(''))) if (/-of-00002|index\.json/.test(name)) await cp(fixture(name), join(place, name));
    const path = join(place, `${stem}.index.json`);
    const index = JSON.parse(await readFile(path, 'utf8')) as { weight_map: Record<string, unknown> };
    const changed = change(index);
    await writeFile(path, typeof changed === 'string' ? changed : JSON.stringify(index));
    return path;
  }

  const damaged: [string, Parameters<typeof copy>[0], RegExp][] = [
    ['an index that is no JSON', () => '{', /no JSON/],
    ['an index of nothing', () => '{}', /no weight_map/],
    ['an array', () => '{"weight_map": []}', /no weight_map/],
    ['a file that is no name', (index) => void (index.weight_map['0.bias'] = 3), /0\.bias is in 3/],
    ...['../secret', '/etc/passwd', '..', '.', '', 'a/b', 'C:x', '..\\x', 'a\u0000b'].map(
      (name) => [`the path ${JSON.stringify(name)}`, (index) => void (index.weight_map['0.bias'] = name), /no file beside the index/] as (typeof damaged)[number],
    ),
    ['a missing file', (index) => void (index.weight_map['0.bias'] = 'model-00003-of-00003.safetensors'), /one of its files is missing.*model-00003/],
    ['a tensor in the wrong file', (index) => void (index.weight_map['0.bias'] = 'model-00002-of-00002.safetensors'), /0\.bias should be in model-00002/],
    ['a tensor that is nowhere', (index) => void (index.weight_map['9.bias'] = 'model-00002-of-00002.safetensors'), /9\.bias should be in/],
    ['an index of itself', (index) => void (index.weight_map['0.bias'] = 'pytorch_model.bin.index.json'), /an index where a file/],
    ['an index in itself', (index) => void (index.weight_map['0.bias'] = 'model.safetensors.index.json'), /an index where a file/],
  ];
  test.each(damaged)('%s is refused', async (_, change, message) => {
    const path = await copy(change);
    await expect(openWeights(path)).rejects.toThrow(message);
    await expect(openWeights(path)).rejects.toThrow(dirname(path));
    const error: unknown = await openWeights(path).catch((thrown: unknown) => thrown);
    expect([FormatError, FileError].some((kind) => error instanceof kind)).toBe(true);
  });

  test('saved in parts and read again', async () => {
    const place = await mkdtemp(join(folder, 'parts-'));
    const path = join(place, 'weights.safetensors');
    const tensors = { a: rand([10]), b: rand([5]), c: rand([100]), d: tensor([1n, 2n], { dtype: 'int64' }), empty: zeros([0]) };
    const index = await saveSafetensors(path, tensors, { maxShardBytes: 64, metadata: { format: 'pt' } });
    expect(index).toBe(`${path}.index.json`);
    expect((await readdir(place)).sort()).toEqual([1, 2, 3].map((n) => `weights-0000${n}-of-00003.safetensors`).concat('weights.safetensors.index.json'));
    await using file = await openWeights(index);
    expect(file.keys()).toEqual(Object.keys(tensors));
    for (const [name, t] of Object.entries(tensors)) expect(await encoded(await file.tensor(name))).toEqual(await encoded(t));
    expect(await saveSafetensors(path, tensors, { maxShardBytes: 1000 })).toBe(path);
    await expect(saveSafetensors(path, tensors, { maxShardBytes: 0 })).rejects.toThrow(ArgumentError);
  });
});

describe('save', () => {
  test('everything comes back', async () => {
    const values = await load(fixture('values.pth'));
    const path = fresh();
    await save(path, values);
    expect(await encoded(await load(path))).toEqual(text(expectedOf('values.pth')));
    // The same content gives the same file, with tensors where they can be mapped.
    const again = fresh();
    await save(again, values);
    const bytes = await readFile(path);
    expect(await readFile(again)).toEqual(bytes);
    for (let at = bytes.indexOf('PK\x03\x04'); at >= 0; at = bytes.indexOf('PK\x03\x04', at + 4)) {
      const start = at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28);
      expect(start % 64).toBe(0);
    }
  });

  test('a network and its optimizer', async () => {
    manualSeed(1);
    const model = network();
    const optimizer = new Adam(model.parameters());
    model.forward(rand([1, 1, 4, 4])).sum().backward();
    optimizer.step();
    const path = fresh();
    await save(path, { model: model.stateDict(), optimizer: optimizer.stateDict(), epoch: 1 });
    const other = network();
    await loadWeights(other, path);
    expect(await stateOf(other)).toEqual(await stateOf(model));
    const { optimizer: state } = await load<{ optimizer: ReturnType<Adam['stateDict']> }>(path);
    const resumed = new Adam(other.parameters());
    resumed.loadStateDict(state);
    expect(await encoded(resumed.stateDict())).toEqual(await encoded(optimizer.stateDict()));
  });

  test.each(['float32', 'float64', 'float16', 'bfloat16', 'int32', 'int64', 'uint8', 'bool'] as DType[])('%s in odd layouts', async (dtype) => {
    const t = tensor([0, 1, 2.5, 3, 250, 5], { dtype: 'float64', shape: [2, 3] }).to(dtype);
    const path = fresh();
    await save(path, { t, transposed: t.t(), column: t.select(1, 1), expanded: t.slice(1, 0, 1).expand([2, 4]), scalar: t.select(0, 0).select(0, 2) });
    const back = await load<Record<string, Tensor>>(path);
    expect(await encoded(back)).toEqual(await encoded({ t, transposed: t.t(), column: t.select(1, 1), expanded: t.slice(1, 0, 1).expand([2, 4]), scalar: t.select(0, 0).select(0, 2) }));
  });

  test('what Python does not have is refused, and nothing is left behind', async () => {
    const place = await mkdtemp(join(folder, 'save-'));
    const path = join(place, 'a.pth');
    const circle: unknown[] = [];
    circle.push(circle);
    let deep: unknown = 1;
    for (let i = 0; i < 600; i++) deep = [deep];
    const gone = tensor([1]);
    gone.dispose();
    for (const [value, message] of [
      [undefined, /the value is undefined/], [{ a: { f: () => 1 } }, /the value\.a\.f is function/], [{ a: [new Date()] }, /the value\.a\[0\] is a Date/],
      [circle, /the value\[0\] contains itself/], [deep, /nested more than 500/], ['\ud800', /surrogate/], [new Map([[{}, 1]]), /a key of the value is an object/],
      [Symbol('x'), /symbol/],
    ] as const) {
      await expect(save(path, value)).rejects.toThrow(ArgumentError);
      await expect(save(path, value)).rejects.toThrow(message);
    }
    await expect(save(path, { a: tensor([1]), gone })).rejects.toThrow(/dispose/);
    expect(await readdir(place)).toEqual([]);
  });
});
