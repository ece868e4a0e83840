// SPDX-License-Identifier: Apache-2.0
// From samples to a batch. What is made of images and numbers is a HostTensor first: a worker thread sends those, and
// the main thread's only work is to upload them.
import { ArgumentError, DTypeError, ShapeError } from '../native/errors.js';
import { checked, optionsOf, show } from '../native/options.js';
import { placeOf } from '../ops/creation.js';
import { stack } from '../ops/join.js';
import { copyKernel } from '../ops/kernels.js';
import { permute } from '../ops/view.js';
import type { Device, DeviceLike } from '../tensor/device.js';
import type { DType } from '../tensor/dtype.js';
import { formatShape } from '../tensor/shape.js';
import { fromArray, Tensor } from '../tensor/tensor.js';
import { Image } from './image.js';

/** What the default collation makes of samples: images and tensors stacked, numbers as a tensor, tuples entry by entry. */
export type Collated<T> = T extends Tensor | Image
  ? Tensor
  : T extends number | boolean
    ? Tensor
    : T extends readonly unknown[]
      ? { -readonly [K in keyof T]: Collated<T[K]> }
      : T[];

type Values = Uint8Array | Int32Array | Float32Array | Float64Array | BigInt64Array;

/** The values of a tensor in host memory; survives structured cloning. */
export interface HostTensor {
  readonly hostTensor: true;
  readonly data: Values;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** The values are in the order [N, H, W, C], the shape is [N, C, H, W]. */
  readonly channelsLast: boolean;
  /** The tensor's dtype where typed arrays have none for it: float16 or bfloat16. */
  readonly half?: DType;
}

export function isHostTensor(value: unknown): value is HostTensor {
  return typeof value === 'object' && value !== null && (value as Partial<HostTensor>).hostTensor === true;
}

const host = (data: Values, shape: readonly number[], dtype: DType, channelsLast = false): HostTensor => ({
  hostTensor: true,
  data,
  shape,
  dtype,
  channelsLast,
});

/** Gives memory for the values of a batch; workers reuse what the main thread has uploaded. */
export type Allocate = (bytes: number) => ArrayBuffer;
const allocateAnew: Allocate = (bytes) => new ArrayBuffer(bytes);

/** The default collation, up to the upload. */
export function collateOnHost(samples: readonly unknown[], allocate: Allocate = allocateAnew): unknown {
  const first = samples[0];
  if (first instanceof Image) return stackImages(samples as Image[], allocate);
  if (first instanceof Tensor) return stack(samples as Tensor[]);
  if (typeof first === 'number') {
    const numbers = allOf<number>(samples, 'number');
    return numbers.every(Number.isSafeInteger)
      ? host(BigInt64Array.from(numbers, BigInt), [numbers.length], 'int64')
      : host(Float32Array.from(numbers), [numbers.length], 'float32');
  }
  if (typeof first === 'boolean') return host(Uint8Array.from(allOf<boolean>(samples, 'boolean'), Number), [samples.length], 'bool');
  if (Array.isArray(first)) {
    samples.forEach((s, n) => {
      if (!Array.isArray(s) || s.length !== first.length)
        throw new ArgumentError(
          `collate: sample ${n} of the batch must be an array of ${first.length} as the first is, got ` +
            (Array.isArray(s) ? `one of ${s.length}` : typeof s),
        );
    });
    return first.map((_, i) =>
      collateOnHost(
        (samples as unknown[][]).map((s) => s[i]),
        allocate,
      ),
    );
  }
  return samples;
}

function allOf<T>(samples: readonly unknown[], type: 'number' | 'boolean'): T[] {
  samples.forEach((s, n) => {
    if (typeof s !== type)
      throw new ArgumentError(`collate: sample ${n} of the batch must be a ${type} as the first is, got ${s === null ? 'null' : typeof s}`);
  });
  return samples as T[];
}

function stackImages(images: readonly Image[], allocate: Allocate): HostTensor {
  const { channels, height, width, dtype, data } = images[0]!;
  const size = data.length;
  const buffer = allocate(size * images.length * data.BYTES_PER_ELEMENT);
  const values = dtype === 'uint8' ? new Uint8Array(buffer) : new Float32Array(buffer);
  images.forEach((image, n) => {
    if (!(image instanceof Image)) throw new ArgumentError(`collate: sample ${n} of the batch has no image where the first has one`);
    if (image.dtype !== dtype) throw new DTypeError(`collate: images of one batch must have one dtype, got ${dtype} and ${image.dtype}`);
    if (image.channels !== channels || image.height !== height || image.width !== width)
      throw new ShapeError(
        `collate: images of one batch must have one shape, got ${formatShape(images[0]!.shape)} and ` +
          `${formatShape(image.shape)}; resize or crop them to one size`,
      );
    values.set(image.data, n * size);
  });
  return host(values, [images.length, channels, height, width], dtype, true);
}

/** Uploads a HostTensor. */
export function upload({ data, shape, dtype, channelsLast, half }: HostTensor, device: Device): Tensor {
  if (half) return copyKernel(fromArray(data, shape, dtype, device) as Tensor, half);
  if (!channelsLast) return fromArray(data, shape, dtype, device);
  const [n, c, h, w] = shape as [number, number, number, number];
  return permute(fromArray(data, [n, h, w, c], dtype, device), [0, 3, 1, 2]);
}

/** Whether a value is an object without a class: `{ image, label }`. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Every HostTensor inside lists and records uploaded. */
export function toTensors(value: unknown, device: Device): unknown {
  if (isHostTensor(value)) return upload(value, device);
  if (Array.isArray(value)) return value.map((entry) => toTensors(entry, device));
  if (isRecord(value)) return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, toTensors(entry, device)]));
  return value;
}

const collateOptions = optionsOf<{ device?: DeviceLike }>({ device: checked });

/**
 * Stacks images and tensors, makes a tensor of numbers, goes into arrays entry by entry; anything else stays a list.
 * Images become a tensor [N, C, H, W] that is channels-last in memory.
 *
 * @param options device: where the tensors of images and numbers live
 * @throws ShapeError, DTypeError for images that differ; ArgumentError for samples of different kinds or lengths
 */
export function defaultCollate<T>(samples: readonly T[], options?: { device?: DeviceLike }): Collated<T> {
  options = collateOptions('defaultCollate', options, arguments.length > 2);
  if (!Array.isArray(samples)) throw new ArgumentError(`defaultCollate: expected an array of samples, got ${show(samples)}`);
  return toTensors(collateOnHost(samples), placeOf(options)) as Collated<T>;
}
