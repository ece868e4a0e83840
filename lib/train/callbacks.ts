// SPDX-License-Identifier: Apache-2.0
// Callbacks of fit() that most trainings want.
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withoutGrad } from '../autograd/mode.js';
import { ArgumentError } from '../native/errors.js';
import type { AnyModule } from '../nn/module.js';
import type { StateDict } from '../nn/state.js';
import { checkChoice, checkInteger, checkNumber } from '../ops/checks.js';
import { clone } from '../ops/view.js';
import type { Callback, EpochReport } from './fit.js';

const measures = ['trainLoss', 'validationLoss', 'accuracy'] as const;

export interface EarlyStoppingOptions {
  /** What is to get better. Default 'validationLoss'. */
  monitor?: (typeof measures)[number];
  /** Epochs without improvement before the end. Default 10. */
  patience?: number;
  /** How much better is better. Default 0. */
  minDelta?: number;
  /** A module that is given the values it had after the best epoch, when the training ends. */
  restoreBest?: AnyModule;
}

/**
 * Ends a training that no longer gets better.
 *
 * @throws ArgumentError for options out of range; in fit(), when the measure is missing: without a validation loader
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  const { monitor = 'validationLoss', patience = 10, minDelta = 0, restoreBest } = options;
  checkChoice(monitor, measures, 'earlyStopping', 'monitor');
  checkInteger(patience, 0, 'earlyStopping', 'patience');
  checkNumber(minDelta, 0, Number.MAX_VALUE, 'earlyStopping', 'minDelta');
  const sign = monitor === 'accuracy' ? -1 : 1;
  let best = Infinity;
  let bad = 0;
  let kept: StateDict | undefined;
  return {
    onEpoch(report) {
      const measure = report[monitor];
      if (measure === undefined) throw new ArgumentError(`earlyStopping: there is no ${monitor}; give fit() a validation loader`);
      if (sign * measure < best - minDelta) {
        best = sign * measure;
        bad = 0;
        if (restoreBest) kept = copied(restoreBest);
        return;
      }
      return ++bad > patience ? 'stop' : undefined;
    },
    onEnd() {
      if (kept) restoreBest!.loadStateDict(kept);
    },
  };
}

function copied(module: AnyModule): StateDict {
  return withoutGrad(() => Object.fromEntries(Object.entries(module.stateDict()).map(([name, t]) => [name, clone(t)])));
}

const columns = ['epoch', 'trainLoss', 'validationLoss', 'accuracy', 'lr', 'trainSeconds', 'imagesPerSecond'] as const;

/** Writes a row of numbers for each epoch to a CSV file, which begins anew unless `append`; epochs count from 0. */
export function csvLogger(path: string, { append = false }: { append?: boolean } = {}): Callback {
  return lines(path, append, columns.join(','), (report) => columns.map((name) => report[name] ?? '').join(','));
}

/** Writes each epoch's report as a line of JSON, to a file that begins anew unless `append`. */
export function jsonlLogger(path: string, { append = false }: { append?: boolean } = {}): Callback {
  return lines(path, append, null, (report) => JSON.stringify(report));
}

function lines(path: string, append: boolean, header: string | null, line: (report: EpochReport) => string): Callback {
  let begun: Promise<void> | undefined;
  const begin = async () => {
    await mkdir(dirname(path), { recursive: true });
    const text = header === null ? '' : `${header}\n`;
    if (!append) return writeFile(path, text);
    // A file that is there has its header.
    await writeFile(path, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  };
  return {
    async onEpoch(report) {
      await (begun ??= begin());
      await appendFile(path, `${line(report)}\n`);
    },
  };
}
