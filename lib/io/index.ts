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
export { loadSafetensors, SafetensorsFile, saveSafetensors } from './safetensors.js';
export type { TensorEntry } from './header.js';
