// SPDX-License-Identifier: Apache-2.0
// What users know as F: the functions behind the layers of nn, by PyTorch's names.
export {
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  type ConvOptions,
  type ConvTransposeOptions,
  type NhwcConvOptions,
} from './conv.js';
export { groupNorm, instanceNorm, layerNorm, type InstanceNormOptions, type NormOptions } from './group-norm.js';
export { dropout, type DropoutOptions } from './dropout.js';
export {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  l1Loss,
  mseLoss,
  nllLoss,
  type BinaryCrossEntropyOptions,
  type CrossEntropyOptions,
  type LossOptions,
  type NllLossOptions,
  type Reduction,
} from './loss.js';
export { linear } from './matmul.js';
export { batchNorm, type BatchNormOptions } from './normalization.js';
export { embedding, oneHot, type EmbeddingOptions } from './pick.js';
export { elu, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from './pointwise.js';
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  type AdaptiveMaxPoolOptions,
  type OutputSize,
} from './adaptive-pool.js';
export {
  avgPool1d,
  avgPool2d,
  avgPool3d,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  type AvgPoolOptions,
  type MaxPoolOptions,
  type NhwcPoolOptions,
} from './pool.js';
export { localResponseNorm, type LocalResponseNormOptions } from './response-norm.js';
export { logSoftmax, softmax } from './softmax.js';
export { interpolate, type InterpolateMode, type InterpolateOptions } from './interpolate.js';
export { lpPool1d, lpPool2d, lpPool3d, type LPPoolOptions } from './lp-pool.js';
export { channelShuffle, pixelShuffle, pixelUnshuffle } from './shuffle.js';
export { pad, type PadMode, type PadOptions } from './pad.js';
