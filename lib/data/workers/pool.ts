// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../../native/paths.js';
import { LenodeError } from '../../native/errors.js';
import { receiveError, type Reply, type Request, type Skipped, type ThreadSetup } from './protocol.js';

/**
 * A sample could not be made in a worker thread, or a thread ended. `cause` is the error as it was thrown there, with
 * its stack.
 */
export class WorkerError extends LenodeError {
  /** Position of the sample in the dataset, if the error belongs to one. */
  readonly index: number | undefined;

  constructor(
    message: string,
    /** Number of the thread, from 0. */
    readonly worker: number,
    options: ErrorOptions & { index?: number | undefined } = {},
  ) {
    super(message, options);
    this.index = options.index;
  }
}

export interface Made {
  readonly worker: number;
  readonly value: unknown;
  readonly count: number;
  readonly skipped: readonly Skipped[];
  readonly done: boolean;
}

// Without the id, which the pool gives.
type Unnumbered<R> = R extends { id: number } ? Omit<R, 'id'> : never;
export type Job = Unnumbered<Request>;

interface Pending {
  readonly worker: number;
  readonly resolve: (made: Made) => void;
  readonly reject: (error: Error) => void;
}

// In an installed package and in a clone alike: threads run what is compiled.
const program = join(packageRoot, 'dist', 'data', 'workers', 'thread.js');

// This process's options, but for one that is about its own program: `node --input-type=module -e ...`.
const execArgv = process.execArgv.filter((option) => !option.startsWith('--input-type'));

/** Worker threads that make batches. They keep the process alive only while something of theirs is waited for. */
export class WorkerPool {
  private readonly threads: Worker[];
  private readonly pending = new Map<number, Pending>();
  private readonly load: number[];
  private lastId = 0;
  private waits = 0;
  private failure: Error | undefined;
  private closing = false;

  constructor(setups: readonly ThreadSetup[]) {
    this.load = setups.map(() => 0);
    this.threads = setups.map((setup, i) => {
      const thread = new Worker(program, { workerData: setup, name: `lenode-data-${i}`, execArgv });
      thread.on('message', (reply: Reply) => this.receive(i, reply));
      thread.on('error', (cause: Error & { code?: string }) =>
        this.fail(new WorkerError(`DataLoader: worker ${i} ended with an error: ${cause.message}`, i, { cause })),
      );
      thread.on('messageerror', (cause) =>
        this.fail(new WorkerError(`DataLoader: what worker ${i} sent cannot be read: ${cause.message}`, i, { cause })),
      );
      thread.on('exit', (code) =>
        this.fail(new WorkerError(`DataLoader: worker ${i} ended unexpectedly with exit code ${code}`, i)),
      );
      thread.unref();
      return thread;
    });
  }

  get size(): number {
    return this.threads.length;
  }

  /** Whether a thread has ended or could not start: the pool is of no use any more. */
  get broken(): boolean {
    return this.failure !== undefined || this.closing;
  }

  /** The thread with the least to do. */
  idlest(): number {
    let best = 0;
    for (let i = 1; i < this.load.length; i++) if (this.load[i]! < this.load[best]!) best = i;
    return best;
  }

  /** Asks a thread for a batch, to be waited for with wait(). Rejects with a WorkerError. */
  ask(worker: number, job: Job): Promise<Made> {
    const { failure } = this;
    const id = ++this.lastId;
    const promise = failure
      ? Promise.reject(failure)
      : new Promise<Made>((resolve, reject) => this.pending.set(id, { worker, resolve, reject }));
    promise.catch(() => {}); // it is looked at in its turn, or never
    if (failure) return promise;
    this.load[worker]!++;
    this.threads[worker]!.postMessage({ ...job, id });
    return promise;
  }

  /** Waits for what was asked for; meanwhile the threads keep the process alive. */
  async wait<T>(asked: Promise<T>): Promise<T> {
    if (this.waits++ === 0) for (const thread of this.threads) thread.ref();
    try {
      return await asked;
    } finally {
      if (--this.waits === 0) for (const thread of this.threads) thread.unref();
    }
  }

  /** Gives memory back to the thread it came from. */
  recycle(worker: number, buffers: ArrayBuffer[]): void {
    if (buffers.length > 0 && !this.broken) this.threads[worker]!.postMessage({ kind: 'recycle', buffers } satisfies Request, buffers);
  }

  /** Ends the threads. What was asked for and has not come is rejected. */
  async close(): Promise<void> {
    this.closing = true;
    await this.wait(Promise.all(this.threads.map((thread) => thread.terminate())));
    this.rejectAll(new WorkerError('DataLoader: its workers were ended', 0));
  }

  private receive(worker: number, reply: Reply): void {
    if (reply.kind === 'ready') return;
    if (reply.kind === 'error' && reply.id === undefined) {
      const cause = receiveError(reply.error);
      return this.fail(new WorkerError(`DataLoader: worker ${worker} could not start: ${cause.message}`, worker, { cause }));
    }
    const pending = this.pending.get(reply.id!);
    if (!pending) return;
    this.pending.delete(reply.id!);
    this.load[worker]!--;
    if (reply.kind === 'error') {
      const cause = receiveError(reply.error);
      const place = reply.index === undefined ? 'making a batch' : `sample ${reply.index}`;
      pending.reject(
        new WorkerError(`DataLoader: ${place} failed in worker ${worker}: ${cause.name}: ${cause.message}`, worker, {
          cause,
          index: reply.index,
        }),
      );
    } else pending.resolve({ worker, value: reply.value, count: reply.count, skipped: reply.skipped, done: reply.done });
  }

  private fail(error: Error): void {
    if (this.closing || this.failure) return;
    this.failure = error;
    this.rejectAll(error);
    void Promise.all(this.threads.map((thread) => thread.terminate()));
  }

  private rejectAll(error: Error): void {
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }
}
