// SPDX-License-Identifier: Apache-2.0
// Memory as the user sees it.
import { native, type NativeMemoryStats } from './binding.js';
import { openDevice } from './devices.js';
import { sweep } from './run.js';

export type MemoryStats = NativeMemoryStats;

/** Bytes in use, cached and at their peak, live tensors and allocation counts of one device. */
export function memoryStats(deviceId: number): MemoryStats {
  openDevice(deviceId);
  return native().memoryStats(deviceId);
}

/** Gives cached memory back to the device's owner. Waits for the device. */
export function emptyCache(deviceId: number): void {
  openDevice(deviceId);
  native().emptyCache(deviceId);
}

/** Starts a new measurement of the peaks. */
export function resetPeakMemory(deviceId: number): void {
  openDevice(deviceId);
  native().resetPeak(deviceId);
}

/** Frees the native memory of all tensors that are no longer reachable; returns the bytes still in use. */
export function collectGarbage(): number {
  return sweep(true);
}
