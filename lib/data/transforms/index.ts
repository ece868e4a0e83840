// SPDX-License-Identifier: Apache-2.0
import { registerPortable } from '../workers/portable.js';
import { ColorJitter, GaussianBlur, Grayscale, RandomAffine, RandomErasing, RandomGrayscale, RandomRotation } from './augment.js';
import { AutoAugment, RandAugment, TrivialAugmentWide } from './auto.js';
import { Compose, Lambda, RandomApply, RandomChoice, RandomOrder } from './containers.js';
import { Normalize, ToDtype, ToImage } from './convert.js';
import {
  CenterCrop,
  FiveCrop,
  Pad,
  RandomCrop,
  RandomHorizontalFlip,
  RandomResizedCrop,
  RandomVerticalFlip,
  Resize,
  TenCrop,
} from './geometry.js';

export { Transform, type Randomness } from './transform.js';
export type { Padding, Range, Size } from './arguments.js';
export type { Fill, PaddingMode } from './pixels.js';
export type { Interpolation } from './resample.js';
export type { RotateOptions, WarpInterpolation, WarpOptions } from './warp.js';
export * from './augment.js';
export { AutoAugment, RandAugment, TrivialAugmentWide, type AutoAugmentOptions, type RandAugmentOptions } from './auto.js';
export { CutMix, MixUp, type MixOptions } from './mix.js';
export * from './containers.js';
export * from './convert.js';
export * from './geometry.js';

registerPortable(
  AutoAugment,
  CenterCrop,
  ColorJitter,
  Compose,
  FiveCrop,
  GaussianBlur,
  Grayscale,
  Lambda,
  Normalize,
  Pad,
  RandAugment,
  RandomAffine,
  RandomApply,
  RandomChoice,
  RandomCrop,
  RandomErasing,
  RandomGrayscale,
  RandomHorizontalFlip,
  RandomOrder,
  RandomResizedCrop,
  RandomRotation,
  RandomVerticalFlip,
  Resize,
  TenCrop,
  ToDtype,
  ToImage,
  TrivialAugmentWide,
);
