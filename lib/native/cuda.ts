// SPDX-License-Identifier: Apache-2.0
// Whether the CUDA backend can be used, and if not, why and what to do. Found out once, when first asked.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { native, type NativeDeviceProperties } from './binding.js';
import { addonFolder, packageRoot } from './paths.js';
import { findLibrary, formatVersion, libraryKinds, type CudaLibrary, type Problem } from './cuda-libraries.js';

export interface CudaDriver {
  path: string;
  found: boolean;
  /** Newest CUDA that it runs, as `13.0`. */
  cudaVersion: string | null;
  /** NVIDIA's own number, as `580.65.06`. */
  version: string | null;
}

/** The CUDA half of lenode, a library of its own. */
export interface CudaBackend {
  path: string;
  built: boolean;
  /** Of the toolkit it was built with. */
  cudaVersion: string | null;
  architectures: string | null;
}

export interface CudaStatus {
  available: boolean;
  devices: number;
  /** Why it is not available: the problems below, a line each. */
  reason: string;
  remedy: string;
  problems: Problem[];
  /** Whether there is an NVIDIA GPU, usable or not. */
  gpuPresent: boolean;
  driver: CudaDriver;
  backend: CudaBackend;
}

/** What a build leaves beside the library: see native/cuda/CMakeLists.txt. */
interface BuildRecord {
  cudaVersion: string;
  architectures: string;
  cudnn: string;
  cublasLt: string;
  nvrtc: string;
}

const folder = addonFolder;
const backendPath = path.join(folder, 'liblenode_cuda.so');

// CUDA 13's oldest GPUs and the drivers that came with each CUDA.
const OLDEST_CAPABILITY = 7.5;
const firstDrivers: Record<number, string> = { 12: '525', 13: '580' };

let status: CudaStatus | undefined;

/** The state of CUDA on this machine. The first call opens the driver and, if that works, the libraries. */
export function cudaStatus(): CudaStatus {
  return (status ??= inspect());
}

function inspect(): CudaStatus {
  const found: Found = { driver: findDriver(), backend: findBackend(), gpuPresent: hasGpu() };
  const refuse = (problems: Problem[]): CudaStatus => ({
    available: false,
    devices: 0,
    reason: problems.map((problem) => problem.reason).join('\n'),
    remedy: problems.map((problem) => problem.remedy).join('\n'),
    problems,
    ...found,
  });

  const { LENODE_DISABLE_CUDA: disabled } = process.env;
  if (disabled && disabled !== '0')
    return refuse([
      { component: 'CUDA', reason: `LENODE_DISABLE_CUDA is ${disabled}`, remedy: 'Unset LENODE_DISABLE_CUDA to use the GPU.' },
    ]);
  const noDriver = driverProblem(found.driver, found.gpuPresent);
  // Without a GPU the rest matters only where the user has chosen it.
  if (noDriver && !found.driver.found && !found.gpuPresent)
    return refuse([noDriver, ...(librariesChosen() ? libraryProblems() : [])]);
  const problems = whatIsMissing(found);
  if (problems.length) return refuse(problems);

  const { cublas, cudnn } = cudaLibraries();
  const nvrtc = findNvrtc(cublas);
  // cuDNN ends the process if it does not find cuBLASLt, so that comes before.
  const preload = [...(nvrtc ? [nvrtc] : []), cublas.path!, cudnn.path!];
  const report = native().loadCuda(preload, backendPath);
  if (report.failures.length) return refuse(report.failures.map((failure) => loadProblem(failure.path, failure.reason)));
  if (report.devices === 0) return refuse([loadProblem('driver', 'it counts none')]);
  const devices = cudaDevices(report.devices);
  if (cudaMajor() >= 13 && devices.every(isTooOld)) return refuse(devices.map(tooOld));
  return { available: true, devices: report.devices, reason: '', remedy: '', problems: [], ...found };
}

interface Found {
  driver: CudaDriver;
  backend: CudaBackend;
  gpuPresent: boolean;
}

