// SPDX-License-Identifier: Apache-2.0
// New tensors from values, numbers and files of other tensors.
import { types } from 'node:util';
import { boolean, checked, noMore, optionsOf } from '../native/options.js';
import { ArgumentError, DTypeError, ShapeError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { device as toDevice, type Device, type DeviceLike } from '../tensor/device.js';
import { checkDType, integerRange, isFloating, newArray, type ArrayOf, type DType } from '../tensor/dtype.js';
import { checkShape, formatShape, givenShape, MAX_RANK, numelOf, stridesLike, type Shape } from '../tensor/shape.js';
import { checkTensor, describeValue, emptyTensor, fromArray, hostArray, Tensor, viewOf } from '../tensor/tensor.js';
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

// What a typed array's values are without being told. By its brand, not its constructor: test runners and vm contexts have
// constructors of their own.
const dtypesOfArrays: Readonly<Record<string, DType>> = {
  Float64Array: 'float64',
  Float32Array: 'float32',
  Float16Array: 'float16',
  BigInt64Array: 'int64',
  BigUint64Array: 'int64',
  Uint32Array: 'int64',
  Int32Array: 'int32',
  Int16Array: 'int32',
  Uint16Array: 'int32',
  Int8Array: 'int32',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8',
};
const brandOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype) as object, Symbol.toStringTag)!
  .get as (this: unknown) => string | undefined;

function isTypedArray(x: unknown): x is TypedArray {
  return types.isTypedArray(x);
}

// Nested arrays may contain themselves: no deeper than a tensor has dimensions.
function shapeOf(data: TensorData): number[] {
  const shape: number[] = [];
  for (let inner: unknown = data; Array.isArray(inner) || isTypedArray(inner); inner = inner[0]) {
    if (shape.length === MAX_RANK) throw new ShapeError(`tensor: arrays may be nested ${MAX_RANK} deep at most`);
    shape.push(inner.length);
    if (inner.length === 0) break;
  }
  return shape;
}

function flattenInto(data: TensorData, shape: Shape, depth: number, out: (number | boolean | bigint)[]): void {
  if (depth === shape.length) {
    if (typeof data !== 'number' && typeof data !== 'boolean' && typeof data !== 'bigint')
      throw new ArgumentError(
        `tensor: expected numbers, got ${describeValue(data)}${data instanceof Tensor ? '; stack() makes one tensor of several' : ''}`,
      );
    out.push(data);
    return;
  }
  const list = data as ArrayLike<TensorData>;
  if ((!Array.isArray(data) && !isTypedArray(data)) || list.length !== shape[depth])
    throw new ShapeError(`tensor: the nested arrays are ragged: expected ${shape[depth]} entries at depth ${depth}`);
  for (let i = 0; i < shape[depth]!; i++) flattenInto(list[i]!, shape, depth + 1, out);
}

function inferDType(data: TensorData, flat: ArrayLike<number | boolean | bigint>): DType {
  if (isTypedArray(data)) return dtypesOfArrays[brandOf.call(data)!] ?? 'float32';
  const values = flat as readonly (number | boolean | bigint)[];
  if (values.length > 0 && values.every((x) => typeof x === 'boolean')) return 'bool';
  return values.some((x) => typeof x === 'bigint') ? 'int64' : 'float32';
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
  if (data === null || (typeof data === 'object' && !Array.isArray(data) && !isTypedArray(data)))
    throw new ArgumentError(`tensor: expected numbers, arrays of numbers or a typed array, got ${describeValue(data)}`);
  let flat: ArrayLike<number | boolean | bigint>;
  let shape: Shape = shapeOf(data);
  if (isTypedArray(data)) {
    flat = data;
  } else {
    const list: (number | boolean | bigint)[] = [];
    flattenInto(data, shape, 0, list);
    flat = list;
  }
  const dtype = options.dtype ? checkDType(options.dtype, 'tensor') : inferDType(data, flat);
  if (options.shape) {
    shape = givenShape(options.shape, 'tensor');
    if (numelOf(shape) !== flat.length)
      throw new ShapeError(`tensor: ${flat.length} values do not fill shape ${formatShape(shape)}`);
  }
  const result = fromValues(flat, shape, dtype, placeOf(options));
  return finish(result, options) as Tensor<Shape, D>;
}

