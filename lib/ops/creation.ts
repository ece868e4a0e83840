// SPDX-License-Identifier: Apache-2.0
// New tensors from values, numbers and files of other tensors.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, checked, noMore, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { device as toDevice, type Device, type DeviceLike } from '../tensor/device.js';
import { checkDType, isFloating, newArray, type DType } from '../tensor/dtype.js';
import { checkShape, formatShape, numelOf, stridesLike, type Shape } from '../tensor/shape.js';
import { checkTensor, emptyTensor, fromArray, Tensor } from '../tensor/tensor.js';
import { copyKernel, fullKernel } from './kernels.js';

export interface TensorOptions<D extends DType = DType> {
  dtype?: D;
  /** Default: the CPU, or what setDefaultDevice() was told. */
  device?: DeviceLike;
  /** Default false. */
  requiresGrad?: boolean;
}
/** @internal */
export const tensorOptions = optionsOf<TensorOptions>({ dtype: checked, device: checked, requiresGrad: boolean });

let defaultDevice: DeviceLike = 'cpu';

/** The device of tensors that are created without saying where. */
export function setDefaultDevice(name: DeviceLike): void {
  noMore('setDefaultDevice', arguments.length > 1);
  toDevice(name);
  defaultDevice = name;
}

/** @internal */
export function placeOf(options: TensorOptions): Device {
  return toDevice(options.device ?? defaultDevice);
}

/** @internal */
export function finish<T extends Tensor>(t: T, options: TensorOptions): T {
  if (options.requiresGrad) t.requiresGrad = true;
  return t;
}

/** Numbers, nested arrays of numbers, or a typed array. */
export type TensorData = number | boolean | bigint | readonly TensorData[] | TypedArray;
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

function isTypedArray(x: unknown): x is TypedArray {
  return ArrayBuffer.isView(x) && !(x instanceof DataView);
}

function shapeOf(data: TensorData): number[] {
  if (isTypedArray(data)) return [data.length];
  if (!Array.isArray(data)) return [];
  const list = data as readonly TensorData[];
  return list.length === 0 ? [0] : [list.length, ...shapeOf(list[0]!)];
}

function flattenInto(data: TensorData, shape: Shape, depth: number, out: (number | boolean | bigint)[]): void {
  if (depth === shape.length) {
    if (typeof data !== 'number' && typeof data !== 'boolean' && typeof data !== 'bigint')
      throw new ArgumentError(`tensor: expected numbers, got ${data === null ? 'null' : typeof data}`);
    out.push(data);
    return;
  }
  const list = data as ArrayLike<TensorData>;
  if ((!Array.isArray(data) && !isTypedArray(data)) || list.length !== shape[depth])
    throw new ShapeError(`tensor: the nested arrays are ragged: expected ${shape[depth]} entries at depth ${depth}`);
  for (let i = 0; i < list.length; i++) flattenInto(list[i]!, shape, depth + 1, out);
}

function inferDType(data: TensorData, flat: readonly (number | boolean | bigint)[]): DType {
  if (isTypedArray(data)) {
    if (data instanceof Float64Array) return 'float64';
    if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return 'uint8';
    if (data instanceof Int32Array || data instanceof Int16Array || data instanceof Int8Array || data instanceof Uint16Array)
      return 'int32';
    if (data instanceof BigInt64Array || data instanceof BigUint64Array || data instanceof Uint32Array) return 'int64';
    return 'float32';
  }
  if (flat.length > 0 && flat.every((x) => typeof x === 'boolean')) return 'bool';
  return flat.some((x) => typeof x === 'bigint') ? 'int64' : 'float32';
}

const tensorDataOptions = optionsOf<TensorOptions & { shape?: Shape }>({ ...tensorOptions.schema, shape: checked });
/**
 * A tensor with a copy of the given values.
 *
 * @param data a number, nested arrays of equal lengths, or a typed array
 * @param options `dtype`: by default float32 for numbers (whole ones too: unlike in Python, 1 and 1.0 are the same
 * here), bool for booleans, int64 for bigints, and the typed array's own. `shape`: for flat data, another shape.
 */
