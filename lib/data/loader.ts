// SPDX-License-Identifier: Apache-2.0
import { types } from 'node:util';
import { ArgumentError } from '../native/errors.js';
import { boolean, callable, checked, instance, integer, number, optionsOf, show, withMethods } from '../native/options.js';
import { placeOf } from '../ops/creation.js';
import { initialSeed } from '../ops/random.js';
import { device as toDevice, settled, type Device, type DeviceLike } from '../tensor/device.js';
import { Tensor } from '../tensor/tensor.js';
import { defaultCollate, toTensors, type Collated } from './collate.js';
import { isIterable, makesBatches, type AnyDataset, type BatchDataset, type Dataset, type IterableDataset } from './dataset.js';
import { batchGenerator, fetchSamples, iterate, iterationInfo, SampleFailure, sampleGenerator, type Run, type SkippedSample } from './fetch.js';
import { Generator, type GeneratorState } from './generator.js';
import { permutation } from './random.js';
import type { BatchingSampler, Sampler } from './samplers.js';
import { encode } from './workers/portable.js';
import { WorkerPool, type Job, type Made } from './workers/pool.js';
import { buffersOf, fromMessage, type Skipped } from './workers/protocol.js';

export interface LoaderOptions<T, B> {
  /** Default 1. */
  batchSize?: number;
  /** A new order each epoch. Default false. */
  shuffle?: boolean;
  /** Leave out a last batch that is not full. Default false. */
  dropLast?: boolean;
  /** Which samples come when, instead of `shuffle`. */
  sampler?: Sampler;
  /** Which samples make which batch, instead of `batchSize`, `shuffle`, `sampler` and `dropLast`. */
  batchSampler?: BatchingSampler;
  /** Seed of the order and of random transforms. Default: that of manualSeed(). */
  seed?: number;
  /** Instead of `seed`: every epoch's seed is drawn from it. */
  generator?: Generator;
  /**
   * Makes a batch of samples, in this thread. Default: see Collated, made where the samples are. Not used for datasets
   * that make batches themselves.
   */
  collateFn?: (samples: T[]) => B;
  /** Called in this thread with every batch and a generator of its own: MixUp, CutMix. */
  batchTransform?: { forward(batch: B, random?: Generator): B };
  /** Where the tensors of images and numbers live. Default: the default device. */
  device?: DeviceLike;
  /**
   * Threads that make the batches. Default 0: this thread. The dataset must be one of lenode's (its transforms too) or
   * come from workerDataset(). A TensorDataset needs none: its batches are gathered natively.
   */
  numWorkers?: number;
  /** Batches that each worker is ahead. Default 2. */
  prefetchFactor?: number;
  /** Keep the workers from one epoch to the next; end them with close(). Default false. */
  persistentWorkers?: boolean;
  /** Accepted for PyTorch's sake: uploads to a GPU always go through pinned memory, and on a CPU there is none. */
  pinMemory?: boolean;
  /** Called in every worker with its number before the dataset is made; from workerFunction(). */
  workerInitFn?: (worker: number) => unknown;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of any sample and batch
const loaderOptions = optionsOf<LoaderOptions<any, any>>({
  batchSize: number,
  shuffle: boolean,
  dropLast: boolean,
  sampler: withMethods('a sampler', 'indices'),
  batchSampler: withMethods('a batch sampler', 'batches'),
  seed: integer,
  generator: instance(Generator, 'a Generator'),
  collateFn: callable,
  batchTransform: withMethods('an object with forward()', 'forward'),
  device: checked,
  numWorkers: number,
  prefetchFactor: number,
  persistentWorkers: boolean,
  pinMemory: boolean,
  workerInitFn: callable,
});

const positive = (value: number, name: string, min: number): number => {
  if (Number.isInteger(value) && value >= min) return value;
  throw new ArgumentError(`DataLoader: ${name} must be a ${min > 0 ? 'positive' : 'non-negative'} integer, got ${value}`);
};

/** What a checkpoint keeps of a loader: plain data. */
export interface LoaderState {
  readonly epoch: number;
  readonly seed: number;
  /** Of the loader's own generator, if it has one. */
  readonly generator?: GeneratorState;
}

// Ends the workers of loaders that were forgotten.
const forgotten = new FinalizationRegistry<WorkerPool>((pool) => void pool.close());

/**
 * Batches of a dataset, epoch after epoch: `for await (const batch of loader)` leaves the event loop free and stays
 * at most two batches ahead of the device; `for (const batch of loader)` is its synchronous form, for datasets whose
 * get() returns no promise, without workers.
 *
 * Every sample has a generator that is seeded by the seed, the epoch and its place in the epoch: with the same seed the
 * batches are the same, whatever the number of workers.
 */
export class DataLoader<T, B = Collated<T>> implements AsyncIterable<B>, Iterable<B>, AsyncDisposable {
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  /** What the orders of all epochs follow from. */
  seed: number;
  readonly numWorkers: number;
  readonly prefetchFactor: number;
  readonly persistentWorkers: boolean;
  /** Epochs begun; the next one's order follows from it and the seed. Set it to resume. */
  epoch = 0;
  /** Samples left out of the epoch at hand, or of the last one, because their dataset said so. */
  skipped: Skipped[] = [];
  private readonly options: LoaderOptions<T, B>;
  /** Where the epoch at hand began, as long as it is not at its end. */
  private begun: LoaderState | undefined;
  private kept: WorkerPool | undefined;

