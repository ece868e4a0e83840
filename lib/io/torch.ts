// SPDX-License-Identifier: Apache-2.0
// Files of torch.save() as plain values.
import { FormatError, DTypeError } from '../native/errors.js';
import { checked, optionsOf } from '../native/options.js';
import { Parameter } from '../nn/parameter.js';
import { setVersions, type VersionTable } from '../nn/state.js';
import { OrderedDict } from '../pickle/machine.js';
import { NumpyArray } from '../pickle/numpy.js';
import { toPlain } from '../pickle/plain.js';
import { device as toDevice, type Device, type DeviceLike } from '../tensor/device.js';
import { checkDType, isFloating, type DType, type FloatDType } from '../tensor/dtype.js';
import { contiguousStrides, isContiguous, MAX_RANK } from '../tensor/shape.js';
import { viewOf, type Tensor } from '../tensor/tensor.js';
import { RandomFile } from './files.js';
import { dtypeOf, fromStored, storedItemSize, widenOptions, type StoredDType, type WidenOptions } from './stored.js';
import { openTorch, type TorchFile } from './torch-file.js';
import { StorageView, TensorRecord, type Storage } from './torch-pickle.js';
import { converted } from './weights-file.js';

/** What a file of torch.save() can hold. */
export type Loaded =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Tensor
  | Loaded[]
  | Set<Loaded>
  | Map<Loaded, Loaded>
  | { [key: string]: Loaded };

export interface LoadOptions extends WidenOptions {
  /**
   * Where to put the tensors, default the CPU; or, as `map_location` in PyTorch, a function of the place where each was
   * when it was saved: `cpu` or `cuda:0`.
   */
  device?: DeviceLike | ((location: string) => DeviceLike);
  /** What to convert floating tensors to; others stay as they are. Default: as they are in the file. */
  dtype?: FloatDType;
}
const loadOptions = optionsOf<LoadOptions>({ ...widenOptions.schema, device: checked, dtype: checked });

/**
 * Reads a file of PyTorch's torch.save(), of any version since 0.2. Nothing in it is run: of the types and functions
 * that it names, those of tensors, of Python's containers and of NumPy's arrays and numbers are known, and any other is
 * an error.
 *
 * Tensors that shared memory share it again, parameters are Parameters, and NumPy's arrays become tensors on the CPU.
 * Dicts become objects without prototype if their keys are strings and integers, else Maps; lists and tuples arrays;
 * dtypes and devices their names; integers beyond 2^53 bigints. To read the weights of a network, loadWeights() takes
 * fewer steps and less memory.
 *
 * @throws FileError when there is no such file; ForbiddenGlobalError, a FormatError, that names what is not harmless
 * data; FormatError for what is damaged, truncated or made by something else; UnsupportedError for TorchScript and for
 * files of before version 0.2; DTypeError for tensors of a type that there is not here
 */
export async function load<T = Loaded>(path: string, options?: LoadOptions): Promise<T> {
  options = loadOptions('load', options, arguments.length > 2);
  if (options.dtype !== undefined && !isFloating(checkDType(options.dtype, 'load')))
    throw new DTypeError(`load: dtype must be floating, got ${options.dtype}`);
  const file = await RandomFile.open(path);
  try {
    const torch = await openTorch(file);
    const tensors = await readTensors(torch, path, options);
    return fromPickle(torch.value, path, (leaf) => {
      if (leaf instanceof TensorRecord || leaf instanceof StorageView) return tensors.get(leaf)!;
      if (leaf instanceof NumpyArray) return fromNumpy(leaf, path, options);
      return undefined;
    }) as T;
  } finally {
    await file.close();
  }
}

/**
 * Plain values from what a pickle holds, with tensors as `leaf` makes them; state dicts get their versions.
 * @throws FormatError for what is neither plain nor made by `leaf`
 */
export function fromPickle(root: unknown, path: string, leaf: (value: object) => unknown): unknown {
  return toPlain(
    root,
    (value) => {
      const made = leaf(value);
      if (made === undefined) throw new FormatError(`${path}: it holds a type where a value should be`);
      return made;
    },
    (dict, plain) => {
      const versions = dict instanceof OrderedDict && readVersions(dict.attributes?.get('_metadata'));
      if (versions) setVersions(plain, versions);
    },
  );
}

