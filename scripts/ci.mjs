// SPDX-License-Identifier: Apache-2.0
// Runs every check, prints what each prints, and ends with the line `N passed, N failed`: the tests one by one, every
// other check as one. What cannot run here is said to be skipped and counts as neither.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { findProgram } from './lib/prerequisites.mjs';
import { at, root } from './lib/project.mjs';

const wheels = at('build', 'cuda-wheels');
const CUDA_WHEELS = ['nvidia-cudnn-cu13==9.28.0.42', 'nvidia-cublas==13.10.0.20', 'nvidia-cuda-nvrtc==13.5.37'];
const results = at('build', 'test-results.json');
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

/** Runs one command with its output visible, and ends it with all that it started when its time is over. */
async function run(title, minutes, command, args, env = {}) {
  console.log(`\n=== ${title}: ${[path.basename(command), ...args].join(' ')}`);
  const began = Date.now();
  const child = spawn(command, args, {
    cwd: root, stdio: ['ignore', 'inherit', 'inherit'], detached: true, env: { ...process.env, ...env },
  });
  const end = () => process.kill(-child.pid, 'SIGKILL');
  const stop = () => (end(), process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);
  let why;
  const timer = setTimeout(() => {
    why = `not done after ${minutes} minutes`;
    end();
  }, minutes * 60_000);
  await new Promise((resolve) => {
    child.once('error', (error) => resolve((why = error.message)));
    child.once('exit', (status, signal) => resolve((why ??= status === 0 ? undefined : `exit status ${status ?? signal}`)));
  });
  clearTimeout(timer);
  for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop);
  console.log(`=== ${title}: ${why ? `FAILED (${why})` : 'passed'} after ${Math.round((Date.now() - began) / 1000)} s`);
  return !why;
}

function count(title, passed) {
  total[passed ? 'passed' : 'failed']++;
  if (!passed) failures.push(title);
  return passed;
}

const check = async (title, ...rest) => count(title, await run(title, ...rest));

function skip(title, why) {
  console.log(`\n=== ${title}: skipped: ${why}`);
}

/** The README's test command; its tests count one by one. */
async function tests() {
  mkdirSync(path.dirname(results), { recursive: true });
  rmSync(results, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const passed = await run('tests', 22, 'npm', ['test', '--', ...reporters]);
  const report = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined;
  const files = report?.testResults ?? [];
  const outcomes = files.flatMap((file) => file.assertionResults.map((test) => test.status));
  total.passed += outcomes.filter((status) => status === 'passed').length;
  total.skipped += outcomes.filter((status) => status !== 'passed' && status !== 'failed').length;
  // Files that do not load fail without a test, and so may the set-up and the run itself.
  const broken = files.filter((file) => file.status === 'failed' && file.assertionResults.every((t) => t.status !== 'failed'));
  const failed = outcomes.filter((status) => status === 'failed').length + broken.length;
  total.failed += passed ? failed : Math.max(failed, 1);
  if (!passed) failures.push('tests');
}

/** The CUDA library compiles and links against the real cuDNN and cuBLAS, and its graphs can be planned. */
async function cuda() {
  const toolkits = [process.env.CUDA_PATH, process.env.CUDA_HOME, '/usr/local/cuda'].filter(Boolean);
  if (!findProgram(...toolkits.map((home) => path.join(home, 'bin', 'nvcc')), 'nvcc')) {
    skip('CUDA build', 'no nvcc');
    return;
  }
  const env = { LENODE_CUDA: 'on' };
  if (!existsSync(at('build', 'Release', 'liblenode_cuda.so')) && !existsSync(path.join(wheels, 'nvidia', 'cudnn'))) {
    const quietly = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore'];
    const pip = ['-m', 'pip', 'install', ...quietly, '--target', wheels, ...CUDA_WHEELS];
    if (!(await check('cuDNN and cuBLAS', 10, 'python3', pip))) return;
  }
  if (existsSync(wheels)) env.LENODE_CUDA_WHEELS = wheels;
  if (!(await check('CUDA build', 25, process.execPath, ['scripts/build.mjs', '--addon'], env))) return;
  // What the first run of the tests had to skip.
  await check('CUDA library', 5, 'npm', ['test', '--', 'test/cuda-plans.test.ts', 'test/doctor.test.ts'], env);
}

const tool = (name, file) => at('node_modules', name, file);

await tests();
await check('op table', 1, process.execPath, ['scripts/gen-ops.mjs', '--check']);
await check('types', 5, process.execPath, [tool('typescript', 'bin/tsc'), '-p', 'tsconfig.json']);
await check('lint', 5, process.execPath, [tool('eslint', 'bin/eslint.js'), '.']);
await check('layers', 2, process.execPath, [
  tool('dependency-cruiser', 'bin/dependency-cruise.mjs'), 'lib', '--config', '.dependency-cruiser.mjs',
]);
if (await check('sanitized build', 12, process.execPath, ['scripts/build.mjs', '--sanitize'])) {
  const fuzz = ['bench/fuzz.mjs', '--calls', '20000', '--seed', '1', '--sanitized'];
  await check('fuzz of the public API', 12, process.execPath, fuzz);
}
await cuda();

if (failures.length) console.log(`\nFailed: ${failures.join(', ')}`);
if (total.skipped) console.log(`\n${total.skipped} tests skipped`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed ? 1 : 0;
