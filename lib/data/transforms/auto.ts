// SPDX-License-Identifier: Apache-2.0
// Policies of augmentation: operations of random kind and strength.
import { ArgumentError } from '../../native/errors.js';
import { number, optionsOf, show } from '../../native/options.js';
import type { Generator } from '../generator.js';
import type { Image } from '../image.js';
import { roundHalfEven } from './arguments.js';
import { adjustBrightness, adjustContrast, adjustSaturation, adjustSharpness, autocontrast, equalize, invert, posterize, solarize } from './colour.js';
import { bound } from './pixels.js';
import { policies, type Policy } from './policies.js';
import { Transform } from './transform.js';
import { affine, rotate, warpOptions, type AffineMap, type WarpOptions } from './warp.js';

type Apply = (image: Image, magnitude: number, options: WarpOptions) => Image;

const still: AffineMap = { angle: 0, translate: [0, 0], scale: 1, shear: [0, 0] };
const degrees = (x: number): number => (Math.atan(x) * 180) / Math.PI;

const operations = {
  Identity: (image) => image,
  ShearX: (image, m, o) => affine(image, { ...still, shear: [degrees(m), 0] }, { ...o, center: [0, 0] }),
  ShearY: (image, m, o) => affine(image, { ...still, shear: [0, degrees(m)] }, { ...o, center: [0, 0] }),
  TranslateX: (image, m, o) => affine(image, { ...still, translate: [Math.trunc(m), 0] }, o),
  TranslateY: (image, m, o) => affine(image, { ...still, translate: [0, Math.trunc(m)] }, o),
  Rotate: (image, m, o) => rotate(image, m, o),
  Brightness: (image, m) => adjustBrightness(image, 1 + m),
  Color: (image, m) => adjustSaturation(image, 1 + m),
  Contrast: (image, m) => adjustContrast(image, 1 + m),
  Sharpness: (image, m) => adjustSharpness(image, 1 + m),
  Posterize: (image, m) => posterize(image, m),
  Solarize: (image, m) => solarize(image, m * bound(image)),
  AutoContrast: (image) => autocontrast(image),
  Equalize: (image) => equalize(image),
  Invert: (image) => invert(image),
} satisfies Record<string, Apply>;
export type OperationName = keyof typeof operations;

const signed: ReadonlySet<OperationName> = new Set([
  'ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate', 'Brightness', 'Color', 'Contrast', 'Sharpness',
]);

/** Strongest of each kind: of shears, translations (parts of the size, or pixels), rotations, colours, posterization. */
interface Strength {
  readonly shear: number;
  readonly translate: (size: number) => number;
  readonly rotate: number;
  readonly colour: number;
  readonly bits: number;
}
const usual: Strength = { shear: 0.3, translate: (size) => (150 / 331) * size, rotate: 30, colour: 0.9, bits: 4 };
const wide: Strength = { shear: 0.99, translate: () => 32, rotate: 135, colour: 0.99, bits: 6 };

/** @param level from 0 to 1; 0 is no change */
function magnitude(name: OperationName, level: number, image: Image, strength: Strength): number {
  switch (name) {
    case 'ShearX':
    case 'ShearY':
      return level * strength.shear;
    case 'TranslateX':
      return level * strength.translate(image.width);
    case 'TranslateY':
      return level * strength.translate(image.height);
    case 'Rotate':
      return level * strength.rotate;
    case 'Posterize':
      return roundHalfEven(8 - level * strength.bits);
    case 'Solarize':
      return 1 - level;
    default:
      return level * strength.colour;
  }
}

function operate(image: Image, name: OperationName, level: number, strength: Strength, random: Generator, options: WarpOptions): Image {
  let m = magnitude(name, level, image, strength);
  if (signed.has(name) && random.random() < 0.5) m = -m;
  return operations[name](image, m, options);
}

const kinds: readonly OperationName[] = [
  'Identity', 'ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate', 'Brightness', 'Color', 'Contrast', 'Sharpness',
  'Posterize', 'Solarize', 'AutoContrast', 'Equalize',
];

