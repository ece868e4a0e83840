// SPDX-License-Identifier: Apache-2.0
// What users know as amp: automatic mixed precision.
export { autocast, autocastDType, type AutocastOptions } from '../ops/autocast.js';
export { GradScaler, type GradScalerOptions, type GradScalerState } from './grad-scaler.js';
