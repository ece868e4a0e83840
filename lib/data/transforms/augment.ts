// SPDX-License-Identifier: Apache-2.0
// Rotations, affine maps, colours, smoothing and erasing at random.
import { ArgumentError } from '../../native/errors.js';
import { arrayOf, checked, either, integer, kind, noMore, number, optionsOf, show } from '../../native/options.js';
import { Op } from '../../native/ops.gen.js';
import { run } from '../../native/run.js';
import { narrow } from '../../ops/view.js';
import { fromArray, type Tensor } from '../../tensor/tensor.js';
import { copyKernel } from '../../ops/kernels.js';
import type { Generator } from '../generator.js';
import type { Image } from '../image.js';
import { checkProbability, checkRange, pair, roundHalfEven, type Range } from './arguments.js';
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation, greyscale } from './colour.js';
import { fillOf, type Fill } from './pixels.js';
import { Transform } from './transform.js';
import { affine, gaussianBlur, rotate, rotateOptions, warpOptions, type RotateOptions, type WarpOptions } from './warp.js';

/** A range, or a number x for [-x, x]. */
function symmetric(value: number | Range, where: string, name: string): Range {
  if (typeof value !== 'number') return checkRange(value, where, name);
  if (!(value >= 0)) throw new ArgumentError(`${where}: ${name} must be non-negative or [low, high], got ${value}`);
  return [-value, value];
}

function checkWarp(options: WarpOptions, where: string): WarpOptions {
  const { interpolation = 'nearest', fill = 0 } = options;
  if (interpolation !== 'nearest' && interpolation !== 'bilinear')
    throw new ArgumentError(`${where}: interpolation must be 'nearest' or 'bilinear', got ${String(interpolation)}`);
  return { ...options, interpolation, fill };
}

/** Rotation by an angle of [low, high] degrees, against the clock; a number x stands for [-x, x]. */
export class RandomRotation extends Transform {
  private readonly degrees: Range;
  private readonly options: RotateOptions;

  /** @param options fill: default 0; interpolation: default 'nearest' */
  constructor(degrees: number | Range, options?: RotateOptions) {
    options = rotateOptions(new.target.name, options, arguments.length > 2);
    super([degrees, options]);
    this.degrees = symmetric(degrees, 'RandomRotation', 'degrees');
    this.options = { ...checkWarp(options, 'RandomRotation'), expand: options.expand ?? false };
    if (this.options.expand && options.center) throw new ArgumentError('RandomRotation: expand is about the middle: no center');
  }
  protected apply(image: Image, random: Generator): Image {
    return rotate(image, random.uniform(...this.degrees), this.options);
  }
}

export interface RandomAffineOptions extends WarpOptions {
  /** Most that the image moves, as parts of its width and height. Default: not at all. */
  translate?: readonly [number, number];
  /** Default 1. */
  scale?: Range;
  /** Degrees along x; a number x stands for [-x, x]; four numbers: ranges along x and y. Default: none. */
  shear?: number | Range | readonly [number, number, number, number];
}
const randomAffineOptions = optionsOf<RandomAffineOptions>({
  translate: pair,
  scale: pair,
  shear: checked,
  ...warpOptions.schema,
});

/** A random affine map that keeps the middle in its place but for the translation. */
export class RandomAffine extends Transform {
  private readonly degrees: Range;
  private readonly translate: readonly [number, number];
  private readonly scale: Range;
  private readonly shear: readonly [Range, Range];
  private readonly options: WarpOptions;

  /** @param options fill: default 0; interpolation: default 'nearest' */
  constructor(degrees: number | Range, options?: RandomAffineOptions) {
    options = randomAffineOptions(new.target.name, options, arguments.length > 2);
    super([degrees, options]);
    const where = 'RandomAffine';
    this.degrees = symmetric(degrees, where, 'degrees');
    this.translate = options.translate ?? [0, 0];
    for (const t of this.translate) checkRange([t, 1], where, 'translate', 0, 1);
    this.scale = checkRange(options.scale ?? [1, 1], where, 'scale', Number.MIN_VALUE);
    const { shear = 0 } = options;
    const four = typeof shear !== 'number' && shear.length === 4;
    this.shear = four
      ? [checkRange([shear[0], shear[1]], where, 'shear'), checkRange([shear[2]!, shear[3]!], where, 'shear')]
      : [symmetric(shear as number | Range, where, 'shear'), [0, 0]];
    this.options = checkWarp(options, where);
  }
  protected apply(image: Image, random: Generator): Image {
    const angle = random.uniform(...this.degrees);
    const move = (part: number, size: number): number => (part > 0 ? roundHalfEven(random.uniform(-part * size, part * size)) : 0);
    const translate = [move(this.translate[0], image.width), move(this.translate[1], image.height)] as const;
    const scale = random.uniform(...this.scale);
    const shear = [random.uniform(...this.shear[0]), random.uniform(...this.shear[1])] as const;
    return affine(image, { angle, translate, scale, shear }, this.options);
  }
}