export function tensor<D extends DType = DType>(
  data: TensorData,
  options?: TensorOptions<D> & { shape?: Shape },
): Tensor<Shape, D> {
  options = tensorDataOptions('tensor', options, arguments.length > 2);
  if (data instanceof Tensor) throw new ArgumentError('tensor: expected values, got a Tensor; use clone() or to()');
  let flat: ArrayLike<number | boolean | bigint>;
  let shape: Shape = shapeOf(data);
  if (isTypedArray(data)) {
    flat = data;
  } else {
    const list: (number | boolean | bigint)[] = [];
    flattenInto(data, shape, 0, list);
    flat = list;
  }
  const dtype = options.dtype
    ? checkDType(options.dtype, 'tensor')
    : inferDType(data, isTypedArray(data) ? [] : (flat as (number | boolean | bigint)[]));
  if (options.shape) {
    shape = checkShape(options.shape, 'tensor');
    if (numelOf(shape) !== flat.length)
      throw new ShapeError(`tensor: ${flat.length} values do not fill shape ${formatShape(shape)}`);
  }
  checkShape(shape, 'tensor');
  const result = fromValues(flat, shape, dtype, placeOf(options));
  return finish(result, options) as Tensor<Shape, D>;
}

function fromValues(flat: ArrayLike<number | boolean | bigint>, shape: Shape, dtype: DType, device: Device): Tensor {
  const half = dtype === 'float16' || dtype === 'bfloat16';
  const model = newArray(dtype, 0);
  let values: ArrayBufferView & { length: number };
  if (isTypedArray(flat) && flat.constructor === model.constructor && dtype !== 'bool') {
    values = flat;
  } else if (dtype === 'int64') {
    values = BigInt64Array.from({ length: flat.length }, (_, i) => toBigInt(flat[i]!));
  } else {
    const array = newArray(dtype, flat.length) as Float32Array;
    if (dtype === 'bool') for (let i = 0; i < flat.length; i++) array[i] = Number(flat[i]) !== 0 ? 1 : 0;
    else for (let i = 0; i < flat.length; i++) array[i] = Number(flat[i]);
    values = array;
  }
  const exact = fromArray(values, shape, half ? 'float32' : dtype, device) as Tensor;
  return half ? copyKernel(exact, dtype) : exact;
}

function toBigInt(x: number | boolean | bigint): bigint {
  if (typeof x === 'bigint') return x;
  if (typeof x === 'number' && !Number.isFinite(x)) throw new ArgumentError(`tensor: ${x} is no int64`);
  return BigInt(Math.trunc(Number(x)));
}

/** Memory with undefined contents. */
export function empty<D extends DType = 'float32'>(shape: Shape, options?: TensorOptions<D>): Tensor<Shape, D> {
  options = tensorOptions('empty', options, arguments.length > 2);
  const dtype = checkDType(options.dtype ?? 'float32', 'empty') as D;
  return finish(emptyTensor(checkShape(shape, 'empty'), dtype, placeOf(options)), options) as Tensor<Shape, D>;
}

