// SPDX-License-Identifier: Apache-2.0
// Files of named tensors that other libraries read and write, too; the format has no code in it and is read in parts.
import { randomBytes } from 'node:crypto';
import { readdir, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { types } from 'node:util';
import { ArgumentError, FormatError } from '../native/errors.js';
import { checked, number, optionsOf } from '../native/options.js';
import type { StateDict } from '../nn/state.js';
import type { Device, DeviceLike } from '../tensor/device.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { writeAtomically } from './atomic.js';
import { toBytes } from './bytes.js';
import { RandomFile } from './files.js';
import { formatHeader, MAX_HEADER_BYTES, parseHeader, placeTensors, type Header, type TensorEntry } from './header.js';
import { fromStored, widenOptions, type WidenOptions } from './stored.js';
import { WeightsFile } from './weights-file.js';

/** A safetensors file, of which only the header has been read. Close it when done, or declare it with `await using`. */
export class SafetensorsFile extends WeightsFile {
  private constructor(
    private readonly file: RandomFile,
    private readonly header: Header,
    private readonly dataStart: number,
  ) {
    super(file.path);
  }

  /**
   * @throws FileError when there is no such file; FormatError for what is no safetensors file, or a truncated one;
   * DTypeError for integers that only `widen` can read
   */
  static async open(path: string, options?: WidenOptions): Promise<SafetensorsFile> {
    options = widenOptions('SafetensorsFile.open', options, arguments.length > 2);
    const file = await RandomFile.open(path);
    try {
      const { size } = file;
      if (size < 8) throw new FormatError(`${path}: ${size} bytes are no safetensors file`);
      const length = (await file.read(0, 8)).readBigUInt64LE(0);
      if (length > BigInt(Math.min(size - 8, MAX_HEADER_BYTES)))
        throw new FormatError(
          `${path}: the header should have ${length} bytes, but the file has ${size - 8} and at most ` +
            `${MAX_HEADER_BYTES} are allowed: it is truncated, or no safetensors file`,
        );
      const dataStart = 8 + Number(length);
      const text = (await file.read(8, Number(length))).toString('utf8');
      return new SafetensorsFile(file, parseHeader(text, size - dataStart, path, options), dataStart);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Shapes, dtypes and places by name. */
  get tensors(): ReadonlyMap<string, TensorEntry> {
    return this.header.tensors;
  }
  /** Texts that were saved beside the tensors. */
  get metadata(): ReadonlyMap<string, string> {
    return this.header.metadata;
  }

  protected override async readTensor(name: string, where: Device): Promise<Tensor> {
    const { shape, stored, begin, end } = this.tensors.get(name)!;
    const what = `${this.path}: ${name}`;
    return fromStored(await this.file.read(this.dataStart + begin, end - begin, what), shape, stored, where, what);
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

const loadOptions = optionsOf<{ device?: DeviceLike } & WidenOptions>({ device: checked, ...widenOptions.schema });

/**
 * Reads all tensors of a safetensors file.
 *
 * @param options device: where to put them, default the CPU. widen: see WidenOptions
 * @throws FormatError for what is no safetensors file, or a truncated or contradictory one
 */
export async function loadSafetensors(
  path: string,
  options?: { device?: DeviceLike } & WidenOptions,
): Promise<StateDict> {
  const { device = 'cpu', widen = false } = loadOptions('loadSafetensors', options, arguments.length > 2);
  const file = await SafetensorsFile.open(path, { widen });
  try {
    const result = Object.create(null) as StateDict;
    for (const name of file.keys()) result[name] = await file.tensor(name, { device });
    return result;
  } finally {
    await file.close();
  }
}

export interface SaveSafetensorsOptions {
  /** Texts to be saved beside the tensors. */
  metadata?: Readonly<Record<string, string>>;
  /**
   * The size of a file above which several are written: `model-00001-of-00003.safetensors` and so on for
   * `model.safetensors`, with an index beside them. A larger tensor has a file of its own. Where such files are already, the
   * new ones get other names, and the old ones go when the new index is there: until then, it is the old weights that are loaded.
   */
  maxShardBytes?: number;
}
const saveSafetensorsOptions = optionsOf<SaveSafetensorsOptions>({ metadata: checked, maxShardBytes: number });

/**
 * Writes named tensors, row-major, to a file that is complete or not there at all. One tensor at a time is held in
 * memory; their values should not be changed before the promise is fulfilled.
 *
 * @returns what to load: `path`, or of several files the index, which is written last
 */
export async function saveSafetensors(
  path: string,
  tensors: Readonly<StateDict> | ReadonlyMap<string, Tensor>,
  options?: SaveSafetensorsOptions,
): Promise<string> {
  const { metadata = {}, maxShardBytes = Infinity } = saveSafetensorsOptions('saveSafetensors', options, arguments.length > 3);
  const entries = new Map(types.isMap(tensors) ? tensors : Object.entries(tensors));
  for (const [name, t] of entries) checkTensor(t, 'saveSafetensors', name);
  for (const [name, text] of Object.entries(metadata))
    if (typeof text !== 'string') throw new ArgumentError(`saveSafetensors: metadata must be texts, ${name} is ${typeof text}`);
  if (!(maxShardBytes > 0)) throw new ArgumentError(`saveSafetensors: maxShardBytes must be positive, got ${maxShardBytes}`);
  const shards = divide(entries, maxShardBytes);
  const index = `${path}.index.json`;
  const before = await shardsAt(path);
  if (shards.length === 1) {
    await writeFile(path, entries, metadata);
    await removeFiles([index, ...before]);
    return path;
  }
  const stem = `${basename(path, extname(path))}${before.length > 0 ? `-${randomBytes(4).toString('hex')}` : ''}`;
  const number = (n: number) => String(n).padStart(5, '0');
  const weightMap: Record<string, string> = Object.create(null) as Record<string, string>;
  let total = 0;
  for (const [i, shard] of shards.entries()) {
    const name = `${stem}-${number(i + 1)}-of-${number(shards.length)}${extname(path)}`;
    await writeFile(join(dirname(path), name), shard, metadata);
    for (const [key, t] of shard) {
      weightMap[key] = name;
      total += t.nbytes;
    }
  }
  const json = JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, null, 2);
  await writeAtomically(index, (write) => write(Buffer.from(`${json}\n`)));
  await removeFiles([path, ...before]); // a single file would be found before the index
  return index;
}

// The files of weights in several that were saved as `path` before, or were being saved when something failed.
async function shardsAt(path: string): Promise<string[]> {
  const [folder, extension] = [dirname(path), extname(path)];
  const stem = `${basename(path, extension)}-`;
  const names = await readdir(folder).catch(() => []);
  const isShard = (name: string) =>
    name.startsWith(stem) && name.endsWith(extension) &&
    /^(?:[0-9a-f]{8}-)?\d{5}-of-\d{5}$/.test(name.slice(stem.length, name.length - extension.length));
  return names.filter(isShard).map((name) => join(folder, name));
}

// The new ones are complete: what cannot be removed does no harm.
async function removeFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) await unlink(path).catch(() => undefined);
}

// As many tensors into each file as fit, in their order.
function divide(entries: ReadonlyMap<string, Tensor>, maxBytes: number): Map<string, Tensor>[] {
  const shards = [new Map<string, Tensor>()];
  let bytes = 0;
  for (const [name, t] of entries) {
    if (bytes > 0 && bytes + t.nbytes > maxBytes) {
      shards.push(new Map());
      bytes = 0;
    }
    shards.at(-1)!.set(name, t);
    bytes += t.nbytes;
  }
  return shards;
}

async function writeFile(path: string, entries: ReadonlyMap<string, Tensor>, metadata: Readonly<Record<string, string>>): Promise<void> {
  const placed = placeTensors(entries);
  const header = formatHeader({ tensors: placed, metadata: new Map(Object.entries(metadata)) });
  await writeAtomically(path, async (write) => {
    await write(header);
    for (const name of placed.keys()) await write(await toBytes(entries.get(name)!));
  });
}
