// SPDX-License-Identifier: Apache-2.0
// What users know as optim.
export { Adam, AdamW, type AdamOptions } from './adam.js';
export { clipGradNorm_, clipGradValue_, type ClipOptions } from './clip.js';
export type { GroupOptions, ParamGroup, Params, ParamState, Scheduled } from './group.js';
export { Optimizer } from './optimizer.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export {
  CosineAnnealingLR,
  ExponentialLR,
  LambdaLR,
  LRScheduler,
  MultiStepLR,
  OneCycleLR,
  StepLR,
  type CosineOptions,
  type GammaOptions,
  type OneCycleOptions,
  type Scheduler,
  type SchedulerOptions,
  type SchedulerState,
} from './schedulers.js';
export * as lrScheduler from './schedulers.js';
export { SGD, type SGDOptions } from './sgd.js';
export type { OptimizerState } from './state.js';
