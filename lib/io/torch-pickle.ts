// SPDX-License-Identifier: Apache-2.0
// What PyTorch's pickles may name. Tensors come out of them as descriptions of parts of storages that lie elsewhere.
import { Constant, Global, OrderedDict, type Call, type PickleRules } from '../pickle/machine.js';
import { buildNumpy, numpyGlobals } from '../pickle/numpy.js';
import { pythonGlobals, globalsTable } from '../pickle/python.js';
import { MAX_RANK, numelOf, type Shape } from '../tensor/shape.js';
import { storedItemSize, type StoredDType } from './stored.js';

/** A block of memory that tensors share. */
export interface Storage {
  readonly key: string;
  /** Where it was when it was saved: `cpu`, `cuda:0`. */
  readonly location: string;
  /** Undefined for bytes whose meaning is known to the tensors in it. */
  readonly dtype: StoredDType | undefined;
  readonly bytes: number;
}

/** A storage, or, in old files, a part of one. */
export class StorageView {
  constructor(
    readonly storage: Storage,
    /** In bytes. */
    readonly begin: number,
    readonly bytes: number,
  ) {}
}

/** A tensor that has not been read. */
export class TensorRecord {
  constructor(
    readonly storage: Storage,
    readonly dtype: StoredDType,
    readonly shape: Shape,
    readonly strides: readonly number[],
    /** Elements before the first one, in the storage. */
    readonly offset: number,
    readonly requiresGrad: boolean,
    readonly isParameter: boolean,
  ) {}
}

/** torch.FloatStorage and its like. */
class StorageType extends Global {
  constructor(
    name: string,
    readonly dtype: StoredDType | 'untyped' | undefined,
  ) {
    super(name);
  }
}

const storageTypes: Readonly<Record<string, StoredDType | 'untyped' | undefined>> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
  UntypedStorage: 'untyped',
  // Known, so that an error can say what is the matter.
  ComplexFloatStorage: undefined,
  ComplexDoubleStorage: undefined,
  QInt8Storage: undefined,
  QUInt8Storage: undefined,
  QInt32Storage: undefined,
  QUInt4x2Storage: undefined,
  QUInt2x4Storage: undefined,
};

const storedDTypes: readonly StoredDType[] = [
  'float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'uint16', 'uint32', 'bool',
];
const otherDTypes = ['uint64', 'complex32', 'complex64', 'complex128', 'float8_e4m3fn', 'float8_e5m2', 'qint8', 'quint8', 'qint32'];

// ---- tensors ---------------------------------------------------------------------------------------------------

function sizes(value: unknown, what: string, { fail }: Call): number[] {
  if (!Array.isArray(value)) return fail(`${what} is no tuple`);
  if (value.length > MAX_RANK) return fail(`at most ${MAX_RANK} dimensions, got ${value.length}`);
  // A copy: the pickle may still change the original.
  const list = [...(value as number[])];
  for (const n of list)
    if (!Number.isSafeInteger(n) || n < 0) fail(`${what} must be whole numbers from 0, got [${list.map(String).join(', ').slice(0, 200)}]`);
  return list;
}

function describe(call: Call, dtype: unknown, [view, offset, size, stride, requiresGrad]: readonly unknown[]): TensorRecord {
  const { fail } = call;
  if (!(view instanceof StorageView)) return fail('expected a storage');
  if (!storedDTypes.includes(dtype as StoredDType)) return fail(`tensors of ${String(dtype)} are not supported`);
  const shape = sizes(size, 'the shape', call);
  const strides = sizes(stride, 'the strides', call);
  if (strides.length !== shape.length) fail(`${shape.length} sizes and ${strides.length} strides`);
  if (!Number.isSafeInteger(offset) || (offset as number) < 0) fail(`the offset must be a whole number from 0`);
  const item = storedItemSize(dtype as StoredDType);
  const elements = numelOf(shape);
  if (!Number.isSafeInteger(elements * item)) fail(`a tensor of shape [${shape.join(', ')}]`);
  // The last element must lie in the storage.
  const end = elements === 0 ? 0 : shape.reduce((n, dim, i) => n + (dim - 1) * strides[i]!, (offset as number) + 1);
  if (!(end * item <= view.bytes))
    fail(`shape [${shape.join(', ')}], strides [${strides.join(', ')}] and offset ${String(offset)} reach beyond a storage of ${view.bytes} bytes`);
  if (view.begin % item !== 0) fail('elements that are not aligned');
  const start = elements === 0 ? 0 : view.begin / item + (offset as number);
  return new TensorRecord(view.storage, dtype as StoredDType, shape, strides, start, requiresGrad === true, false);
}