function fromValues(flat: ArrayLike<number | boolean | bigint>, shape: Shape, dtype: DType, device: Device): Tensor {
  const half = dtype === 'float16' || dtype === 'bfloat16';
  const exact = fromArray(valuesFor(flat, dtype, shape), shape, half ? 'float32' : dtype, device) as Tensor;
  return half ? copyKernel(exact, dtype) : exact;
}

// The values in the array that a tensor of this dtype is made from.
function valuesFor(flat: ArrayLike<number | boolean | bigint>, dtype: DType, shape: Shape): ArrayOf<DType> {
  const n = flat.length;
  if (isTypedArray(flat) && brandOf.call(flat) === brandOf.call(newArray(dtype, 0)) && dtype !== 'bool')
    return flat as ArrayOf<DType>;
  const array = hostArray(dtype, n, 'tensor', shape);
  if (dtype === 'int64') for (let i = 0; i < n; i++) (array as BigInt64Array)[i] = toBigInt(flat[i]!);
  else if (dtype === 'bool') for (let i = 0; i < n; i++) array[i] = Number(flat[i]) !== 0 ? 1 : 0;
  else if (integerRange(dtype) && Array.isArray(flat))
    for (let i = 0; i < n; i++) array[i] = checkFill(Number(flat[i]), dtype, 'tensor');
  else for (let i = 0; i < n; i++) array[i] = Number(flat[i]);
  return array;
}

function toBigInt(x: number | boolean | bigint): bigint {
  if (typeof x === 'number' && !Number.isFinite(x)) throw new ArgumentError(`tensor: ${x} is no int64`);
  const whole = typeof x === 'bigint' ? x : BigInt(Math.trunc(Number(x)));
  if (whole !== BigInt.asIntN(64, whole)) throw new ArgumentError(`tensor: ${x} does not fit into int64`);
  return whole;
}

/** Memory with undefined contents. */
export function empty<D extends DType = 'float32'>(shape: Shape, options?: TensorOptions<D>): Tensor<Shape, D> {
  options = tensorOptions('empty', options, arguments.length > 2);
  const dtype = checkDType(options.dtype ?? 'float32', 'empty') as D;
  return finish(emptyTensor(givenShape(shape, 'empty'), dtype, placeOf(options)), options) as Tensor<Shape, D>;
}

/** @internal What all elements are to be, as a number; a fraction is cut off for integers. */
export function checkFill(value: unknown, dtype: DType, where: string): number {
  if (typeof value !== 'number' && typeof value !== 'boolean')
    throw new ArgumentError(`${where}: value must be a number or a boolean, got ${describeValue(value)}`);
  const range = integerRange(dtype);
  const number = range ? Math.trunc(Number(value)) : Number(value);
  if (range && !(number >= range[0] && number <= range[1]))
    throw new ArgumentError(`${where}: ${value} does not fit into ${dtype}`);
  return number;
}

/**
 * All elements equal to `value`. The dtype is float32 unless given (bool for a boolean).
 * @throws ArgumentError for what is neither a number nor a boolean, and a value that does not fit into an integer dtype
 */