  constructor(dataset: BatchDataset<B>, options?: LoaderOptions<T, B>);
  constructor(dataset: Dataset<T>, options?: LoaderOptions<T, B>);
  constructor(dataset: IterableDataset<T>, options?: LoaderOptions<T, B>);
  /** @throws ArgumentError for options that are out of range or exclude each other */
  constructor(
    readonly dataset: AnyDataset<T>,
    options?: LoaderOptions<T, B>,
  ) {
    options = loaderOptions(new.target.name, options, arguments.length > 2);
    if (typeof dataset !== 'object' || dataset === null || !(isIterable(dataset) || makesBatches(dataset) || typeof dataset.get === 'function'))
      throw new ArgumentError(`DataLoader: expected a dataset: an object with get(), getBatch() or iterate(), got ${show(dataset)}`);
    const { batchSize = 1, shuffle = false, dropLast = false, sampler, batchSampler } = options;
    this.batchSize = positive(batchSize, 'batchSize', 1);
    this.numWorkers = positive(options.numWorkers ?? 0, 'numWorkers', 0);
    this.prefetchFactor = positive(options.prefetchFactor ?? 2, 'prefetchFactor', 1);
    this.persistentWorkers = options.persistentWorkers ?? false;
    this.shuffle = shuffle;
    this.dropLast = dropLast;
    this.seed = options.seed ?? options.generator?.seed ?? initialSeed();
    this.options = options;
    if (sampler && shuffle) throw new ArgumentError('DataLoader: sampler and shuffle exclude each other');
    if (batchSampler && (sampler || shuffle || dropLast || options.batchSize !== undefined))
      throw new ArgumentError('DataLoader: batchSampler excludes batchSize, shuffle, sampler and dropLast');
    if (options.seed !== undefined && options.generator)
      throw new ArgumentError('DataLoader: seed and generator exclude each other');
    if (isIterable(dataset) && (sampler || batchSampler || shuffle))
      throw new ArgumentError('DataLoader: an iterable dataset has its own order: no sampler, no shuffle');
    if (this.persistentWorkers && this.numWorkers === 0)
      throw new ArgumentError('DataLoader: persistentWorkers needs numWorkers of at least 1');
  }

  /**
   * Batches per epoch.
   * @throws ArgumentError for an iterable dataset
   */
  get length(): number {
    const { sampler, batchSampler } = this.options;
    if (batchSampler) return batchSampler.length;
    if (isIterable(this.dataset)) throw new ArgumentError('DataLoader: the length of an iterable dataset is not known');
    const n = (sampler ?? this.dataset).length / this.batchSize;
    return this.dropLast ? Math.floor(n) : Math.ceil(n);
  }

  *[Symbol.iterator](): Iterator<B> {
    if (this.numWorkers > 0 && this.usesWorkers())
      throw new ArgumentError('DataLoader: workers are asynchronous; iterate with `for await`');
    if (isIterable(this.dataset)) throw new ArgumentError('DataLoader: an iterable dataset is asynchronous; iterate with `for await`');
    const run = this.begin();
    for (const { indices, position, number } of this.batches(run)) {
      const batch = this.load(run, indices, position, number);
      if (types.isPromise(batch)) {
        batch.catch(() => {});
        throw new ArgumentError('DataLoader: this dataset is asynchronous; iterate with `for await`');
      }
      if (batch !== undefined) yield batch;
    }
    this.begun = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<B> {
    const run = this.begin();
    const behind: Promise<void>[] = [];
    const source =
      this.numWorkers > 0 && this.usesWorkers()
        ? this.fromWorkers(run)
        : isIterable(this.dataset)
          ? this.fromIterable(run, this.dataset)
          : this.fromHere(run);
    for await (const batch of source) {
      yield batch;
      // What was enqueued for this batch is waited for two batches later.
      behind.push(settled(deviceOf(batch)));
      if (behind.length > 2) await behind.shift();
    }
    await Promise.all(behind);
    this.begun = undefined;
  }

  /**
   * Where the next epoch begins or, when one has been begun and not come to its end, that one: with it, another loader of the
   * same dataset and options gives the same batches.
   */
  stateDict(): LoaderState {
    return this.begun?.epoch === this.epoch - 1 ? this.begun : this.#now();
  }
  /** @throws ArgumentError for anything but what stateDict() gave; the loader is then as it was */
  loadStateDict(state: LoaderState): void {
    this.prepareLoad(state)();
  }
  /** @internal Checks a state; what it returns takes it over. */
  prepareLoad(state: LoaderState): () => void {
    const { generator } = this.options;
    const { epoch, seed }: Partial<LoaderState> = typeof state === 'object' && state !== null ? state : {};
    if (![epoch, seed].every((n) => Number.isSafeInteger(n) && n! >= 0))
      throw new ArgumentError('DataLoader.loadStateDict: expected a state that stateDict() gave: { epoch, seed, generator }');
    if (generator && !state.generator) throw new ArgumentError('DataLoader.loadStateDict: the state is of a loader without a generator');
    const restore = generator?.prepareState(state.generator!);
    return () => {
      restore?.();
      this.epoch = epoch!;
      this.seed = seed!;
      this.begun = undefined;
    };
  }
  #now(): LoaderState {
    const { generator } = this.options;
    return { epoch: this.epoch, seed: this.seed, ...(generator && { generator: generator.getState() }) };
  }

