// SPDX-License-Identifier: Apache-2.0
// What this machine offers and what is missing, as data; `lenode doctor` prints it.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { native, type NativeDeviceProperties } from './binding.js';
import { addonFolder, packageRoot } from './paths.js';
import { cudaDevices, cudaLibraries, cudaStatus, rebuildCommand, whatIsMissing, type CudaStatus } from './cuda.js';
import { formatVersion, type CudaLibrary, type Problem } from './cuda-libraries.js';
import { CPU_ID, openDevice } from './devices.js';
import { noMore } from './options.js';

export interface CpuDiagnosis {
  usable: boolean;
  name: string;
  cores: number;
  threads: number;
  /** Instruction set that oneDNN uses. */
  isa: string;
  onednnVersion: string;
  memoryBytes: number;
  freeMemoryBytes: number;
}

export interface GpuDiagnosis {
  name: string;
  computeCapability: string;
  multiprocessors: number;
  memoryBytes: number;
}

export interface Diagnosis {
  lenode: string;
  node: { version: string; path: string };
  platform: string;
  addon: { path: string; loaded: boolean };
  cpu: CpuDiagnosis;
  cuda: Omit<CudaStatus, 'devices'> & { gpus: GpuDiagnosis[]; cublas: CudaLibrary | null; cudnn: CudaLibrary | null };
  /** Everything that is wrong or missing, with its remedy; `fatal` where not even the CPU can be used. */
  problems: (Problem & { fatal: boolean })[];
}

/** Looks at everything that lenode needs; opens the CPU and, where it works, the CUDA library. Never throws. */
export function diagnose(): Diagnosis {
  noMore('diagnose', arguments.length > 0);
  const problems: Diagnosis['problems'] = [];
  const attempt = <T>(component: string, remedy: string, body: () => T): T | undefined => {
    try {
      return body();
    } catch (error) {
      problems.push({ component, reason: (error as Error).message, remedy, fatal: true });
      return undefined;
    }
  };
  const rebuild = `Run \`${rebuildCommand()}\`.`;
  const loaded = attempt('addon', rebuild, native) !== undefined;
  const properties = loaded ? attempt('CPU', rebuild, () => native().deviceProperties(CPU_ID)) : undefined;
  const opened = properties !== undefined && attempt('CPU', rebuild, () => (openDevice(CPU_ID), true)) === true;
  const cuda = loaded ? inspectCuda() : undefined;
  problems.push(...(cuda?.problems ?? []).map((problem) => ({ ...problem, fatal: false })));
  return {
    lenode: packageVersion(),
    node: { version: process.version, path: process.execPath },
    platform: `${os.type()} ${os.release()} ${process.arch}`,
    addon: { path: path.join(addonFolder, 'lenode.node'), loaded },
    cpu: describeCpu(opened, properties),
    cuda: cuda ?? noCuda,
    problems,
  };
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
}

function describeCpu(usable: boolean, properties: NativeDeviceProperties | undefined): CpuDiagnosis {
  return {
    usable,
    name: properties?.name ?? os.cpus()[0]?.model ?? '',
    cores: os.availableParallelism(),
    threads: properties?.multiprocessors ?? 0,
    isa: properties?.isa ?? '',
    onednnVersion: properties ? formatVersion(properties.dnnVersion) : '',
    memoryBytes: properties?.totalMemory ?? os.totalmem(),
    freeMemoryBytes: os.freemem(),
  };
}

function inspectCuda(): Diagnosis['cuda'] {
  const { devices, ...status } = cudaStatus();
  const disabled = status.problems.some((problem) => problem.component === 'CUDA');
  // The status stops at what a user of the device must know; here all of it is wanted.
  const missing = disabled || status.available ? [] : whatIsMissing(status);
  const known = new Set(status.problems.map((problem) => problem.component));
  return {
    ...status,
    problems: [...status.problems, ...missing.filter((problem) => !known.has(problem.component))],
    gpus: cudaDevices(devices).map((gpu) => ({
      name: gpu.name,
      computeCapability: `${gpu.major}.${gpu.minor}`,
      multiprocessors: gpu.multiprocessors,
      memoryBytes: gpu.totalMemory,
    })),
    ...cudaLibraries(),
  };
}

const noCuda: Diagnosis['cuda'] = {
  available: false,
  reason: 'the addon is not loaded',
  remedy: '',
  problems: [],
  gpuPresent: false,
  driver: { path: '', found: false, cudaVersion: null, version: null },
  backend: { path: '', built: false, cudaVersion: null, architectures: null },
  gpus: [],
  cublas: null,
  cudnn: null,
};
