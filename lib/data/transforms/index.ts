// SPDX-License-Identifier: Apache-2.0
import { registerPortable } from '../workers/portable.js';
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
export * from './containers.js';
export * from './convert.js';
export * from './geometry.js';

registerPortable(
  CenterCrop,
  Compose,
  FiveCrop,
  Lambda,
  Normalize,
  Pad,
  RandomApply,
  RandomChoice,
  RandomCrop,
  RandomHorizontalFlip,
  RandomOrder,
  RandomResizedCrop,
  RandomVerticalFlip,
  Resize,
  TenCrop,
  ToDtype,
  ToImage,
);
