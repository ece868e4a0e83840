// SPDX-License-Identifier: Apache-2.0
// Weights in several files, with an index that says which tensor is in which, as Hugging Face's libraries save them:
// model.safetensors.index.json, or pytorch_model.bin.index.json.
import { dirname, join } from 'node:path';
import { FileError, FormatError } from '../native/errors.js';
import type { TensorInfo, VersionTable } from '../nn/state.js';
import type { Device } from '../tensor/device.js';
import type { Tensor } from '../tensor/tensor.js';
import type { RandomFile } from './files.js';
import { WeightsFile } from './weights-file.js';

const MAX_INDEX_BYTES = 2 ** 26;
const MAX_SHARDS = 1024;

/** Tensors in several files. Those that the index does not list are not seen. */
export class ShardedWeights extends WeightsFile {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  override readonly versions: VersionTable | undefined;

  private constructor(
    path: string,
    private readonly shards: ReadonlyMap<string, WeightsFile>,
    private readonly places: ReadonlyMap<string, string>,
  ) {
    super(path);
    this.tensors = new Map([...places].map(([name, shard]) => [name, shards.get(shard)!.info(name)]));
    const versions = [...shards.values()].map((shard) => shard.versions);
    this.versions = versions.some((table) => table) ? new Map(versions.flatMap((table) => [...(table ?? [])])) : undefined;
  }

  /**
   * Opens the files that an index lists. They must lie beside it.
   * @throws FormatError for an index that is damaged, names files elsewhere, or tensors that its files do not have;
   * FileError for a missing file
   */
  static async from(index: RandomFile, openShard: (path: string) => Promise<WeightsFile>): Promise<ShardedWeights> {
    const { path } = index;
    const places = await readIndex(index);
    const shards = new Map<string, WeightsFile>();
    try {
      for (const name of new Set(places.values())) {
        const shard = await openShard(join(dirname(path), name)).catch((cause: Error) => {
          if (cause instanceof FileError) throw new FileError(`${path}: one of its files is missing: ${cause.message}`, { cause });
          throw cause;
        });
        shards.set(name, shard);
      }
      for (const [name, shard] of places)
        if (!shards.get(shard)!.tensors.has(name)) throw new FormatError(`${path}: ${name} should be in ${shard}, which has no such tensor`);
      return new ShardedWeights(path, shards, places);
    } catch (error) {
      for (const shard of shards.values()) await shard.close();
      throw error;
    }
  }

  protected override readTensor(name: string, where: Device): Promise<Tensor> {
    return this.shards.get(this.places.get(name)!)!.tensor(name, { device: where });
  }

  async close(): Promise<void> {
    for (const shard of this.shards.values()) await shard.close();
  }
}

async function readIndex(index: RandomFile): Promise<Map<string, string>> {
  const { path, size } = index;
  if (size > MAX_INDEX_BYTES) throw new FormatError(`${path}: an index of ${size} bytes; at most ${MAX_INDEX_BYTES} are read`);
  let json: unknown;
  try {
    json = JSON.parse((await index.read(0, size)).toString('utf8'));
  } catch (cause) {
    throw new FormatError(`${path}: the index is no JSON: ${(cause as Error).message}`, { cause });
  }
  const map = typeof json === 'object' && json !== null ? (json as { weight_map?: unknown }).weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw new FormatError(`${path}: the index has no weight_map`);
  const places = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || !isPlainName(shard))
      throw new FormatError(`${path}: ${name} is in ${JSON.stringify(shard)}, which is no file beside the index`);
    places.set(name, shard);
  }
  const files = new Set(places.values()).size;
  if (files > MAX_SHARDS) throw new FormatError(`${path}: ${files} files; at most ${MAX_SHARDS} are opened`);
  return places;
}

// Of a file in the same folder on any system; no way out of it and none that means a device or a stream.
function isPlainName(name: string): boolean {
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  return name.length > 0 && name.length <= 255 && !/[/\\:\u0000-\u001f]/.test(name) && !/^\.{1,2}$/.test(name);
}
