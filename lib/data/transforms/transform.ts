// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, DTypeError, ShapeError } from '../../native/errors.js';
import { copyKernel } from '../../ops/kernels.js';
import { permute } from '../../ops/view.js';
import { isFloating } from '../../tensor/dtype.js';
import { formatShape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { collateOnHost, upload, type HostTensor } from '../collate.js';
import { defaultGenerator, Generator } from '../generator.js';
import { Image } from '../image.js';
import type { Portable } from '../workers/portable.js';

/** One generator for each image of a batch, or one that they are all seeded from. */
export type Randomness = Generator | readonly Generator[];

/**
 * Something done to images: to an Image in host memory, to a tensor [C, H, W], or to every image of a batch
 * [N, C, H, W] with choices of its own. Values of floating tensors are taken for numbers from 0 to 1, those of uint8
 * ones from 0 to 255. The arithmetic is torchvision.transforms.v2's on tensors.
 *
 * Most transforms compute in host memory, in the thread that calls: an image passes through a chain of them while it is
 * in the cache, in as many worker threads as a loader has. Those that are one native call for a whole batch
 * (`batched`) stay on a tensor's device; the others read its values back, which blocks until it has been computed.
 *
 * @typeParam Out what becomes of one image
 */
export abstract class Transform<Out = Image> implements Portable {
  /** Whether batches of tensors are transformed natively, on their device. */
  get batched(): boolean {
    return false;
  }

  /** @param args what the class is constructed with, to make it again in a worker thread */
  constructor(private readonly args: readonly unknown[]) {}

  /** One image; `random` is for this image alone. The argument is not changed. */
  protected abstract apply(image: Image, random: Generator): Out;

  /** A batch on its device, if `batched`: one generator for each image. */
  protected applyBatch(_x: Tensor, _random: readonly Generator[]): Tensor {
    throw new ArgumentError(`${this.constructor.name}: has no native form`);
  }

  /**
   * @param random what to draw from. Default: defaultGenerator()
   * @throws ShapeError, DTypeError for what is no image; ArgumentError
   */
  forward(x: Image, random?: Generator): Out;
  forward(x: Tensor, random?: Randomness): Out extends Image ? Tensor : Out extends Image[] ? Tensor[] : unknown;
  forward(x: Image | Tensor, random: Randomness = defaultGenerator()): unknown {
    const where = this.constructor.name;
    if (x instanceof Image) {
      if (!(random instanceof Generator)) throw new ArgumentError(`${where}: one image takes one generator`);
      return this.apply(x, random);
    }
    if (!(x instanceof Tensor)) throw new ArgumentError(`${where}: expected an Image or a Tensor, got ${typeof x}`);
    return this.forwardTensor(x as Tensor, random);
  }

  private forwardTensor(x: Tensor, random: Randomness): unknown {
    const where = this.constructor.name;
    if (x.ndim !== 3 && x.ndim !== 4) throw new ShapeError(`${where}: expected [C, H, W] or [N, C, H, W], got ${formatShape(x.shape)}`);
    if (x.dtype !== 'uint8' && !isFloating(x.dtype)) throw new DTypeError(`${where}: expected a uint8 or floating tensor, got ${x.dtype}`);
    const single = x.ndim === 3;
    const batch = single ? x.unsqueeze(0) : x;
    const n = batch.shape[0]!;
    const each: readonly Generator[] = random instanceof Generator ? spread(random, n, single) : random;
    if (each.length !== n) throw new ArgumentError(`${where}: ${n} images need as many generators, got ${each.length}`);
    const result = this.batched ? this.applyBatch(batch, each) : this.throughHost(batch, each);
    const unbatch = (t: unknown): unknown => (single && t instanceof Tensor ? t.squeeze(0) : t);
    return Array.isArray(result) ? result.map(unbatch) : unbatch(result);
  }

  private throughHost(batch: Tensor, each: readonly Generator[]): unknown {
    const images = toImages(batch);
    if (images.length === 0) throw new ShapeError(`${this.constructor.name}: a batch of no images can not be transformed`);
    const out = images.map((image, i) => this.apply(image, each[i]!));
    const back = (results: readonly unknown[]): unknown =>
      results[0] instanceof Image ? toTensor(results as Image[], batch) : results;
    const first = out[0];
    return Array.isArray(first) ? first.map((_, k) => back(out.map((list) => (list as unknown[])[k]))) : back(out);
  }

  /** @internal */
  parts(): unknown {
    return this.args;
  }
  /** @internal */
  static fromParts(parts: unknown): unknown {
    return new (this as unknown as new (...args: readonly unknown[]) => unknown)(...(parts as unknown[]));
  }
}

function spread(random: Generator, n: number, single: boolean): Generator[] {
  return single ? [random] : Array.from({ length: n }, () => new Generator(random.next(), random.next()));
}

/** The images of a tensor [N, C, H, W]; blocks until it has been computed. Floating values become float32. */
export function toImages(batch: Tensor): Image[] {
  const [n, c, h, w] = batch.shape as [number, number, number, number];
  const rows = permute(batch.detach(), [0, 2, 3, 1]);
  const values = (batch.dtype === 'uint8' ? rows : copyKernel(rows, 'float32')).dataSync() as Uint8Array | Float32Array;
  const size = c * h * w;
  return Array.from({ length: n }, (_, i) => new Image(values.subarray(i * size, (i + 1) * size), c, h, w));
}

function toTensor(images: readonly Image[], like: Tensor): Tensor {
  const result = upload(collateOnHost(images) as HostTensor, like.device);
  return result.dtype === 'float32' && isFloating(like.dtype) && like.dtype !== 'float32' ? copyKernel(result, like.dtype) : result;
}
