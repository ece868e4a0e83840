// SPDX-License-Identifier: Apache-2.0
// Datasets and functions that worker threads load from here.
import { isMainThread, threadId } from 'node:worker_threads';

// Workers run what is compiled. The test's own thread must not: there may be one copy of the library in a thread.
const { data, tensor } = await (isMainThread && '__vitest_worker__' in globalThis ? import('../../lib/index.js') : import('../../dist/index.js'));

/** Squares; some positions misbehave. */
export class Squares {
  constructor(length, trouble = {}) {
    this.length = length;
    this.trouble = trouble;
  }
  async get(index) {
    if (index === this.trouble.throwsAt) throw new RangeError(`no square of ${index} today`);
    if (index === this.trouble.exitsAt) process.exit(7);
    if (index === this.trouble.hangsAt) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    return [tensor([index, index * index]), index];
  }
}

export const plain = { length: 3, get: (i) => [i, 'x'.repeat(i)] };

export const halves = () => ({ length: 4, get: (i) => tensor([i + 0.5], { dtype: 'float16' }) });

/** Where a sample was made, and what its generator said. */
export const origins = (length) => ({ length, get: (i, random) => [i, threadId, random.random()] });

export class Stream {
  constructor(length) {
    this.length = length;
  }
  // One part of the numbers for each worker.
  *iterate({ worker, workers, generator }) {
    generator.random();
    for (let i = worker; i < this.length; i += workers) yield i;
  }
}
delete Stream.prototype.length;

export function initialised(worker) {
  globalThis.initialisedAs = worker;
}
export const initials = () => ({ length: 8, get: () => globalThis.initialisedAs ?? -1 });

export function invert(image) {
  return new data.Image(
    image.data.map((v) => 255 - v),
    image.channels,
    image.height,
    image.width,
  );
}

export function failingStart() {
  throw new Error('this one never starts');
}
// The main thread loads it too.
let calls = 0;
export function startsOnce() {
  if (calls++ > 0 || threadId > 0) throw new Error('only once');
  return { length: 2, get: (i) => i };
}

/** The first sample fails later than the second. */
export const rejectsLate = () => ({
  length: 2,
  get(index) {
    if (index === 1) throw new RangeError('at once');
    return new Promise((_, reject) => setTimeout(reject, 30, new RangeError('later')));
  },
});

export const records = () => ({
  length: 4,
  get: (i) => ({ picture: new data.Image(new Uint8Array(64).subarray(8 * i, 8 * i + 6).fill(i), 3, 1, 2), at: { value: tensor([i]), text: `n${i}` } }),
});

class Special {
  x = 1;
}
export const special = () => ({ length: 2, get: () => new Special() });

/** Errors that are errors themselves, and things that are none. */
export const thrower = (kind) => ({
  length: 1,
  get() {
    if (kind === 'nothing') throw undefined;
    if (kind === 'untellable') throw Object.create(null);
    const error = new Error('hidden');
    Object.defineProperty(error, 'detail', { enumerable: true, get: () => { throw new Error('in a getter'); } });
    Object.defineProperty(error, 'stack', { value: 3 });
    throw error;
  },
});
