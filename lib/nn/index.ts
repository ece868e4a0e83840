// SPDX-License-Identifier: Apache-2.0
// What users know as nn.
export { ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh } from './activation.js';
export { ModuleList, Sequential } from './containers.js';
export { Conv1d, Conv2d, Conv3d, ConvNd, type ConvLayerOptions } from './conv.js';
export { Dropout } from './dropout.js';
export type { FactoryOptions } from './factory.js';
export { normRelu } from './fused.js';
export * as init from './init.js';
export { Linear, type LinearOptions } from './linear.js';
export { BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, Loss, MSELoss, NLLLoss } from './loss.js';
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
export { AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d, type MaxPoolLayerOptions } from './pooling.js';
export { Flatten, Identity } from './shape.js';
export type { KeyReport, StateDict } from './state.js';
export * as functional from '../ops/functional.js';