function readVersions(metadata: unknown): VersionTable | undefined {
  if (!(metadata instanceof Map)) return undefined;
  const result = new Map<string, number>();
  for (const [name, entry] of metadata as Map<unknown, unknown>) {
    const version = entry instanceof Map ? (entry.get('version') as unknown) : undefined;
    if (typeof name === 'string' && typeof version === 'number') result.set(name, version);
  }
  return result;
}

// ---- tensors ---------------------------------------------------------------------------------------------------

type Leaf = TensorRecord | StorageView;

// All tensors of the file, by storages, so that each is read once.
async function readTensors(torch: TorchFile, path: string, options: LoadOptions): Promise<Map<Leaf, Tensor>> {
  const found = new Set<Leaf>();
  toPlain(torch.value, (value) => {
    if (value instanceof TensorRecord || value instanceof StorageView) found.add(value);
    return null;
  });
  const users = new Map<Storage, Map<StoredDType, Leaf[]>>();
  for (const leaf of found) {
    const stored = leaf instanceof TensorRecord ? leaf.dtype : (leaf.storage.dtype ?? 'uint8');
    dtypeOf(stored, path, options);
    let types = users.get(leaf.storage);
    if (!types) users.set(leaf.storage, (types = new Map()));
    const leaves = types.get(stored);
    if (leaves) leaves.push(leaf);
    else types.set(stored, [leaf]);
  }
  const { device = 'cpu', dtype } = options;
  const result = new Map<Leaf, Tensor>();
  for (const [storage, types] of users) {
    const where = toDevice(typeof device === 'function' ? device(storage.location) : device);
    for (const [stored, leaves] of types) {
      let block = await readStorage(torch, storage, stored, where, path);
      if (isFloating(block.dtype)) block = converted(block, dtype);
      for (const leaf of leaves) result.set(leaf, leaf instanceof TensorRecord ? tensorIn(block, leaf) : partOf(block, leaf, stored));
      block.dispose();
    }
  }
  return result;
}

/** The elements of a storage, in one dimension. */
export async function readStorage(torch: TorchFile, storage: Storage, stored: StoredDType, where: Device, path: string): Promise<Tensor> {
  const bytes = await torch.read(storage, stored);
  const item = storedItemSize(stored);
  const count = Math.floor(bytes.length / item);
  return fromStored(bytes.subarray(0, count * item), [count], stored, where, `${path}: storage ${storage.key}`);
}

/** The tensor in the elements of its storage. It shares their memory. */
export function tensorIn(block: Tensor, record: TensorRecord): Tensor {
  const { shape, offset, requiresGrad, isParameter } = record;
  // Strides of dimensions that are not walked say nothing, and other libraries do not expect odd ones.
  const strides = isContiguous(shape, record.strides) ? contiguousStrides(shape) : record.strides;
  const t = viewOf(block, shape, strides, offset);
  const wantsGrad = requiresGrad && isFloating(t.dtype);
  if (!isParameter) return wantsGrad ? t.requiresGrad_() : t;
  const parameter = new Parameter(t, { requiresGrad: wantsGrad });
  t.dispose();
  return parameter as Tensor;
}

function partOf(block: Tensor, { begin, bytes }: StorageView, stored: StoredDType): Tensor {
  const item = storedItemSize(stored);
  return viewOf(block, [bytes / item], [1], begin / item);
}

function fromNumpy(array: NumpyArray, path: string, options: LoadOptions): Tensor {
  const { dtype, shape, data, fortran } = array;
  if (dtype.name === 'uint64') throw new DTypeError(`${path}: arrays of uint64 are not supported`);
  if (shape.length > MAX_RANK) throw new FormatError(`${path}: an array of ${shape.length} dimensions; at most ${MAX_RANK} are supported`);
  const name: StoredDType = dtype.name;
  dtypeOf(name, path, options);
  // An array that lies column by column is the transposition of one that lies row by row.
  const lying = fortran ? [...shape].reverse() : shape;
  const t = fromStored(data, lying, name, toDevice('cpu'), `${path}: an array`);
  const result = isFloating(t.dtype) ? converted(t, options.dtype as DType | undefined) : t;
  if (!fortran) return result;
  return viewOf(result, shape, [...contiguousStrides(lying)].reverse(), 0);
}

