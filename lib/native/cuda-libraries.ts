// SPDX-License-Identifier: Apache-2.0
// Where NVIDIA's libraries are, and whether they are the right ones. A place that the user names wins over every
// other, and what is wrong there is said, not passed over.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { native } from './binding.js';

/** Something that is wrong, and what to do about it. */
export interface Problem {
  component: string;
  reason: string;
  remedy: string;
}

/** A library as it was found, or not. */
export interface CudaLibrary {
  name: string;
  path: string | null;
  version: string | null;
  /** The variable that named the place, `build`, `pip` or `system`; null when it was not found. */
  source: string | null;
  problem: Problem | null;
}

export interface LibraryKind {
  name: string;
  stem: string;
  /** Major and minor version; the major one must be equal. */
  minimum: readonly [number, number];
  versionSymbol: string;
  /** Variables that choose this library, in order; and those that only name a place where it may be. */
  chosenBy: readonly string[];
  maybeIn: readonly string[];
  remedy: string;
}

/** The libraries that a backend built for one major version of CUDA opens. */
export function libraryKinds(cudaMajor: number): { cudnn: LibraryKind; cublas: LibraryKind } {
  return {
    cudnn: {
      name: 'cuDNN',
      stem: 'libcudnn',
      minimum: [9, 8],
      versionSymbol: 'cudnnGetVersion',
      chosenBy: ['CUDNN_HOME', 'CUDNN_PATH', 'LENODE_CUDA_WHEELS'],
      maybeIn: ['CUDA_HOME', 'CUDA_PATH'],
      remedy: `pip install nvidia-cudnn-cu${cudaMajor}, or set CUDNN_HOME to a folder with cuDNN 9 for CUDA ${cudaMajor}`,
    },
    cublas: {
      name: 'cuBLAS',
      stem: 'libcublasLt',
      minimum: [cudaMajor, 0],
      versionSymbol: 'cublasLtGetVersion',
      chosenBy: ['LENODE_CUDA_WHEELS'],
      maybeIn: ['CUDA_HOME', 'CUDA_PATH'],
      remedy: `${cudaMajor === 12 ? 'pip install nvidia-cublas-cu12' : 'pip install nvidia-cublas'}, or set CUDA_HOME to a CUDA ${cudaMajor} toolkit`,
    },
  };
}

interface Place {
  source: string;
  folders: string[];
  /** The place is the user's choice of this library. */
  chosen: boolean;
}

/** `recorded`: the folders where the build found its libraries. */
export function findLibrary(kind: LibraryKind, recorded: readonly string[]): CudaLibrary {
  let unfit: CudaLibrary | undefined;
  for (const place of places(kind, recorded)) {
    const named = process.env[place.source] !== undefined;
    const file = place.folders.flatMap((folder) => candidates(kind, folder))[0];
    if (file) {
      const library = examine(kind, file, place.source);
      // The first unfit library is told of if no other place has a better one.
      if (!library.problem || named) return library;
      unfit ??= library;
    } else if (place.chosen) {
      return notFound(kind, place.source, `${setTo(place.source)}, which holds no ${fileName(kind)}`);
    } else if (named && !existsSync(process.env[place.source]!)) {
      return notFound(kind, place.source, `${setTo(place.source)}, which does not exist`);
    }
  }
  return unfit ?? notFound(kind, null, `${kind.name} ${kind.minimum[0]} was not found (${fileName(kind)})`);
}

function* places(kind: LibraryKind, recorded: readonly string[]): Generator<Place> {
  const variables = [...kind.chosenBy, ...kind.maybeIn].filter((name) => process.env[name]);
  const wheels = 'LENODE_CUDA_WHEELS';
  // A collection of wheels is the least specific choice.
  for (const name of [...variables.filter((n) => n !== wheels), ...variables.filter((n) => n === wheels)]) {
    const home = process.env[name]!;
    const folders = name === wheels ? wheelFolders(home) : libraryFolders(home);
    yield { source: name, folders, chosen: kind.chosenBy.includes(name) };
  }
  yield { source: 'build', folders: [...recorded], chosen: false };
  for (const name of ['VIRTUAL_ENV', 'CONDA_PREFIX']) {
    const prefix = process.env[name];
    if (!prefix) continue;
    const sites = list(path.join(prefix, 'lib')).filter((entry) => /^python3/.test(entry));
    const folders = sites.flatMap((entry) => wheelFolders(path.join(prefix, 'lib', entry, 'site-packages')));
    yield { source: 'pip', folders: [...folders, path.join(prefix, 'lib')], chosen: false };
  }
  yield { source: 'pip', folders: pythonSites().flatMap(wheelFolders), chosen: false };
  yield { source: 'system', folders: systemFolders(), chosen: false };
}

