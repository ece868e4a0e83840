// SPDX-License-Identifier: Apache-2.0
export { backward, grad, type BackwardOptions } from './engine.js';
export { capture, type Captured, type CaptureOptions } from './capture.js';
export { gradcheck, GradcheckError, gradgradcheck, type GradcheckOptions } from './gradcheck.js';
export { enableGrad, inferenceMode, isGradEnabled, isInferenceModeEnabled, noGrad } from './mode.js';
export { detectAnomaly } from './anomaly.js';
export { defineFunction, type FunctionContext, type FunctionSpec } from './function.js';
export { defineOp, type Context, type OpSpec } from './op.js';
