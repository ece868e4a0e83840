// SPDX-License-Identifier: Apache-2.0
// What the scripts share. They run before anything is installed: Node's own modules only.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, openSync, closeSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(fileURLToPath(new URL('../..', import.meta.url)));
export const at = (...parts) => path.join(root, ...parts);
/** Resolves as the project's own files do: also where npm put the packages in a folder above. */
export const require = createRequire(at('package.json'));

/** stdout belongs to the program that is set up: it may be read by another one. */
export const say = (text) => process.stderr.write(`lenode: ${text}\n`);

/** A failure whose message is all that a user needs. */
export class SetupError extends Error {}

/** Runs a script's body; a SetupError is printed without its stack. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\nlenode: ${error.message}\n\n`);
    process.exitCode = 1;
  }
}

/** Time of the newest change to files and folders below `paths`; 0 when there are none. */
export function newest(...paths) {
  let time = 0;
  for (const name of paths) {
    const stat = statSync(name, { throwIfNoEntry: false });
    if (!stat) continue;
    time = Math.max(time, stat.mtimeMs);
    if (stat.isDirectory()) time = Math.max(time, newest(...readdirSync(name).map((entry) => path.join(name, entry))));
  }
  return time;
}

/** Makes a folder of the project, or says who could. */
export function ensureFolder(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new SetupError(
      `cannot write to ${folder} (${error.code}).\n` +
        `  Everything is built inside the project's folder: run this as the user who owns it, or clone it anew.`,
    );
  }
}

/** Runs a program with its output in a file; returns its exit status and that output. */
export function runLogged(command, args, log, { append = false, ...options } = {}) {
  const file = openSync(log, append ? 'a' : 'w');
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', file, file], ...options });
  closeSync(file);
  if (error) throw new SetupError(`cannot run ${command}: ${error.message}`);
  return { status, output: readFileSync(log, 'utf8') };
}

/** Runs a program with this process's streams; returns its exit status. */
export function runVisible(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) throw new SetupError(`cannot run ${command}: ${error.message}`);
  return signal ? 128 : status;
}

/** Runs `body` while no other process of this project builds in the same folder. */
export function exclusively(body) {
  ensureFolder(at('build'));
  const lock = at('build', '.lock');
  for (let waiting = false; !take(lock); waiting = true) {
    if (!waiting) say('waiting for another build in this folder');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  }
  try {
    return body();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(lock, 'utf8')) || process.pid, 0);
  } catch (error) {
    // Its owner was killed, or has just finished.
    if (error.code === 'ESRCH') rmSync(lock, { force: true });
  }
  return false;
}
