// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, IndexError } from '../../native/errors.js';
import { arrayOf, count, integer, number, optionsOf, withMethods, type Kind } from '../../native/options.js';
import type { Dataset } from '../dataset.js';
import { defaultGenerator, Generator } from '../generator.js';
import { Image } from '../image.js';
import type { Transform } from '../transforms/transform.js';
import { registerPortable } from '../workers/portable.js';

export interface FakeDataOptions<X> {
  /** Samples. Default 1000. */
  size?: number;
  /** [C, H, W]. Default [3, 224, 224]. */
  imageSize?: readonly [number, number, number];
  /** Default 10. */
  numClasses?: number;
  transform?: Transform<X>;
  /** Another one gives other images. Default 0. */
  randomOffset?: number;
}
const fakeDataOptions = optionsOf<FakeDataOptions<unknown>>({
  size: number,
  imageSize: arrayOf(count, 3) as Kind<readonly [number, number, number]>,
  numClasses: count,
  transform: withMethods('a transform', 'forward'),
  randomOffset: integer,
});

/** Images of random bytes with random labels: sample i is the same each time. */
export class FakeData<X = Image> implements Dataset<[image: X, label: number]> {
  readonly length: number;
  private readonly options: FakeDataOptions<X>;

  /** @throws ArgumentError for a negative size */
  constructor(options?: FakeDataOptions<X>) {
    options = fakeDataOptions(new.target.name, options, arguments.length > 1);
    this.length = options.size ?? 1000;
    this.options = options;
    if (!Number.isInteger(this.length) || this.length < 0)
      throw new ArgumentError(`FakeData: size must be a non-negative integer, got ${this.length}`);
  }

  get(index: number, random: Generator = defaultGenerator()): [X, number] {
    if (!Number.isInteger(index) || index < 0 || index >= this.length)
      throw new IndexError(`FakeData: index ${index} is out of range for ${this.length} samples`);
    const { imageSize = [3, 224, 224], numClasses = 10, transform, randomOffset = 0 } = this.options;
    const own = new Generator(index + randomOffset, 0x66616b65);
    const [c, h, w] = imageSize;
    const words = Uint32Array.from({ length: Math.ceil((c * h * w) / 4) }, () => own.next());
    const image = new Image(new Uint8Array(words.buffer, 0, c * h * w), c, h, w);
    const label = own.below(numClasses);
    return [(transform ? transform.forward(image, random) : image) as X, label];
  }

  /** @internal */
  parts(): unknown {
    return this.options;
  }
  /** @internal */
  static fromParts(parts: unknown): FakeData<unknown> {
    return new FakeData(parts as FakeDataOptions<unknown>);
  }
}

registerPortable(FakeData);
