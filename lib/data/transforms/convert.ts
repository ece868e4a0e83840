// SPDX-License-Identifier: Apache-2.0
// Dtypes and normalisation.
import { ArgumentError, DTypeError } from '../../native/errors.js';
import { arrayOf, boolean, noMore, number, optionsOf, show } from '../../native/options.js';
import { div, mul, sub } from '../../ops/pointwise.js';
import { copyKernel } from '../../ops/kernels.js';
import { isFloating } from '../../tensor/dtype.js';
import { fromArray, type Tensor } from '../../tensor/tensor.js';
import { Image } from '../image.js';
import { Transform } from './transform.js';

/** What datasets give is an image already: for the look of PyTorch's recipes. Returns its argument. */
export class ToImage extends Transform {
  constructor() {
    noMore(new.target.name, arguments.length > 0);
    super([]);
  }
  override get batched(): boolean {
    return true;
  }
  protected apply(image: Image): Image {
    return image;
  }
  protected override applyBatch(x: Tensor): Tensor {
    return x;
  }
}

// float to bytes as PyTorch does: all 256 steps of [0, 1] have the same width, but for 1 itself.
const TO_BYTE = 256 - 1e-3;

const toDtypeOptions = optionsOf<{ scale?: boolean }>({ scale: boolean });

/** Another dtype; with `scale`, 0 ... 255 becomes 0 ... 1 and the other way round. */
export class ToDtype extends Transform {
  private readonly dtype: 'uint8' | 'float32';
  private readonly scale: boolean;

  /** @throws ArgumentError for a dtype other than 'uint8' and 'float32' */
  constructor(dtype: 'uint8' | 'float32', options?: { scale?: boolean }) {
    super([dtype, options]);
    options = toDtypeOptions(new.target.name, options, arguments.length > 2);
    if (dtype !== 'uint8' && dtype !== 'float32') throw new ArgumentError(`ToDtype: dtype must be 'uint8' or 'float32', got ${String(dtype)}`);
    this.dtype = dtype;
    this.scale = options.scale ?? false;
  }
  override get batched(): boolean {
    return true;
  }
  protected apply(image: Image): Image {
    if (image.dtype === this.dtype) return image;
    const { data, channels, height, width } = image;
    if (this.dtype === 'float32') {
      const factor = this.scale ? Math.fround(1 / 255) : 1;
      const floats = new Float32Array(data.length);
      for (let i = 0; i < data.length; i++) floats[i] = data[i]! * factor;
      return new Image(floats, channels, height, width);
    }
    const factor = this.scale ? Math.fround(TO_BYTE) : 1;
    // Uint8Array truncates, and wraps as PyTorch's conversion does.
    const bytes = new Uint8Array(data.length);
    for (let i = 0; i < data.length; i++) bytes[i] = Math.fround(data[i]! * factor);
    return new Image(bytes, channels, height, width);
  }
  protected override applyBatch(x: Tensor): Tensor {
    if (x.dtype === this.dtype) return x;
    const scaled = this.scale && isFloating(x.dtype) !== isFloating(this.dtype);
    if (this.dtype === 'float32') {
      const floats = copyKernel(x, 'float32');
      return scaled ? mul(floats, Math.fround(1 / 255)) : floats;
    }
    return copyKernel(scaled ? mul(copyKernel(x, 'float32'), Math.fround(TO_BYTE)) : x, 'uint8');
  }
}

/** (x - mean) / std of each channel. */
export class Normalize extends Transform {
  private readonly mean: Float32Array;
  private readonly std: Float32Array;
  // One pair of tensors [1, C, 1, 1] for each device.
  private readonly onDevice = new Map<number, readonly [mean: Tensor, std: Tensor]>();

  /**
   * @param mean one value for each channel, or one for all
   * @throws ArgumentError for a std of 0 or lists of different lengths
   */
  constructor(mean: readonly number[], std: readonly number[]) {
    noMore(new.target.name, arguments.length > 2);
    super([mean, std]);
    for (const [name, values] of Object.entries({ mean, std }))
      if (!arrayOf(number).test(values)) throw new ArgumentError(`Normalize: ${name} must be an array of numbers, got ${show(values)}`);
    this.mean = Float32Array.from(mean);
    this.std = Float32Array.from(std);
    if (mean.length !== std.length || mean.length === 0)
      throw new ArgumentError(`Normalize: mean and std need one value for each channel, got ${mean.length} and ${std.length}`);
    if (!this.std.every((s) => s !== 0)) throw new ArgumentError('Normalize: std must not be 0');
  }
  override get batched(): boolean {
    return true;
  }

  private check(channels: number, dtype: string): void {
    if (dtype === 'uint8') throw new DTypeError("Normalize: expected floating values, got uint8: put ToDtype('float32', { scale: true }) first");
    if (this.mean.length !== 1 && this.mean.length !== channels)
      throw new ArgumentError(`Normalize: has ${this.mean.length} means for ${channels} channels`);
  }
  protected apply(image: Image): Image {
    const { data, channels, height, width } = image;
    this.check(channels, image.dtype);
    const result = new Float32Array(data.length);
    for (let c = 0; c < channels; c++) {
      const mean = this.mean[this.mean.length === 1 ? 0 : c]!;
      const std = this.std[this.mean.length === 1 ? 0 : c]!;
      for (let i = c; i < data.length; i += channels) result[i] = Math.fround(data[i]! - mean) / std;
    }
    return new Image(result, channels, height, width);
  }
  protected override applyBatch(x: Tensor): Tensor {
    this.check(x.shape[1]!, x.dtype);
    let pair = this.onDevice.get(x.device.id);
    if (!pair) {
      const make = (values: Float32Array): Tensor => fromArray(values, [1, values.length, 1, 1], 'float32', x.device) as Tensor;
      this.onDevice.set(x.device.id, (pair = [make(this.mean), make(this.std)]));
    }
    const [mean, std] = pair.map((t) => (t.dtype === x.dtype ? t : copyKernel(t, x.dtype))) as [Tensor, Tensor];
    return div(sub(x, mean), std);
  }
}