/** Everything that CUDA needs and that is not here, or is not the right one. */
export function whatIsMissing({ driver, backend, gpuPresent }: Found): Problem[] {
  const here = [driverProblem(driver, gpuPresent), backendProblem(backend)].filter((problem) => problem !== null);
  return [...here, ...libraryProblems()];
}

const libraryProblems = () => Object.values(cudaLibraries()).flatMap((library) => library.problem ?? []);

/** Properties of the GPUs, without opening a stream on them. The library must have been loaded. */
export function cudaDevices(count: number): NativeDeviceProperties[] {
  // Device 0 at the native border is the CPU.
  return Array.from({ length: count }, (_, index) => native().deviceProperties(index + 1));
}

let libraries: { cublas: CudaLibrary; cudnn: CudaLibrary } | undefined;

/** Where the libraries are that the backend needs, whether or not it can be used. */
export function cudaLibraries(): { cublas: CudaLibrary; cudnn: CudaLibrary } {
  if (!libraries) {
    const kinds = libraryKinds(cudaMajor());
    const record = readRecord();
    const recorded = [record?.cublasLt, record?.cudnn].flatMap((file) => (file ? [path.dirname(file)] : []));
    libraries = { cublas: findLibrary(kinds.cublas, recorded), cudnn: findLibrary(kinds.cudnn, recorded) };
  }
  return libraries;
}

const librariesChosen = () => ['CUDNN_HOME', 'CUDNN_PATH', 'LENODE_CUDA_WHEELS'].some((name) => process.env[name]);

// cuDNN compiles some kernels with it, and looks for it by name alone.
function findNvrtc(cublas: CudaLibrary): string | undefined {
  const beside = path.join(path.dirname(cublas.path!), `libnvrtc.so.${cudaMajor()}`);
  return [beside, readRecord()?.nvrtc].find((file) => file && existsSync(file));
}

// ---- driver ------------------------------------------------------------------------------------------------------

function findDriver(): CudaDriver {
  const asked = process.env.LENODE_CUDA_DRIVER;
  const places = asked ? [asked] : ['libcuda.so.1', '/usr/lib/wsl/lib/libcuda.so.1'];
  const file = places.find((place) => native().canOpen(place) === undefined);
  const value = file ? native().libraryVersion(file, 'cuDriverGetVersion') : -1;
  return {
    path: file ?? places[0]!,
    found: file !== undefined,
    // CUDA 13.0 is 13000.
    cudaVersion: value > 0 ? `${Math.floor(value / 1000)}.${Math.floor((value % 1000) / 10)}` : null,
    version: kernelDriverVersion(),
  };
}

