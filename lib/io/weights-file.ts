// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { checked, optionsOf } from '../native/options.js';
import type { TensorInfo, VersionTable } from '../nn/state.js';
import { to } from '../ops/view.js';
import { device as toDevice, type Device, type DeviceLike } from '../tensor/device.js';
import { checkDType, type DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';

export interface TensorReadOptions {
  /** Where to put it. Default the CPU. */
  device?: DeviceLike;
  /** What to convert it to. Default: as it is in the file. */
  dtype?: DType;
}
const tensorReadOptions = optionsOf<TensorReadOptions>({ device: checked, dtype: checked });

/**
 * A file, or several, of named tensors, of which only the descriptions have been read. Each tensor is read when it is
 * asked for. Close it when done, or declare it with `await using`.
 */
export abstract class WeightsFile {
  constructor(readonly path: string) {}

  /** Shapes and dtypes by name. */
  abstract readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Versions of the modules that saved the tensors, where PyTorch noted them. */
  readonly versions: VersionTable | undefined = undefined;

  protected abstract readTensor(name: string, where: Device): Promise<Tensor>;
  abstract close(): Promise<void>;

  /** The names of the tensors. */
  keys(): string[] {
    return [...this.tensors.keys()];
  }

  /** Shape and dtype of a tensor. @throws ArgumentError when there is none of this name */
  info(name: string): TensorInfo {
    const found = this.tensors.get(name);
    if (!found) throw new ArgumentError(`${this.path}: there is no tensor ${name}`);
    return found;
  }

  /**
   * Reads one tensor.
   * @throws ArgumentError when there is none of this name; FormatError when it is damaged, or the file has changed since
   * it was opened
   */
  async tensor(name: string, options?: TensorReadOptions): Promise<Tensor> {
    const { device = 'cpu', dtype } = tensorReadOptions('tensor', options, arguments.length > 2);
    this.info(name);
    if (dtype !== undefined) checkDType(dtype, 'tensor');
    return converted(await this.readTensor(name, toDevice(device)), dtype);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** t in another dtype, in the place of t. */
export function converted(t: Tensor, dtype: DType | undefined): Tensor {
  if (dtype === undefined || dtype === t.dtype) return t;
  const result = to(t, dtype);
  t.dispose();
  return result;
}
