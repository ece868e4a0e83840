// SPDX-License-Identifier: Apache-2.0
// Files made to do harm: to run code, to take memory without bound, to reach other memory or other files.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import '../lib/ops/methods.js';
import { ForbiddenGlobalError, load, openWeights } from '../lib/io/index.js';
import { FormatError, OutOfMemoryError, UnsupportedError } from '../lib/native/errors.js';
import type { Tensor } from '../lib/tensor/tensor.js';
import { code, global, int, legacyFile, pickleOf, storage, tensorOf, text, torchArchive, tuple, zip, type Part } from './helpers/torch-archive.js';

let folder: string;
let proof: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lenode-attack-'));
  proof = join(folder, 'proof');
});
afterAll(() => rm(folder, { recursive: true }));
let files = 0;
async function file(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `${files++}.pth`);
  await writeFile(path, bytes);
  return path;
}
const four = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
const archive = async (...parts: readonly Part[]) => file(await torchArchive(pickleOf(...parts), { '0': four }));
const legacy = (...parts: readonly Part[]) => file(legacyFile(pickleOf(...parts), { '0': four }));

/** Refused as no file that torch.save() makes, whoever reads it, at little cost. */
async function refused(path: string, message: RegExp): Promise<void> {
  const before = process.memoryUsage.rss();
  for (const read of [load, openWeights]) {
    const error: unknown = await read(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(path);
  }
  expect(process.memoryUsage.rss() - before).toBeLessThan(512 * 2 ** 20);
}

describe('code', () => {
  const command = () => text(`touch ${proof}`);
  const attacks: [string, string, () => Part[]][] = [
    ['GLOBAL and REDUCE', 'os.system', () => [global('os', 'system'), tuple(command()), 'R']],
    ['GLOBAL alone', 'posix.system', () => [global('posix', 'system')]],
    ['STACK_GLOBAL', 'os.system', () => [text('os'), text('system'), '\x93', tuple(command()), 'R']],
    ['INST', 'os.system', () => ['(', command(), 'ios\nsystem\n']],
    ['OBJ', 'subprocess.Popen', () => ['(', global('subprocess', 'Popen'), command(), 'o']],
    ['NEWOBJ', 'subprocess.Popen', () => [global('subprocess', 'Popen'), tuple(command()), '\x81']],
    ['NEWOBJ_EX', 'subprocess.Popen', () => [global('subprocess', 'Popen'), tuple(command()), '}\x92']],
    ['BUILD', 'os.system', () => [tensorOf(), '}', text('__setstate__'), global('os', 'system'), 's', 'b', command(), 'b']],
    ['eval', 'builtins.eval', () => [global('builtins', 'eval'), tuple(text('1')), 'R']],
    ["Python 2's exec", '__builtin__.exec', () => [global('__builtin__', 'exec'), tuple(text('1')), 'R']],
    ['getattr', 'builtins.getattr', () => [global('builtins', 'getattr'), tuple(text('a'), text('b')), 'R']],
    ['a method of a harmless class', 'collections.OrderedDict.fromkeys', () => [text('collections'), text('OrderedDict.fromkeys'), '\x93']],
    ['a harmless name in another module', 'os.OrderedDict', () => [global('os', 'OrderedDict')]],
    ['dots in the other part', 'torch._utils._rebuild_tensor_v2.x', () => [global('torch._utils', '_rebuild_tensor_v2.x')]],
    ['the loader itself', 'torch.storage._load_from_bytes', () => [global('torch.storage', '_load_from_bytes'), tuple(text('')), 'R']],
    ['a name of JavaScript', 'constructor.constructor', () => [global('constructor', 'constructor'), tuple(text('process.exit()')), 'R']],
    ['a prototype', '__proto__.toString', () => [global('__proto__', 'toString')]],
    ['an empty name', '.', () => [global('', '')]],
  ];
  test.each(attacks)('by %s is refused by name', async (_, name, parts) => {
    for (const path of [await archive(...parts()), await legacy(...parts())]) {
      await refused(path, /Nothing was run/);
      const error = (await load(path).catch((thrown: unknown) => thrown)) as ForbiddenGlobalError;
      expect(error).toBeInstanceOf(ForbiddenGlobalError);
      expect(error.global).toBe(name);
      expect(error.message).toContain(JSON.stringify(name));
      expect(error.position).toBeGreaterThan(0);
    }
    await expect(stat(proof)).rejects.toThrow(/ENOENT/);
  });

  test('also in the other pickles of an old file', async () => {
    const harmless = legacyFile(pickleOf('N'));
    const evil = pickleOf(global('os', 'system'), tuple(command()), 'R');
    // Magic number, protocol, system, value, keys.
    for (let i = 0; i < 5; i++) {
      const pickles = ['80028a0a6cfc9c46f9206aa850192e', '80024de9032e', '80027d2e', '80024e2e', '80025d2e'].map((hex) => Buffer.from(hex, 'hex'));
      pickles[i] = evil;
      const path = await file(Buffer.concat(pickles));
      await (i === 0 ? refused(path, /neither|no file of weights|os\.system/) : refused(path, /os\.system/));
    }
    expect(await load(await file(harmless))).toBeNull();
  });

  const misuses: [string, () => Part[], RegExp][] = [
    ['a call of text', () => [text('os.system'), tuple(text('x')), 'R'], /a call of what is no function/],
    ['a call of a type', () => [global('torch', 'FloatStorage'), ')R'], /torch\.FloatStorage cannot be called/],
    ['arguments that are none', () => [global('torch', 'Size'), 'NR'], /arguments of torch\.Size are no tuple/],
    ['named arguments', () => [global('torch', 'Size'), ')', '}', text('a'), int(1), 's', '\x92'], /named arguments/],
    ['a state for a tensor', () => [tensorOf(), '}', text('a'), int(1), 's', 'b'], /has a state/],
    ['a state for a list', () => [']', '}b'], /has a state/],
    ['an extension', () => ['\x82\x01'], /EXT1/],
    ['a buffer from elsewhere', () => ['\x97'], /NEXT_BUFFER/],
    ['a reference to a module', () => [tuple(text('module'), text('a'), text('b'), text('c')), 'Q'], /no storage/],
    ['a reference as text', () => ['P1\n'], /PERSID/],
    ['an unknown instruction', () => ['\xff'], /0xff/],
    ['protocol 9', () => ['\x80\x09N'], /protocol 9/],
    ['a name without end', () => ['c' + 'a'.repeat(2000)], /a name without end/],
  ];
  test.each(misuses)('%s is refused', async (_, parts, message) => {
    await refused(await archive(...parts()), message);
    await refused(await legacy(...parts()), message);
  });

  test('a type or a function is no value', async () => {
    for (const part of [global('torch', 'FloatStorage'), global('torch._utils', '_rebuild_tensor_v2')])
      for (const path of [await archive(part), await file(legacyFile(pickleOf(part)))]) {
        await expect(load(path)).rejects.toThrow(/a type where a value/);
        await expect(openWeights(path)).rejects.toThrow(/no state dict/);
      }
  });

  test('names that mean something to JavaScript are keys like others', async () => {
    const path = await archive('}', '(', text('__proto__'), '}', text('polluted'), int(1), 's', text('constructor'), int(2), text('toString'), int(3), 'u');
    const value = await load<Record<string, unknown>>(path);
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor', 'toString']);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBeNull();
    await expect(openWeights(path)).rejects.toThrow(/no state dict/);
  });
});

describe('memory', () => {
  const long = (length: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(length);
    return bytes;
  };
  const bombs: [string, () => Part[], RegExp][] = [
    ['a text of 2^63 bytes', () => ['\x8d', long(2n ** 63n)], /truncated/],
    ['bytes of 2^64 - 1', () => ['\x8e', long(2n ** 64n - 1n)], /truncated/],
    ['a bytearray of 2^40', () => ['\x96', long(2n ** 40n)], /truncated/],
    ['a frame of 2^62', () => ['\x95', long(2n ** 62n), 'N'], /truncated/],
    ['an integer of 2^31 bytes', () => ['\x8b\xff\xff\xff\x7f', 'x'], /an integer of/],
    ['an integer of 255 bytes', () => ['\x8a\xff', 'x'.repeat(255)], /an integer of 255 bytes/],
    ['a million lists', () => [Buffer.alloc(1_100_000, ']')], /more than 1048576/],
    ['a million marks', () => [Buffer.alloc(1_100_000, '(')], /more than 1048576 marks/],
    ['a million copies', () => ['N', Buffer.alloc(1_100_000, '2')], /more than 1048576 values/],
    ['a text copied a thousand times', () => [text('a'.repeat(100_000)), 'q\x01', ...new Array<Part>(1000).fill(code(global('_codecs', 'encode'), tuple('h\x01', text('latin1')), 'R', '0'))], /more data than it holds/],
    ['a list copied a thousand times', () => ['](', Buffer.alloc(20_000, 'N'), 'e', 'q\x01', ...new Array<Part>(1000).fill(code(global('builtins', 'set'), tuple('h\x01'), 'R', '0'))], /more data than it holds/],
    ['a remembered value that there is not', () => ['j\xff\xff\xff\x7f'], /no value 2147483647/],
    ['an empty stack', () => ['0'], /stack is empty/],
    ['a mark taken twice', () => ['(tt'], /no mark/],
    ['below a mark', () => ['N(0', '0', '0'], /stack is empty/],
    ['items for a number', () => [int(1), '(Ne'], /no list/],
    ['entries for a list', () => [']', '(NNu'], /no dict/],
    ['a key without value', () => ['}', '(Nu'], /a key without a value/],
    ['a dict as key', () => ['}', '}N', 's'], /a key that cannot be one/],
    ['text that is no UTF-8', () => ['X\x01\x00\x00\x00\xff'], /no UTF-8/],
    ['two values', () => ['NN'], /2 values are left/],
  ];
  test.each(bombs)('%s', async (_, parts, message) => {
    await refused(await archive(...parts()), message);
    await refused(await legacy(...parts()), message);
  });

  test('what doubles and doubles again stays as small as it is written', async () => {
    const levels = Array.from({ length: 100 }, (_, i) => code('](h', Buffer.of(i), 'h', Buffer.of(i), 'eq', Buffer.of(i + 1), '0'));
    let value = await load<unknown[]>(await archive(']q\x00', '0', ...levels, 'h', Buffer.of(100)));
    for (let i = 0; i < 100; i++) {
      expect(value[0]).toBe(value[1]);
      value = value[0] as unknown[];
    }
    expect(value).toEqual([]);
  });

  test('what is nested a hundred thousand times, and what contains itself', async () => {
    const depth = 100_000;
    let value = await load<unknown[]>(await archive(Buffer.alloc(depth, ']'), Buffer.alloc(depth - 1, 'a')));
    for (let i = 1; i < depth; i++) value = value[0] as unknown[];
    expect(value).toEqual([]);
    const circle = await load<unknown[]>(await archive(']q\x00h\x00a'));
    expect(circle[0]).toBe(circle);
    const dict = await load<Record<string, unknown>>(await file(legacyFile(pickleOf('}q\x00', text('self'), 'h\x00s'))));
    expect(dict['self']).toBe(dict);
    await expect(openWeights(await archive('}q\x00', text('self'), 'h\x00s'))).rejects.toThrow(FormatError);
  });
});

describe('tensors', () => {
  const lies: [string, () => Part[], RegExp][] = [
    ['a negative stride', () => [tensorOf({ strides: [-1], offset: 3 })], /the strides must be whole numbers from 0/],
    ['a negative size', () => [tensorOf({ shape: [-4] })], /the shape must be/],
    ['a negative offset', () => [tensorOf({ offset: -1 })], /the offset must be/],
    ['one element too many', () => [tensorOf({ shape: [5] })], /reach beyond a storage of 16 bytes/],
    ['an offset too far', () => [tensorOf({ offset: 1 })], /reach beyond/],
    ['a stride too far', () => [tensorOf({ shape: [2], strides: [4] })], /reach beyond/],
    ['a huge size', () => [tensorOf({ shape: [2 ** 40] })], /reach beyond/],
    ['a huge stride', () => [tensorOf({ shape: [2], strides: [2n ** 62n] })], /the strides must be/],
    ['sizes whose product is 2^64', () => [tensorOf({ shape: [2 ** 32, 2 ** 32], strides: [0, 0] })], /a tensor of shape \[4294967296, 4294967296\]/],
    ['a size beyond 2^53', () => [tensorOf({ shape: [2n ** 60n], strides: [0] })], /the shape must be/],
    ['nine dimensions', () => [tensorOf({ shape: new Array<number>(9).fill(1), strides: new Array<number>(9).fill(1) })], /at most 8 dimensions/],
    ['more strides than sizes', () => [tensorOf({ strides: [1, 1] })], /1 sizes and 2 strides/],
    ['a storage that claims more than it has', () => [tensorOf({ count: 2 ** 40, shape: [2 ** 40] })], /has 16 bytes, but should have 4398046511104|should have 4398046511104/],
    ['a storage of a negative size', () => [tensorOf({ count: -1 })], /reference to a storage is damaged/],
    ['one storage described in two ways', () => ['](', tensorOf(), code(storage('0', 2, 'DoubleStorage')), 'e'], /described in two ways/],
    ['a storage that there is not', () => ['](', storage('1', 4), 'e'], /a\/data\/1: there is no such entry|list of its storages is damaged/],
    ['a storage elsewhere', () => [storage('../../../etc/passwd', 4)], /there is no|list of its storages is damaged/],
    ['a storage of no text', () => [tuple(text('storage'), global('torch', 'FloatStorage'), int(0), text('cpu'), int(4)), 'Q'], /damaged/],
    ['a storage of no type', () => [tuple(text('storage'), text('torch.FloatStorage'), text('0'), text('cpu'), int(4)), 'Q'], /damaged/],
    ['a tensor of no storage', () => [global('torch._utils', '_rebuild_tensor_v2'), tuple(text('0'), int(0), ')', ')', '\x89', 'N'), 'R'], /expected a storage/],
    ['a parameter of no tensor', () => [global('torch._utils', '_rebuild_parameter'), tuple(text('0'), '\x88', 'N'), 'R'], /expected a tensor/],
    ['sizes of no numbers', () => [global('torch._utils', '_rebuild_tensor_v2'), tuple(storage('0', 4), int(0), tuple(text('4')), tuple(int(1)), '\x89', 'N'), 'R'], /the shape must be/],
    ['a conjugated view', () => [global('torch._utils', '_rebuild_tensor_v2'), tuple(storage('0', 4), int(0), tuple(int(4)), tuple(int(1)), '\x89', 'N', '}', text('conj'), '\x88s'), 'R'], /conjugated/],
  ];
  // What lies beside the pickle is not looked at before a tensor is asked for.
  const readsAll = ['a storage that claims more', 'a storage that there is not', 'a storage elsewhere'];
  test.each(lies)('%s', async (name, parts, message) => {
    for (const path of [await archive(...parts()), await legacy(...parts())]) {
      const error: unknown = await load(path).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(FormatError);
      expect((error as Error).message).toMatch(message);
      if (!readsAll.some((start) => name.startsWith(start))) await refused(path, message);
    }
  });

  test('a shape cannot be changed after it was checked', async () => {
    const rebuild = code(global('torch._utils', '_rebuild_tensor_v2'), tuple(storage('0', 4), int(0), '](', int(4), 'eq\x05', tuple(int(1)), '\x89', 'N'), 'R');
    const [t, list] = await load<[Tensor, number[]]>(await archive(tuple(rebuild, 'h\x05', int(1000), 'a')));
    expect(t.shape).toEqual([4]);
    expect(list).toEqual([4, 1000]);
    expect([...(await t.data())]).toEqual([1, 2, 3, 4]);
  });

  test('an expanded view of 2^40 elements is a view, and reading it an error', async () => {
    const t = await load<Tensor>(await archive(tensorOf({ shape: [2 ** 40], strides: [0] })));
    expect([t.shape, t.strides]).toEqual([[2 ** 40], [0]]);
    await expect(t.data()).rejects.toThrow(OutOfMemoryError);
    const half = await load<Tensor>(await archive(tensorOf({ shape: [2 ** 40], strides: [0] })), { dtype: 'float16' });
    await expect(half.data()).rejects.toThrow(OutOfMemoryError);
  });

  test('a bool of 2', async () => {
    await expect(load(await archive(storage('0', 16, 'BoolStorage')))).rejects.toThrow(/bools must be 0 or 1/);
  });
});

describe('zip archives', () => {
  const pickle = pickleOf(tensorOf());
  const good = () => torchArchive(pickle, { '0': four });
  const CENTRAL = 'PK\x01\x02';
  // Changes a field of an entry of the directory.
  function directory(bytes: Buffer<ArrayBuffer>, entry: number, at: number, value: number, size: 2 | 4): Buffer<ArrayBuffer> {
    let start = -1;
    for (let i = 0; i <= entry; i++) start = bytes.indexOf(CENTRAL, start + 1, 'latin1');
    bytes.writeUIntLE(value, start + at, size);
    return bytes;
  }
  const METHOD = 10, FLAGS = 8, CRC = 16, COMPRESSED = 20, SIZE = 24, OFFSET = 42;
  const sized = (bytes: Buffer<ArrayBuffer>, entry: number, size: number) => directory(directory(bytes, entry, SIZE, size, 4), entry, COMPRESSED, size, 4);

  const archives: [string, () => Promise<Buffer>, RegExp][] = [
    ['a wrong checksum', async () => directory(await good(), 2, CRC, 12345, 4), /data\/0: its checksum is wrong/],
    ['a wrong checksum of the pickle', async () => directory(await good(), 0, CRC, 12345, 4), /data\.pkl: its checksum is wrong/],
    ['an entry that is not compressed as it says', async () => directory(await good(), 2, METHOD, 8, 2), /data\/0: (its compressed data is damaged|it becomes)/],
    ['an entry of another compression', async () => directory(await good(), 2, METHOD, 12, 2), /data\/0: it is compressed by method 12/],
    ['a size that deflate cannot reach', async () => directory(directory(await good(), 2, METHOD, 8, 2), 2, SIZE, 2 ** 30, 4), /bytes cannot become 1073741824/],
    ['two sizes of what is not compressed', async () => directory(await good(), 2, SIZE, 17, 4), /cannot become 17|compressed size mismatch/],
    ['an encrypted entry', async () => directory(await good(), 2, FLAGS, 0x801, 2), /mismatch|encrypted/],
    ['a bomb', async () => {
      const zeros = deflateRawSync(Buffer.alloc(2 ** 26));
      return directory(directory(await torchArchive(pickle, { '0': zeros }), 2, METHOD, 8, 2), 2, SIZE, 2 ** 26, 4);
    }, /has 67108864 bytes, but should have 16/],
    ['two entries in one place', async () => directory(await good(), 2, OFFSET, 0, 4), /reach into the next entry/],
    ['an entry within another', async () => sized(await good(), 0, 300), /reach into the next entry/],
    ['an entry longer than the file', async () => sized(await good(), 3, 100_000), /should have 100000 bytes/],
    ['an entry of 4 GB', async () => sized(await good(), 2, 0xfffffffe), /bytes/],
    ['a place beyond the end', async () => directory(await good(), 3, OFFSET, 0x7fffffff, 4), /truncated/],
    ['a tensor with too few bytes', async () => torchArchive(pickle, { '0': four.subarray(4) }), /has 12 bytes, but should have 16/],
    ['a tensor with too many bytes', async () => torchArchive(pickle, { '0': Buffer.concat([four, four]) }), /has 32 bytes, but should have 16/],
    ['two entries of one name', async () => zip([['a/data.pkl', pickle], ['a/data/0', four], ['a/data/0', four]]), /two entries of this name/],
    ['two pickles', async () => zip([['a/data.pkl', pickle], ['b/data.pkl', pickle]]), /2 files data\.pkl/],
    ['no pickle', async () => zip([['a/data/0', four]]), /0 files data\.pkl/],
    ['a name out of the archive', async () => zip([['a/data.pkl', pickle], ['../evil', four]]), /invalid relative path/],
    ['an absolute name', async () => zip([['a/data.pkl', pickle], ['/evil', four]]), /absolute path/],
    ['another byte order', async () => zip([['a/data.pkl', pickle], ['a/byteorder', Buffer.from('middle')], ['a/data/0', four]]), /byte order must be/],
    ['no directory', async () => (await good()).subarray(0, 400), /End of central directory/],
    ['a directory elsewhere', async () => {
      const bytes = await good();
      bytes.writeUInt32LE(0xfffffff0, bytes.length - 6);
      return bytes;
    }, /truncated/],
    ['more entries than there are', async () => {
      const bytes = await good();
      bytes.writeUInt16LE(60000, bytes.length - 12);
      return bytes;
    }, /invalid central directory|truncated/],
  ];
  test.each(archives)('%s', async (_, make, message) => {
    const path = await file(await make());
    const before = process.memoryUsage.rss();
    const error: unknown = await load(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(path);
    expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 27);
  });

  test('the archive that they are made from is good', async () => {
    expect([...(await (await load<Tensor>(await file(await good()))).data())]).toEqual([1, 2, 3, 4]);
  });

  test('a TorchScript program', async () => {
    const path = await file(await zip([['a/data.pkl', pickle], ['a/constants.pkl', pickle], ['a/data/0', four]]));
    await expect(load(path)).rejects.toThrow(UnsupportedError);
    await expect(load(path)).rejects.toThrow(/TorchScript/);
    // A real one, whose code is compressed; and what a program has where weights have a pickle.
    const script = new URL('./fixtures/weights/script.pt', import.meta.url).pathname;
    for (const read of [load, openWeights]) {
      await expect(read(script)).rejects.toThrow(UnsupportedError);
      await expect(read(script)).rejects.toThrow(/script.pt: this is a TorchScript program; save its state_dict\(\)/);
    }
    await expect(load(await file(await zip([['a/model.json', four], ['a/code/m.py', four]])))).rejects.toThrow(/TorchScript/);
    await expect(load(await file(await zip([['a/models/model.json', four]])))).rejects.toThrow(/an exported program/);
  });

  test('what rebuilds tensors with attributes', async () => {
    const rebuild = (...parts: Part[]) => archive(global('torch._tensor', '_rebuild_from_type_v2'), tuple(...parts), 'R');
    const args = tuple(storage('0', 4), int(0), tuple(int(4)), tuple(int(1)), '\x89', 'N');
    const type = global('torch', 'Tensor');
    expect((await load<Tensor>(await rebuild(global('torch._utils', '_rebuild_tensor_v2'), type, args, '}'))).shape).toEqual([4]);
    for (const parts of [
      [global('torch', 'device'), type, tuple(text('cpu')), '}'],
      [text('f'), type, args, '}'],
      [global('torch._utils', '_rebuild_tensor_v2'), text('t'), args, '}'],
      [global('torch._utils', '_rebuild_tensor_v2'), type, int(1), '}'],
    ])
      await expect(load(await rebuild(...parts))).rejects.toThrow(FormatError);
    await expect(load(await archive(type))).rejects.toThrow(FormatError);
  });

  test('other files', async () => {
    for (const name of ['../package.json', '../README.md', './io.test.ts'])
      await expect(load(new URL(name, import.meta.url).pathname)).rejects.toThrow(FormatError);
    const image = await file(Buffer.from('89504e470d0a1a0a0000000d', 'hex'));
    await refused(image, /torch\.save\(\)/);
    await refused(await file(Buffer.alloc(0)), /torch\.save\(\)/);
    await refused(await file(Buffer.from('\x80\x02N.', 'latin1')), /not one that torch\.save\(\) made/);
    expect((await readFile(image)).length).toBe(12);
  });
});