function kernelDriverVersion(): string | null {
  try {
    return /Kernel Module.*?(\d+\.\d+(?:\.\d+)?)/.exec(readFileSync('/proc/driver/nvidia/version', 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** NVIDIA's display controllers among the PCI devices, or what WSL shows in their place. */
function hasGpu(): boolean {
  const root = '/sys/bus/pci/devices';
  const read = (device: string, file: string) => readFileSync(path.join(root, device, file), 'utf8');
  try {
    return (
      existsSync('/dev/dxg') ||
      readdirSync(root).some((device) => read(device, 'vendor').startsWith('0x10de') && read(device, 'class').startsWith('0x03'))
    );
  } catch {
    return existsSync('/dev/nvidia0');
  }
}

function driverProblem(driver: CudaDriver, gpuPresent: boolean): Problem | null {
  const problem = (reason: string, remedy: string) => ({ component: 'driver', reason, remedy });
  const needed = firstDrivers[cudaMajor()] ?? firstDrivers[13]!;
  const install = `Install NVIDIA's driver ${needed} or newer.`;
  if (!driver.found) {
    const why = native().canOpen(driver.path) ?? '';
    if (process.env.LENODE_CUDA_DRIVER)
      return problem(
        `LENODE_CUDA_DRIVER is ${driver.path}, which cannot be opened as NVIDIA's driver: ${why}`,
        'Unset LENODE_CUDA_DRIVER, or set it to the path of libcuda.so.1.',
      );
    if (!/No such file|image not found/.test(why)) return problem(`NVIDIA's driver cannot be opened: ${why}`, install);
    return gpuPresent
      ? problem(
          'there is an NVIDIA GPU, but its driver (libcuda.so.1) was not found',
          `${install} In a container: start it with --gpus all.`,
        )
      : problem('no NVIDIA driver (libcuda.so.1) and no NVIDIA GPU were found', `Use the CPU, or a machine with an NVIDIA GPU. ${install}`);
  }
  if (!driver.cudaVersion)
    return problem(
      `${driver.path} is not a working driver: it tells no version (CUDA toolkits contain a stub of that name)`,
      `${install} Take folders named stubs out of LD_LIBRARY_PATH.`,
    );
  if (Number.parseInt(driver.cudaVersion) < cudaMajor())
    return problem(
      `the NVIDIA driver${driver.version ? ` ${driver.version}` : ''} supports CUDA ${driver.cudaVersion}, and lenode was built for CUDA ${cudaMajor()}`,
      `${install} Or build with an older toolkit: set CUDA_PATH and run \`${rebuildCommand()}\`.`,
    );
  return null;
}

// ---- backend -----------------------------------------------------------------------------------------------------

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

const readRecord = () => readJson<BuildRecord>(path.join(folder, 'lenode_cuda.json'));

/** The CUDA that the backend was built with; the one to install if there is none yet. */
const cudaMajor = () => Number.parseInt(readRecord()?.cudaVersion ?? '13');

/** Builds the addon again on this machine. */
export function rebuildCommand(): string {
  return packageRoot.split(path.sep).includes('node_modules') ? 'npm rebuild lenode' : 'npm run build';
}

function findBackend(): CudaBackend {
  const built = existsSync(backendPath);
  const record = built ? readRecord() : undefined;
  return {
    path: backendPath,
    built,
    cudaVersion: record?.cudaVersion ?? null,
    architectures: record?.architectures ?? null,
  };
}

function backendProblem(backend: CudaBackend): Problem | null {
  if (backend.built) return null;
  const why = readJson<{ cuda?: string }>(path.join(packageRoot, 'build', 'addon.json'))?.cuda;
  return {
    component: 'CUDA backend',
    reason: `lenode's CUDA library was not built${why ? `: ${why}` : ` (${backend.path} does not exist)`}`,
    remedy: `Install the CUDA toolkit, cuDNN and cuBLAS, set CUDA_PATH if nvcc is not on PATH, and run \`${rebuildCommand()}\`.`,
  };
}

function loadProblem(file: string, reason: string): Problem {
  if (file !== 'driver') {
    const { cublas, cudnn } = cudaLibraries();
    const owner = [cublas, cudnn].find((library) => library.path === file);
    return {
      component: owner?.name ?? 'CUDA backend',
      reason: `${file} cannot be opened: ${reason}`,
      remedy: owner ? `Reinstall ${owner.name}, or point its variable at another copy.` : `Run \`${rebuildCommand()}\`.`,
    };
  }
  const visible = process.env.CUDA_VISIBLE_DEVICES;
  return {
    component: 'GPU',
    reason: `the driver offers no GPU: ${reason}`,
    remedy:
      visible === undefined
        ? 'Check that `nvidia-smi` lists a GPU; in a container, that it was started with --gpus all.'
        : `CUDA_VISIBLE_DEVICES is '${visible}': unset it, or name a GPU that \`nvidia-smi\` lists.`,
  };
}

const isTooOld = (device: NativeDeviceProperties) => device.major + device.minor / 10 < OLDEST_CAPABILITY;

const tooOld = (device: NativeDeviceProperties): Problem => ({
  component: 'GPU',
  reason: `${device.name} has compute capability ${device.major}.${device.minor}; CUDA 13 needs ${OLDEST_CAPABILITY}`,
  remedy: `Build with a CUDA 12 toolkit: set CUDA_PATH and LENODE_CUDA_ARCHITECTURES, and run \`${rebuildCommand()}\`.`,
});

export { formatVersion };
export type { CudaLibrary, Problem };
