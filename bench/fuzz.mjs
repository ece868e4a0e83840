// SPDX-License-Identifier: Apache-2.0
// `node bench/fuzz.mjs [--calls N] [--seed N] [--minutes N] [--only REGEXP] [--sanitized] [--verbose]`: random calls of
// everything public, with all dtypes, views, disposed tensors, objects of other kinds and hostile ones. A call returns
// or throws, and the process goes on: none may crash or hang. Processes of a few thousand calls follow each other, each
// with a seed of its own. --sanitized runs them on the build that `npm run build -- --sanitize` makes.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SANITIZED, releaseFolder } from '../scripts/lib/addon.mjs';

const { values: options } = parseArgs({
  options: {
    calls: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: 'Infinity' },
    each: { type: 'string', default: '2500' }, // calls of one process
    timeout: { type: 'string', default: '90' }, // seconds for one call
    only: { type: 'string' }, // a regular expression for names
    sanitized: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false }, // every untyped error with an example
  },
});
const [calls, seed, each, timeout] = ['calls', 'seed', 'each', 'timeout'].map((name) => Number(options[name]));
const end = Date.now() + Number(options.minutes) * 60_000;

const folder = mkdtempSync(join(tmpdir(), 'lenode-fuzz-'));
const place = (name) => join(folder, name);
mkdirSync(place('work'));

function environment() {
  const env = { ...process.env, LENODE_MEMORY_LIMIT: '512M', LENODE_CUDA: 'off' };
  if (!options.sanitized) return env;
  const library = (name) =>
    execFileSync(process.env.CXX ?? 'g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  return {
    ...env,
    LENODE_ADDON_FOLDER: releaseFolder(SANITIZED),
    // The C++ library too: the sanitizer looks for its functions before the addon brings it.
    LD_PRELOAD: ['libasan.so', 'libstdc++.so.6'].map(library).join(' '),
    // Node itself leaves memory to the system at its end. An allocation that is too large is an error, not a report.
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  };
}

/** Runs one process to its end, or ends it when a call takes too long. */
async function run(childSeed, count) {
  writeFileSync(place('progress'), '');
  rmSync(place('report'), { force: true });
  const files = { progress: place('progress'), known: place('known'), report: place('report') };
  const job = { seed: childSeed, calls: count, ...files, only: options.only };
  const program = new URL('fuzz/child.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--expose-gc', '--max-old-space-size=1200', program, JSON.stringify(job)], {
    cwd: place('work'),
    env: environment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (text) => (errors = (errors + text).slice(-6000)));
  let [last, since, hung] = ['', Date.now(), false];
  const watch = setInterval(() => {
    const now = readFileSync(place('progress'), 'utf8').split('\n', 1)[0];
    if (now !== last) [last, since] = [now, Date.now()];
    else if (Date.now() - since > timeout * 1000) {
      hung = true;
      child.kill('SIGKILL');
    }
  }, 1000);
  const [code, signal] = await new Promise((resolve) => child.once('close', (...result) => resolve(result)));
  const how = signal ?? (code === 0 && existsSync(place('report')) ? '' : `exit status ${code}`);
  clearInterval(watch);
  if (how === '') return JSON.parse(readFileSync(place('report'), 'utf8'));
  const [, i, call] = /^(\d+) (.*)/.exec(readFileSync(place('progress'), 'utf8')) ?? [0, 0, 'the start'];
  return { calls: Number(i), problem: hung ? `hang: not done after ${timeout} s` : how, call, errors };
}

const total = { calls: 0, returned: 0, typed: 0, hostile: 0, pending: 0 };
const untyped = new Map();
const problems = [];
let targets = 0;
for (let k = 0; total.calls < calls && Date.now() < end; k++) {
  const childSeed = seed * 1000 + k;
  const result = await run(childSeed, Math.min(each, calls - total.calls));
  for (const key of Object.keys(total)) total[key] += result[key] ?? 0;
  targets = result.targets ?? targets;
  for (const [kind, { count, example }] of Object.entries(result.untyped ?? {})) {
    const entry = untyped.get(kind) ?? { count: 0, example };
    untyped.set(kind, { ...entry, count: entry.count + count });
  }
  console.log(
    `seed ${childSeed}: ${result.calls} calls, ${result.returned ?? '?'} returned${result.problem ? `; ${result.problem}` : ''}`,
  );
  if (result.problem) {
    problems.push(result);
    console.log(`  at ${result.call}\n${result.errors.replaceAll(/^/gm, '  ')}`);
    // A process that ends at once would be started forever.
    total.calls++;
  }
}
rmSync(folder, { recursive: true });
const unusual = [...untyped].sort((a, b) => b[1].count - a[1].count);
if (unusual.length > 0) console.log("\nErrors that are none of the library's own:");
for (const [kind, { count, example }] of unusual.slice(0, options.verbose ? Infinity : 20))
  console.log(`  ${count} x ${kind}${options.verbose ? `\n      ${JSON.stringify(example)}` : ''}`);
console.log(
  `\n${total.calls} calls of ${targets} functions, methods and classes: ${total.returned} returned, ${total.typed} errors of ` +
    `the library, ${total.hostile} of hostile arguments, ${unusual.reduce((sum, [, { count }]) => sum + count, 0)} others, ` +
    `${total.pending} not settled; ${problems.length} crashes or hangs`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
