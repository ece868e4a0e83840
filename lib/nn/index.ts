// SPDX-License-Identifier: Apache-2.0
// What users know as nn.
export {
  CELU,
  ELU,
  GELU,
  Hardsigmoid,
  Hardswish,
  Hardtanh,
  LeakyReLU,
  LogSigmoid,
  LogSoftmax,
  Mish,
  PReLU,
  ReLU,
  ReLU6,
  SELU,
  Sigmoid,
  SiLU,
  Softmax,
  Softmax2d,
  Softmin,
  Softplus,
  Softsign,
  Tanh,
  Threshold,
} from './activation.js';
export { Bilinear } from './bilinear.js';
export type { ModuleGradients } from './backward-hooks.js';
export { checkpoint, checkpointSequential } from './checkpoint.js';
export { ModuleList, Sequential } from './containers.js';
export { Conv1d, Conv2d, Conv3d, ConvNd, type ConvLayerOptions } from './conv.js';
export { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeNd, type ConvTransposeLayerOptions } from './conv-transpose.js';
export { AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout } from './dropout.js';
export { Embedding, type EmbeddingLayerOptions } from './embedding.js';
export { CosineSimilarity, PairwiseDistance, RMSNorm, type RMSNormLayerOptions } from './distance.js';
export type { FactoryOptions } from './factory.js';
export { normRelu } from './fused.js';
export * as init from './init.js';
export {
  LazyBatchNorm1d,
  LazyBatchNorm2d,
  LazyBatchNorm3d,
  LazyConv1d,
  LazyConv2d,
  LazyConv3d,
  LazyConvTranspose1d,
  LazyConvTranspose2d,
  LazyConvTranspose3d,
  LazyLinear,
} from './lazy.js';
export { Linear, type LinearOptions } from './linear.js';
export {
  BCELoss,
  BCEWithLogitsLoss,
  CrossEntropyLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  Loss,
  MSELoss,
  NLLLoss,
  SmoothL1Loss,
} from './loss.js';
export {
  CosineEmbeddingLoss,
  GaussianNLLLoss,
  HingeEmbeddingLoss,
  MarginRankingLoss,
  MultiLabelMarginLoss,
  MultiLabelSoftMarginLoss,
  MultiMarginLoss,
  OptionsLoss,
  PoissonNLLLoss,
  SoftMarginLoss,
  TripletMarginLoss,
  TripletMarginWithDistanceLoss,
} from './margin-loss.js';
export { Module, type AnyModule, type NamesOptions } from './module.js';
export {
  BatchNorm,
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  GroupNorm,
  InstanceNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  LayerNorm,
  RunningNorm,
  type BatchNormLayerOptions,
  type GroupNormLayerOptions,
  type LayerNormLayerOptions,
} from './normalization.js';
export { ModuleDict, ParameterDict, ParameterList } from './named-containers.js';
export {
  CircularPad1d,
  CircularPad2d,
  CircularPad3d,
  ConstantPad1d,
  ConstantPad2d,
  ConstantPad3d,
  ReflectionPad1d,
  ReflectionPad2d,
  ReflectionPad3d,
  ReplicationPad1d,
  ReplicationPad2d,
  ReplicationPad3d,
  ZeroPad1d,
  ZeroPad2d,
  ZeroPad3d,
} from './padding.js';
export { Parameter } from './parameter.js';
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  type AdaptiveMaxPoolLayerOptions,
} from './adaptive-pooling.js';
export { LocalResponseNorm } from './response-norm.js';
export { LPPool1d, LPPool2d, LPPool3d } from './lp-pooling.js';
export { AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d, type MaxPoolLayerOptions } from './pooling.js';
export { GLU, Hardshrink, RReLU, Softshrink, Tanhshrink } from './shrink.js';
export { Fold, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d, Unfold, type MaxUnpoolLayerOptions } from './windows.js';
export { ChannelShuffle, Flatten, Identity, PixelShuffle, PixelUnshuffle, Unflatten } from './shape.js';
export { Upsample, UpsamplingBilinear2d, UpsamplingNearest2d, type UpsampleOptions } from './upsampling.js';
export type { KeyReport, StateDict } from './state.js';
export * as functional from '../ops/functional.js';
