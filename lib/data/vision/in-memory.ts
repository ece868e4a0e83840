// SPDX-License-Identifier: Apache-2.0
import { types } from 'node:util';
import { ArgumentError, IndexError, ShapeError } from '../../native/errors.js';
import { arrayOf, checked, count, instance, optionsOf, show } from '../../native/options.js';
import { indexSelect } from '../../ops/pick.js';
import { placeOf } from '../../ops/creation.js';
import { permute } from '../../ops/view.js';
import { device as toDevice, type Device, type DeviceLike } from '../../tensor/device.js';
import { fromArray, type Tensor } from '../../tensor/tensor.js';
import { collateOnHost, toTensors } from '../collate.js';
import type { BatchDataset, Dataset } from '../dataset.js';
import { defaultGenerator, Generator } from '../generator.js';
import { Image } from '../image.js';
import { Transform } from '../transforms/transform.js';
import { registerPortable } from '../workers/portable.js';

export interface InMemoryOptions {
  /** What is done to an image. Default: nothing, it stays bytes. */
  transform?: Transform;
  /** Where batches live. Default: the default device. */
  device?: DeviceLike;
}
/** @internal */
export const inMemoryOptions = optionsOf<InMemoryOptions>({
  transform: instance(Transform as abstract new (...args: never[]) => Transform, 'a transform'),
  device: checked,
});

/** Memory that worker threads share. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

/**
 * Images of one size, all in memory as bytes. Samples are [Image, label]; batches [images [N, C, H, W], labels int64
 * [N]]. Without a transform, and with transforms that are `batched`, batches are gathered and transformed natively on
 * the device, where the bytes are kept too; other transforms run in host memory, in workers if the loader has any.
 */
export class InMemoryImages implements Dataset<[image: Image, label: number]>, BatchDataset<readonly [images: Tensor, labels: Tensor]> {
  readonly length: number;
  /** Label of each sample. */
  readonly targets: Int32Array;
  readonly transform: Transform | undefined;
  readonly device: Device;
  private readonly pixels: Uint8Array;
  private readonly shape: readonly [number, number, number];
  private resident: readonly [bytes: Tensor, labels: Tensor] | undefined;

  /**
   * @param pixels N · H · W · C bytes, the channels of a pixel side by side; with workers best a view of a
   * SharedArrayBuffer, which is then not copied
   * @param shape [C, H, W]
   * @throws ShapeError when there are not as many pixels as the labels need
   */
  constructor(pixels: Uint8Array, targets: Int32Array, shape: readonly [number, number, number], options?: InMemoryOptions) {
    options = inMemoryOptions(new.target.name, options, arguments.length > 4);
    if (!types.isUint8Array(pixels) || !types.isInt32Array(targets) || !arrayOf(count, 3).test(shape))
      throw new ArgumentError(`${new.target.name}: expected a Uint8Array of pixels, an Int32Array of labels and [C, H, W], got ${[pixels, targets, shape].map(show).join(', ')}`);
    const [c, h, w] = shape;
    if (pixels.length !== targets.length * c * h * w)
      throw new ShapeError(`InMemoryImages: ${targets.length} images of ${c} x ${h} x ${w} need ${targets.length * c * h * w} bytes, got ${pixels.length}`);
    this.pixels = pixels;
    this.targets = targets;
    this.shape = shape;
    this.length = targets.length;
    this.transform = options.transform;
    this.device = options.device === undefined ? placeOf({}) : toDevice(options.device);
  }

  /** @internal Whether a loader's workers are of use. */
  get prefersWorkers(): boolean {
    return this.transform !== undefined && !this.transform.batched;
  }

  /** The image as it is stored. */
  image(index: number): Image {
    if (!Number.isInteger(index) || index < 0 || index >= this.length)
      throw new IndexError(`${this.constructor.name}: index ${index} is out of range for ${this.length} samples`);
    const [c, h, w] = this.shape;
    const size = c * h * w;
    return new Image(this.pixels.subarray(index * size, (index + 1) * size), c, h, w);
  }

  get(index: number, random: Generator = defaultGenerator()): [Image, number] {
    const image = this.image(index);
    return [this.transform ? this.transform.forward(image, random) : image, this.targets[index]!];
  }

  getBatch(indices: Int32Array, random: readonly Generator[] = this.generators(indices.length)): readonly [Tensor, Tensor] {
    if (this.prefersWorkers) {
      const samples = Array.from(indices, (index, i) => this.get(index, random[i]));
      return toTensors(collateOnHost(samples), this.device) as [Tensor, Tensor];
    }
    const [bytes, labels] = this.gather(indices);
    return [this.transform ? this.transform.forward(bytes, random) : bytes, labels];
  }

  /** The bytes and labels of some samples, on the device. */
  protected gather(indices: Int32Array): readonly [bytes: Tensor, labels: Tensor] {
    const [c, h, w] = this.shape;
    this.resident ??= [
      fromArray(this.pixels, [this.length, h * w * c], 'uint8', this.device) as Tensor,
      fromArray(BigInt64Array.from(this.targets, BigInt), [this.length], 'int64', this.device) as Tensor,
    ];
    const index = fromArray(indices, [indices.length], 'int32', this.device) as Tensor;
    const [bytes, labels] = this.resident.map((t) => indexSelect(t, 0, index)) as [Tensor, Tensor];
    return [permute(bytes.reshape([indices.length, h, w, c]), [0, 3, 1, 2]), labels];
  }

  private generators(n: number): Generator[] {
    const random = defaultGenerator();
    return Array.from({ length: n }, () => new Generator(random.next(), random.next()));
  }

  /** @internal */
  parts(): unknown {
    return [this.pixels, this.targets, this.shape, { transform: this.transform }];
  }
  /** @internal Of any subclass: a worker needs no more. */
  static fromParts(parts: unknown): InMemoryImages {
    const [pixels, targets, shape, options] = parts as [Uint8Array, Int32Array, [number, number, number], InMemoryOptions];
    return new InMemoryImages(pixels, targets, shape, { ...options, device: 'cpu' });
  }
}

registerPortable(InMemoryImages);