// A transposition of complex conjugates or the like, which no other argument tells.
function checkPlain(metadata: unknown, { fail }: Call): void {
  if (metadata instanceof Map && [...metadata.values()].some((value) => value !== false)) fail('a conjugated or negated view');
}

function typed(call: Call): TensorRecord {
  const [view] = call.args;
  checkPlain(call.args[6], call);
  return describe(call, view instanceof StorageView ? view.storage.dtype : undefined, call.args);
}

function parameter({ args: [data, requiresGrad], fail }: Call): TensorRecord {
  if (!(data instanceof TensorRecord)) return fail('expected a tensor');
  const { storage, dtype, shape, strides, offset } = data;
  return new TensorRecord(storage, dtype, shape, strides, offset, requiresGrad === true, true);
}

// A tensor that was given attributes in Python: they are left out, as its class is where it is none of PyTorch's own.
function withAttributes(call: Call): TensorRecord {
  const [rebuild, type, args] = call.args;
  if (!(rebuild instanceof Global) || !rebuild.name.startsWith('torch._utils._rebuild_') || !rebuild.apply)
    return call.fail('expected one of the functions that rebuild tensors');
  if (!(type instanceof Global)) return call.fail('expected a class of tensors');
  if (!Array.isArray(args)) return call.fail('expected arguments in a tuple');
  return rebuild.apply({ ...call, args }) as TensorRecord;
}

function deviceName({ args: [type, index], fail }: Call): string {
  if (typeof type !== 'string' || (index !== undefined && !Number.isInteger(index))) return fail('expected a type and a number');
  return index === undefined ? type : `${type}:${String(index)}`;
}

const torchGlobals: readonly Global[] = [
  ...Object.entries(storageTypes).flatMap(([name, dtype]) =>
    ['torch', 'torch.cuda', 'torch.storage'].map((module) => new StorageType(`${module}.${name}`, dtype)),
  ),
  new Global('torch._utils._rebuild_tensor', typed),
  new Global('torch._utils._rebuild_tensor_v2', typed),
  new Global('torch._utils._rebuild_tensor_v3', (call) => {
    checkPlain(call.args[7], call);
    return describe(call, call.args[6], call.args);
  }),
  new Global('torch._utils._rebuild_parameter', parameter),
  new Global('torch._utils._rebuild_parameter_with_state', parameter),
  new Global('torch._tensor._rebuild_from_type_v2', withAttributes),
  new Global('torch.Tensor'),
  new Global('torch.nn.parameter.Parameter'),
  new Global('torch.Size', (call) => sizes(call.args[0] ?? [], 'the shape', call)),
  new Global('torch.device', deviceName),
];

const globals = new Map<string, Global | Constant>([
  ...globalsTable<Global>(pythonGlobals, numpyGlobals, torchGlobals),
  ...[...storedDTypes, ...otherDTypes].map((name) => [`torch.${name}`, new Constant(name)] as const),
]);

// ---- rules -----------------------------------------------------------------------------------------------------

/** Rules for one pickle, and the storages that it names. */
export function torchRules(): { rules: PickleRules; storages: Map<string, Storage> } {
  const storages = new Map<string, Storage>();

  function persistent(id: unknown, fail: (problem: string) => never): StorageView {
    if (!Array.isArray(id) || id[0] !== 'storage' || id.length < 5 || id.length > 6) return fail('it refers to what is no storage');
    const [, type, key, location, count, part] = id as unknown[];
    if (!(type instanceof StorageType) || typeof key !== 'string' || typeof location !== 'string' || !isCount(count))
      return fail('a reference to a storage is damaged');
    if (type.dtype === undefined) return fail(`${type.name} is not supported`);
    const item = type.dtype === 'untyped' ? 1 : storedItemSize(type.dtype);
    const dtype = type.dtype === 'untyped' ? undefined : type.dtype;
    const bytes = count * item;
    let storage = storages.get(key);
    if (!storage) storages.set(key, (storage = { key, location, dtype, bytes }));
    if (storage.dtype !== dtype || storage.bytes !== bytes) return fail(`storage ${JSON.stringify(key)} is described in two ways`);
    if (part === undefined || part === null) return new StorageView(storage, 0, bytes);
    const [, offset, length] = Array.isArray(part) && part.length === 3 ? (part as unknown[]) : [];
    if (!isCount(offset) || !isCount(length) || offset + length > count) return fail('a part of a storage lies outside it');
    return new StorageView(storage, offset * item, length * item);
  }

  function build(target: unknown, state: unknown, call: Pick<Call, 'charge' | 'fail'>): void {
    if (buildNumpy(target, state, call)) return;
    if (!(target instanceof OrderedDict) || !(state instanceof Map)) return call.fail('an object of a class has a state');
    // That of a state dict: the versions of its modules.
    target.attributes = state;
  }

  return { rules: { globals, persistent, build }, storages };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
