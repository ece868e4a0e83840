// SPDX-License-Identifier: Apache-2.0
// Calls the addon itself with what TypeScript would never send: node addon-fuzz.mjs <calls> <seed>. Every call must
// return or throw; nothing may crash, hang or touch memory that is no tensor's.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const root = new URL('../../', import.meta.url);
const addon = createRequire(import.meta.url)(process.env.LENODE_ADDON ?? new URL('build/Release/lenode.node', root).pathname);
const log = process.env.LENODE_FUZZ_LOG;
const [calls, seed] = process.argv.slice(2).map(Number);

// [name, inputs, outputs, attributes] of each row; an operand's name says whether it may be absent or repeated.
const table = readFileSync(new URL('lib/native/ops.gen.ts', root), 'utf8');
const names = [...table.match(/opNames[^=]*=\s*\[([^\]]*)/)[1].matchAll(/'(\w+)'/g)].map((m) => m[1]);
const rows = [...table.matchAll(/^ {2}(\d+): \{ inputs: \[(.*?)\]; outputs: \[(.*?)\]; attrs: \[(.*?)\] \};$/gm)].map((m) => ({
  op: Number(m[1]),
  name: names[Number(m[1])],
  lists: [m[2], m[3], m[4]].map((list) => list.replace(/T\[\]/g, 'more').split(', ').filter(Boolean)),
}));

let state = (seed * 2654435761 + 12345) >>> 0;
function below(n) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}
const pick = (list) => list[below(list.length)];
const hostile = [NaN, Infinity, -Infinity, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e300, -1e-300, 2 ** 62, 2 ** 20, 65536];
const modest = [0, 1, 1, 1, 2, 2, 3, 4, 5, 7, 0.5, -1];
const number = () => (below(12) ? pick(modest) : pick(hostile));
// None that is only very large: a sum of 2^40 repeated elements is no mistake, but takes its time.
const size = () => (below(60) ? pick([1, 1, 2, 2, 3, 4, 5, 8, 0]) : pick(hostile.filter((x) => !(x >= 2 ** 20 && x < 2 ** 53))));

const scratch = new Float64Array(1 << 12);
addon.attach(scratch);
addon.openDevice(0);

const strides = (shape) => shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
function randomShape() {
  const rank = pick([0, 1, 1, 2, 2, 3, 4, 4, 4, 5, 8]);
  return Array.from({ length: rank }, size);
}
function writeShape(at, shape, dtype) {
  scratch[at++] = dtype;
  scratch[at++] = below(80) ? shape.length : number();
  for (const n of shape) scratch[at++] = n;
  for (const n of below(8) ? strides(shape) : shape.map(() => size())) scratch[at++] = n;
  return at;
}
const dtype = () => (below(3) ? 0 : below(60) ? below(8) : number());

const objects = [];
let accepted = 0;
let failed = 0;
const alive = () => pick(objects);
function attempt(body) {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return undefined;
  }
}
function make() {
  const object = {};
  writeShape(0, randomShape(), dtype());
  const handle = attempt(() => addon.allocate(object, below(50) ? 0 : number()));
  if (handle === undefined) return;
  objects.push({ object, handle });
  if (log) console.error('made', handle);
  // Unset memory would make every run another one.
  scratch.set([rows.find((r) => r.name === 'fill').op, 0, 0, 1, 1, handle, pick([0, 1, 2, -1, 1e9])]);
  attempt(() => addon.run());
}
function makeView() {
  const object = {};
  scratch[0] = below(20) ? alive().handle : number();
  scratch[1] = below(4) ? pick([0, 0, 1, 2]) : number();
  writeShape(2, randomShape(), dtype());
  const handle = attempt(() => addon.view(object));
  if (log) console.error('view', handle, [...scratch.slice(0, 20)].join(' '));
  if (handle !== undefined) objects.push({ object, handle });
}

function operands(list) {
  return list.flatMap((name) => {
    if (name.endsWith('more')) return Array.from({ length: below(4) }, () => 'T');
    return [name.endsWith('null') && below(2) ? null : 'T'];
  });
}
function call() {
  const row = pick(rows);
  const [inputs, outputs] = row.lists.slice(0, 2).map(operands);
  const attrs = row.lists[2].map(number);
  if (!below(40)) pick([inputs, outputs, attrs]).push(below(2) ? null : 'T');
  if (!below(40)) pick([inputs, outputs, attrs]).pop();
  // Many ops want operands of one shape.
  const shape = below(2) ? randomShape() : null;
  const type = dtype();
  if (shape && shape.every((n) => n < 100)) {
    for (let i = 0; i < 2; i++) {
      const object = {};
      writeShape(0, shape, type);
      const handle = attempt(() => addon.allocate(object, 0));
      if (handle !== undefined) objects.push({ object, handle });
    }
  }
  const recent = () => (shape && below(4) ? objects[objects.length - 1 - below(2)] ?? alive() : alive());
  const handle = (operand) => (operand === null ? -1 : below(60) ? recent().handle : number());
  scratch[0] = below(200) ? row.op : number();
  scratch[1] = below(200) ? 0 : number();
  [inputs, outputs, attrs].forEach((list, i) => (scratch[2 + i] = below(300) ? list.length : number()));
  let at = 5;
  for (const operand of inputs) scratch[at++] = handle(operand);
  const fresh = [];
  for (const operand of outputs) {
    if (operand !== null && below(4)) {
      scratch[at++] = -2;
      at = writeShape(at, shape && below(4) ? shape : randomShape(), below(3) ? type : dtype());
      fresh.push({});
    } else scratch[at++] = handle(operand);
  }
  for (const value of attrs) scratch[at++] = typeof value === 'number' ? value : 0;
  if (!below(100)) fresh.pop();
  if (log) console.error(row.name, [...scratch.slice(0, at)].join(' '));
  const status = attempt(() => addon.run(...fresh.slice(0, 8)));
  if (status !== undefined) accepted++;
  if (status !== undefined) fresh.forEach((object, i) => objects.push({ object, handle: scratch[1 + i] }));
}

const values = [undefined, null, 'x', {}, [], -1, 0, 1, 1.5, NaN, 2 ** 40, new Float64Array(4), new Float32Array(0), Symbol('s'), () => 1, 3n];
const dangerous = new Set(['run', 'loadCuda', 'openDevice', 'hold', 'canOpen', 'libraryVersion', 'attach']);
const functions = Object.keys(addon).filter((name) => !dangerous.has(name));
function callAnything() {
  for (let i = 0; i < 8; i++) scratch[i] = below(3) ? alive().handle : number();
  const given = Array.from({ length: below(4) }, () => (below(3) ? pick(values) : alive().handle));
  const result = attempt(() => addon[pick(functions)](...given));
  if (result instanceof Promise) result.catch(() => undefined);
}

for (let i = 0; i < 24; i++) make();
const [release, wait, takeError] = [addon.release, addon.wait, addon.takeError];
for (let i = 0; i < calls; i++) {
  if (objects.length < 12) make();
  if (objects.length < 12) continue;
  const kind = below(20);
  if (kind < 2) make();
  else if (kind < 5) makeView();
  else if (kind < 6) callAnything();
  else call();
  if (objects.length > 60) for (const { handle } of objects.splice(0, 20)) release(handle);
  if (i % 16 === 0 || log) {
    attempt(() => addon.abortRecording());
    wait(0);
    while (takeError(0)) failed++;
  }
}
wait(0);
console.log(JSON.stringify({ accepted, failed }));
