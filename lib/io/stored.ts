// SPDX-License-Identifier: Apache-2.0
// Element types that files have and tensors do not.
import { DTypeError, FormatError } from '../native/errors.js';
import { boolean, optionsOf } from '../native/options.js';
import { itemSize, type DType } from '../tensor/dtype.js';
import type { Device } from '../tensor/device.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { fromBytes } from './bytes.js';

/** What `widen: true` makes of integers that tensors cannot hold. */
const widened = {
  int8: { size: 1, to: 'int32', array: Int8Array },
  int16: { size: 2, to: 'int32', array: Int16Array },
  uint16: { size: 2, to: 'int32', array: Uint16Array },
  uint32: { size: 4, to: 'int64', array: Uint32Array },
} as const;
type Narrow = keyof typeof widened;

/** The element types that are read. */
export type StoredDType = DType | Narrow;

export interface WidenOptions {
  /**
   * Whether int8, int16 and uint16 are read as int32, and uint32 as int64, which hold all of their values. Default
   * false: such tensors are an error.
   */
  widen?: boolean;
}
/** @internal */
export const widenOptions = optionsOf<WidenOptions>({ widen: boolean });

function isNarrow(dtype: StoredDType): dtype is Narrow {
  return Object.hasOwn(widened, dtype);
}

export function storedItemSize(dtype: StoredDType): number {
  return isNarrow(dtype) ? widened[dtype].size : itemSize(dtype);
}

/** What a tensor's dtype will be. @throws DTypeError that begins with `where` for one that there is not */
export function dtypeOf(stored: StoredDType, where: string, { widen = false }: WidenOptions): DType {
  if (!isNarrow(stored)) return stored;
  const { to } = widened[stored];
  if (!widen) throw new DTypeError(`${where}: tensors cannot be ${stored}; { widen: true } reads it as ${to}`);
  return to;
}

/** A tensor of the elements as a file has them, least significant bytes first. */
export function fromStored(bytes: Uint8Array, shape: Shape, stored: StoredDType, device: Device, where: string): Tensor {
  if (stored === 'bool' && bytes.some((b) => b > 1)) throw new FormatError(`${where}: bools must be 0 or 1`);
  if (!isNarrow(stored)) return fromBytes(bytes, shape, stored, device);
  const { array, to } = widened[stored];
  // A copy, since typed arrays want their elements aligned.
  const values = new array(Uint8Array.from(bytes).buffer);
  const wide = to === 'int64' ? BigInt64Array.from(values as Uint32Array, BigInt) : Int32Array.from(values);
  return fromBytes(new Uint8Array(wide.buffer), shape, to, device);
}
