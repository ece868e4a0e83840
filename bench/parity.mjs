// SPDX-License-Identifier: Apache-2.0
// `node bench/parity.mjs [--only NAMES] [--device cuda] [--json]`: every network of lib/models against PyTorch's, from
// the same weights: parameters, names, scores in use, the losses of three steps of SGD, the gradients of the first, and
// the running statistics after the last.
//
// The error of a tensor is max |a - b| / max |b|; the table shows the worst tensor of each kind, against PyTorch in
// float32 and in float64, and how far PyTorch's own float32 is from its float64. A gradient that is zero but for
// rounding (of a bias before a batch normalisation) is divided by the largest gradient of the network instead.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as lenode from '../dist/index.js';
import { findPython } from './find-python.mjs';
import { compute } from './parity-run.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    python: { type: 'string' },
    tolerance: { type: 'string', default: '1e-3' },
    json: { type: 'boolean', default: false },
  },
});
const tolerance = Number(options.tolerance);
const cases = JSON.parse(readFileSync(new URL('../test/fixtures/networks.json', import.meta.url), 'utf8'));
const labelOf = ({ label, name }) => label ?? name;
const wanted = options.only?.split(',').map((name) => name.trim());
const chosen = cases.map((entry, i) => [i, entry]).filter(([, entry]) => !wanted || wanted.includes(labelOf(entry)) || wanted.includes(entry.name));
if (chosen.length === 0) throw new Error(`no such network: ${options.only}; there are ${cases.map(labelOf).join(', ')}`);
const python = findPython(options.python);
if (!python) throw new Error('no Python with torch and torchvision: give one with --python or LENODE_BENCH_PYTHON');

const folder = mkdtempSync(join(tmpdir(), 'lenode-parity-'));
const peer = spawn(python, [new URL('peers/parity.py', import.meta.url).pathname, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();

const VANISHING = 1e-9; // of the largest gradient: zero in exact arithmetic

/** Errors by kind, with the name of the worst tensor. */
async function compare(results, names, read) {
  const worst = {};
  const largest = { value: 0 };
  const entries = [];
  for (const name of names) {
    const exact = await read('float64', name);
    const scale = (await exact.abs().max().item());
    if (name.startsWith('grad.')) largest.value = Math.max(largest.value, scale);
    entries.push({ name, scale });
    exact.dispose();
  }
  for (const { name, scale: own } of entries) {
    const kind = name.split('.')[0];
    const scale = kind === 'grad' && own < VANISHING * largest.value ? largest.value : own;
    const [exact, single] = [await read('float64', name), await read('float32', name)];
    const mine = results.get(name)?.to({ device: 'cpu', dtype: 'float64' });
    if (!mine) throw new Error(`${name} is missing`);
    const [double, theirs] = [exact.to('float64'), single.to('float64')];
    const distance = async (a, b) => (await a.sub(b).abs().max().item()) / scale;
    const errors = { float32: await distance(mine, theirs), float64: await distance(mine, double), peer: await distance(theirs, double) };
    worst[kind] ??= { float32: 0, float64: 0, peer: 0, name };
    // NaN is worst of all.
    if (!(errors.float32 <= worst[kind].float32)) worst[kind].name = name;
    for (const key of Object.keys(errors)) if (!(errors[key] <= worst[kind][key])) worst[kind][key] = errors[key];
    for (const t of [exact, single, double, theirs, mine]) t.dispose();
  }
  return worst;
}

async function check(index, entry) {
  peer.stdin.write(`${index}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error('PyTorch ended early');
  const { parameters, keys } = JSON.parse(value);
  const files = {};
  for (const name of ['start', 'float32', 'float64']) files[name] = await lenode.SafetensorsFile.open(join(folder, `${name}.safetensors`));
  try {
    const model = lenode.models[entry.name](entry.options ?? {});
    const own = { parameters: model.parameters().reduce((n, p) => n + p.numel, 0), keys: Object.keys(model.stateDict()) };
    const same = own.parameters === parameters && JSON.stringify(own.keys) === JSON.stringify(keys);
    const state = {};
    for (const key of keys) state[key] = await files.start.tensor(`state.${key}`);
    model.loadStateDict(state);
    for (const t of Object.values(state)) t.dispose();
    model.to(options.device);
    const [images, labels] = [await files.start.tensor('images', options), await files.start.tensor('labels', options)];
    const results = compute(lenode, model, images, labels, entry);
    const names = [...files.float64.tensors.keys()];
    const errors = await compare(results, names, (file, name) => files[file].tensor(name));
    const close = Object.values(errors).every((error) => Math.min(error.float32, error.float64) <= tolerance);
    return { network: labelOf(entry), parameters: own.parameters, keys: own.keys.length, same, errors, pass: same && close };
  } finally {
    for (const file of Object.values(files)) await file.close();
  }
}

const KINDS = ['eval', 'loss', 'grad', 'buffer'];
const figure = (x) => (x === undefined ? '-' : x.toExponential(0));
const row = (cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(36) : cell.padStart(i < 3 ? 13 : 21))).join('');
const reports = [];
try {
  if (!options.json) {
    console.log(`errors: against PyTorch in float32 / in float64 / PyTorch's float32 against its float64; on ${options.device}`);
    console.log(row(['network', 'parameters', 'keys', ...KINDS]));
  }
  for (const [index, entry] of chosen) {
    const report = await check(index, entry);
    reports.push(report);
    if (options.json) continue;
    const cells = KINDS.map((kind) => {
      const error = report.errors[kind];
      return error ? [error.float32, error.float64, error.peer].map(figure).join(' / ') : '-';
    });
    console.log(row([report.network, report.parameters.toLocaleString('en'), String(report.keys), ...cells]) + (report.pass ? '' : '  FAILS'));
    if (!report.same) console.log('  parameters or names differ from PyTorch\'s');
    if (!report.pass) for (const [kind, { name }] of Object.entries(report.errors)) console.log(`  ${kind}: worst in ${name}`);
  }
} finally {
  peer.stdin.end();
  rmSync(folder, { recursive: true, force: true });
}
if (options.json) console.log(JSON.stringify(reports));
process.exitCode = reports.every(({ pass }) => pass) ? 0 : 1;
