// SPDX-License-Identifier: Apache-2.0
// What users know as optim.
export { Adafactor, type AdafactorOptions } from './adafactor.js';
export { Adadelta, Adagrad, type AdadeltaOptions, type AdagradOptions } from './adagrad.js';
export { Adam, AdamW, type AdamOptions } from './adam.js';
export { Adamax, NAdam, RAdam, type AdamaxOptions, type NAdamOptions, type RAdamOptions } from './adam-variants.js';
export { ASGD, type ASGDOptions } from './asgd.js';
export { clipGradNorm_, clipGradValue_, getTotalNorm, type ClipOptions } from './clip.js';
export type { GroupOptions, ParamGroup, Params, ParamState, Scheduled } from './group.js';
export { LBFGS, type LBFGSOptions } from './lbfgs.js';
export { Muon, type MuonOptions } from './muon.js';
export { Optimizer } from './optimizer.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export { Rprop, type RpropOptions } from './rprop.js';
export * from './schedulers.js';
export * as lrScheduler from './schedulers.js';
export { SGD, type SGDOptions } from './sgd.js';
export type { OptimizerState } from './state.js';
export {
  AveragedModel,
  getEmaAvgFn,
  getEmaMultiAvgFn,
  getSwaAvgFn,
  getSwaMultiAvgFn,
  updateBn,
  type AveragedModelOptions,
  type AvgFn,
  type MultiAvgFn,
} from './swa.js';
