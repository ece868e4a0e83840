// SPDX-License-Identifier: Apache-2.0
export { evaluate, fit, type Batch, type EpochReport, type FitOptions, type LossFunction, type StepReport } from './fit.js';
export { Accuracy, MeanLoss } from './metrics.js';
export {
  Summary,
  summary,
  type LayerSummary,
  type SummaryInputs,
  type SummaryOptions,
  type SummaryTotals,
  type TableOptions,
} from './summary/summary.js';
