// SPDX-License-Identifier: Apache-2.0
// Files as torch.save() makes them, around pickles of any content.
import { ZipWriter } from '../../lib/io/zip-writer.js';

/** A zip archive of these entries. */
export async function zip(entries: readonly (readonly [name: string, data: Uint8Array])[]): Promise<Buffer<ArrayBuffer>> {
  const parts: Buffer[] = [];
  const writer = new ZipWriter((bytes) => Promise.resolve(void parts.push(Buffer.from(bytes))));
  for (const [name, data] of entries) await writer.add(name, data);
  await writer.finish();
  return Buffer.concat(parts);
}

/** A file of PyTorch since 1.6. */
export function torchArchive(pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>> = {}): Promise<Buffer<ArrayBuffer>> {
  return zip([
    ['a/data.pkl', pickle],
    ['a/byteorder', Buffer.from('little')],
    ...Object.entries(storages).map(([key, data]) => [`a/data/${key}`, data] as const),
    ['a/version', Buffer.from('3\n')],
  ]);
}

/** A file of PyTorch before 1.6. */
export function legacyFile(pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>> = {}): Buffer<ArrayBuffer> {
  const start = Buffer.from('80028a0a6cfc9c46f9206aa850192e' + '80024de9032e' + '80027d2e', 'hex');
  const keys = Object.keys(storages).map(text);
  const blocks = Object.values(storages).map((data) => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(data.length / 4));
    return Buffer.concat([count, data]);
  });
  return Buffer.concat([start, pickle, pickleOf(']', '(', ...keys, 'e'), ...blocks]);
}

// ---- an assembler of pickles -----------------------------------------------------------------------------------

export type Part = string | Uint8Array;

/** Instructions one after the other: strings by their characters. */
export function code(...parts: readonly Part[]): Buffer<ArrayBuffer> {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
}
/** A whole pickle of protocol 2. */
export function pickleOf(...parts: readonly Part[]): Buffer<ArrayBuffer> {
  return code('\x80\x02', ...parts, '.');
}
export function text(value: string): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(value, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return code('X', length, bytes);
}
export function int(value: number | bigint): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return code('\x8a\x08', bytes);
}
export function tuple(...parts: readonly Part[]): Buffer<ArrayBuffer> {
  return code('(', ...parts, 't');
}
export function global(module: string, name: string): Buffer<ArrayBuffer> {
  return code(`c${module}\n${name}\n`);
}
export function storage(key: string, count: number | bigint, type = 'FloatStorage'): Buffer<ArrayBuffer> {
  return code(tuple(text('storage'), global('torch', type), text(key), text('cpu'), int(count)), 'Q');
}
/** A float32 tensor in storage '0' of `count` elements. */
export function tensorOf(
  { count = 4, offset = 0, shape = [4], strides = [1] }:
  { count?: number | bigint; offset?: number | bigint; shape?: readonly (number | bigint)[]; strides?: readonly (number | bigint)[] } = {},
): Buffer<ArrayBuffer> {
  return code(
    global('torch._utils', '_rebuild_tensor_v2'),
    tuple(storage('0', count), int(offset), tuple(...shape.map(int)), tuple(...strides.map(int)), '\x89', global('collections', 'OrderedDict'), ')R'),
    'R',
  );
}
