// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';

/** Element types, by PyTorch's names. */
export type DType = 'float32' | 'float64' | 'float16' | 'bfloat16' | 'int32' | 'int64' | 'uint8' | 'bool';
/** Types that have gradients. */
export type FloatDType = 'float32' | 'float64' | 'float16' | 'bfloat16';

/** The typed array that holds values of a dtype outside a tensor; float16 and bfloat16 are widened to float32. */
export type ArrayOf<D extends DType> = D extends 'float64'
  ? Float64Array
  : D extends 'int32'
    ? Int32Array
    : D extends 'int64'
      ? BigInt64Array
      : D extends 'uint8' | 'bool'
        ? Uint8Array
        : Float32Array;

/** What item() gives: bigint never occurs, an int64 beyond 2^53 is an error. */
export type ItemOf<D extends DType> = D extends 'bool' ? boolean : number;

/** Codes of native/core/dtype.h. */
export const dtypeCodes: Readonly<Record<DType, number>> = {
  float32: 0,
  float64: 1,
  float16: 2,
  bfloat16: 3,
  int32: 4,
  int64: 5,
  uint8: 6,
  bool: 7,
};

export const dtypes = Object.keys(dtypeCodes) as DType[];

const sizes: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};

/** Bytes of one element. */
export function itemSize(dtype: DType): number {
  return sizes[dtype];
}

export function isFloating(dtype: DType): dtype is FloatDType {
  return dtypeCodes[dtype] <= dtypeCodes.bfloat16;
}

export function checkDType(dtype: unknown, where: string): DType {
  if (typeof dtype === 'string' && Object.hasOwn(dtypeCodes, dtype)) return dtype as DType;
  throw new ArgumentError(`${where}: dtype must be one of ${dtypes.join(', ')}, got ${String(dtype)}`);
}

// What numbers can say of int64 exactly is less than what fits.
const ranges: Partial<Readonly<Record<DType, readonly [least: number, most: number]>>> = {
  uint8: [-255, 255], // as in PyTorch, negative numbers count down from 256
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1024],
};

/** The numbers that fit into an integer dtype; undefined for others. */
export function integerRange(dtype: DType): readonly [least: number, most: number] | undefined {
  return ranges[dtype];
}

/** The array type that values of this dtype are read into; see ArrayOf. */
export function newArray<D extends DType>(dtype: D, length: number): ArrayOf<D> {
  switch (dtype) {
    case 'float64':
      return new Float64Array(length) as ArrayOf<D>;
    case 'int32':
      return new Int32Array(length) as ArrayOf<D>;
    case 'int64':
      return new BigInt64Array(length) as ArrayOf<D>;
    case 'uint8':
    case 'bool':
      return new Uint8Array(length) as ArrayOf<D>;
    default:
      return new Float32Array(length) as ArrayOf<D>;
  }
}

// PyTorch's order: bool < integers < floating; within integers uint8 < int32 < int64.
const category: Readonly<Record<DType, number>> = {
  bool: 0,
  uint8: 1,
  int32: 1,
  int64: 1,
  float16: 2,
  bfloat16: 2,
  float32: 2,
  float64: 2,
};

export function dtypeCategory(dtype: DType): number {
  return category[dtype];
}

/** The dtype that holds values of both, by PyTorch's promotion of two tensors of equal standing. */
export function promoteDTypes(a: DType, b: DType): DType {
  if (a === b) return a;
  if (category[a] !== category[b]) return category[a] > category[b] ? a : b;
  if (category[a] === 1) return a === 'int64' || b === 'int64' ? 'int64' : 'int32';
  if (a === 'float64' || b === 'float64') return 'float64';
  return 'float32'; // float16 with bfloat16, or either with float32
}
