// SPDX-License-Identifier: Apache-2.0
export { csvLogger, earlyStopping, jsonlLogger, type EarlyStoppingOptions, type LoggerOptions } from './callbacks.js';
export { evaluate, fit, type Batch, type Callback, type EpochReport, type FitOptions, type Interruption, type LossFunction, type StepReport } from './fit.js';
export { Accuracy, MeanLoss } from './metrics.js';
export { Summary, summary, type SummaryInputs, type SummaryOptions, type TableOptions } from './summary/summary.js';
export type { LayerSummary, SummaryTotals } from './summary/types.js';