export interface ColorJitterOptions {
  /** Factor [low, high]; a number x stands for [1 - x, 1 + x], not below 0. Default: unchanged. */
  brightness?: number | Range;
  contrast?: number | Range;
  saturation?: number | Range;
  /** Shift of the hue, of [-0.5, 0.5]; a number x stands for [-x, x]. */
  hue?: number | Range;
}
const colorJitterOptions = optionsOf<ColorJitterOptions>({
  brightness: either(number, pair),
  contrast: either(number, pair),
  saturation: either(number, pair),
  hue: either(number, pair),
});

/** Brightness, contrast, saturation and hue changed at random, in random order. */
export class ColorJitter extends Transform {
  private readonly ranges: readonly (Range | null)[];

  constructor(options?: ColorJitterOptions) {
    options = colorJitterOptions(new.target.name, options, arguments.length > 1);
    super([options]);
    const factor = (value: number | Range | undefined, name: string): Range | null => {
      if (value === undefined || value === 0) return null;
      if (typeof value === 'number') return checkRange([Math.max(0, 1 - value), 1 + value], 'ColorJitter', name, 0);
      return checkRange(value, 'ColorJitter', name, 0);
    };
    const { hue } = options;
    this.ranges = [
      factor(options.brightness, 'brightness'),
      factor(options.contrast, 'contrast'),
      factor(options.saturation, 'saturation'),
      hue === undefined || hue === 0 ? null : checkRange(symmetric(hue, 'ColorJitter', 'hue'), 'ColorJitter', 'hue', -0.5, 0.5),
    ];
  }
  protected apply(image: Image, random: Generator): Image {
    const order = random.permutation(4);
    const factors = this.ranges.map((range) => range && random.uniform(...range));
    const adjust = [adjustBrightness, adjustContrast, adjustSaturation, adjustHue];
    return order.reduce((x, i) => (factors[i] === null ? x : adjust[i]!(x, factors[i]!)), image);
  }
}

const grayscaleOptions = optionsOf<{ numOutputChannels?: 1 | 3 }>({ numOutputChannels: kind('1 or 3', (v) => v === 1 || v === 3) });

/** Brightness alone. */
export class Grayscale extends Transform {
  private readonly channels: 1 | 3;
  constructor(options?: { numOutputChannels?: 1 | 3 }) {
    options = grayscaleOptions(new.target.name, options, arguments.length > 1);
    super([options]);
    this.channels = options.numOutputChannels ?? 1;
  }
  protected apply(image: Image): Image {
    return greyscale(image, this.channels, 'Grayscale');
  }
}

/** Brightness alone with probability p, in as many channels as there were. */
export class RandomGrayscale extends Transform {
  private readonly p: number;
  constructor(p = 0.1) {
    noMore(new.target.name, arguments.length > 1);
    super([p]);
    this.p = checkProbability(p, 'RandomGrayscale');
  }
  protected apply(image: Image, random: Generator): Image {
    return random.random() < this.p ? greyscale(image, image.channels === 1 ? 1 : 3, 'RandomGrayscale') : image;
  }
}

const blurOptions = optionsOf<{ sigma?: number | Range }>({ sigma: either(number, pair) });

/** Smoothing by a Gaussian whose width is drawn from `sigma`. */
export class GaussianBlur extends Transform {
  private readonly sizes: readonly [number, number];
  private readonly sigma: Range;