/** All elements equal to `value`. The dtype is float32 unless given (bool for a boolean). */
export function full<D extends DType = 'float32'>(
  shape: Shape,
  value: number | boolean,
  options?: TensorOptions<D>,
): Tensor<Shape, D> {
  options = tensorOptions('full', options, arguments.length > 3);
  const dtype = checkDType(options.dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32'), 'full');
  const result = fullKernel(checkShape(shape, 'full'), Number(value), dtype, placeOf(options));
  return finish(result, options) as Tensor<Shape, D>;
}

export function zeros<D extends DType = 'float32'>(shape: Shape, options?: TensorOptions<D>): Tensor<Shape, D> {
  options = tensorOptions('zeros', options, arguments.length > 2);
  return full(checkShape(shape, 'zeros'), 0, options);
}

export function ones<D extends DType = 'float32'>(shape: Shape, options?: TensorOptions<D>): Tensor<Shape, D> {
  options = tensorOptions('ones', options, arguments.length > 2);
  return full(checkShape(shape, 'ones'), 1, options);
}

function filledLike(x: Tensor, value: number, options: TensorOptions, where: string): Tensor {
  checkTensor(x, where);
  const dtype = checkDType(options.dtype ?? x.dtype, where);
  const place = options.device === undefined ? x.device : toDevice(options.device);
  return finish(fullKernel(x.shape, value, dtype, place, stridesLike(x.shape, x.strides)), options);
}

/** Shape, dtype, device and layout of x unless given otherwise. */
export function zerosLike(x: Tensor, options?: TensorOptions): Tensor {
  options = tensorOptions('zerosLike', options, arguments.length > 2);
  return filledLike(x, 0, options, 'zerosLike');
}
export function onesLike(x: Tensor, options?: TensorOptions): Tensor {
  options = tensorOptions('onesLike', options, arguments.length > 2);
  return filledLike(x, 1, options, 'onesLike');
}
export function fullLike(x: Tensor, value: number, options?: TensorOptions): Tensor {
  options = tensorOptions('fullLike', options, arguments.length > 3);
  return filledLike(x, value, options, 'fullLike');
}

/**
 * start, start + step, ... before end; start is 0 and step 1 if left out. int64 if all are integers, else float32,
 * unless a dtype is given.
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(...args: (number | TensorOptions | undefined)[]): Tensor {
  const [numbers, options] = withOptions(args, 3, 'arange');
  const [from, to, step] = [numbers.length > 1 ? numbers[0]! : 0, numbers[numbers.length > 1 ? 1 : 0]!, numbers[2] ?? 1];
  if (!Number.isFinite(from) || !Number.isFinite(to) || !Number.isFinite(step) || step === 0 || (to - from) / step < 0)
    throw new ArgumentError(`arange: no sequence from ${from} to ${to} in steps of ${step}`);
  const whole = [from, to, step].every(Number.isInteger);
  const dtype = checkDType(options.dtype ?? (whole ? 'int64' : 'float32'), 'arange');
  const y = emptyTensor(checkShape([Math.ceil((to - from) / step)], 'arange'), dtype, placeOf(options));
  run(Op.arange, [], [y], [from, step]);
  return finish(y as Tensor, options);
}

// At most `most` leading numbers, and the options object after them.
function withOptions(args: readonly (number | TensorOptions | undefined)[], most: number, where: string): [numbers: number[], options: TensorOptions] {
  const numbers: number[] = [];
  while (numbers.length < most && typeof args[numbers.length] === 'number') numbers.push(args[numbers.length] as number);
  const rest = args.slice(numbers.length);
  while (rest.length > 1 && rest[0] === undefined) rest.shift(); // numbers that are left out
  return [numbers, tensorOptions(where, rest[0] as TensorOptions | undefined, rest.length > 1)];
}

/** `steps` numbers from start to end, both included. */
export function linspace(start: number, end: number, steps: number, options?: TensorOptions): Tensor {
  options = tensorOptions('linspace', options, arguments.length > 4);
  if (!Number.isInteger(steps) || steps < 0) throw new ArgumentError(`linspace: steps must be a count, got ${steps}`);
  const values = Float64Array.from({ length: steps }, (_, i) =>
    i === steps - 1 && steps > 1 ? end : start + ((end - start) * i) / Math.max(steps - 1, 1),
  );
  return tensor(values, { ...options, dtype: options.dtype ?? 'float32' });
}

/** The identity matrix, or its upper left part if `columns` differs from `rows`. */
export function eye(rows: number, options?: TensorOptions): Tensor;
export function eye(rows: number, columns: number, options?: TensorOptions): Tensor;
export function eye(...args: (number | TensorOptions | undefined)[]): Tensor {
  const [[rows = NaN, columns = rows], options] = withOptions(args, 2, 'eye');
  checkShape([rows, columns], 'eye');
  const dtype = options.dtype ?? 'float32';
  const values = newArray(isFloating(dtype) ? 'float32' : 'int32', rows * columns);
  for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1;
  return tensor(values, { ...options, dtype, shape: [rows, columns] });
}
