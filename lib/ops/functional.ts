// SPDX-License-Identifier: Apache-2.0
// What users know as F: the functions behind the layers of nn, by PyTorch's names.
export {
  celu,
  elu,
  gelu,
  hardsigmoid,
  hardswish,
  hardtanh,
  leakyRelu,
  logsigmoid,
  mish,
  prelu,
  relu,
  relu_,
  relu6,
  selu,
  sigmoid,
  silu,
  softplus,
  softsign,
  tanh,
  threshold,
  type InPlace,
} from './activation.js';
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
export {
  alphaDropout,
  dropout,
  dropout1d,
  dropout2d,
  dropout3d,
  featureAlphaDropout,
  type DropoutOptions,
} from './dropout.js';
export { crossEntropy, nllLoss, type CrossEntropyOptions, type NllLossOptions } from './loss.js';
export type { LossOptions, Reduction } from './loss-options.js';
export { bilinear } from './bilinear.js';
export { linear } from './matmul.js';
export { batchNorm, type BatchNormOptions } from './normalization.js';
export { embedding, oneHot, type EmbeddingOptions } from './pick.js';
export {
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  klDiv,
  type BinaryCrossEntropyOptions,
  type BinaryCrossEntropyWithLogitsOptions,
  type KLDivOptions,
} from './probability-loss.js';
export { huberLoss, l1Loss, mseLoss, smoothL1Loss, type HuberOptions, type SmoothL1Options } from './regression-loss.js';
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
export { logSoftmax, softmax, softmin } from './softmax.js';
export { interpolate, type InterpolateMode, type InterpolateOptions } from './interpolate.js';
export { lpPool1d, lpPool2d, lpPool3d, type LPPoolOptions } from './lp-pool.js';
export { channelShuffle, pixelShuffle, pixelUnshuffle } from './shuffle.js';
export { pad, type PadMode, type PadOptions } from './pad.js';
export { fold, unfold, type UnfoldOptions } from './windows.js';
export { glu, hardshrink, rrelu, softshrink, tanhshrink, type RReluOptions } from './shrink.js';
export {
  cosineSimilarity,
  normalize,
  pairwiseDistance,
  rmsNorm,
  type CosineSimilarityOptions,
  type NormalizeOptions,
  type PairwiseDistanceOptions,
  type RmsNormOptions,
} from './distance.js';
export {
  cosineEmbeddingLoss,
  gaussianNllLoss,
  hingeEmbeddingLoss,
  marginRankingLoss,
  multilabelMarginLoss,
  multilabelSoftMarginLoss,
  multiMarginLoss,
  poissonNllLoss,
  softMarginLoss,
  tripletMarginLoss,
  tripletMarginWithDistanceLoss,
  type GaussianNllOptions,
  type MarginOptions,
  type MultiMarginOptions,
  type PoissonNllOptions,
  type TripletMarginOptions,
  type TripletMarginWithDistanceOptions,
  type WeightedLossOptions,
} from './margin-loss.js';
export { affineGrid, gridSample, type AffineGridOptions, type GridSampleOptions } from './sampling-grid.js';
export { maxUnpool1d, maxUnpool2d, maxUnpool3d, type MaxUnpoolOptions } from './unpool.js';