  /** Ends persistent workers; they are started again when they are needed. */
  async close(): Promise<void> {
    const pool = this.kept;
    this.kept = undefined;
    if (pool) {
      forgotten.unregister(this);
      await pool.close();
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---- an epoch ------------------------------------------------------------------------------------------------

  private begin(): Run {
    this.skipped = [];
    this.begun = this.#now();
    const { generator } = this.options;
    const seed = generator ? generator.next() : this.seed;
    const epoch = this.epoch++;
    // A seed drawn for this epoch alone: the generator's state then says all about what follows.
    return { seed, epoch, stream: generator ? 0 : epoch };
  }

  private *batches({ seed, epoch, stream }: Run): Iterable<Planned> {
    const { sampler, batchSampler } = this.options;
    let position = 0;
    let number = 0;
    const plan = (indices: Int32Array): Planned => {
      const planned = { indices, position, number: number++ };
      position += indices.length;
      return planned;
    };
    const order = new Generator(seed, 0, stream);
    if (batchSampler) {
      for (const batch of batchSampler.batches(order, epoch)) yield plan(Int32Array.from(batch));
      return;
    }
    const n = (sampler ?? (this.dataset as Dataset)).length;
    const all = sampler
      ? Int32Array.from(sampler.indices(order, epoch))
      : this.shuffle
        ? permutation(n, seed, stream)
        : Int32Array.from({ length: n }, (_, i) => i);
    const end = this.dropLast ? all.length - (all.length % this.batchSize) : all.length;
    for (let start = 0; start < end; start += this.batchSize) yield plan(all.subarray(start, Math.min(start + this.batchSize, end)));
  }

  private place(): Device {
    const { device } = this.options;
    return device === undefined ? placeOf({}) : toDevice(device);
  }

  // ---- in this thread ------------------------------------------------------------------------------------------

  private async *fromHere(run: Run): AsyncGenerator<B> {
    for (const { indices, position, number } of this.batches(run)) {
      const batch = await this.load(run, indices, position, number);
      if (batch !== undefined) yield batch;
    }
  }

  private async *fromIterable(run: Run, dataset: IterableDataset<T>): AsyncGenerator<B> {
    const iterator = iterate(dataset, iterationInfo(run, 0, 1));
    let number = 0;
    let ended = false;
    try {
      while (!ended) {
        const samples: T[] = [];
        while (samples.length < this.batchSize) {
          const next = await iterator.next();
          if ((ended = next.done === true)) break;
          samples.push(next.value as T);
        }
        if (samples.length === this.batchSize || (samples.length > 0 && !this.dropLast))
          yield this.transform(this.collate(samples), run, number++);
      }
    } finally {
      if (!ended) await iterator.return?.();
    }
  }

  // Undefined: all samples were left out.
  private load(run: Run, indices: Int32Array, position: number, number: number): B | undefined | Promise<B | undefined> {
    const dataset = this.dataset;
    if (makesBatches(dataset)) {
      const random = Array.from(indices, (_, i) => sampleGenerator(run.seed, run.stream, position + i));
      const batch = (dataset as BatchDataset<B>).getBatch(indices, random);
      return types.isPromise(batch)
        ? batch.then((b) => this.transform(b, run, number))
        : this.transform(batch, run, number);
    }
    const skipped: SkippedSample[] = [];
    const finish = (samples: T[]): B | undefined => {
      for (const { index, error } of skipped) this.skipped.push({ index, message: error.message });
      return samples.length === 0 ? undefined : this.transform(this.collate(samples), run, number);
    };
    const unwrap = (thrown: unknown): never => {
      throw thrown instanceof SampleFailure ? thrown.error : thrown;
    };
    try {
      const samples = fetchSamples(dataset as Dataset<T>, indices, run.seed, run.stream, position, skipped);
      return types.isPromise(samples) ? samples.then(finish, unwrap) : finish(samples);
    } catch (thrown) {
      return unwrap(thrown);
    }
  }

  private collate(samples: T[]): B {
    return this.options.collateFn ? this.options.collateFn(samples) : (defaultCollate<unknown>(samples, { device: this.place() }) as B);
  }

  private transform(batch: B, run: Run, number: number): B {
    const { batchTransform } = this.options;
    return batchTransform ? batchTransform.forward(batch, batchGenerator(run.seed, run.stream, number)) : batch;
  }

  // ---- in workers ----------------------------------------------------------------------------------------------

  // Gathering tensors of this thread natively beats any worker.
  private usesWorkers(): boolean {
    const { dataset } = this;
    return !makesBatches(dataset) || typeof (dataset as unknown as Partial<Dataset>).get !== 'function' || prefersWorkers(dataset);
  }

  private async *fromWorkers(run: Run): AsyncGenerator<B> {
    const device = this.place();
    const pool = this.workers(run.seed);
    let number = 0;
    try {
      for await (const made of isIterable(this.dataset) ? this.streams(pool, run) : this.parts(pool, run)) {
        this.skipped.push(...made.skipped);
        const at = number++;
        if (made.count === 0) continue;
        const { collateFn } = this.options;
        const value = toTensors(fromMessage(made.value), device);
        const batch = collateFn ? collateFn(value as T[]) : (value as B);
        pool.recycle(made.worker, buffersOf(made.value));
        yield this.transform(batch, run, at);
      }
    } finally {
      if (!this.persistentWorkers) await pool.close();
    }
  }

  private workers(seed: number): WorkerPool {
    if (this.kept && !this.kept.broken) return this.kept;
    const { collateFn, workerInitFn } = this.options;
    const dataset = encode(this.dataset, 'the dataset');
    const init = encode(workerInitFn, 'workerInitFn');
    const pool = new WorkerPool(
      Array.from({ length: this.numWorkers }, (_, worker) => ({
        dataset,
        init,
        worker,
        workers: this.numWorkers,
        seed: (seed + worker) % Number.MAX_SAFE_INTEGER,
        collate: !collateFn,
      })),
    );
    if (this.persistentWorkers) {
      forgotten.unregister(this);
      forgotten.register(this, pool, this);
      this.kept = pool;
    }
    return pool;
  }

  // Batches in their order; the idlest worker makes the next one.
  private async *parts(pool: WorkerPool, run: Run): AsyncGenerator<Made> {
    const plan = this.batches(run)[Symbol.iterator]();
    const waiting: Promise<Made>[] = [];
    const fill = (): void => {
      while (waiting.length < pool.size * this.prefetchFactor) {
        const next = plan.next();
        if (next.done) return;
        const { indices, position } = next.value;
        const job: Job = { kind: 'map', ...run, position, indices: indices.slice() };
        waiting.push(pool.ask(pool.idlest(), job));
      }
    };
    for (fill(); waiting.length > 0; fill()) yield await pool.wait(waiting.shift()!);
  }

  // Every worker has its own stream; their batches come in turn until all have ended.
  private async *streams(pool: WorkerPool, run: Run): AsyncGenerator<Made> {
    const ask = (worker: number, fresh: boolean): Promise<Made> =>
      pool.ask(worker, { kind: 'iterate', ...run, count: this.batchSize, dropLast: this.dropLast, fresh });
    let turns = Array.from({ length: pool.size }, (_, worker) => ({
      worker,
      waiting: Array.from({ length: this.prefetchFactor }, (_, i) => ask(worker, i === 0)),
    }));
    while (turns.length > 0) {
      const ended = new Set<number>();
      for (const { worker, waiting } of turns) {
        const made = await pool.wait(waiting.shift()!);
        if (made.done) ended.add(worker);
        else waiting.push(ask(worker, false));
        yield made;
      }
      turns = turns.filter(({ worker }) => !ended.has(worker));
    }
  }
}

interface Planned {
  readonly indices: Int32Array;
  /** Of the first sample in the epoch. */
  readonly position: number;
  readonly number: number;
}

function prefersWorkers(dataset: unknown): boolean {
  return (dataset as { prefersWorkers?: boolean }).prefersWorkers === true;
}

function deviceOf(batch: unknown): Tensor['device'] | undefined {
  if (batch instanceof Tensor) return batch.device;
  if (Array.isArray(batch)) for (const part of batch) if (part instanceof Tensor) return part.device;
  return undefined;
}