const fileName = (kind: LibraryKind) => `${kind.stem}.so.${kind.minimum[0]}`;
const setTo = (variable: string) => `${variable} is ${process.env[variable]}`;

const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const target = process.arch === 'arm64' ? 'sbsa-linux' : 'x86_64-linux';

function libraryFolders(home: string): string[] {
  const inside = ['', 'lib', 'lib64', `lib/${architecture}-linux-gnu`, `targets/${target}/lib`];
  return inside.map((name) => path.join(home, name));
}

/** Folders of libraries in a site-packages folder, or in its nvidia/. */
function wheelFolders(site: string): string[] {
  return [path.join(site, 'nvidia'), site].flatMap((base) => list(base).map((name) => path.join(base, name, 'lib')));
}

let sites: string[] | undefined;

function pythonSites(): string[] {
  const program = 'import sys; print(*[p for p in sys.path if "packages" in p], sep="\\n")';
  const ask = () => spawnSync('python3', ['-c', program], { encoding: 'utf8', timeout: 5000, stdio: ['ignore', 'pipe', 'ignore'] });
  return (sites ??= (ask().stdout ?? '').split('\n').filter(Boolean));
}

let system: string[] | undefined;

function systemFolders(): string[] {
  if (system) return system;
  const fixed = [
    ...(process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean),
    `/usr/lib/${architecture}-linux-gnu`,
    ...libraryFolders('/usr/local/cuda'),
    '/usr/lib64',
    '/usr/lib',
    '/usr/local/lib',
    '/opt/cuda/lib64',
  ];
  const known = ['/sbin/ldconfig', '/usr/sbin/ldconfig']
    .filter((file) => existsSync(file))
    .slice(0, 1)
    .map((file) => spawnSync(file, ['-p'], { encoding: 'utf8', timeout: 5000 }).stdout ?? '');
  const listed = [...known.join().matchAll(/=> (\/.*)\/lib(?:cudnn|cublasLt)\.so/g)].map((match) => match[1]!);
  return (system = [...new Set([...fixed, ...listed])]);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

const majorOf = (file: string) => Number(/\.so\.(\d+)/.exec(file)?.[1] ?? NaN);

/** The files of a folder that may be the library, the likeliest first. */
function candidates(kind: LibraryKind, folder: string): string[] {
  const wanted = fileName(kind);
  const rank = (file: string) =>
    file === wanted ? 0 : majorOf(file) === kind.minimum[0] ? 1 : file.endsWith('.so') ? 2 : 3;
  return list(folder)
    .filter((file) => file === `${kind.stem}.so` || new RegExp(`^${kind.stem}\\.so(\\.\\d+)+$`).test(file))
    .sort((a, b) => rank(a) - rank(b) || majorOf(b) - majorOf(a))
    .map((file) => path.join(folder, file));
}

/** NVIDIA's numbers: 13.1.0 is 130100; up to cuDNN 8 thousands counted: 8.9.0 is 8900. */
export function formatVersion(value: number): string {
  const unit = value < 10_000 ? 1000 : 10_000;
  return [Math.floor(value / unit), Math.floor((value % unit) / 100), value % 100].join('.');
}

function examine(kind: LibraryKind, file: string, source: string): CudaLibrary {
  const where = process.env[source] === undefined ? file : `${file}, where ${source} points,`;
  const result = (version: string | null, reason?: string): CudaLibrary => {
    const problem = reason === undefined ? null : { component: kind.name, reason: `${where} ${reason}`, remedy: kind.remedy };
    return { name: kind.name, path: file, version, source, problem };
  };
  const judge = (version: string): CudaLibrary => {
    const [major, minor = Infinity] = version.split('.').map(Number) as [number, number?];
    const [wanted, least] = kind.minimum;
    if (major === wanted && minor >= least) return result(version);
    const judgement = major > wanted ? `too new: ${wanted} is needed` : `too old: ${wanted}.${least} or newer is needed`;
    return result(version, `is ${kind.name} ${version}, which is ${judgement}`);
  };
  const major = majorOf(file);
  // Told by its name alone: once opened, it could stand in for the right one.
  if (!Number.isNaN(major) && major !== kind.minimum[0]) return judge(String(major));
  const value = native().libraryVersion(file, kind.versionSymbol);
  if (value >= 0) return judge(formatVersion(value));
  return result(null, `cannot be used: ${native().canOpen(file) ?? `it has no ${kind.versionSymbol}`}`);
}

function notFound(kind: LibraryKind, source: string | null, reason: string): CudaLibrary {
  return { name: kind.name, path: null, version: null, source, problem: { component: kind.name, reason, remedy: kind.remedy } };
}
