// SPDX-License-Identifier: Apache-2.0
// Callbacks of fit() that most trainings want.
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withoutGrad } from '../autograd/mode.js';
import { ArgumentError } from '../native/errors.js';
import { boolean, instance, integer, number, oneOf, optionsOf, show } from '../native/options.js';
import { Module, type AnyModule } from '../nn/module.js';
import type { StateDict } from '../nn/state.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
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

const stoppingOptions = optionsOf<EarlyStoppingOptions>({
  monitor: oneOf(...measures),
  patience: integer,
  minDelta: number,
  restoreBest: instance(Module as typeof Module<never, never>, 'a Module'),
});

/**
 * Ends a training that no longer gets better.
 *
 * @throws ArgumentError for options out of range; in fit(), when the measure is missing: without a validation loader
 */
export function earlyStopping(options?: EarlyStoppingOptions): Callback {
  const given = stoppingOptions('earlyStopping', options, arguments.length > 1);
  const { monitor = 'validationLoss', patience = 10, minDelta = 0, restoreBest } = given;
  checkInteger(patience, 0, 'earlyStopping', 'patience');
  checkNumber(minDelta, 0, Number.MAX_VALUE, 'earlyStopping', 'minDelta');
  const sign = monitor === 'accuracy' ? -1 : 1;
  let best = Infinity;
  let bad = 0;
  let kept: StateDict | undefined;
  return {
    onEpoch(report) {
      const measure = report[monitor];
      if (measure === undefined) {
        const what = monitor === 'accuracy' ? 'a validation loader of class labels' : 'a validation loader';
        throw new ArgumentError(`earlyStopping: there is no ${monitor}; give fit() ${what}`);
      }
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

export interface LoggerOptions {
  /** Go on in the file that is there. Default false. */
  append?: boolean;
}
const loggerOptions = optionsOf<LoggerOptions>({ append: boolean });

/**
 * Writes a row of numbers for each epoch to a CSV file, which begins anew unless `append`; epochs count from 0. A file
 * that cannot be written to does not end the training: there is one warning, and another try after the next epoch.
 */
export function csvLogger(path: string, options?: LoggerOptions): Callback {
  options = loggerOptions('csvLogger', options, arguments.length > 2);
  const row = (report: EpochReport) => columns.map((name) => report[name] ?? '').join(',');
  return lines('csvLogger', path, options, columns.join(','), row);
}

/** As csvLogger(), each epoch's report as a line of JSON. */
export function jsonlLogger(path: string, options?: LoggerOptions): Callback {
  options = loggerOptions('jsonlLogger', options, arguments.length > 2);
  return lines('jsonlLogger', path, options, null, (report) => JSON.stringify(report));
}

function lines(
  where: string,
  path: string,
  options: LoggerOptions,
  header: string | null,
  line: (report: EpochReport) => string,
): Callback {
  if (typeof path !== 'string' || path === '')
    throw new ArgumentError(`${where}: expected the path of a file, got ${show(path)}`);
  const { append = false } = options;
  const begin = async () => {
    await mkdir(dirname(path), { recursive: true });
    const text = header === null ? '' : `${header}\n`;
    if (!append) return writeFile(path, text);
    // A file that is there has its header.
    await writeFile(path, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  };
  let begun = false;
  let warned = false;
  let waiting = ''; // what could not be written yet
  return {
    async onEpoch(report) {
      waiting += `${line(report)}\n`;
      try {
        if (!begun) await begin();
        begun = true;
        await appendFile(path, waiting);
        waiting = '';
      } catch (error) {
        if (warned) return;
        warned = true;
        process.emitWarning(`${where}: ${path} cannot be written to: ${(error as Error).message}`, 'LogWarning');
      }
    },
  };
}
