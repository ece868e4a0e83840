// SPDX-License-Identifier: Apache-2.0
import { FormatError } from '../native/errors.js';
import { optionsOf, text } from '../native/options.js';
import { versionsOf, type TensorInfo, type VersionTable } from '../nn/state.js';
import type { Device } from '../tensor/device.js';
import type { Tensor } from '../tensor/tensor.js';
import type { RandomFile } from './files.js';
import { dtypeOf, widenOptions, type WidenOptions } from './stored.js';
import { fromPickle, readStorage, tensorIn } from './torch.js';
import { openTorch, type TorchFile } from './torch-file.js';
import { TensorRecord } from './torch-pickle.js';
import { WeightsFile } from './weights-file.js';

export interface StateOptions extends WidenOptions {
  /** Where in a training checkpoint the weights are, for instance 'model_state_dict'. Default: the usual names. */
  key?: string;
}
/** @internal */
export const stateOptions = optionsOf<StateOptions>({ ...widenOptions.schema, key: text });

// What training scripts call the weights beside an optimizer's state.
const USUAL_KEYS = ['state_dict', 'model_state_dict', 'model'];

type Records = Record<string, TensorRecord>;

/** The state dict in a file of torch.save(), of which only the pickle has been read. */
export class TorchWeights extends WeightsFile {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  override readonly versions: VersionTable | undefined;

  private constructor(
    private readonly file: RandomFile,
    private readonly torch: TorchFile,
    private readonly records: Records,
    options: StateOptions,
  ) {
    super(file.path);
    this.tensors = new Map(
      Object.entries(records).map(([name, { shape, dtype }]) => [name, { shape, dtype: dtypeOf(dtype, `${file.path}: ${name}`, options) }]),
    );
    this.versions = versionsOf(records);
  }

  /** Of a file that is open, and that is closed with this. */
  static async from(file: RandomFile, options: StateOptions): Promise<TorchWeights> {
    const torch = await openTorch(file);
    const plain = fromPickle(torch.value, file.path, (leaf) => leaf);
    return new TorchWeights(file, torch, findState(plain, file.path, options), options);
  }

  protected override async readTensor(name: string, where: Device): Promise<Tensor> {
    const record = this.records[name]!;
    const block = await readStorage(this.torch, record.storage, record.dtype, where, `${this.path}: ${name}`);
    const t = tensorIn(block, record);
    block.dispose();
    return t;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

function isState(value: unknown): value is Records {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== null) return false;
  return Object.values(value).every((item) => item instanceof TensorRecord);
}

function findState(root: unknown, path: string, { key }: StateOptions): Records {
  if (key === undefined && isState(root)) return root;
  const parts: Record<string, unknown> = typeof root === 'object' && root !== null && Object.getPrototypeOf(root) === null ? { ...root } : {};
  const found = key === undefined ? USUAL_KEYS.find((name) => isState(parts[name])) : key;
  if (found !== undefined && Object.hasOwn(parts, found) && isState(parts[found])) return parts[found];
  const names = Object.keys(parts).slice(0, 20).join(', ') || 'nothing with a name';
  throw new FormatError(
    key === undefined
      ? `${path}: no state dict found; it holds ${names}. { key } says which of them is one`
      : `${path}: ${JSON.stringify(key)} is no state dict; it holds ${names}`,
  );
}
