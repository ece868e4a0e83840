// SPDX-License-Identifier: Apache-2.0
// Learning rates that change from step to step. As in PyTorch each rate follows from the one before where it can, so
// that several schedules, or changes by hand, combine.
export { LRScheduler, type Scheduler, type SchedulerOptions, type SchedulerState } from './schedulers/base.js';
export { ChainedScheduler, SequentialLR } from './schedulers/compose.js';
export {
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  type CosineOptions,
  type WarmRestartOptions,
} from './schedulers/cosine.js';
export { CyclicLR, type CyclicOptions } from './schedulers/cyclic.js';
export { LambdaLR, MultiplicativeLR, type LrLambda } from './schedulers/lambda.js';
export { OneCycleLR, type OneCycleOptions } from './schedulers/one-cycle.js';
export { ReduceLROnPlateau, type PlateauOptions } from './schedulers/plateau.js';
export {
  ConstantLR,
  LinearLR,
  PolynomialLR,
  type ConstantOptions,
  type LinearOptions,
  type PolynomialOptions,
} from './schedulers/ramp.js';
export { ExponentialLR, MultiStepLR, StepLR, type GammaOptions } from './schedulers/step.js';
export { SWALR, type SWAOptions } from './schedulers/swa.js';
