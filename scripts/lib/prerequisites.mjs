// SPDX-License-Identifier: Apache-2.0
// What must be on the machine before a build can begin, and how to get it there.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { SetupError } from './project.mjs';

const MINIMUM_NODE = [20, 17];
const MINIMUM_CMAKE = [3, 18];

/** Full path of the first of `names` that can be run, from PATH unless it is a path itself. */
export function findProgram(...names) {
  for (const name of names.filter(Boolean))
    for (const folder of name.includes('/') ? [''] : (process.env.PATH ?? '').split(path.delimiter).filter(Boolean))
      try {
        const file = path.join(folder, name);
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not here.
      }
  return undefined;
}

const older = (version, minimum) => version[0] < minimum[0] || (version[0] === minimum[0] && version[1] < minimum[1]);
const numbers = (text) => /(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number) ?? [0, 0];

export function checkNode() {
  if (older(numbers(process.versions.node), MINIMUM_NODE))
    throw new SetupError(`this is Node ${process.versions.node}; ${MINIMUM_NODE.join('.')} or newer is needed.`);
}

// Package managers, with their names of g++, make and cmake.
const managers = [
  ['apt-get', 'apt-get install -y', { compiler: 'g++', make: 'make', cmake: 'cmake' }],
  ['dnf', 'dnf install -y', { compiler: 'gcc-c++', make: 'make', cmake: 'cmake' }],
  ['yum', 'yum install -y', { compiler: 'gcc-c++', make: 'make', cmake: 'cmake3' }],
  ['zypper', 'zypper install -y', { compiler: 'gcc-c++', make: 'make', cmake: 'cmake' }],
  ['pacman', 'pacman -S --needed', { compiler: 'gcc', make: 'make', cmake: 'cmake' }],
  ['apk', 'apk add', { compiler: 'g++', make: 'make', cmake: 'cmake' }],
  ['brew', 'brew install', { compiler: 'gcc', make: 'make', cmake: 'cmake' }],
];

function installCommand(parts) {
  const [program, command, names] = managers.find(([name]) => findProgram(name)) ?? [];
  if (!program) return `Install ${parts.map((part) => (part === 'compiler' ? 'g++' : part)).join(', ')}.`;
  const sudo = program === 'brew' || process.getuid?.() === 0 ? '' : 'sudo ';
  return `Install what is missing with\n\n  ${sudo}${command} ${parts.map((part) => names[part]).join(' ')}\n`;
}

/** Throws one message that names everything that is missing or too old. */
export function checkPrerequisites() {
  checkNode();
  const missing = [];
  const parts = [];
  const { CXX } = process.env;
  if (!(CXX ? findProgram(CXX.split(' ')[0]) : findProgram('c++', 'g++', 'clang++'))) {
    missing.push(CXX ? `a C++ compiler (CXX is ${CXX}, which cannot be run)` : 'a C++ compiler (g++)');
    parts.push('compiler');
  }
  if (!findProgram('ninja', 'make', 'gmake')) {
    missing.push('make');
    parts.push('make');
  }
  const cmake = findProgram('cmake');
  const version = cmake && numbers(spawnSync(cmake, ['--version'], { encoding: 'utf8' }).stdout);
  if (!cmake) {
    missing.push('CMake');
    parts.push('cmake');
  }
  if (parts.length)
    throw new SetupError(`the native addon is built from source, which needs ${list(missing)}.\n${installCommand(parts)}`);
  if (older(version, MINIMUM_CMAKE))
    throw new SetupError(
      `CMake ${version.join('.')} (${cmake}) is too old: ${MINIMUM_CMAKE.join('.')} or newer is needed.\n` +
        'A newer one can be had without root: `python3 -m venv ~/cmake && ~/cmake/bin/pip install cmake`, then put\n' +
        '~/cmake/bin first in PATH.',
    );
}

const list = (items) => items.join(', ').replace(/, ([^,]*)$/, ' and $1');
