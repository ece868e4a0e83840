// SPDX-License-Identifier: Apache-2.0
// Which devices there are, and opening them at first use.
import { native, type NativeDeviceProperties } from './binding.js';
import { cudaStatus } from './cuda.js';
import { DeviceError, fromNative } from './errors.js';
import { reportUntold } from './faults.js';

/** Device ids at the native border: the CPU, then the CUDA devices. */
export const CPU_ID = 0;
export const cudaId = (index: number): number => index + 1;

const opened = new Set<number>();
const listeners: ((id: number) => void)[] = [];

/** Calls `listener` whenever a device has been opened. */
export function onOpen(listener: (id: number) => void): void {
  listeners.push(listener);
}

/** Opens a device's stream unless it is open. @throws DeviceError that says why it cannot be used. */
export function openDevice(id: number): void {
  if (opened.has(id)) return;
  if (id !== CPU_ID) {
    const status = cudaStatus();
    if (!status.available) throw new DeviceError(`cuda: ${status.reason}\n${status.remedy}`);
    if (id - 1 >= status.devices)
      throw new DeviceError(`cuda:${id - 1}: this machine has ${status.devices} CUDA device(s), numbered from 0`);
  }
  try {
    native().openDevice(id);
  } catch (error) {
    throw fromNative(error, id === CPU_ID ? 'cpu' : `cuda:${id - 1}`);
  }
  if (opened.size === 0) process.on('exit', end);
  opened.add(id);
  for (const listener of listeners) listener(id);
}

// The process ends, or the worker: the devices must be at nothing when libraries are torn down.
function end(code: number): void {
  native().hold();
  if (reportUntold(opened) && code === 0) process.exitCode = 1;
}

export function deviceProperties(id: number): NativeDeviceProperties {
  openDevice(id);
  return native().deviceProperties(id);
}

/** Switches of one device's stream; the numbers are core/backend.h's Option. */
export const Option = { threads: 0, cudnnBenchmark: 1, cudnnDeterministic: 2, cudnnAllowTf32: 3, matmulAllowTf32: 4 } as const;

export function setOption(id: number, option: (typeof Option)[keyof typeof Option], value: number): void {
  openDevice(id);
  native().setOption(id, option, value);
}

/** Ids of the devices opened so far. */
export function openDevices(): number[] {
  return [...opened];
}
