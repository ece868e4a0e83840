// SPDX-License-Identifier: Apache-2.0
// The two containers of torch.save(): a zip archive since PyTorch 1.6, a sequence of pickles and blocks before.
import { FormatError, UnsupportedError } from '../native/errors.js';
import { ForbiddenGlobalError } from '../pickle/errors.js';
import { MAX_PICKLE_BYTES, unpickle, type PickleRules } from '../pickle/machine.js';
import { swapBytes } from '../pickle/numpy.js';
import type { RandomFile } from './files.js';
import { storedItemSize, type StoredDType } from './stored.js';
import { torchRules, type Storage } from './torch-pickle.js';
import type { ZipArchive } from './zip.js';

/** A file of torch.save() of which only the pickle has been read: tensors in `value` are TensorRecords. */
export interface TorchFile {
  readonly value: unknown;
  /** The bytes of a storage, least significant ones of each element first. */
  read(storage: Storage, dtype: StoredDType): Promise<Uint8Array>;
}

// ---- zip -------------------------------------------------------------------------------------------------------

async function openZip(file: RandomFile): Promise<TorchFile> {
  const { path } = file;
  const { ZipArchive } = await import('./zip.js'); // with a package that other programs need not load
  const zip = await ZipArchive.open(file);
  const pickles = zip.names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  // Before anything else that such a file may lack or have: code, constants, a program's graph.
  const kind = zip.names.some((name) => /^[^/]+\/(constants\.pkl|model\.json|code\/.*)$/.test(name))
    ? 'a TorchScript program'
    : zip.names.some((name) => /^[^/]+\/models\/.+\.json$|(^|\/)serialized_exported_program\.json$/.test(name))
      ? 'an exported program'
      : undefined;
  if (kind) throw new UnsupportedError(`${path}: this is ${kind}; save its state_dict() with torch.save() to load it here`);
  if (pickles.length !== 1)
    throw new FormatError(`${path}: a zip archive with ${pickles.length} files data.pkl: not one that torch.save() made`);
  const folder = pickles[0]!.slice(0, -'data.pkl'.length);
  const size = zip.sizeOf(pickles[0]!)!;
  if (size > MAX_PICKLE_BYTES) throw new FormatError(`${path}: a pickle of ${size} bytes; at most ${MAX_PICKLE_BYTES} are read`);
  const { rules } = torchRules();
  const { value } = unpickle(await zip.read(pickles[0]!), path, rules);
  const bigEndian = await readByteOrder(zip, `${folder}byteorder`, path);
  return {
    value,
    async read(storage, dtype) {
      const name = `${folder}data/${storage.key}`;
      const found = zip.sizeOf(name);
      if (found !== undefined && found !== storage.bytes)
        throw new FormatError(`${path}: ${name} has ${found} bytes, but should have ${storage.bytes}`);
      const bytes = await zip.read(name);
      return bigEndian ? swapBytes(bytes, storedItemSize(dtype)) : bytes;
    },
  };
}

async function readByteOrder(zip: ZipArchive, name: string, path: string): Promise<boolean> {
  const size = zip.sizeOf(name);
  if (size === undefined) return false;
  const order = size > 16 ? '' : (await zip.read(name)).toString('latin1');
  if (order !== 'little' && order !== 'big') throw new FormatError(`${path}: its byte order must be little or big, got '${order}'`);
  return order === 'big';
}

// ---- before 1.6 ------------------------------------------------------------------------------------------------

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

// magic number, protocol and system as pickles; the value; the keys of the storages; per storage its number of
// elements in 8 bytes, and the elements.
async function openLegacy(file: RandomFile): Promise<TorchFile> {
  const { path } = file;
  let at = 0;
  const next = async (rules: PickleRules = { globals: new Map() }) => {
    const { value, length } = await unpickleAt(file, at, rules);
    at += length;
    return value;
  };
  const magic = await next();
  if (magic !== MAGIC) throw new FormatError(`${path}: this is a pickle, but not one that torch.save() made`);
  const protocol = await next();
  if (protocol !== PROTOCOL) throw new FormatError(`${path}: expected protocol ${PROTOCOL}, got ${String(protocol)}`);
  await next();
  const start = at;
  // Once more from the beginning if the part that was read did not suffice.
  let storages = new Map<string, Storage>();
  const { value, length } = await unpickleAt(file, start, () => {
    const fresh = torchRules();
    storages = fresh.storages;
    return fresh.rules;
  });
  at = start + length;
  const keys = await next();
  const places = new Map<string, number>();
  if (!Array.isArray(keys)) throw new FormatError(`${path}: the list of its storages is damaged`);
  for (const key of keys as unknown[]) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage || places.has(storage.key)) throw new FormatError(`${path}: the list of its storages is damaged`);
    const where = `${path}: storage ${storage.key}`;
    const count = (await file.read(at, 8, where)).readBigInt64LE(0);
    const item = storage.dtype === undefined ? 1 : storedItemSize(storage.dtype);
    if (count * BigInt(item) !== BigInt(storage.bytes))
      throw new FormatError(`${where} has ${count} elements of ${item} bytes, but should have ${storage.bytes} bytes`);
    if (storage.bytes > file.size - at - 8)
      throw new FormatError(`${where} should have ${storage.bytes} bytes, which the file has not: it is truncated`);
    places.set(storage.key, at + 8);
    at += 8 + storage.bytes;
  }
  return {
    value,
    read(storage) {
      const place = places.get(storage.key);
      if (place === undefined) throw new FormatError(`${path}: there is no storage ${storage.key} in it`);
      return file.read(place, storage.bytes, `${path}: storage ${storage.key}`);
    },
  };
}

const WINDOWS = [2 ** 18, 2 ** 22, MAX_PICKLE_BYTES];

// A pickle tells its length only by its end, so more and more is read.
async function unpickleAt(
  file: RandomFile,
  at: number,
  rules: PickleRules | (() => PickleRules),
): Promise<{ value: unknown; length: number }> {
  const rest = file.size - at;
  for (const [i, window] of WINDOWS.entries()) {
    const bytes = await file.read(at, Math.min(window, rest));
    try {
      return unpickle(bytes, file.path, typeof rules === 'function' ? rules() : rules);
    } catch (error) {
      if (error instanceof ForbiddenGlobalError || window >= rest || i === WINDOWS.length - 1) throw error;
    }
  }
  throw new FormatError(`${file.path}: a pickle without end`);
}

// ---- either ----------------------------------------------------------------------------------------------------

const TAR_MAGIC_AT = 257;

/**
 * Reads the pickle in a file of torch.save().
 * @throws FormatError for what is no such file; ForbiddenGlobalError, a FormatError, when it names anything but data
 */
export async function openTorch(file: RandomFile): Promise<TorchFile> {
  const head = await file.read(0, Math.min(file.size, 512));
  if (head.subarray(0, 4).toString('latin1') === 'PK\x03\x04') return openZip(file);
  if (head.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + 5).toString('latin1') === 'ustar')
    throw new UnsupportedError(
      `${file.path}: a tar file, as PyTorch wrote before version 0.2; load it with PyTorch and save it again to read it here`,
    );
  if (head[0] === 0x80) return openLegacy(file);
  throw new FormatError(`${file.path}: neither a zip archive nor a pickle: torch.save() did not make it`);
}
