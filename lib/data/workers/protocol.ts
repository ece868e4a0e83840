// SPDX-License-Identifier: Apache-2.0
// What the loader and its worker threads say to each other.
import * as errors from '../../native/errors.js';
import { ArgumentError } from '../../native/errors.js';
import { Tensor } from '../../tensor/tensor.js';
import type { Run } from '../fetch.js';
import { isHostTensor, isRecord, type HostTensor } from '../collate.js';
import { Image, type Pixels } from '../image.js';

export interface ThreadSetup {
  /** encode()d. */
  readonly dataset: unknown;
  readonly init: unknown;
  readonly worker: number;
  readonly workers: number;
  readonly seed: number;
  /** Make batches here; false: send the samples, the loader has its own collateFn. */
  readonly collate: boolean;
}

export type Request =
  | ({ kind: 'map'; id: number; position: number; indices: Int32Array } & Run)
  /** The next `count` samples of an iterable dataset; `fresh`: of a new epoch. */
  | ({ kind: 'iterate'; id: number; count: number; dropLast: boolean; fresh: boolean } & Run)
  /** Memory of a batch that has been uploaded. */
  | { kind: 'recycle'; buffers: ArrayBuffer[] };

/** A sample that was left out because its dataset says so. */
export interface Skipped {
  readonly index: number;
  readonly message: string;
}

export type Reply =
  | { kind: 'ready' }
  | { kind: 'batch'; id: number; value: unknown; count: number; skipped: Skipped[]; done: boolean }
  /** No id: the thread could not start. */
  | { kind: 'error'; id: number | undefined; error: SentError; index: number | undefined };

export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly fields: Record<string, unknown>;
}

export function sendError(thrown: unknown): SentError {
  const error = thrown instanceof Error ? thrown : new Error(`${text(() => thrown)} was thrown, which is no Error`);
  const fields: Record<string, unknown> = {};
  for (const key of Object.keys(error)) {
    // What the error itself throws when it is looked at must not hide it.
    try {
      const value = (error as unknown as Record<string, unknown>)[key];
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') fields[key] = value;
    } catch {
      continue;
    }
  }
  return { name: text(() => error.name), message: text(() => error.message), stack: text(() => error.stack ?? ''), fields };
}

function text(value: () => unknown): string {
  try {
    return String(value());
  } catch {
    return 'something without a text';
  }
}

/** The error that was sent: of the same class if it is one of lenode's, with the stack of the thread. */
export function receiveError({ name, message, stack, fields }: SentError): Error {
  const Known = (errors as Record<string, unknown>)[name] as (new (m: string) => Error) | undefined;
  const error = Known ? new Known(message) : new Error(message);
  delete fields.internalStack;
  Object.assign(error, fields);
  error.name = name;
  error.stack = stack;
  return error;
}

interface SentImage {
  readonly sentImage: true;
  readonly data: Pixels;
  readonly shape: readonly [number, number, number];
}

/** A batch or samples as structured cloning can carry them; buffers of batches go into `transfer`. */
export async function toMessage(value: unknown, transfer: ArrayBuffer[]): Promise<unknown> {
  if (value instanceof Tensor) {
    const data = (await value.data()) as HostTensor['data'];
    const half = value.dtype === 'float16' || value.dtype === 'bfloat16';
    const sent = { hostTensor: true, data, shape: value.shape, dtype: half ? 'float32' : value.dtype, channelsLast: false } as const;
    return toMessage(half ? { ...sent, half: value.dtype } : sent, transfer);
  }
  if (isHostTensor(value)) {
    if (value.data.buffer instanceof ArrayBuffer && value.data.byteLength === value.data.buffer.byteLength) transfer.push(value.data.buffer);
    return value;
  }
  // Copied, and no more of its memory than it has: the dataset may hold on to it.
  if (value instanceof Image) {
    const whole = value.data.buffer instanceof ArrayBuffer && value.data.buffer.byteLength === value.data.byteLength;
    return { sentImage: true, data: whole ? value.data : value.data.slice(), shape: value.shape } satisfies SentImage;
  }
  if (Array.isArray(value)) return Promise.all(value.map((entry) => toMessage(entry, transfer)));
  if (isRecord(value)) {
    const entries = await Promise.all(Object.entries(value).map(async ([key, entry]) => [key, await toMessage(entry, transfer)] as const));
    return Object.fromEntries(entries);
  }
  // Structured cloning would leave its class behind without a word.
  if (Object.prototype.toString.call(value) === '[object Object]')
    throw new ArgumentError(
      `DataLoader: a sample contains a ${((value as object).constructor as { name?: string } | undefined)?.name}, which a worker thread cannot send; give ` +
        'tensors, Images, numbers, strings, and arrays and plain objects of them, or set numWorkers to 0',
    );
  return value;
}

/** What toMessage() was given, but that tensors are still HostTensors. */
export function fromMessage(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromMessage);
  if (!isRecord(value) || isHostTensor(value)) return value;
  if (value.sentImage === true) {
    const { data, shape } = value as unknown as SentImage;
    return new Image(data, ...shape);
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, fromMessage(entry)]));
}

/** The memory of every HostTensor in a batch. */
export function buffersOf(value: unknown, into: ArrayBuffer[] = []): ArrayBuffer[] {
  if (isHostTensor(value)) {
    if (value.data.buffer instanceof ArrayBuffer && value.data.byteLength === value.data.buffer.byteLength) into.push(value.data.buffer);
  } else if (Array.isArray(value)) for (const entry of value) buffersOf(entry, into);
  else if (isRecord(value)) for (const entry of Object.values(value)) buffersOf(entry, into);
  return into;
}
