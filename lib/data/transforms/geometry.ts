// SPDX-License-Identifier: Apache-2.0
// Size and place: resizing, crops, padding, flips.
import { ArgumentError } from '../../native/errors.js';
import { boolean, checked, noMore, number, oneOf, optionsOf } from '../../native/options.js';
import { pad as padTensor } from '../../ops/pad.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Generator } from '../generator.js';
import type { Image } from '../image.js';
import { checkPadding, checkProbability, checkRange, checkSize, pair, roundHalfEven, type Padding, type Range, type Size } from './arguments.js';
import { cropEach, mirror } from './native.js';
import { crop, fill, flipHorizontally, flipVertically, pad, type Fill, type PaddingMode } from './pixels.js';
import { resize, type Interpolation } from './resample.js';
import { Transform } from './transform.js';

const interpolation = oneOf('nearest', 'nearest-exact', 'bilinear', 'bicubic');

export interface ResizeOptions {
  /** Default 'bilinear'. */
  interpolation?: Interpolation;
  /** Most that the longer edge may have, where `size` is the shorter one. */
  maxSize?: number;
  /** Average over all pixels that an output pixel covers when shrinking. Default true; nearest has none. */
  antialias?: boolean;
}
const resizeOptions = optionsOf<ResizeOptions>({ interpolation, maxSize: number, antialias: boolean });


/** Another size: [height, width], or the length of the shorter edge with the proportions kept. */
export class Resize extends Transform {
  private readonly size: number | readonly [number, number];
  private readonly interpolation: Interpolation;
  private readonly maxSize: number | undefined;
  private readonly antialias: boolean;

  /** @throws ArgumentError for a size that is not positive, or a maxSize that is not above it */
  constructor(size: Size | readonly [shorter: number], options?: ResizeOptions) {
    options = resizeOptions(new.target.name, options, arguments.length > 2);
    super([size, options]);
    const single = typeof size === 'number' || (Array.isArray(size) && size.length === 1);
    const sizes = checkSize((single && typeof size !== 'number' ? size[0] : size) as Size, 'Resize');
    this.size = single ? sizes[0] : sizes;
    this.interpolation = options.interpolation ?? 'bilinear';
    this.antialias = options.antialias ?? true;
    this.maxSize = options.maxSize;
    if (this.maxSize !== undefined && (!single || !(this.maxSize > sizes[0])))
      throw new ArgumentError(`Resize: maxSize must be above a size that is the shorter edge, got ${this.maxSize} and ${String(size)}`);
  }

  protected apply(image: Image): Image {
    return resize(image, ...this.sizeFor(image.height, image.width), this.interpolation, this.antialias);
  }

  private sizeFor(height: number, width: number): readonly [number, number] {
    if (typeof this.size !== 'number') return this.size;
    const [short, long] = width <= height ? [width, height] : [height, width];
    let newShort = this.size;
    let newLong = Math.trunc((this.size * long) / short);
    if (this.maxSize !== undefined && newLong > this.maxSize) {
      newShort = Math.trunc((this.maxSize * newShort) / newLong);
      newLong = this.maxSize;
    }
    return width <= height ? [newLong, newShort] : [newShort, newLong];
  }
}

/** Where the crop in the middle begins, for an image that was padded if it is smaller. */
function centre(size: number, wanted: number): { before: number; after: number; start: number } {
  const missing = Math.max(0, wanted - size);
  const before = Math.floor(missing / 2);
  const after = Math.floor((missing + 1) / 2);
  return { before, after, start: roundHalfEven((size + missing - wanted) / 2) };
}

/** The middle; smaller images are padded with 0. */
export class CenterCrop extends Transform {
  private readonly size: readonly [number, number];

  /** @throws ArgumentError for a size that is not positive */
  constructor(size: Size) {
    noMore(new.target.name, arguments.length > 1);
    super([size]);
    this.size = checkSize(size, 'CenterCrop');
  }
  override get batched(): boolean {
    return true;
  }
  protected apply(image: Image): Image {
    const y = centre(image.height, this.size[0]);
    const x = centre(image.width, this.size[1]);
    return crop(image, y.start - y.before, x.start - x.before, ...this.size);
  }
  protected override applyBatch(x: Tensor): Tensor {
    const v = centre(x.shape[2]!, this.size[0]);
    const h = centre(x.shape[3]!, this.size[1]);
    const padded = v.after + h.after > 0 ? padTensor(x, [h.before, h.after, v.before, v.after]) : x;
    return cropEach(
      padded,
      Array.from({ length: x.shape[0]! }, () => [v.start, h.start] as const),
      ...this.size,
    );
  }
}

export interface PadOptions {
  /** Default 0. */
  fill?: Fill;
  /** Default 'constant'. */
  paddingMode?: PaddingMode;
}
const padOptions = optionsOf<PadOptions>({ fill, paddingMode: oneOf('constant', 'edge', 'reflect', 'symmetric') });

/** Pixels added at the edges; a negative padding cuts them off. */
export class Pad extends Transform {
  private readonly padding: readonly [number, number, number, number];
  private readonly fill: Fill;
  private readonly mode: PaddingMode;

