// SPDX-License-Identifier: Apache-2.0
// Leaves loops over worker threads in one way, again and again, and says after each that it got to the line after it.
// Nothing else keeps this process alive. usage: leave-loops.mjs WAY TIMES SEED, or leave-loops.mjs idle WHAT; no
// arguments: lists the ways.
/* eslint no-unused-vars: ["error", { "varsIgnorePattern": "^_$" }] */
/* global AbortController */
import { data, DataLoader, datasets, fit, nn, optim, tensor } from '../../dist/index.js';

const helpers = new URL('./datasets.mjs', import.meta.url);
const images = new datasets.FakeData({ size: 64, imageSize: [1, 4, 4], numClasses: 2 });
const options = { batchSize: 4, numWorkers: 2 };
class Reason extends Error {}

async function expectError(promise, Kind) {
  const error = await promise.then(
    () => undefined,
    (e) => e,
  );
  if (!(error instanceof Kind)) throw error ?? new Error('nothing was thrown');
}

/** Each takes a number of batches after which to leave, 1 to 6. */
const ways = {
  async break(after) {
    for await (const _ of new DataLoader(images, options)) if (--after === 0) break;
  },
  async error(after) {
    const loop = async () => {
      for await (const _ of new DataLoader(images, options)) if (--after === 0) throw new Reason('enough');
    };
    await expectError(loop(), Reason);
  },
  async return(after) {
    const iterator = new DataLoader(images, options)[Symbol.asyncIterator]();
    for (; after > 0; after--) await iterator.next();
    await iterator.return();
  },
  async signal(after) {
    const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 2));
    const toFloat = (x, y) => [x.to('float32'), y];
    const stop = new AbortController();
    const onStep = ({ step }) => step >= after && stop.abort();
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
    await fit({ model, train: new DataLoader(images, options), transform: toFloat, optimizer, epochs: 3, onStep, signal: stop.signal, capture: false });
  },
  async dataset(after) {
    const dataset = await data.workerDataset(helpers, 'Squares', 64, { throwsAt: 4 * after });
    const loop = async () => {
      for await (const _ of new DataLoader(dataset, options));
    };
    await expectError(loop(), data.WorkerError);
  },
  async collate(after) {
    const collateFn = () => {
      if (--after === 0) throw new Reason('no batch');
    };
    const loop = async () => {
      for await (const _ of new DataLoader(images, { ...options, collateFn }));
    };
    await expectError(loop(), Reason);
  },
  async exit(after) {
    const dataset = await data.workerDataset(helpers, 'Squares', 64, { exitsAt: 4 * after });
    const loop = async () => {
      for await (const _ of new DataLoader(dataset, options));
    };
    await expectError(loop(), data.WorkerError);
  },
  async iterable(after) {
    const stream = await data.workerDataset(helpers, 'Stream', 400);
    for await (const _ of new DataLoader(stream, options)) if (--after === 0) break;
  },
  async persistent(after) {
    const loader = new DataLoader(images, { ...options, persistentWorkers: true });
    for await (const _ of loader) if (--after === 0) break;
    await loader.close();
  },
  async end() {
    for await (const _ of new DataLoader(images, options));
  },
};

/** What must keep no finished program alive. */
const idle = {
  async persistent() {
    const loader = new DataLoader(images, { ...options, persistentWorkers: true });
    for await (const _ of loader);
    for await (const _ of loader) break;
  },
  async iterator() {
    await new DataLoader(images, options)[Symbol.asyncIterator]().next();
  },
  /** Workers hang in batches that were asked for ahead. */
  async hanging() {
    const dataset = await data.workerDataset(helpers, 'Squares', 64, { hangsAt: 9 });
    await new DataLoader(dataset, { ...options, persistentWorkers: true })[Symbol.asyncIterator]().next();
  },
};

const [way, times, seed] = process.argv.slice(2);
if (way === undefined) console.log(Object.keys(ways).join(' '));
else if (way === 'idle') void idle[times]().then(() => console.log('done'));
else {
  const random = new data.Generator(Number(seed ?? 0));
  const main = async () => {
    for (let i = 0; i < Number(times); i++) {
      await ways[way](1 + Math.floor(random.random() * 6));
      console.log(`after ${i}`);
    }
    if ((await tensor([1, 2]).sum().item()) !== 3) throw new Error('the library is broken afterwards');
    console.log('done');
  };
  // Not awaited at the top level: Node would tell of a promise that nothing can settle any more by exit code 13.
  void main();
}
