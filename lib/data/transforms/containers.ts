// SPDX-License-Identifier: Apache-2.0
// Transforms made of others.
import { ArgumentError } from '../../native/errors.js';
import { arrayOf, noMore, number, optionsOf } from '../../native/options.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Generator } from '../generator.js';
import type { Image } from '../image.js';
import { checkProbability } from './arguments.js';
import { Transform } from './transform.js';

/** Any transform that makes one image of one. */
export type ImageTransform = Transform;

function checkTransforms(transforms: readonly ImageTransform[], where: string): readonly ImageTransform[] {
  if (!Array.isArray(transforms) || transforms.length === 0 || !transforms.every((t) => t instanceof Transform))
    throw new ArgumentError(`${where}: expected a list of transforms`);
  return transforms;
}

const applyOptions = optionsOf<{ p?: number }>({ p: number });
const choiceOptions = optionsOf<{ p?: readonly number[] }>({ p: arrayOf(number) });

/** One transform after the other. The last one may make several images of one. */
export class Compose<Out = Image> extends Transform<Out> {
  readonly transforms: readonly Transform<never>[];

  constructor(transforms: readonly [...ImageTransform[], Transform<Out>]);
  /** @throws ArgumentError for no transform at all */
  constructor(transforms: readonly Transform<Out>[]);
  constructor(transforms: readonly unknown[]) {
    noMore(new.target.name, arguments.length > 1, 'the transforms are given as one array');
    super([transforms]);
    this.transforms = checkTransforms(transforms as unknown as ImageTransform[], 'Compose') as unknown as Transform<never>[];
  }
  override get batched(): boolean {
    return this.transforms.every((t) => t.batched);
  }
  protected apply(image: Image, random: Generator): Out {
    return this.transforms.reduce((x, t) => t.forward(x as Image, random), image as unknown) as Out;
  }
  protected override applyBatch(x: Tensor, random: readonly Generator[]): Tensor {
    return this.transforms.reduce((y, t) => t.forward(y, random) as unknown as Tensor, x);
  }
}

/**
 * A function of an image. A worker thread cannot get a function of this thread: with numWorkers it must come from
 * workerFunction().
 */
export class Lambda<Out = Image> extends Transform<Out> {
  constructor(private readonly f: (image: Image, random: Generator) => Out) {
    noMore(new.target.name, arguments.length > 1);
    super([f]);
    if (typeof f !== 'function') throw new ArgumentError(`Lambda: expected a function, got ${typeof f}`);
  }
  protected apply(image: Image, random: Generator): Out {
    return this.f(image, random);
  }
}

/** All of the transforms with probability p, or none. */
export class RandomApply extends Transform {
  private readonly transforms: readonly ImageTransform[];
  private readonly p: number;
  constructor(transforms: readonly ImageTransform[], options?: { p?: number }) {
    super([transforms, options]);
    options = applyOptions(new.target.name, options, arguments.length > 2);
    this.transforms = checkTransforms(transforms, 'RandomApply');
    this.p = checkProbability(options.p ?? 0.5, 'RandomApply');
  }
  protected apply(image: Image, random: Generator): Image {
    if (random.random() >= this.p) return image;
    return this.transforms.reduce((x, t) => t.forward(x, random), image);
  }
}

/** One of the transforms. */
export class RandomChoice extends Transform {
  private readonly transforms: readonly ImageTransform[];
  private readonly p: readonly number[];
  /** @param options p: their weights; default: equal ones */
  constructor(transforms: readonly ImageTransform[], options?: { p?: readonly number[] }) {
    super([transforms, options]);
    options = choiceOptions(new.target.name, options, arguments.length > 2);
    this.transforms = checkTransforms(transforms, 'RandomChoice');
    const p = options.p ?? transforms.map(() => 1);
    const total = p.reduce((a, b) => a + b, 0);
    if (p.length !== transforms.length || !(total > 0) || p.some((x) => x < 0))
      throw new ArgumentError(`RandomChoice: p needs a non-negative weight for each of ${transforms.length} transforms`);
    this.p = p.map((x) => x / total);
  }
  protected apply(image: Image, random: Generator): Image {
    let x = random.random();
    const at = this.p.findIndex((p) => (x -= p) < 0);
    return this.transforms.at(at)!.forward(image, random);
  }
}

/** All of the transforms in random order. */
export class RandomOrder extends Transform {
  private readonly transforms: readonly ImageTransform[];
  constructor(transforms: readonly ImageTransform[]) {
    noMore(new.target.name, arguments.length > 1);
    super([transforms]);
    this.transforms = checkTransforms(transforms, 'RandomOrder');
  }
  protected apply(image: Image, random: Generator): Image {
    return random.permutation(this.transforms.length).reduce((x, i) => this.transforms[i]!.forward(x, random), image);
  }
}