  /** @param padding for all sides, [left/right, top/bottom], or [left, top, right, bottom] */
  constructor(padding: Padding, options?: PadOptions) {
    options = padOptions(new.target.name, options, arguments.length > 2);
    super([padding, options]);
    this.padding = checkPadding(padding, 'Pad');
    this.fill = options.fill ?? 0;
    this.mode = options.paddingMode ?? 'constant';
  }
  override get batched(): boolean {
    return this.mode === 'constant' && typeof this.fill === 'number' && this.padding.every((n) => n >= 0);
  }
  protected apply(image: Image): Image {
    return pad(image, this.padding, this.mode, this.fill, 'Pad');
  }
  protected override applyBatch(x: Tensor): Tensor {
    const [left, top, right, bottom] = this.padding;
    return padTensor(x, [left, right, top, bottom], { value: this.fill as number });
  }
}

export interface RandomCropOptions extends PadOptions {
  /** Added first. Default: none. */
  padding?: Padding | null;
  /** Pad images that are smaller than the crop. Default false. */
  padIfNeeded?: boolean;
}
const randomCropOptions = optionsOf<RandomCropOptions>({
  padding: checked,
  padIfNeeded: boolean,
  ...padOptions.schema,
});

/** A rectangle of the given size at a random place. */
export class RandomCrop extends Transform {
  private readonly size: readonly [number, number];
  private readonly padding: readonly [number, number, number, number];
  private readonly padIfNeeded: boolean;
  private readonly fill: Fill;
  private readonly mode: PaddingMode;

  constructor(size: Size, options?: RandomCropOptions) {
    options = randomCropOptions(new.target.name, options, arguments.length > 2);
    super([size, options]);
    this.size = checkSize(size, 'RandomCrop');
    this.padding = checkPadding(options.padding ?? 0, 'RandomCrop');
    this.padIfNeeded = options.padIfNeeded ?? false;
    this.fill = options.fill ?? 0;
    this.mode = options.paddingMode ?? 'constant';
  }
  override get batched(): boolean {
    return this.mode === 'constant' && typeof this.fill === 'number' && this.padding.every((n) => n >= 0);
  }

  // Padding for images of a size, and how far the crop can move in them.
  private room(height: number, width: number) {
    let [left, top, right, bottom] = this.padding;
    if (this.padIfNeeded) {
      const missingRows = Math.max(0, this.size[0] - (height + top + bottom));
      const missingColumns = Math.max(0, this.size[1] - (width + left + right));
      top += missingRows;
      bottom += missingRows;
      left += missingColumns;
      right += missingColumns;
    }
    const rows = height + top + bottom - this.size[0];
    const columns = width + left + right - this.size[1];
    if (rows < 0 || columns < 0)
      throw new ArgumentError(
        `RandomCrop: a crop of ${this.size.join(' x ')} is larger than the image, ${height + top + bottom} x ${width + left + right} with its padding`,
      );
    return { padding: [left, top, right, bottom] as const, rows, columns };
  }
  private corner(random: Generator, rows: number, columns: number): readonly [number, number] {
    return [rows > 0 ? random.below(rows + 1) : 0, columns > 0 ? random.below(columns + 1) : 0];
  }

  protected apply(image: Image, random: Generator): Image {
    const { padding, rows, columns } = this.room(image.height, image.width);
    const [top, left] = this.corner(random, rows, columns);
    // A crop that reaches beyond the image is 0 there: no padded image is made.
    if (this.mode === 'constant' && this.fill === 0) return crop(image, top - padding[1], left - padding[0], ...this.size);
    return crop(pad(image, padding, this.mode, this.fill, 'RandomCrop'), top, left, ...this.size);
  }
  protected override applyBatch(x: Tensor, random: readonly Generator[]): Tensor {
    const { padding, rows, columns } = this.room(x.shape[2]!, x.shape[3]!);
    const [left, top, right, bottom] = padding;
    const padded = left + top + right + bottom > 0 ? padTensor(x, [left, right, top, bottom], { value: this.fill as number }) : x;
    return cropEach(
      padded,
      random.map((r) => this.corner(r, rows, columns)),
      ...this.size,
    );
  }
}

export interface RandomResizedCropOptions {
  /** Part of the area. Default [0.08, 1]. */
  scale?: Range;
  /** Width over height of the crop before it is resized. Default [3/4, 4/3]. */
  ratio?: Range;
  interpolation?: Interpolation;
  antialias?: boolean;
}
const randomResizedCropOptions = optionsOf<RandomResizedCropOptions>({
  scale: pair,
  ratio: pair,
  interpolation,
  antialias: boolean,
});

/**
 * A random part of random proportions, resized to one size (Szegedy et al., "Going deeper with convolutions", CVPR
 * 2015).
 */
export class RandomResizedCrop extends Transform {
  private readonly size: readonly [number, number];
  private readonly scale: Range;
  private readonly ratio: Range;
  private readonly interpolation: Interpolation;
  private readonly antialias: boolean;

