// SPDX-License-Identifier: Apache-2.0
import { native } from '../native/binding.js';
import { openDevice } from '../native/devices.js';
import { ArgumentError, AutogradError, DTypeError, fromNative, OutOfMemoryError, ShapeError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { download, downloadSync } from '../native/faults.js';
import { checkCallable, show } from '../native/options.js';
import { allocate, DISPOSED, FRESH, release, run, unusable, view, type NativeTensor } from '../native/run.js';
import { refuse } from '../native/recording.js';
import { type Device } from './device.js';
import { dtypeCodes, isFloating, itemSize, newArray, type ArrayOf, type DType, type ItemOf } from './dtype.js';
import {
  contiguousStrides,
  formatShape,
  isChannelsLast,
  isContiguous,
  normalizeDim,
  numelOf,
  type Shape,
} from './shape.js';

/** Counts in-place changes of a storage, so that backward can tell when a value it saved is no longer the same. */
export interface StorageVersion {
  count: number;
  /** The count after the last change that was recorded: what was recorded of the storage before is out of date. */
  recorded?: number;
}

/** A step of the recorded computation; see autograd/. Tensors only pass it on. */
export interface GradNode {
  readonly name: string;
  /** Makes the backward walk look at this output's hooks and retained gradient. */
  observe(output: Tensor): void;
}

/** Called with a tensor's gradient during backward; what it returns, if anything, replaces the gradient. */
export type GradHook = (grad: Tensor) => Tensor | void;

/**
 * A multi-dimensional array on a device.
 *
 * Operations return at once: they are queued on the device's stream, and only reading values waits. Memory is freed
 * when a tensor is no longer reachable; `dispose()` and `using` free it at once.
 *
 * @typeParam S the shape, literal where it is known
 * @typeParam D the element type
 */
export class Tensor<S extends Shape = Shape, D extends DType = DType> implements NativeTensor {
  /** @internal */
  handle: number = FRESH;
  /** @internal Shared by all views of one storage. */
  version: StorageVersion;
  /** @internal The operation that made this tensor, if gradients are recorded. */
  gradFn: GradNode | null = null;
  /** @internal Which of the operation's outputs this is. */
  outputIndex = 0;
  /** @internal */
  hooks: Set<{ readonly hook: GradHook }> | null = null;
  /** @internal Keep the gradient although this is no leaf. */
  keepsGrad = false;
  /** @internal Whether the memory was another tensor's first. */
  isView = false;
  /** @internal How many gradients in flight this object is; see autograd/engine.ts. */
  inFlight = 0;
  /** @internal Of what the library makes for its own operations and shows nobody: how many hold it; see hold(). */
  holders: number | null = null;
  /** The accumulated gradient of a leaf, or null before the first backward() and after zeroGrad(). */
  grad: Tensor<S, D> | null = null;
  private needsGrad = false;

  /** @internal Use `tensor()`, `zeros()` and the other creation functions. */
  constructor(
    readonly shape: S,
    readonly strides: readonly number[],
    readonly dtype: D,
    readonly device: Device,
    version?: StorageVersion,
  ) {
    this.version = version ?? { count: 0 };
  }

  /** @internal */
  get dtypeCode(): number {
    return dtypeCodes[this.dtype];
  }
  /** @internal */
  get deviceId(): number {
    return this.device.id;
  }

  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }
  /** Number of elements. */
  get numel(): number {
    return numelOf(this.shape);
  }
  /** Bytes of the elements. */
  get nbytes(): number {
    return this.numel * itemSize(this.dtype);
  }

  /** The shape, or one size of it; negative dimensions count from the end. */
  size(): S;
  size(dim: number): number;
  size(dim?: number): S | number {
    return dim === undefined ? this.shape : this.shape[normalizeDim(dim, this.ndim, 'size')]!;
  }

  /** Whether the elements lie in row-major order with no gaps, or in channels-last order. */
  isContiguous(memoryFormat: 'contiguous' | 'channelsLast' = 'contiguous'): boolean {
    return memoryFormat === 'contiguous'
      ? isContiguous(this.shape, this.strides)
      : isChannelsLast(this.shape, this.strides);
  }

  // ---- gradients ---------------------------------------------------------------------------------------------

  /** Whether operations on this tensor are recorded for backward(). */
  get requiresGrad(): boolean {
    return this.needsGrad;
  }
  set requiresGrad(value: boolean) {
    if (value && !isFloating(this.dtype))
      throw new DTypeError(`requiresGrad: only floating tensors can have gradients, this one is ${this.dtype}`);
    if (!value && this.gradFn)
      throw new AutogradError('requiresGrad: only leaves can be switched off; use detach() for a result of operations');
    this.needsGrad = value;
  }
  /** Sets requiresGrad and returns the tensor. */
  requiresGrad_(value = true): this {
    this.requiresGrad = value;
    return this;
  }
  /** Whether this tensor was made by the user and not by a recorded operation. */
  get isLeaf(): boolean {
    return this.gradFn === null;
  }
  /** Keep this tensor's gradient in `grad` although it is not a leaf. */
  retainGrad(): this {
    if (!this.needsGrad) throw new AutogradError('retainGrad: this tensor does not require gradients');
    this.keepsGrad = this.gradFn !== null;
    this.gradFn?.observe(this as unknown as Tensor);
    return this;
  }
  /**
   * Calls `hook` with the gradient whenever one is computed: once in each backward pass, when all parts of the gradient
   * have been added up and before it is added to `grad`. Hooks run in the order of their registration, each with what the
   * one before it returned.
   *
   * @returns a function that removes the hook
   * @throws AutogradError when the tensor does not require gradients
   */
  registerHook(hook: GradHook): () => void {
    if (!this.needsGrad) throw new AutogradError('registerHook: this tensor does not require gradients');
    checkCallable(hook, 'registerHook', 'hook');
    const entry = { hook };
    (this.hooks ??= new Set()).add(entry);
    this.gradFn?.observe(this as unknown as Tensor);
    return () => void this.hooks?.delete(entry);
  }
  /** The same values, cut off from the recorded computation; shares memory. */
  detach(): Tensor<S, D> {
    const result = new Tensor<S, D>(this.shape, this.strides, this.dtype, this.device, this.version);
    view(this, result, 0);
    result.isView = true;
    return result;
  }

  // ---- values ------------------------------------------------------------------------------------------------

  /**
   * The values in row-major order, as a typed array of their own (float16 and bfloat16 as float32, bool as 0 and 1).
   * Waits for the device without blocking the event loop.
   * @throws IndexError and others: the error of an operation that the values should have been computed from
   */
  data(): Promise<ArrayOf<D>> {
    refuseReading();
    return this.read();
  }

  private async read(): Promise<ArrayOf<D>> {
    const source = this.readable();
    const values = hostArray(this.dtype, this.numel, 'data', this.shape);
    try {
      await download(source, values);
    } finally {
      if (source !== (this as Tensor)) source.dispose();
    }
    return values;
  }

  /** As data(), but blocks the event loop until the device has caught up. */
  dataSync(): ArrayOf<D> {
    refuseReading();
    const source = this.readable();
    const values = hostArray(this.dtype, this.numel, 'data', this.shape);
    try {
      downloadSync(source, values);
    } finally {
      if (source !== (this as Tensor)) source.dispose();
    }
    return values;
  }

  /**
   * The value of a tensor with one element. Waits without blocking the event loop.
   * @throws ShapeError when there is not exactly one element
   */
  item(): Promise<ItemOf<D>> {
    refuseReading();
    return this.readItem();
  }

  private async readItem(): Promise<ItemOf<D>> {
    this.checkSingle('item');
    return toItem((await this.read())[0]!, this.dtype) as ItemOf<D>;
  }

  /** As item(), but blocks the event loop. */
  itemSync(): ItemOf<D> {
    this.checkSingle('itemSync');
    return toItem(this.dataSync()[0]!, this.dtype) as ItemOf<D>;
  }

  /**
   * The values as nested arrays of numbers, or of booleans; a number or boolean for a tensor without dimensions. Blocks the
   * event loop as dataSync() does.
   * @throws ArgumentError for an int64 value that a number cannot hold exactly
   */
  tolist(): NestedList {
    const values = this.dataSync();
    let at = 0;
    const build = (dim: number): NestedList =>
      dim === this.ndim
        ? toItem(values[at++]!, this.dtype, 'tolist')
        : Array.from({ length: this.shape[dim]! }, () => build(dim + 1));
    return build(0);
  }

  private checkSingle(where: string): void {
    if (this.numel !== 1)
      throw new ShapeError(`${where}: expected a tensor of one element, got shape ${formatShape(this.shape)}`);
  }

  // A row-major tensor whose elements a typed array can hold.
  private readable(): Tensor {
    if (this.handle < 0) throw unusable('data', this);
    const half = this.dtype === 'float16' || this.dtype === 'bfloat16';
    if (!half && isContiguous(this.shape, this.strides)) return this as unknown as Tensor;
    const copy = new Tensor(this.shape, contiguousStrides(this.shape), half ? 'float32' : this.dtype, this.device);
    run(Op.copy, [this], [copy], []);
    return copy as Tensor;
  }

  // ---- lifetime ----------------------------------------------------------------------------------------------

  /** Frees the memory now (views of it keep it alive). Using the tensor afterwards throws DisposedError. */
  dispose(): void {
    release(this);
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
  get disposed(): boolean {
    return this.handle === DISPOSED;
  }
}

/** A typed array for the values of a tensor. @throws OutOfMemoryError */
export function hostArray<D extends DType>(dtype: D, length: number, where: string, shape: Shape): ArrayOf<D> {
  try {
    return newArray(dtype, length);
  } catch (cause) {
    const message = `${where}: no typed array can hold the ${length} values of shape ${formatShape(shape)}`;
    throw new OutOfMemoryError(message, { cause });
  }
}

function refuseReading(): void {
  refuse('reading a tensor', 'return the tensor from the step, and read it outside');
}

/** What tolist() gives. */
export type NestedList = number | boolean | NestedList[];

function toItem(value: number | bigint, dtype: DType, where = 'item'): number | boolean {
  if (dtype === 'bool') return value !== 0;
  if (typeof value === 'bigint') {
    const number = Number(value);
    if (!Number.isSafeInteger(number))
      throw new ArgumentError(`${where}: ${value} cannot be held exactly in a number; use data()`);
    return number;
  }
  return value;
}

/** Checks that an argument is a tensor of this library. */
export function checkTensor(value: unknown, where: string, name = 'input'): Tensor {
  if (value instanceof Tensor) return value as Tensor;
  throw new ArgumentError(`${where}: ${name} must be a Tensor, got ${describeValue(value)}`);
}

// Known to every copy of the library in the process.
const BRAND = Symbol.for('lenode.Tensor');
Object.defineProperty(Tensor.prototype, BRAND, { value: true });

/** What an argument is, for messages. */
export function describeValue(value: unknown): string {
  if (value instanceof Tensor) return 'a Tensor';
  if (typeof value === 'object' && value !== null && BRAND in value)
    return 'a Tensor of another copy of lenode (from another path, or of a module system of its own); all must be of one';
  return show(value);
}

/** @internal Counts a holder of a tensor that only the library sees; others are left to the garbage collector. */
export function hold(t: Tensor): void {
  if (t.holders !== null) t.holders++;
}

/** @internal When the last holder lets go, the memory is freed at once instead of at the next collection. */
export function letGoOf(t: Tensor): void {
  if (t.holders !== null && --t.holders === 0) t.dispose();
}

/** A tensor that run() will give memory to. */
export function fresh<S extends Shape, D extends DType>(
  shape: S,
  dtype: D,
  device: Device,
  strides: readonly number[] = contiguousStrides(shape),
): Tensor<S, D> {
  return new Tensor(shape, strides, dtype, device);
}

/** A tensor with undefined contents. */
export function emptyTensor<S extends Shape, D extends DType>(
  shape: S,
  dtype: D,
  device: Device,
  strides?: readonly number[],
): Tensor<S, D> {
  openDevice(device.id);
  const result = fresh(shape, dtype, device, strides);
  allocate(result);
  return result;
}

/** Another shape over the same memory, `offset` elements from the start of `base`; what is empty lies nowhere. */
export function viewOf<S extends Shape, D extends DType>(
  base: Tensor<Shape, D>,
  shape: S,
  strides: readonly number[],
  offset = 0,
): Tensor<S, D> {
  const result = new Tensor(shape, strides, base.dtype, base.device, base.version);
  view(base, result, numelOf(shape) === 0 ? 0 : offset);
  result.isView = true;
  return result;
}

/** A tensor with the values of a typed array in row-major order. */
export function fromArray<S extends Shape, D extends DType>(
  values: ArrayBufferView & { length: number },
  shape: S,
  dtype: D,
  device: Device,
): Tensor<S, D> {
  refuse('a tensor of values from JavaScript', 'make it before the step, or pass it as an argument', 'recorded');
  const result = emptyTensor(shape, dtype, device);
  if (values.length > 0) {
    try {
      native().upload(result.handle, values);
    } catch (error) {
      throw fromNative(error, 'tensor');
    }
  }
  return result;
}
