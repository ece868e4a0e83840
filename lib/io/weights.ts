// SPDX-License-Identifier: Apache-2.0
// Weights from files of any of the formats, told apart by their first bytes.
import { ArgumentError, FormatError, StateDictError } from '../native/errors.js';
import { boolean, checked, optionsOf } from '../native/options.js';
import type { AnyModule } from '../nn/module.js';
import { checkFit, type KeyReport, type StateDict, type TensorInfo, type VersionTable } from '../nn/state.js';
import type { Device } from '../tensor/device.js';
import type { FloatDType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { RandomFile } from './files.js';
import { SafetensorsFile } from './safetensors.js';
import { ShardedWeights } from './sharded.js';
import { stateOptions, TorchWeights, type StateOptions } from './torch-weights.js';
import { WeightsFile } from './weights-file.js';

/**
 * Opens a file of weights and reads what is in it, but no tensor yet: safetensors, torch.save(), the index of either
 * in several files, or a checkpoint of saveCheckpoint(), of which it has the model.
 *
 * @throws FileError when there is no such file; FormatError, ForbiddenGlobalError among them, for what is damaged or
 * none of these
 */
export async function openWeights(path: string, options?: StateOptions): Promise<WeightsFile> {
  options = stateOptions('openWeights', options, arguments.length > 2);
  return open(path, options, false);
}

async function open(path: string, options: StateOptions, isShard: boolean): Promise<WeightsFile> {
  const file = await RandomFile.open(path);
  let keep = false;
  try {
    const kind = kindOf(await file.read(0, Math.min(file.size, 9)), path);
    if (kind === 'safetensors') {
      const weights = await SafetensorsFile.open(path, options);
      return weights.metadata.get('format')?.startsWith(CHECKPOINT) ? new CheckpointWeights(weights) : weights;
    }
    if (kind === 'index') {
      if (isShard) throw new FormatError(`${path}: an index where a file of weights should be`);
      return await ShardedWeights.from(file, (shard) => open(shard, options, true));
    }
    const weights = await TorchWeights.from(file, options);
    keep = true;
    return weights;
  } finally {
    if (!keep) await file.close();
  }
}

/** What the formats of lenode's checkpoints begin with. */
const CHECKPOINT = 'lenode checkpoint ';
const MODEL = 'model.';

/** The model in a checkpoint of saveCheckpoint(). */
class CheckpointWeights extends WeightsFile {
  readonly tensors: ReadonlyMap<string, TensorInfo>;

  constructor(private readonly file: SafetensorsFile) {
    super(file.path);
    const model = [...file.tensors].filter(([key]) => key.startsWith(MODEL));
    this.tensors = new Map(model.map(([key, info]) => [key.slice(MODEL.length), info]));
  }

  protected override readTensor(name: string, where: Device): Promise<Tensor> {
    return this.file.tensor(MODEL + name, { device: where });
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

function kindOf(head: Buffer, path: string): 'safetensors' | 'index' | 'torch' {
  // The length of the header, which is below 2^32, and the JSON object that it is.
  if (head.length === 9 && head.readUIntLE(4, 4) === 0 && head[8] === 0x7b) return 'safetensors';
  if (path.endsWith('.json') || head[0] === 0x7b) return 'index';
  const start = head.toString('latin1');
  // A zip archive, a pickle, or what may be an old tar file.
  if (start.startsWith('PK\x03\x04') || head[0] === 0x80 || /^[\w./-]+\0*$/.test(start)) return 'torch';
  throw new FormatError(`${path}: no file of weights: neither safetensors nor made by torch.save(), nor an index of such`);
}

// ---- names -----------------------------------------------------------------------------------------------------

/** Gives a tensor of a file the name that it has in the module, or null to leave it out. */
export type Rename = (name: string) => string | null;

/** Differences between names in files and in modules that are often met. */
export const renames = {
  /** torch.nn.DataParallel and DistributedDataParallel put `module.` before every name. */
  dataParallel: (name: string): string => name.replace(/^module\./, ''),
  /** DenseNets of torchvision before 0.2: `denselayer1.norm.1.weight` for `denselayer1.norm1.weight`. */
  densenet: (name: string): string => name.replace(/^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$/, '$1$2'),
} as const satisfies Record<string, Rename>;

function renamed<T>(entries: Iterable<readonly [string, T]>, rules: readonly Rename[], path: string): Map<string, { name: string; value: T }> {
  const result = new Map<string, { name: string; value: T }>();
  for (const [name, value] of entries) {
    const target = rules.reduce<string | null>((now, rule) => (now === null ? null : rule(now)), name);
    if (target === null) continue;
    if (typeof target !== 'string') throw new ArgumentError(`loadWeights: rename must give names or null, got ${String(target)} for ${name}`);
    const taken = result.get(target);
    if (taken) throw new StateDictError(`${path}: ${taken.name} and ${name} would both be called ${target}`);
    result.set(target, { name, value });
  }
  return result;
}

// A module's version is found under the new names of its parts.
function renamedVersions(versions: VersionTable | undefined, rules: readonly Rename[]): VersionTable | undefined {
  if (!versions || rules.length === 0) return versions;
  const result = new Map<string, number>();
  for (const [module, version] of versions) {
    const part = module === '' ? 'x' : `${module}.x`;
    const target = rules.reduce<string | null>((now, rule) => (now === null ? null : rule(now)), part);
    if (typeof target === 'string') result.set(target.replace(/\.?x$/, ''), version);
  }
  return result;
}

// ---- modules ---------------------------------------------------------------------------------------------------

export interface LoadWeightsOptions extends StateOptions {
  /** Whether missing and unexpected names are errors. Tensors of the wrong shape always are. Default true. */
  strict?: boolean;
  /** What the module is converted to. Default: it keeps its dtype, and the values are converted to that. */
  dtype?: FloatDType;
  /** How names in the file become names in the module: one function, or several after one another. See `renames`. */
  rename?: Rename | readonly Rename[];
}
const loadWeightsOptions = optionsOf<LoadWeightsOptions>({
  ...stateOptions.schema,
  strict: boolean,
  dtype: checked,
  rename: checked,
});

/**
 * Loads a module's parameters and buffers from a file: safetensors, torch.save(), the index of either in several files,
 * or a checkpoint of saveCheckpoint(). Only the tensors that the module has are read.
 *
 * Everything is checked before anything is changed; after an error the module is as it was.
 *
 * @returns the missing and the unexpected names
 * @throws StateDictError that lists what is missing, unexpected or misshapen; and what openWeights() throws
 */
export async function loadWeights(module: AnyModule, path: string, options?: LoadWeightsOptions): Promise<KeyReport> {
  const { strict = true, dtype, rename = [], ...reading } = loadWeightsOptions('loadWeights', options, arguments.length > 3);
  const rules = typeof rename === 'function' ? [rename] : rename;
  const file = await openWeights(path, reading);
  const state = Object.create(null) as StateDict;
  try {
    const offered = renamed(file.tensors, rules, path);
    const infos = new Map<string, TensorInfo>([...offered].map(([name, { value }]) => [name, value]));
    const present = new Map(Object.entries(module.stateDict()));
    const versions = renamedVersions(file.versions, rules);
    const report = checkFit(present, infos, `${path}: the values do not fit ${module.constructor.name}:`, { strict, versions });
    for (const [name, t] of present) {
      const found = offered.get(name);
      if (found) state[name] = await file.tensor(found.name, { device: t.device });
    }
    if (dtype !== undefined) module.to({ dtype });
    module.prepareLoad(state, { strict: false }).commit();
    return report;
  } finally {
    for (const t of Object.values(state)) t.dispose();
    await file.close();
  }
}