  constructor(size: Size, options?: RandomResizedCropOptions) {
    options = randomResizedCropOptions(new.target.name, options, arguments.length > 2);
    super([size, options]);
    this.size = checkSize(size, 'RandomResizedCrop');
    this.scale = checkRange(options.scale ?? [0.08, 1], 'RandomResizedCrop', 'scale', 0);
    this.ratio = checkRange(options.ratio ?? [3 / 4, 4 / 3], 'RandomResizedCrop', 'ratio', Number.MIN_VALUE);
    this.interpolation = options.interpolation ?? 'bilinear';
    this.antialias = options.antialias ?? true;
  }

  private part(height: number, width: number, random: Generator): readonly [number, number, number, number] {
    const area = height * width;
    for (let attempt = 0; attempt < 10; attempt++) {
      const target = area * random.uniform(...this.scale);
      const ratio = Math.exp(random.uniform(Math.log(this.ratio[0]), Math.log(this.ratio[1])));
      const w = roundHalfEven(Math.sqrt(target * ratio));
      const h = roundHalfEven(Math.sqrt(target / ratio));
      if (w > 0 && w <= width && h > 0 && h <= height) return [random.below(height - h + 1), random.below(width - w + 1), h, w];
    }
    // The middle, in the nearest proportions that are allowed.
    let h = height;
    let w = width;
    if (width / height < this.ratio[0]) h = roundHalfEven(w / this.ratio[0]);
    else if (width / height > this.ratio[1]) w = roundHalfEven(h * this.ratio[1]);
    return [Math.floor((height - h) / 2), Math.floor((width - w) / 2), h, w];
  }

  protected apply(image: Image, random: Generator): Image {
    const part = crop(image, ...this.part(image.height, image.width, random));
    return resize(part, ...this.size, this.interpolation, this.antialias);
  }
}

abstract class RandomFlip extends Transform {
  protected readonly p: number;
  constructor(p: number, where: string) {
    super([p]);
    this.p = checkProbability(p, where);
  }
  override get batched(): boolean {
    return true;
  }
  protected chosen(random: readonly Generator[]): boolean[] {
    return random.map((r) => r.random() < this.p);
  }
}

/** Left and right exchanged with probability p. */
export class RandomHorizontalFlip extends RandomFlip {
  constructor(p = 0.5) {
    noMore(new.target.name, arguments.length > 1);
    super(p, 'RandomHorizontalFlip');
  }
  protected apply(image: Image, random: Generator): Image {
    return random.random() < this.p ? flipHorizontally(image) : image;
  }
  protected override applyBatch(x: Tensor, random: readonly Generator[]): Tensor {
    return mirror(x, 3, this.chosen(random));
  }
}

/** Top and bottom exchanged with probability p. */
export class RandomVerticalFlip extends RandomFlip {
  constructor(p = 0.5) {
    noMore(new.target.name, arguments.length > 1);
    super(p, 'RandomVerticalFlip');
  }
  protected apply(image: Image, random: Generator): Image {
    return random.random() < this.p ? flipVertically(image) : image;
  }
  protected override applyBatch(x: Tensor, random: readonly Generator[]): Tensor {
    return mirror(x, 2, this.chosen(random));
  }
}

function corners(image: Image, [height, width]: readonly [number, number], where: string): Image[] {
  const bottom = image.height - height;
  const right = image.width - width;
  if (bottom < 0 || right < 0)
    throw new ArgumentError(`${where}: a crop of ${height} x ${width} is larger than the image, ${image.height} x ${image.width}`);
  const middle = [centre(image.height, height).start, centre(image.width, width).start] as const;
  return ([[0, 0], [0, right], [bottom, 0], [bottom, right], middle] as const).map(([top, left]) => crop(image, top, left, height, width));
}

/** Five images: the corners (top left, top right, bottom left, bottom right) and the middle. */
export class FiveCrop extends Transform<Image[]> {
  private readonly size: readonly [number, number];
  constructor(size: Size) {
    noMore(new.target.name, arguments.length > 1);
    super([size]);
    this.size = checkSize(size, 'FiveCrop');
  }
  protected apply(image: Image): Image[] {
    return corners(image, this.size, 'FiveCrop');
  }
}

const tenCropOptions = optionsOf<{ verticalFlip?: boolean }>({ verticalFlip: boolean });

/** FiveCrop of the image and of its mirror image (upside down with verticalFlip). */
export class TenCrop extends Transform<Image[]> {
  private readonly size: readonly [number, number];
  private readonly verticalFlip: boolean;
  constructor(size: Size, options?: { verticalFlip?: boolean }) {
    options = tenCropOptions(new.target.name, options, arguments.length > 2);
    super([size, options]);
    this.size = checkSize(size, 'TenCrop');
    this.verticalFlip = options.verticalFlip ?? false;
  }
  protected apply(image: Image): Image[] {
    const flipped = this.verticalFlip ? flipVertically(image) : flipHorizontally(image);
    return [...corners(image, this.size, 'TenCrop'), ...corners(flipped, this.size, 'TenCrop')];
  }
}
