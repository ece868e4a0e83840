// SPDX-License-Identifier: Apache-2.0
// Builds the native addon, and the CUDA library where its toolkit is found, through cmake-js.
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { checkPrerequisites } from './prerequisites.mjs';
import { SetupError, at, ensureFolder, newest, require, runLogged, say } from './project.mjs';

const sources = ['native', 'cmake', 'CMakeLists.txt', 'scripts/provide-onednn.sh'].map((name) => at(name));

// What else a build depends on.
const settings = [
  'LENODE_CUDA', 'LENODE_CUDA_WHEELS', 'LENODE_CUDA_ARCHITECTURES', 'LENODE_MARCH', 'LENODE_SANITIZE', 'CUDA_HOME',
  'CUDA_PATH', 'CUDACXX', 'CUDNN_HOME', 'CUDNN_PATH', 'ONEDNN_HOME', 'CXX', 'CXXFLAGS', 'LDFLAGS',
];

/** The tree of the build with the address and undefined-behaviour sanitizers. */
export const SANITIZED = 'build/sanitized';

/** Where a build lies. That of another -march, or with sanitizers, must have a tree of its own. */
export const releaseFolder = (tree = 'build') => at(tree, 'Release');
/** What every build makes. */
export const libraries = ['lenode.node', 'liblenode_cpu.so'];
const stampOf = (tree) => at(tree, 'addon.json');

function surroundings() {
  const environment = Object.fromEntries(settings.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
  return { environment, cpu: os.cpus()[0]?.model ?? '', folder: at() };
}

function recorded(tree) {
  try {
    return JSON.parse(readFileSync(stampOf(tree), 'utf8'));
  } catch {
    return undefined;
  }
}

// A variable that is no longer set asks for nothing, so the build that it made stays good.
function sameSurroundings(before, now) {
  return (
    before?.folder === now.folder &&
    (before.cpu === now.cpu || Boolean(before.environment.LENODE_MARCH)) &&
    Object.entries(now.environment).every(([name, value]) => before.environment[name] === value)
  );
}

export function addonIsCurrent(tree = 'build') {
  const before = recorded(tree);
  return (
    libraries.every((name) => existsSync(path.join(releaseFolder(tree), name))) &&
    sameSurroundings(before, surroundings()) &&
    newest(...sources) <= before.began
  );
}

/**
 * Builds what is out of date. `anew` looks for compilers and libraries again; objects that are still good are kept.
 * The whole output goes to <tree>/install.log.
 */
export function buildAddon({ anew = false, tree = 'build', env = {} } = {}) {
  if (!anew && addonIsCurrent(tree)) return false;
  checkPrerequisites();
  const builder = cmakeJs();
  ensureFolder(at(tree));
  const now = surroundings();
  const cache = at(tree, 'CMakeCache.txt');
  if (anew || !sameSurroundings(recorded(tree), now)) rmSync(cache, { force: true });
  const log = at(tree, 'install.log');
  const began = Date.now();
  say(`building the native addon (minutes the first time; log: ${path.relative(at(), log)})`);
  const { status, output } = runLogged(process.execPath, [builder, 'build', '-d', at(), '--out', at(tree)], log, {
    env: { CMAKE_BUILD_PARALLEL_LEVEL: String(jobs()), ...process.env, ...env },
  });
  if (status !== 0) {
    // A configuration that failed would not be tried again.
    rmSync(cache, { force: true });
    throw new SetupError(`the native addon could not be built.\n\n${explain(output)}\n\n  The whole log: ${log}`);
  }
  const cuda = cudaOutcome(output, tree);
  writeFileSync(stampOf(tree), `${JSON.stringify({ began, cuda, ...now }, null, 2)}\n`);
  // An installed package is built once; a clone has sources to change.
  if (!existsSync(at('lib'))) for (const rest of ['CMakeFiles', 'CMakeCache.txt']) rmSync(at(tree, rest), { recursive: true, force: true });
  const oneDnn = /-- (oneDNN \d[^:\n]*): /.exec(output)?.[1] ?? 'CPU';
  say(`built in ${Math.round((Date.now() - began) / 1000)} s: ${oneDnn}, ${cuda ? `no CUDA (${cuda})` : 'CUDA'}`);
  return true;
}

/** Builds for the CPU with other settings, in a tree of its own. */
export function buildApart(tree, settings) {
  // The private oneDNN is for any CPU as it is.
  const [shared, linked] = [at('build', 'onednn'), at(tree, 'onednn')];
  mkdirSync(at(tree), { recursive: true });
  if (existsSync(shared) && !existsSync(linked)) symlinkSync(shared, linked);
  Object.assign(process.env, settings, { LENODE_CUDA: 'off' });
  return buildAddon({ tree });
}

export const buildSanitized = () => buildApart(SANITIZED, { LENODE_SANITIZE: 'on' });

function cmakeJs() {
  try {
    const manifest = require.resolve('cmake-js/package.json');
    return path.join(path.dirname(manifest), require(manifest).bin['cmake-js']);
  } catch {
    throw new SetupError(`the package cmake-js is missing: run \`npm install\` in ${at()}`);
  }
}

// A compiler takes up to 1 GiB.
const jobs = () => Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / 2 ** 30) - 1));

/** The part of a failed build's output that says why. */
function explain(output) {
  const lines = output.split('\n').map((line) => line.trimEnd());
  const ours = lines.findIndex((line) => /^\s+lenode: /.test(line));
  if (ours >= 0) {
    const rest = lines.slice(ours);
    const end = rest.findIndex((line, i) => line === '' && (rest[i + 1] ?? '') === '' || /^-- /.test(line));
    return rest.slice(0, end < 0 ? 12 : end).join('\n').trimEnd();
  }
  const compiler = lines.filter((line) => /(\berror\b|fatal|undefined reference|Killed|No space left)/i.test(line));
  return (compiler.length ? compiler.slice(0, 8) : lines.filter(Boolean).slice(-12)).map((line) => `  ${line}`).join('\n');
}

/** Why there is no CUDA library, for `lenode doctor`; null if there is one. */
function cudaOutcome(output, tree) {
  const library = path.join(releaseFolder(tree), 'liblenode_cuda.so');
  const off = process.env.LENODE_CUDA?.toLowerCase() === 'off' ? 'LENODE_CUDA was off.' : undefined;
  const reason = off ?? /building without the CUDA backend: (.*)/.exec(output)?.[1];
  // One from an earlier build would not fit this addon.
  if (reason) rmSync(library, { force: true });
  return existsSync(library) ? null : (reason ?? recorded(tree)?.cuda ?? 'the build did not look for CUDA.');
}