  /** @param kernelSize odd numbers of pixels: width and height; sigma: default [0.1, 2] */
  constructor(kernelSize: number | readonly [number, number], options?: { sigma?: number | Range }) {
    options = blurOptions(new.target.name, options, arguments.length > 2);
    super([kernelSize, options]);
    this.sizes = typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize;
    if (!arrayOf(integer, 2).test(this.sizes) || this.sizes.some((size) => size < 1 || size % 2 === 0))
      throw new ArgumentError(`GaussianBlur: kernelSize must be odd and positive, got ${show(kernelSize)}`);
    const { sigma = [0.1, 2] } = options;
    this.sigma = checkRange(typeof sigma === 'number' ? [sigma, sigma] : sigma, 'GaussianBlur', 'sigma', Number.MIN_VALUE);
  }
  protected apply(image: Image, random: Generator): Image {
    const sigma = random.uniform(...this.sigma);
    return gaussianBlur(image, this.sizes, [sigma, sigma]);
  }
}

export interface RandomErasingOptions {
  /** Default 0.5. */
  p?: number;
  /** Part of the area. Default [0.02, 0.33]. */
  scale?: Range;
  /** Height over width. Default [0.3, 3.3]. */
  ratio?: Range;
  /** What the rectangle is filled with; 'random': standard normal numbers. Default 0. */
  value?: Fill | 'random';
}
const randomErasingOptions = optionsOf<RandomErasingOptions>({
  p: number,
  scale: pair,
  ratio: pair,
  value: checked,
});

interface Rectangle {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** A random rectangle written over (Zhong et al., "Random erasing data augmentation", AAAI 2020). */
export class RandomErasing extends Transform {
  private readonly p: number;
  private readonly scale: Range;
  private readonly ratio: Range;
  private readonly value: Fill | 'random';

  constructor(options?: RandomErasingOptions) {
    options = randomErasingOptions(new.target.name, options, arguments.length > 1);
    super([options]);
    this.p = checkProbability(options.p ?? 0.5, 'RandomErasing');
    this.scale = checkRange(options.scale ?? [0.02, 0.33], 'RandomErasing', 'scale', 0, 1);
    this.ratio = checkRange(options.ratio ?? [0.3, 3.3], 'RandomErasing', 'ratio', Number.MIN_VALUE);
    this.value = options.value ?? 0;
    if (typeof this.value === 'string' && this.value !== 'random')
      throw new ArgumentError(`RandomErasing: value must be a number, a list of numbers or 'random', got '${String(this.value)}'`);
  }
  override get batched(): boolean {
    return true;
  }

  private draw(height: number, width: number, random: Generator): Rectangle | undefined {
    if (random.random() >= this.p) return undefined;
    for (let attempt = 0; attempt < 10; attempt++) {
      const area = height * width * random.uniform(...this.scale);
      const ratio = Math.exp(random.uniform(Math.log(this.ratio[0]), Math.log(this.ratio[1])));
      const h = roundHalfEven(Math.sqrt(area * ratio));
      const w = roundHalfEven(Math.sqrt(area / ratio));
      if (h < height && w < width) return { top: random.below(height - h + 1), left: random.below(width - w + 1), height: h, width: w };
    }
    return undefined;
  }

  // The values of a rectangle, channels side by side.
  private values(channels: number, { height, width }: Rectangle, random: Generator): Float32Array {
    const values = new Float32Array(height * width * channels);
    if (this.value === 'random') return values.map(() => random.normal());
    const fill = fillOf(this.value, channels, 'RandomErasing');
    return values.map((_, i) => fill[i % channels]!);
  }

  protected apply(image: Image, random: Generator): Image {
    const where = this.draw(image.height, image.width, random);
    if (!where) return image;
    const { channels } = image;
    const values = this.values(channels, where, random);
    const result = image.clone();
    const row = where.width * channels;
    for (let y = 0; y < where.height; y++)
      result.data.set(values.subarray(y * row, (y + 1) * row), ((where.top + y) * image.width + where.left) * channels);
    return result;
  }

  protected override applyBatch(x: Tensor, random: readonly Generator[]): Tensor {
    const [, c, h, w] = x.shape as [number, number, number, number];
    const result = copyKernel(x);
    random.forEach((r, i) => {
      const where = this.draw(h, w, r);
      if (!where || where.height * where.width === 0) return;
      const target = narrow(narrow(narrow(result, 0, i, 1), 2, where.top, where.height), 3, where.left, where.width);
      const values = this.values(c, where, r);
      const source = fromArray(values, [1, where.height, where.width, c], 'float32', x.device) as Tensor;
      run(Op.copy, [source.permute([0, 3, 1, 2])], [target], []);
    });
    return result;
  }
}
