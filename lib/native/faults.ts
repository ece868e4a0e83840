// SPDX-License-Identifier: Apache-2.0
// Errors found while the queue ran (native/core/faults.h): where they came from, and who is told.
import { writeSync } from 'node:fs';
import { native, type NativeFault } from './binding.js';
import { fromNative, nativeError } from './errors.js';
import type { Operand } from './observer.js';
import { recordingNow } from './recording.js';

// Ops that check values (labels, indices) leave the place they were called from here, by device and sequence number, so
// that an error found later can point at it.
const origins = new Map<number, Map<number, Error>>();
// Calls after which an origin is forgotten: more than a queue holds, and on a GPU some steps beyond it.
const ORIGIN_LIFE = 4096;

// Set while there is an error that nobody has been told of.
let keepsOrigins = false;

/** Says that there is an error that nobody has been told of: no origin is forgotten until somebody is. */
export function keepOrigins(): void {
  keepsOrigins = true;
}

// The same of recorded steps, by step and by how far the call was from the beginning of the recording. Their sequence
// numbers begin above those of a stream.
const stepOrigins = new Map<number, ReadonlyMap<number, Error>>();
const FIRST_STEP_SEQUENCE = 2 ** 52;
const STEP_SEQUENCES = 2 ** 20;

/** Keeps, or without `places` forgets, where the calls of a recorded step came from. */
export function setStepOrigins(step: number, places?: ReadonlyMap<number, Error>): void {
  if (places && places.size > 0) stepOrigins.set(step, places);
  else stepOrigins.delete(step);
}

function originOf(device: number, sequence: number): Error | undefined {
  if (sequence < FIRST_STEP_SEQUENCE) return origins.get(device)?.get(sequence);
  const number = sequence - FIRST_STEP_SEQUENCE;
  return stepOrigins.get(Math.floor(number / STEP_SEQUENCES))?.get(number % STEP_SEQUENCES);
}

/** Remembers the caller of a call of this sequence number. */
export function rememberPlace(device: number, sequence: number): void {
  let places = origins.get(device);
  if (!places) origins.set(device, (places = new Map()));
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 10;
  const place = new Error();
  places.set(sequence, place);
  recordingNow()?.origins.set(sequence, place);
  Error.stackTraceLimit = limit;
  if (keepsOrigins) return;
  for (const old of places.keys()) {
    if (old > sequence - ORIGIN_LIFE) break;
    places.delete(old);
  }
}

/** The error of a fault, as if it came from the line that caused it. Anything else passes unchanged. */
export function faultError(fault: unknown, device: number): unknown {
  const { nativeCode, sequence } = (fault ?? {}) as { nativeCode?: unknown; sequence?: unknown };
  if (typeof nativeCode !== 'number' || typeof sequence !== 'number') return fromNative(fault);
  keepsOrigins = false;
  // Native names are snake_case; the user called crossEntropy.
  const message = (fault as Error).message.replace(/^\w+(?=:)/, (name) =>
    name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase()),
  );
  const error = nativeError(nativeCode, message);
  const origin = originOf(device, sequence);
  if (origin?.stack) error.adoptStack(origin.stack);
  return error;
}

/** Throws the first fault of the device that nobody has been told of, if any. */
export function throwUntold(device: number): void {
  const fault = native().takeError(device);
  if (fault) throw faultError(fault, device);
}

/** Copies a contiguous tensor's values. @throws the error of what they should have been computed from */
export async function download(source: Operand, values: ArrayBufferView): Promise<void> {
  try {
    await native().download(source.handle, values);
  } catch (error) {
    throw faultError(error, source.deviceId);
  }
}

/** As download(), but blocks. */
export function downloadSync(source: Operand, values: ArrayBufferView): void {
  try {
    native().downloadSync(source.handle, values);
  } catch (error) {
    throw faultError(error, source.deviceId);
  }
}

/**
 * Reports, when the process ends, the faults that nobody has been told of, as Node does with rejected promises.
 * @returns whether there were any
 */
export function reportUntold(devices: Iterable<number>): boolean {
  let found = false;
  for (const device of devices)
    for (let fault: NativeFault | undefined; (fault = native().takeError(device)); found = true) {
      const { stack } = faultError(fault, device) as Error;
      writeSync(2, `lenode: an operation failed, and nothing that depends on it was read:\n${stack}\n`);
    }
  return found;
}
