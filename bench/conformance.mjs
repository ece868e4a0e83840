// SPDX-License-Identifier: Apache-2.0
// `npm run conformance [-- options]`: the samples of PyTorch's own tests (op_db, with its error inputs, and module_db),
// run here: forward, each gradient alone, captured, and with operands in other memory layouts. docs/conformance.md says
// what is compared, and lists what is refused.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Report } from './conformance/report.mjs';
import { MODULES } from './conformance/modules.mjs';
import { exists } from './conformance/signature.mjs';
import { OPS, rowName } from './conformance/table.mjs';
import { readSamples, writeFixture } from './conformance/samples.mjs';
import * as lenode from '../dist/index.js';
import { findPython } from './find-python.mjs';

// Of each name and dtype so many samples of so many elements, those of results and gradients included.
const FIXTURE = { limits: { float32: 2, bfloat16: 1, int64: 1 }, largest: 400 };
const CAPTURES = 150; // samples of a name that are also captured, from all over its list
const DTYPES = ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'uint8', 'bool'];
const { values: options } = parseArgs({
  options: {
    op: { type: 'string' }, // names of op_db or module_db, separated by commas; `name:variant` for one variant
    quick: { type: 'boolean', default: false }, // at most four samples of each name, in float32 and int64
    limit: { type: 'string' }, // at most so many samples of each name and dtype
    dtypes: { type: 'string' },
    seed: { type: 'string', default: '0' },
    modules: { type: 'boolean', default: false }, // these kinds alone; all if none is named
    errors: { type: 'boolean', default: false },
    ops: { type: 'boolean', default: false },
    layouts: { type: 'boolean', default: false }, // ways to run: these alone; all if none is named
    captured: { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
    timeout: { type: 'string', default: '60' }, // seconds for one sample
    python: { type: 'string' },
    json: { type: 'string' }, // a file for all results
    fixture: { type: 'string' }, // writes a few small samples of each name to this file, for test/conformance.test.ts
    verbose: { type: 'boolean', default: false },
  },
});
const python = findPython(options.python);
if (!python)
  throw new Error('no Python with PyTorch: make one (python -m venv .venv && .venv/bin/pip install -r ' +
    'test/fixtures/requirements.txt) and give it with --python or LENODE_BENCH_PYTHON');

const folder = mkdtempSync(join(tmpdir(), 'lenode-conformance-'));
const here = (name) => new URL(`conformance/${name}`, import.meta.url).pathname;

// ---- PyTorch's side ----------------------------------------------------------------------------------------------------

const producer = spawn(python, [here('producer.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: producer.stdout })[Symbol.asyncIterator]();
async function ask(request) {
  producer.stdin.write(`${JSON.stringify(request)}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`PyTorch ended at ${JSON.stringify(request)}`);
  return JSON.parse(value);
}

// ---- the side of the library -------------------------------------------------------------------------------------------

const progress = join(folder, 'progress');
let worker;
function start() {
  const child = spawn(process.execPath, ['--expose-gc', here('worker.mjs')], { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const state = { child, lines, errors: '' };
  child.stderr.on('data', (text) => (state.errors = (state.errors + text).slice(-2000)));
  state.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? `exit status ${code}`)));
  return state;
}

/** Runs the samples of a file, past those that end the process or never end. */
async function replay(job, onResult) {
  let from = 0;
  for (;;) {
    worker ??= start();
    const { child, lines } = worker;
    writeFileSync(progress, '');
    child.stdin.write(`${JSON.stringify({ ...job, from, progress })}\n`);
    let [last, hung] = ['', false];
    const watch = setInterval(() => {
      const now = readFileSync(progress, 'latin1');
      if (now === last && now !== '') {
        hung = true;
        child.kill('SIGKILL');
      }
      last = now;
    }, Number(options.timeout) * 1000);
    let done = false;
    for (;;) {
      const { value } = await lines.next();
      if (value === undefined) break;
      const result = JSON.parse(value);
      onResult(result);
      if ((done = result.done === true)) break;
    }
    clearInterval(watch);
    if (done) return;
    const how = await worker.ended;
    const { i, way } = JSON.parse(readFileSync(progress, 'latin1') || '{"i":-1,"way":"start"}');
    if (i < 0) throw new Error(`the library does not start: ${worker.errors}`);
    onResult({ i, way, outcome: hung ? 'hang' : 'crash', message: hung ? `not done after ${options.timeout} s` : `${how}: ${worker.errors.slice(-300)}` });
    worker = undefined;
    from = i + 1;
  }
}

// ---- what is run -------------------------------------------------------------------------------------------------------

const list = await ask({ kind: 'list' });
const wanted = options.op?.split(',').map((name) => name.trim());
const isWanted = (name, variant) => !wanted || wanted.includes(name) || wanted.includes(`${name}:${variant}`);
const anyKind = !options.ops && !options.errors && !options.modules;
const dtypes = options.dtypes?.split(',') ?? (options.quick ? ['float32', 'int64'] : options.fixture ? Object.keys(FIXTURE.limits) : DTYPES);
const limit = options.limit ? Number(options.limit) : options.quick ? 4 : undefined;
const waysNamed = ['layouts', 'captured', 'alone'].filter((way) => options[way]);
const modes = waysNamed.length > 0 ? waysNamed : ['layouts', 'captured', 'alone'];

const jobs = [];
const absent = []; // rows whose functions are not there
for (const [name, variant, hasErrors] of list.ops) {
  const row = rowName(name, variant);
  if (!row || !isWanted(name, variant)) continue;
  if (!exists(lenode, OPS[row])) {
    absent.push(row);
    continue;
  }
  const entry = { name, variant, row, seed: Number(options.seed) };
  if (anyKind || options.ops) jobs.push({ kind: 'op', ...entry, dtypes, limit });
  if (hasErrors && (anyKind || options.errors)) jobs.push({ kind: 'errors', ...entry });
}
for (const [name, , hasErrors] of list.modules) {
  if (!MODULES[name] || !isWanted(name, '')) continue;
  if (!lenode.nn[MODULES[name].name]) {
    absent.push(name);
    continue;
  }
  const entry = { name, variant: '', row: name, seed: Number(options.seed) };
  if (anyKind || options.modules) jobs.push({ kind: 'module', ...entry, dtypes, limit });
  if (hasErrors && (anyKind || options.errors)) jobs.push({ kind: 'module errors', ...entry });
}
if (jobs.length === 0) throw new Error(`nothing of op_db is called ${options.op}`);

const report = new Report(list, options);
const small = options.fixture ? FIXTURE : {};
const fixture = [];
const produce = (job, k) => ask({ ...job, ...small, file: join(folder, `${k % 2}.bin`) });
let next = produce(jobs[0], 0);
for (const [k, job] of jobs.entries()) {
  const { samples, skipped } = await next;
  // The next file is made while this one is run.
  if (k + 1 < jobs.length) next = produce(jobs[k + 1], k + 1);
  const file = join(folder, `${k % 2}.bin`);
  const bytes = readFileSync(file);
  const content = readSamples(bytes);
  report.begin(job, samples, skipped);
  const refused = new Set();
  let wrong = 0;
  await replay({ kind: job.kind, file, name: job.row, modes, captures: options.captured ? 0 : CAPTURES }, (result) => {
    report.add(job, result, content);
    if (['refused', 'accepted'].includes(result.outcome)) refused.add(`${result.i} ${result.way}`);
    else if (result.outcome) wrong++;
  });
  if (options.fixture && samples > 0 && wrong === 0) fixture.push({ kind: job.kind, row: job.row, variant: job.variant, refused: [...refused], bytes });
  report.end(job);
}
report.print(absent);
if (options.fixture) writeFixture(options.fixture, fixture);
if (options.json) writeFileSync(options.json, JSON.stringify(report.results));
worker?.child.stdin.end();
producer.stdin.end();
rmSync(folder, { recursive: true });
process.exitCode = report.failures > 0 ? 1 : 0;