export function full<D extends DType = 'float32'>(
  shape: Shape,
  value: number | boolean,
  options?: TensorOptions<D>,
): Tensor<Shape, D> {
  options = tensorOptions('full', options, arguments.length > 3);
  const dtype = checkDType(options.dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32'), 'full');
  return filled('full', shape, value, dtype, options) as Tensor<Shape, D>;
}

function filled(where: string, shape: Shape, value: unknown, dtype: DType, options: TensorOptions): Tensor {
  const number = checkFill(value, dtype, where);
  return finish(fullKernel(givenShape(shape, where), number, dtype, placeOf(options)), options);
}

export function zeros<D extends DType = 'float32'>(shape: Shape, options?: TensorOptions<D>): Tensor<Shape, D> {
  options = tensorOptions('zeros', options, arguments.length > 2);
  return filled('zeros', shape, 0, checkDType(options.dtype ?? 'float32', 'zeros'), options) as Tensor<Shape, D>;
}

export function ones<D extends DType = 'float32'>(shape: Shape, options?: TensorOptions<D>): Tensor<Shape, D> {
  options = tensorOptions('ones', options, arguments.length > 2);
  return filled('ones', shape, 1, checkDType(options.dtype ?? 'float32', 'ones'), options) as Tensor<Shape, D>;
}

function filledLike(x: Tensor, given: unknown, options: TensorOptions, where: string): Tensor {
  checkTensor(x, where);
  const dtype = checkDType(options.dtype ?? x.dtype, where);
  const value = checkFill(given, dtype, where);
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
export function fullLike(x: Tensor, value: number | boolean, options?: TensorOptions): Tensor {
  options = tensorOptions('fullLike', options, arguments.length > 3);
  return filledLike(x, value, options, 'fullLike');
}

/**
 * start, start + step, ... before end; start is 0 and step 1 if left out. int64 if all are integers, else float32,
 * unless a dtype is given. For an integer dtype start and step are cut to integers first.
 *
 * @throws ArgumentError for what is no finite number, a step of 0 or away from end; DTypeError for bool
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(...args: (number | TensorOptions | undefined)[]): Tensor {
  const [numbers, options] = withOptions(args, 1, 3, 'arange');
  const to = numbers[numbers.length > 1 ? 1 : 0]!;
  let [from, step] = [numbers.length > 1 ? numbers[0]! : 0, numbers[2] ?? 1];
  const whole = [from, to, step].every(Number.isInteger);
  const dtype = checkDType(options.dtype ?? (whole ? 'int64' : 'float32'), 'arange');
  if (dtype === 'bool') throw new DTypeError('arange: there is no sequence of bool');
  const said = `from ${from} to ${to} in steps of ${step}`;
  let length = Math.ceil((to - from) / step);
  if (!isFloating(dtype)) {
    [from, step] = [Math.trunc(from), Math.trunc(step)];
    if (dtype === 'int64') length = Math.ceil((Math.trunc(to) - from) / step);
  }
  if (!Number.isFinite(from) || !Number.isFinite(to) || !Number.isFinite(step) || step === 0 || (to - from) / step < 0)
    throw new ArgumentError(`arange: no sequence of ${dtype} ${said}`);
  const y = emptyTensor(checkShape([length], 'arange'), dtype, placeOf(options));
  run(Op.arange, [], [y], [from, step]);
  return finish(y as Tensor, options);
}

// From `least` to `most` leading numbers, and the options object after them.
function withOptions(
  args: readonly unknown[],
  least: number,
  most: number,
  where: string,
): [numbers: number[], options: TensorOptions] {
  const numbers: number[] = [];
  while (numbers.length < most && typeof args[numbers.length] === 'number') numbers.push(args[numbers.length] as number);
  if (numbers.length < least) throw new ArgumentError(`${where}: expected a number, got ${describeValue(args[numbers.length])}`);
  const rest = args.slice(numbers.length);
  while (rest.length > 1 && rest[0] === undefined) rest.shift(); // numbers that are left out
  return [numbers, tensorOptions(where, rest[0] as TensorOptions | undefined, rest.length > 1)];
}

/**
 * `steps` numbers from start to end, both included. float32 unless a dtype is given; for an integer dtype start and end are
 * cut to integers first, and each number between them is.
 *
 * @throws ArgumentError for what is no number, and steps that are no count; DTypeError for bool
 */
export function linspace(start: number, end: number, steps: number, options?: TensorOptions): Tensor {
  options = tensorOptions('linspace', options, arguments.length > 4);
  const dtype = checkDType(options.dtype ?? 'float32', 'linspace');
  if (dtype === 'bool') throw new DTypeError('linspace: there is no sequence of bool');
  if (typeof start !== 'number' || typeof end !== 'number')
    throw new ArgumentError(`linspace: start and end must be numbers, got ${describeValue(start)} and ${describeValue(end)}`);
  if (!Number.isInteger(steps) || steps < 0)
    throw new ArgumentError(`linspace: steps must be a count, got ${describeValue(steps)}`);
  const bound = (x: number) => (isFloating(dtype) ? x : checkFill(x, dtype, 'linspace'));
  const y = emptyTensor(checkShape([steps], 'linspace'), dtype, placeOf(options)) as Tensor;
  run(Op.linspace, [], [y], [bound(start), bound(end)]);
  return finish(y, options);
}

/** The identity matrix, or its upper left part if `columns` differs from `rows`. */
export function eye(rows: number, options?: TensorOptions): Tensor;
export function eye(rows: number, columns: number, options?: TensorOptions): Tensor;
export function eye(...args: (number | TensorOptions | undefined)[]): Tensor {
  const [[rows = NaN, columns = rows], options] = withOptions(args, 1, 2, 'eye');
  const dtype = checkDType(options.dtype ?? 'float32', 'eye');
  const y = fullKernel(checkShape([rows, columns], 'eye'), 0, dtype, placeOf(options));
  run(Op.fill, [], [viewOf(y, [Math.min(rows, columns)], [columns + 1])], [1]);
  return finish(y, options);
}
