// SPDX-License-Identifier: Apache-2.0
// The only place that loads the addon.
import { createRequire } from 'node:module';
import { LoadError } from './errors.js';
import { addonFolder } from './paths.js';

/** A JavaScript object that owns a native handle; every tensor is one. */
export interface HandleOwner {
  /** >= 0: alive; FRESH: no memory yet; DISPOSED: released. */
  handle: number;
}

export interface NativeMemoryStats {
  allocatedBytes: number;
  peakAllocatedBytes: number;
  reservedBytes: number;
  peakReservedBytes: number;
  allocations: number;
  deviceAllocations: number;
  tensors: number;
  sweeps: number;
}

export interface NativeDeviceProperties {
  name: string;
  major: number;
  minor: number;
  multiprocessors: number;
  driverVersion: number;
  runtimeVersion: number;
  dnnVersion: number;
  blasVersion: number;
  totalMemory: number;
  isa: string;
}

/** The error of a call that failed while the queue ran. */
export interface NativeFault extends Error {
  nativeCode: number;
  /** Of the call; 0 if it was none. */
  sequence: number;
}

/** What the addon exports; see native/addon/. */
export interface Native {
  attach(scratch: Float64Array): void;
  run(...fresh: HandleOwner[]): number;
  view(object: HandleOwner): number;
  allocate(object: HandleOwner, device: number): number;
  release(handle: number): void;
  upload(handle: number, values: ArrayBufferView): void;
  download(handle: number, values: ArrayBufferView): Promise<void>;
  downloadSync(handle: number, values: ArrayBufferView): void;
  fence(device: number): Promise<void>;
  wait(device: number): void;
  hold(): void;
  keep(handle: number): void;
  takeError(device: number): NativeFault | undefined;
  takeClaimed(): NativeFault | undefined;
  sweep(full: number): number;
  memoryStats(device: number): NativeMemoryStats;
  emptyCache(device: number): void;
  resetPeak(device: number): void;
  largest(device: number, count: number): { dtype: string; shape: number[]; bytes: number }[];
  openDevice(device: number): void;
  deviceProperties(device: number): NativeDeviceProperties;
  setOption(device: number, option: number, value: number): void;
  beginRecording(device: number): number;
  pauseRecording(pause: number): void;
  addResult(handle: number): void;
  planRecording(): number;
  finishRecording(arena: number): number;
  abortRecording(): void;
  offsetOf(handle: number, base: number): number;
  adopt(handle: number, source: number): void;
  replay(step: number, ...results: HandleOwner[]): number;
  releaseStep(step: number): void;
  loadCuda(preload: string[], plugin: string): { failures: { path: string; reason: string }[]; devices: number };
  libraryVersion(path: string, symbol: string): number;
  canOpen(path: string): string | undefined;
}

const require = createRequire(import.meta.url);

function load(): Native {
  try {
    const bindings = require('bindings') as typeof import('bindings');
    // This one alone: bindings would prefer a stale Debug build.
    return bindings({
      bindings: 'lenode',
      module_root: addonFolder,
      try: [['module_root', 'bindings']],
    } as unknown as string) as Native;
  } catch (cause) {
    throw new LoadError(explain(cause as Error & { tries?: string[] }), { cause });
  }
}

function explain(cause: Error & { tries?: string[] }): string {
  if (cause.tries)
    return (
      'The native addon has not been built: build/Release/lenode.node does not exist. ' +
      'Build it with `npm rebuild lenode` (in a clone: `npm install`), which needs g++ and CMake.'
    );
  return (
    `The native addon could not be loaded: ${cause.message}. ` +
    'Rebuild it for this machine with `npm rebuild lenode` (in a clone: `npm run build`).'
  );
}

let loaded: Native | undefined;

/** The addon, loaded at first use: importing lenode costs nothing until then. */
export function native(): Native {
  return (loaded ??= load());
}
