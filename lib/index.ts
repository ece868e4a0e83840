// SPDX-License-Identifier: Apache-2.0
// What a program imports from 'lenode'.
import './tensor/print.js';
import './ops/methods.js';

export * from './native/errors.js';
export { diagnose } from './native/doctor.js';
export { Tensor, type GradHook } from './tensor/tensor.js';
export type { Shape } from './tensor/shape.js';
export type { ArrayOf, DType, FloatDType } from './tensor/dtype.js';
export { device, Device, synchronize, synchronizeSync, type DeviceLike } from './tensor/device.js';
export * from './tensor/memory.js';
export * from './tensor/backends.js';

export * as autograd from './autograd/index.js';
export {
  capture,
  enableGrad,
  grad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  type Captured,
  type CaptureOptions,
} from './autograd/index.js';
export { checkpoint, checkpointSequential } from './nn/checkpoint.js';

export {
  arange,
  empty,
  eye,
  full,
  fullLike,
  linspace,
  ones,
  onesLike,
  setDefaultDevice,
  tensor,
  zeros,
  zerosLike,
  type TensorData,
  type TensorOptions,
  type TypedArray,
} from './ops/creation.js';
export {
  bernoulli,
  bernoulli_,
  getRngState,
  initialSeed,
  manualSeed,
  normal_,
  rand,
  randint,
  randintLike,
  randLike,
  randn,
  randnLike,
  randperm,
  setRngState,
  uniform_,
} from './ops/random.js';
export * from './ops/pointwise.js';
export { celu, elu, gelu, leakyRelu, prelu, relu, relu_, selu, sigmoid, silu, softplus, tanh } from './ops/activation.js';
export { all, amax, amin, any, mean, prod, std, sum, variance as var } from './ops/reduce.js';
export * from './ops/special.js';
export * from './ops/order.js';
export * from './ops/statistics.js';
export * from './ops/triangular.js';
export * from './ops/unique.js';
export * from './ops/rearrange.js';
export * from './ops/indexing.js';
export * from './ops/linalg.js';
export { einsum } from './ops/einsum.js';
export * from './ops/search.js';
export { renorm } from './ops/renorm.js';
export { cat, stack } from './ops/join.js';
export { gather, indexAdd, indexSelect, scatterAdd } from './ops/pick.js';
export { bmm, matmul, mm } from './ops/matmul.js';
export { norm } from './ops/norm.js';
export {
  broadcastTensors,
  chunk,
  clone,
  expand,
  flatten,
  narrow,
  permute,
  reshape,
  split,
  squeeze,
  t,
  transpose,
  unbind,
  unsqueeze,
} from './ops/view.js';
export { logSoftmax, softmax } from './ops/softmax.js';
export * as F from './ops/functional.js';

export * as nn from './nn/index.js';
export * as amp from './amp/index.js';
export * as optim from './optim/index.js';
export * as models from './models/index.js';
export * as data from './data/index.js';
export * as datasets from './data/datasets.js';
export * as transforms from './data/transforms/index.js';
export {
  ConcatDataset,
  DataLoader,
  randomSplit,
  Subset,
  TensorDataset,
  type BatchDataset,
  type Dataset,
  type IterableDataset,
} from './data/index.js';
export * from './io/index.js';
export * from './train/index.js';
export * as visualize from './visualize/index.js';