const integer = (value: number, min: number, where: string, name: string): number => {
  if (Number.isInteger(value) && value >= min) return value;
  throw new ArgumentError(`${where}: ${name} must be an integer of at least ${min}, got ${value}`);
};

export type AutoAugmentOptions = Pick<WarpOptions, 'interpolation' | 'fill'>;
const { center: _, ...autoAugmentSchema } = warpOptions.schema;
const autoAugmentOptions = optionsOf<AutoAugmentOptions>(autoAugmentSchema);
const trivialAugmentOptions = optionsOf<AutoAugmentOptions & { numMagnitudeBins?: number }>({
  numMagnitudeBins: number,
  ...autoAugmentSchema,
});

/** Pairs of operations that were learned (Cubuk et al., "AutoAugment", CVPR 2019). Images of 1 or 3 channels. */
export class AutoAugment extends Transform {
  private readonly pairs: (typeof policies)[Policy];
  /** @param policy of which dataset: 'imagenet' (default), 'cifar10' or 'svhn' */
  private readonly options: AutoAugmentOptions;

  constructor(policy: Policy = 'imagenet', options?: AutoAugmentOptions) {
    super([policy, options]);
    this.options = autoAugmentOptions(new.target.name, options, arguments.length > 2);
    if (typeof policy !== 'string' || !Object.hasOwn(policies, policy)) throw new ArgumentError(`AutoAugment: policy must be 'imagenet', 'cifar10' or 'svhn', got ${show(policy)}`);
    this.pairs = policies[policy];
  }
  protected apply(image: Image, random: Generator): Image {
    for (const [name, probability, level] of this.pairs[random.below(this.pairs.length)]!)
      if (random.random() <= probability) image = operate(image, name as OperationName, level / 9, usual, random, this.options);
    return image;
  }
}

export interface RandAugmentOptions extends AutoAugmentOptions {
  /** Operations one after the other. Default 2. */
  numOps?: number;
  /** Of all of them. Default 9. */
  magnitude?: number;
  /** Default 31. */
  numMagnitudeBins?: number;
}
const randAugmentOptions = optionsOf<RandAugmentOptions>({
  numOps: number,
  magnitude: number,
  numMagnitudeBins: number,
  ...autoAugmentSchema,
});

/** Some operations at one strength (Cubuk et al., "RandAugment", NeurIPS 2020). Images of 1 or 3 channels. */
export class RandAugment extends Transform {
  private readonly numOps: number;
  private readonly level: number;
  private readonly options: AutoAugmentOptions;

  constructor(options?: RandAugmentOptions) {
    super([options]);
    options = randAugmentOptions(new.target.name, options, arguments.length > 1);
    this.options = options;
    this.numOps = integer(options.numOps ?? 2, 0, 'RandAugment', 'numOps');
    const bins = integer(options.numMagnitudeBins ?? 31, 2, 'RandAugment', 'numMagnitudeBins');
    const at = integer(options.magnitude ?? 9, 0, 'RandAugment', 'magnitude');
    if (at >= bins) throw new ArgumentError(`RandAugment: magnitude must be below numMagnitudeBins, ${bins}, got ${at}`);
    this.level = at / (bins - 1);
  }
  protected apply(image: Image, random: Generator): Image {
    for (let i = 0; i < this.numOps; i++)
      image = operate(image, kinds[random.below(kinds.length)]!, this.level, usual, random, this.options);
    return image;
  }
}

/** One operation of random strength (Müller and Hutter, "TrivialAugment", ICCV 2021). Images of 1 or 3 channels. */
export class TrivialAugmentWide extends Transform {
  private readonly bins: number;
  private readonly options: AutoAugmentOptions;

  constructor(options?: AutoAugmentOptions & { numMagnitudeBins?: number }) {
    super([options]);
    options = trivialAugmentOptions(new.target.name, options, arguments.length > 1);
    this.options = options;
    this.bins = integer(options.numMagnitudeBins ?? 31, 2, 'TrivialAugmentWide', 'numMagnitudeBins');
  }
  protected apply(image: Image, random: Generator): Image {
    const kind = kinds[random.below(kinds.length)]!;
    return operate(image, kind, random.below(this.bins) / (this.bins - 1), wide, random, this.options);
  }
}
