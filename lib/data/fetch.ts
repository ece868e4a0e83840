// SPDX-License-Identifier: Apache-2.0
// Samples of a dataset, each with a generator of its own: the same in the loader's thread and in its workers.
import type { Dataset, IterableDataset, IterationInfo } from './dataset.js';
import { Generator } from './generator.js';

/** A sample that was left out because its dataset says so. */
export interface SkippedSample {
  readonly index: number;
  readonly error: Error;
}

/** An error of a dataset and the position of the sample. */
export class SampleFailure {
  constructor(
    readonly index: number,
    readonly error: unknown,
  ) {}
}

const MISSING = Symbol('missing');
type Missing = typeof MISSING;

/** One epoch of a loader. */
export interface Run {
  readonly seed: number;
  readonly epoch: number;
  /** Which of the seed's streams: the epoch, unless the seed is this epoch's own. */
  readonly stream: number;
}

// Streams of one seed: samples by their position, batches by their number, iterations by the worker.
const SAMPLES = 1;
const BATCHES = 2;
const ITERATIONS = 3;

export const sampleGenerator = (seed: number, stream: number, position: number): Generator =>
  new Generator(seed, SAMPLES, stream, position);
export const batchGenerator = (seed: number, stream: number, number: number): Generator =>
  new Generator(seed, BATCHES, stream, number);
export const iterationInfo = ({ seed, epoch, stream }: Run, worker: number, workers: number): IterationInfo => ({
  epoch,
  worker,
  workers,
  generator: new Generator(seed, ITERATIONS, stream, worker),
});

/**
 * The samples at `indices`, the first of which is number `position` of the epoch. A promise if the dataset gives any.
 * @throws SampleFailure
 */
export function fetchSamples<T>(
  dataset: Dataset<T>,
  indices: ArrayLike<number>,
  seed: number,
  stream: number,
  position: number,
  skipped: SkippedSample[],
): T[] | Promise<T[]> {
  const failed = (index: number, error: unknown): Missing => {
    if (!dataset.skips?.(error)) throw new SampleFailure(index, error);
    skipped.push({ index, error: error as Error });
    return MISSING;
  };
  const begun: Promise<T | Missing>[] = [];
  const all = Array.from(indices, (index, i): T | Missing | Promise<T | Missing> => {
    try {
      const sample = dataset.get(index, sampleGenerator(seed, stream, position + i));
      if (!isPromise(sample)) return sample;
      const promise = (async (): Promise<T> => sample)().catch<Missing>((error: unknown) => failed(index, error));
      begun.push(promise);
      return promise;
    } catch (error) {
      try {
        return failed(index, error);
      } catch (failure) {
        // Nobody waits for the samples before this one any more, and they may fail too.
        for (const promise of begun) promise.catch(() => {});
        throw failure;
      }
    }
  });
  const present = (samples: (T | Missing)[]): T[] => samples.filter((s): s is T => s !== MISSING);
  return begun.length === 0 ? present(all as (T | Missing)[]) : Promise.all(all.map(async (sample) => sample)).then(present);
}

// Also one of another realm, or of a library of promises.
function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** An iterable dataset's samples, as an iterator that may be asynchronous. */
export function iterate<T>(dataset: IterableDataset<T>, info: IterationInfo): AsyncIterator<T> | Iterator<T> {
  const samples = dataset.iterate(info);
  return Symbol.asyncIterator in samples ? samples[Symbol.asyncIterator]() : samples[Symbol.iterator]();
}
