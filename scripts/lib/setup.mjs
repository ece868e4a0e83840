// SPDX-License-Identifier: Apache-2.0
// Brings a clone to the state in which it runs: packages, addon, compiled TypeScript. Does only what is missing.
import { accessSync, constants, cpSync, existsSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { addonIsCurrent, buildAddon } from './addon.mjs';
import { checkNode, findProgram } from './prerequisites.mjs';
import { SetupError, at, ensureFolder, exclusively, newest, require, runLogged, say } from './project.mjs';

const installed = at('node_modules', '.package-lock.json');
const compiled = at('dist', '.compiled');

const packagesAreCurrent = () => existsSync(installed) && newest(at('package-lock.json')) <= statSync(installed).mtimeMs;
const distIsCurrent = () =>
  existsSync(compiled) &&
  newest(at('lib'), at('tsconfig.json'), at('tsconfig.build.json'), at('rolldown.config.mjs')) <= statSync(compiled).mtimeMs;

export function setUp() {
  checkNode();
  if (packagesAreCurrent() && addonIsCurrent() && distIsCurrent()) return;
  exclusively(() => {
    if (!packagesAreCurrent()) installPackages();
    buildAddon();
    if (!distIsCurrent()) compile();
  });
}

/** Compiles lib/ to dist/. */
export function compile() {
  ensureFolder(at('dist'));
  const began = new Date();
  say('compiling TypeScript');
  const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  const log = at('build', 'tsc.log');
  const { status, output } = runLogged(process.execPath, [tsc, '-p', at('tsconfig.build.json'), '--pretty', 'false'], log);
  if (status !== 0) throw new SetupError(`TypeScript reports errors:\n\n${output.trimEnd()}`);
  rmSync(at('dist', 'bundle'), { recursive: true, force: true });
  const rolldown = path.join(path.dirname(require.resolve('rolldown/package.json')), 'bin', 'cli.mjs');
  const bundled = runLogged(process.execPath, [rolldown, '-c', at('rolldown.config.mjs')], at('build', 'rolldown.log'));
  if (bundled.status !== 0) throw new SetupError(`rolldown could not bundle lib/:\n\n${bundled.output.trimEnd()}`);
  for (const assets of ['selftest/cases', 'visualize/page']) cpSync(at('lib', assets), at('dist', assets), { recursive: true });
  writeFileSync(compiled, '');
  utimesSync(compiled, began, began);
}

function installPackages() {
  ensureFolder(at('node_modules'));
  ensureFolder(at('build'));
  say('installing npm packages');
  const [command, ...args] = npm();
  args.push(existsSync(installed) ? 'install' : 'ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund');
  const { status, output } = runLogged(command, [...args, '--loglevel=error', ...cacheFlag()], at('build', 'npm.log'));
  if (status !== 0) throw new SetupError(`npm could not install the packages:\n\n${output.trimEnd()}`);
  // npm leaves its record alone when nothing had to change.
  utimesSync(installed, new Date(), new Date());
}

// The npm that runs this script, or the one that belongs to Node.
function npm() {
  const cli = process.env.npm_execpath;
  if (cli && /npm-cli\.[cm]?js$/.test(cli) && existsSync(cli)) return [process.execPath, cli];
  const program = findProgram('npm', path.join(path.dirname(process.execPath), 'npm'));
  if (!program) throw new SetupError('npm was not found: it comes with Node.');
  return [program];
}

// npm fails without a cache that it can write to.
function cacheFlag() {
  const cache = process.env.npm_config_cache ?? path.join(os.homedir(), '.npm');
  try {
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK);
    return [];
  } catch {
    say(`${cache} cannot be written to; npm's cache goes to build/npm-cache`);
    return ['--cache', at('build', 'npm-cache')];
  }
}
