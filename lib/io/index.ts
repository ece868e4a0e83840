// SPDX-License-Identifier: Apache-2.0
export {
  CheckpointError,
  loadCheckpoint,
  saveCheckpoint,
  type CheckpointContents,
  type CheckpointInfo,
  type CheckpointParts,
  type Json,
} from './checkpoint.js';
export { loadSafetensors, SafetensorsFile, saveSafetensors, type SaveSafetensorsOptions } from './safetensors.js';
export type { TensorEntry } from './header.js';
export type { WidenOptions } from './stored.js';
export { load, type Loaded, type LoadOptions } from './torch.js';
export { save } from './torch-save.js';
export type { StateOptions } from './torch-weights.js';
export { loadWeights, openWeights, renames, type LoadWeightsOptions, type Rename } from './weights.js';
export type { TensorReadOptions, WeightsFile } from './weights-file.js';
export { ForbiddenGlobalError } from '../pickle/errors.js';
