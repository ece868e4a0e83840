// SPDX-License-Identifier: Apache-2.0
// The main program of a worker thread: makes samples and batches as it is asked to, one request after the other.
import { parentPort, workerData } from 'node:worker_threads';
import { manualSeed } from '../../ops/random.js';
import { collateOnHost } from '../collate.js';
import { isIterable, type AnyDataset, type Dataset } from '../dataset.js';
import { fetchSamples, iterate, iterationInfo, SampleFailure, type SkippedSample } from '../fetch.js';
import '../portables.js';
import { decode } from './portable.js';
import { sendError, toMessage, type Reply, type Request, type ThreadSetup } from './protocol.js';

const port = parentPort!;
const setup = workerData as ThreadSetup;
const post = (reply: Reply, transfer: ArrayBuffer[] = []): void => port.postMessage(reply, transfer);

const spare = new Map<number, ArrayBuffer[]>();
const allocate = (bytes: number): ArrayBuffer => spare.get(bytes)?.pop() ?? new ArrayBuffer(bytes);
// Batches of other sizes, such as an epoch's last, must not pile up, nor what tensors of a dataset brought.
const MAX_SIZES = 4;
const MAX_SPARE = 8;
function recycle(buffers: ArrayBuffer[]): void {
  for (const buffer of buffers) {
    let list = spare.get(buffer.byteLength);
    if (!list) {
      if (spare.size >= MAX_SIZES) spare.delete(spare.keys().next().value!);
      spare.set(buffer.byteLength, (list = []));
    }
    if (list.length < MAX_SPARE) list.push(buffer);
  }
}

type Iteration = AsyncIterator<unknown> | Iterator<unknown>;
let iteration: Iteration | undefined;

async function make(dataset: AnyDataset, request: Exclude<Request, { kind: 'recycle' }>): Promise<void> {
  const skipped: SkippedSample[] = [];
  let samples: unknown[] = [];
  let done = false;
  if (request.kind === 'map') {
    const { seed, stream, position, indices } = request;
    samples = await fetchSamples(dataset as Dataset, indices, seed, stream, position, skipped);
  } else {
    if (request.fresh) {
      await iteration?.return?.();
      if (!isIterable(dataset)) throw new Error('the dataset is not iterable');
      iteration = iterate(dataset, iterationInfo(request, setup.worker, setup.workers));
    }
    while (samples.length < request.count && !done) {
      const next = await iteration!.next();
      if (next.done) done = true;
      else samples.push(next.value);
    }
    if (done && request.dropLast && samples.length < request.count) samples = [];
  }
  const transfer: ArrayBuffer[] = [];
  const value = samples.length === 0 ? null : await toMessage(setup.collate ? collateOnHost(samples, allocate) : samples, transfer);
  post(
    {
      kind: 'batch',
      id: request.id,
      value,
      count: samples.length,
      skipped: skipped.map(({ index, error }) => ({ index, message: error.message })),
      done,
    },
    transfer,
  );
}

function fail(id: number | undefined, thrown: unknown): void {
  const failure = thrown instanceof SampleFailure ? thrown : undefined;
  post({ kind: 'error', id, error: sendError(failure ? failure.error : thrown), index: failure?.index });
}

async function start(): Promise<AnyDataset> {
  manualSeed(setup.seed);
  const init = (await decode(setup.init)) as ((worker: number) => unknown) | undefined;
  await init?.(setup.worker);
  return (await decode(setup.dataset)) as AnyDataset;
}

// Requests are waited for from the beginning, and served in their order.
let queue: Promise<AnyDataset | undefined> = start().then(
  (dataset) => (post({ kind: 'ready' }), dataset),
  (error: unknown) => (fail(undefined, error), undefined),
);
port.on('message', (request: Request) => {
  if (request.kind === 'recycle') return recycle(request.buffers);
  queue = queue.then(async (dataset) => {
    if (dataset) await make(dataset, request).catch((error: unknown) => fail(request.id, error));
    return dataset;
  });
});
