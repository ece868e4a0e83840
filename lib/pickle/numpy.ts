// SPDX-License-Identifier: Apache-2.0
// NumPy's arrays and numbers in pickles, as training checkpoints and data sets hold them.
import { types as brands } from 'node:util';
import { Global, small, type Call } from './machine.js';

/** Element types of arrays, by NumPy's codes. */
const types = {
  b1: ['bool', 1],
  i1: ['int8', 1],
  i2: ['int16', 2],
  i4: ['int32', 4],
  i8: ['int64', 8],
  u1: ['uint8', 1],
  u2: ['uint16', 2],
  u4: ['uint32', 4],
  u8: ['uint64', 8],
  f2: ['float16', 2],
  f4: ['float32', 4],
  f8: ['float64', 8],
} as const;
type Code = keyof typeof types;
export type NumpyType = (typeof types)[Code][0];

/** numpy.dtype */
export class NumpyDType {
  bigEndian = false;
  constructor(private readonly code: Code) {}
  get name(): NumpyType {
    return types[this.code][0];
  }
  get itemSize(): number {
    return types[this.code][1];
  }
}

/** numpy.ndarray */
export class NumpyArray {
  shape: readonly number[] = [0];
  dtype = new NumpyDType('u1');
  /** The elements as they lie in memory: the last dimension innermost, or with `fortran` the first. */
  data = new Uint8Array(0);
  fortran = false;
}

/** A copy with the bytes of each element in reverse: big-endian ones as little-endian ones, and back. */
export function swapBytes(bytes: Uint8Array, itemSize: number): Uint8Array {
  const swapped = Uint8Array.from(bytes);
  for (let i = 0; i < swapped.length; i += itemSize) swapped.subarray(i, i + itemSize).reverse();
  return swapped;
}

/** The functions that NumPy's pickles call, for PickleRules.globals. */
export const numpyGlobals: readonly Global[] = [
  new Global('numpy.ndarray'),
  new Global('numpy.dtype', ({ args: [code], fail }) => {
    if (typeof code !== 'string' || !Object.hasOwn(types, code)) return fail(`elements of type ${text(code)} are not supported`);
    return new NumpyDType(code as Code);
  }),
  ...['numpy.core', 'numpy._core'].flatMap((core) => [
    // Makes an empty array, whose state is set later.
    new Global(`${core}.multiarray._reconstruct`, ({ args: [type], fail }) =>
      type instanceof Global && type.name === 'numpy.ndarray' ? new NumpyArray() : fail('only ndarrays are supported'),
    ),
    new Global(`${core}.multiarray.scalar`, (call) => {
      const array = new NumpyArray();
      fill(array, [], call.args[0], call.args[1], false, call);
      return scalar(array);
    }),
    new Global(`${core}.numeric._frombuffer`, (call) => {
      const [data, dtype, shape, order] = call.args;
      const array = new NumpyArray();
      fill(array, shape, dtype, data, order === 'F', call);
      return array;
    }),
  ]),
];

/** Sets the state of a dtype or an array; for PickleRules.build. @returns whether `target` is one */
export function buildNumpy(target: unknown, state: unknown, call: Pick<Call, 'charge' | 'fail'>): boolean {
  if (target instanceof NumpyDType) {
    if (!Array.isArray(state) || !['<', '>', '|', '='].includes(state[1] as string))
      call.fail(`numpy.dtype: its state is damaged`);
    const [, order, parts] = state as unknown[];
    if (parts !== null && parts !== undefined) call.fail('numpy.dtype: arrays within elements are not supported');
    target.bigEndian = order === '>';
    return true;
  }
  if (target instanceof NumpyArray) {
    if (!Array.isArray(state) || state.length !== 5) return call.fail('numpy.ndarray: its state is damaged');
    const [, shape, dtype, fortran, data] = state as unknown[];
    fill(target, shape, dtype, data, fortran === true || fortran === 1, call);
    return true;
  }
  return false;
}

function fill(
  array: NumpyArray,
  shape: unknown,
  dtype: unknown,
  data: unknown,
  fortran: boolean,
  { charge, fail }: Pick<Call, 'charge' | 'fail'>,
): void {
  if (!(dtype instanceof NumpyDType)) return fail('an array of no dtype');
  if (!Array.isArray(shape) || shape.length > 32 || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
    return fail('an array whose shape is damaged');
  // Python 2 wrote the bytes of arrays as strings.
  if (typeof data === 'string') charge(data.length);
  const bytes = typeof data === 'string' ? Uint8Array.from(Buffer.from(data, 'latin1')) : data;
  const expected = (shape as number[]).reduce((n, size) => n * size, 1) * dtype.itemSize;
  if (!brands.isUint8Array(bytes) || bytes.length !== expected)
    return fail(`an array of shape [${shape.join(', ')}] of ${dtype.name} does not have its ${expected} bytes`);
  if (dtype.bigEndian) charge(bytes.length);
  array.data = dtype.bigEndian ? swapBytes(bytes, dtype.itemSize) as Uint8Array<ArrayBuffer> : bytes as Uint8Array<ArrayBuffer>;
  array.shape = [...(shape as number[])];
  array.dtype = dtype;
  array.fortran = fortran;
}

function scalar({ dtype, data }: NumpyArray): number | bigint | boolean {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (dtype.name) {
    case 'bool': return view.getUint8(0) !== 0;
    case 'int8': return view.getInt8(0);
    case 'uint8': return view.getUint8(0);
    case 'int16': return view.getInt16(0, true);
    case 'uint16': return view.getUint16(0, true);
    case 'int32': return view.getInt32(0, true);
    case 'uint32': return view.getUint32(0, true);
    case 'int64': return small(view.getBigInt64(0, true));
    case 'uint64': return small(view.getBigUint64(0, true));
    case 'float16': return half(view.getUint16(0, true));
    case 'float32': return view.getFloat32(0, true);
    case 'float64': return view.getFloat64(0, true);
  }
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function text(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeof value;
}
