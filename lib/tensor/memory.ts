// SPDX-License-Identifier: Apache-2.0
// Memory as the user sees it.
import { native, type NativeMemoryStats } from '../native/binding.js';
import { noMore } from '../native/options.js';
import { sweep } from '../native/run.js';
import { device, type DeviceLike } from './device.js';

export type MemoryStats = NativeMemoryStats;

/** Bytes in use, cached and at their peak, live tensors and allocation counts of one device (default: the CPU). */
export function memoryStats(where: DeviceLike = 'cpu'): MemoryStats {
  noMore('memoryStats', arguments.length > 1);
  return native().memoryStats(device(where).id);
}

/** Gives cached memory back to the system or the driver. Waits for the device. */
export function emptyCache(where: DeviceLike = 'cpu'): void {
  noMore('emptyCache', arguments.length > 1);
  native().emptyCache(device(where).id);
}

/** Starts a new measurement of the peaks. */
export function resetPeakMemoryStats(where: DeviceLike = 'cpu'): void {
  noMore('resetPeakMemoryStats', arguments.length > 1);
  native().resetPeak(device(where).id);
}

/** Frees the native memory of all tensors that are no longer reachable; returns the bytes still in use. */
export function collectGarbage(): number {
  noMore('collectGarbage', arguments.length > 0);
  return sweep(true);
}
