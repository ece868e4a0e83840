// SPDX-License-Identifier: Apache-2.0
// The typed call into native code, and the collection of native memory that JavaScript has forgotten.
import { runInNewContext } from 'node:vm';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { native, type HandleOwner } from './binding.js';
import { ArgumentError, CaptureError, DeviceError, DisposedError, fromNative, InternalError, OutOfMemoryError, UninitializedError } from './errors.js';
import { faultError, keepOrigins, rememberPlace } from './faults.js';
import { FRESH, observer } from './observer.js';
import { Op, opNames, type OpId, type Signatures } from './ops.gen.js';

export { FRESH };
/** Handle of a tensor whose memory was given back. */
export const DISPOSED = -1;

/** Of one whose call was put off, and then done by a replay that keeps no place for it. */
export const NOT_MADE = -5;

/** Handle of a tensor whose shape is not known yet. */
export const UNINITIALIZED = -3;
export const NO_SHAPE_YET = "has no shape or values before its module's first forward(); run one first";

/** What native calls need to know of a tensor. */
export interface NativeTensor extends HandleOwner {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly dtypeCode: number;
  readonly deviceId: number;
  readonly version: { count: number };
}

// Layout of the scratch array, read by native/addon/tensors.cc:
//   op, device, inputs, outputs, attributes; input handles; per output a handle, or FRESH with dtype, rank, dims,
//   strides; attributes. An absent operand is -1.
const SCRATCH_LENGTH = 1 << 16;
const ABSENT = -1;
const SWEEP_WANTED = 1;
const FAULT_UNTOLD = 2;
const FULL_SWEEP_WANTED = 4;
const FAULT_CLAIMED = 8;

let scratch: Float64Array | undefined;
let lastDevice = -1;

function attached(): Float64Array {
  const array = new Float64Array(SCRATCH_LENGTH);
  native().attach(array);
  return (scratch = array);
}

function writeShape(s: Float64Array, at: number, t: NativeTensor): number {
  const { shape, strides } = t;
  const rank = shape.length;
  s[at++] = t.dtypeCode;
  s[at++] = rank;
  for (let i = 0; i < rank; i++) s[at++] = shape[i]!;
  for (let i = 0; i < rank; i++) s[at++] = strides[i]!;
  return at;
}

/**
 * Enqueues one operation. Outputs with a FRESH handle get memory; the others are updated in place.
 * Shapes and dtypes must have been checked: this is where they are trusted.
 *
 * @throws DisposedError when an operand was disposed; OutOfMemoryError; ArgumentError for an attribute that is no number;
 * the error of an earlier operation of which nobody can read anything any more (see native/core/faults.h).
 */
export function run<K extends OpId>(
  op: K,
  inputs: Signatures<NativeTensor>[K]['inputs'],
  outputs: Signatures<NativeTensor>[K]['outputs'],
  attrs: Signatures<NativeTensor>[K]['attrs'],
): void {
  const ins = inputs as readonly (NativeTensor | null)[];
  const outs = outputs as readonly (NativeTensor | null)[];
  if (observer !== null && observer.call(op, ins, outs, attrs)) return;
  const s = scratch ?? attached();
  let device = -1;
  let at = 5;
  for (let i = 0; i < ins.length; i++) {
    const t = ins[i];
    if (t) {
      if (t.handle < 0) throw notAlive(op, t);
      if (device !== t.deviceId) device = sameDevice(op, device, t);
      s[at++] = t.handle;
    } else {
      s[at++] = ABSENT;
    }
  }
  let fresh0: NativeTensor | undefined;
  let fresh: NativeTensor[] | undefined;
  for (let i = 0; i < outs.length; i++) {
    const t = outs[i];
    if (!t) {
      s[at++] = ABSENT;
      continue;
    }
    if (device !== t.deviceId) device = sameDevice(op, device, t);
    if (t.handle === FRESH) {
      s[at++] = FRESH;
      at = writeShape(s, at, t);
      if (!fresh0) fresh0 = t;
      else (fresh ??= [fresh0]).push(t);
    } else {
      if (t.handle < 0) throw notAlive(op, t);
      s[at++] = t.handle;
    }
  }
  for (let i = 0; i < attrs.length; i++) {
    const value: unknown = attrs[i];
    // Converting anything else might run the caller's code, and that another operation over this one.
    if (typeof value !== 'number') throw notANumber(op, value);
    s[at++] = value;
  }
  s[0] = op;
  s[1] = lastDevice = device;
  s[2] = ins.length;
  s[3] = outs.length;
  s[4] = attrs.length;

  let status: number;
  try {
    status = fresh ? native().run(...fresh) : fresh0 ? native().run(fresh0) : native().run();
  } catch (error) {
    const objects = fresh ?? (fresh0 ? [fresh0] : []);
    status = afterFailure(error, opNames[op]!, device, () => native().run(...objects));
  }
  if (fresh) for (let i = 0; i < fresh.length; i++) fresh[i]!.handle = s[i + 1]!;
  else if (fresh0) fresh0.handle = s[1]!;
  if (status !== 0) attend(status, device);
}

/** The sequence number of the last run() call, by which asynchronous errors name their origin. */
export function lastSequence(): number {
  return scratch![0]!;
}

function notANumber(op: OpId, value: unknown): Error {
  return new ArgumentError(`${opNames[op]}: expected a number, got ${value === null ? 'null' : typeof value}`);
}

function sameDevice(op: OpId, device: number, t: NativeTensor): number {
  if (device === -1) return t.deviceId;
  throw new DeviceError(
    `${opNames[op]}: all tensors must be on one device, but found ${deviceName(device)} and ${deviceName(t.deviceId)}`,
  );
}

function deviceName(id: number): string {
  return id === 0 ? 'cpu' : `cuda:${id - 1}`;
}

function notAlive(op: OpId, t: NativeTensor): Error {
  if (t.handle === FRESH) return new InternalError(`${opNames[op]}: an operand has no memory`);
  return unusable(opNames[op]!, t);
}

/** The error for a tensor without memory. */
export function unusable(where: string, t: NativeTensor): Error {
  if (t.handle === NOT_MADE)
    return new CaptureError(
      `${where}: a tensor of shape [${t.shape.join(', ')}] was computed inside a captured step, which had not kept it when it ` +
        'was recorded; keep it in every step, or return it from the step (fit(): pass { capture: false })',
    );
  if (t.handle === UNINITIALIZED) return new UninitializedError(`${where}: a parameter or buffer ${NO_SHAPE_YET}`);
  return new DisposedError(`${where}: a tensor of shape [${t.shape.join(', ')}] was used after dispose()`);
}

/** Gives `object` a handle on part of the memory of `base`: `offset` elements on, with the object's own shape. */
export function view(base: NativeTensor, object: NativeTensor, offset: number): void {
  if (observer?.view(base, object, offset)) return;
  if (base.handle < 0) throw unusable('view', base);
  const s = scratch ?? attached();
  s[0] = base.handle;
  s[1] = offset;
  writeShape(s, 2, object);
  try {
    object.handle = native().view(object);
  } catch (error) {
    throw fromNative(error, 'view');
  }
}

/** Gives `object` memory with undefined contents. */
export function allocate(object: NativeTensor): void {
  if (observer?.allocate?.(object)) return;
  const attempt = () => {
    writeShape(scratch ?? attached(), 0, object);
    return native().allocate(object, object.deviceId);
  };
  try {
    object.handle = attempt();
  } catch (error) {
    object.handle = afterFailure(error, 'allocate', object.deviceId, attempt);
  }
  // A loop that only reads data makes tensors and runs nothing.
  if (scratch![0] !== 0) attend(scratch![0]!, object.deviceId);
}

export function release(object: HandleOwner): void {
  if (observer?.release?.(object as NativeTensor)) return;
  if (object.handle >= 0) native().release(object.handle);
  object.handle = DISPOSED;
}

/** Says that the value lasts: it stays as it was where a change of it depends on something that has failed. */
export function keep(object: HandleOwner): void {
  if (object.handle >= 0) native().keep(object.handle);
}

/**
 * Runs an update of many operations, of which none takes place if one of `grads` depends on something that has failed.
 */
export function updating<R>(grads: readonly NativeTensor[], body: () => R): R {
  run(Op.beginUpdate, [...grads], [], [0]);
  try {
    return body();
  } finally {
    run(Op.endUpdate, [...grads], [], []);
  }
}

// ---- recorded steps --------------------------------------------------------------------------------------------

/**
 * Begins to record what is called from now on; see native/core/recorder.h.
 * @returns the device's sequence number so far
 */
export function beginRecording(device: number, args: readonly NativeTensor[]): number {
  const s = scratch ?? attached();
  s[0] = args.length;
  args.forEach((t, i) => (s[i + 1] = t.handle));
  return native().beginRecording(device);
}

/** Enqueues a recorded step. The results get memory; `changes` are attributes: call, count, values. */
export function replay(step: number, device: number, args: readonly NativeTensor[], changes: readonly number[], results: readonly NativeTensor[]): void {
  const s = scratch ?? attached();
  let at = 0;
  for (let i = 0; i < args.length; i++) s[at++] = args[i]!.handle;
  s[at++] = changes.length;
  for (let i = 0; i < changes.length; i++) s[at++] = changes[i]!;
  lastDevice = device;
  let status: number;
  try {
    status = native().replay(step, ...results);
  } catch (error) {
    status = afterFailure(error, 'replay', device, () => native().replay(step, ...results));
  }
  for (let i = 0; i < results.length; i++) results[i]!.handle = s[i]!;
  if (status !== 0) attend(status, device, REPLAY_CALLS);
}

// ---- memory --------------------------------------------------------------------------------------------------

type Collect = (options?: { type: 'minor'; execution: 'sync' }) => void;
let collect: Collect | undefined;

function collector(): Collect {
  if (!collect) {
    // V8 hands out its collector only in a context made while this flag is set. The flag is the whole process's: another
    // worker that is here too may have taken it back in between.
    while (!collect) {
      setFlagsFromString('--expose-gc');
      collect = runInNewContext('globalThis.gc') as Collect | undefined;
    }
    setFlagsFromString('--no-expose-gc');
  }
  return collect;
}

// Minor collections do not reach what has grown old: tensors, and the records of dead ones on JavaScript's heap, which V8
// lets grow far in a loop that never idles. A major one does, but takes 10 ms and more, so it waits until the bytes in
// use, native or JavaScript's, have grown by a quarter, and not by little, since the last.
const MAJOR_GROWTH = 1.25;
const NATIVE_SLACK = 32 * 2 ** 20;
const HEAP_SLACK = 4 * 2 ** 20;
let nativeLimit = NATIVE_SLACK;
let heapLimit = 0;

/** Frees the native memory of tensors that are no longer reachable; returns the bytes still in use. */
export function sweep(full: boolean): number {
  // Node 20 takes any options at all for a wish for a minor collection.
  if (full) collector()();
  else collector()({ type: 'minor', execution: 'sync' });
  return native().sweep(full ? 1 : 0);
}

function sweepAll(): number {
  const live = sweep(true);
  const heap = getHeapStatistics().used_heap_size;
  nativeLimit = Math.max(MAJOR_GROWTH * live, live + NATIVE_SLACK);
  heapLimit = Math.max(MAJOR_GROWTH * heap, heap + HEAP_SLACK);
  return live;
}

// A walk back leaves the values of a forward pass dead and old: the best time for a major collection, as the next pass
// then reuses their memory. The next step will need as much, so that collections on the way would find little.
const GRAPH_BYTES = 64 * 2 ** 20;
const SHARE_OF_TIME = 1 / 15;
let nextGraphSweep = 0;
let liveAfterGraph = 0;

/** Called when a graph has been walked and given up: frees what it held, if that is much and takes little time. */
export function sweepGraph(device: number): void {
  const begin = performance.now();
  if (begin < nextGraphSweep || observer?.defers) return;
  const { allocatedBytes } = native().memoryStats(device);
  liveAfterGraph = Math.min(liveAfterGraph, allocatedBytes);
  if (allocatedBytes < liveAfterGraph + GRAPH_BYTES) return;
  const { used_heap_size: heap } = getHeapStatistics();
  liveAfterGraph = sweepAll();
  nativeLimit = Math.max(nativeLimit, allocatedBytes);
  heapLimit = Math.max(heapLimit, heap);
  const end = performance.now();
  nextGraphSweep = end + (end - begin) / SHARE_OF_TIME;
}

function attend(status: number, device: number, calls = 1): void {
  if (status & FULL_SWEEP_WANTED) {
    sweepAll();
  } else if (status & SWEEP_WANTED) {
    const live = sweep(false);
    if (live > nativeLimit || getHeapStatistics().used_heap_size > heapLimit) sweepAll();
  }
  if (status & FAULT_UNTOLD) lookForReaders(calls);
  if (status & FAULT_CLAIMED) {
    const fault = native().takeClaimed();
    untilLook = lookEvery = FIRST_LOOK;
    if (fault) throw faultError(fault, device);
  }
}

// Calls after which it is looked whether anybody can still read what a fault has spoiled: soon, then less and less often.
const FIRST_LOOK = 256;
const LAST_LOOK = 16384;
const REPLAY_CALLS = 64;
let lookEvery = FIRST_LOOK;
let untilLook = FIRST_LOOK;

function lookForReaders(calls: number): void {
  keepOrigins();
  untilLook -= calls;
  if (untilLook > 0) return;
  untilLook = lookEvery = Math.min(2 * lookEvery, LAST_LOOK);
  sweepAll();
}

function afterFailure<R>(error: unknown, name: string, device: number, retry: () => R): R {
  let failure = fromNative(error, name);
  if (failure instanceof OutOfMemoryError) {
    // The scratch array still holds the call: it was refused before anything was written back.
    sweep(true);
    try {
      return retry();
    } catch (again) {
      failure = fromNative(again, name);
      if (failure instanceof OutOfMemoryError)
        throw new OutOfMemoryError(`${failure.message}\n${holders(device)}`);
    }
  }
  throw failure;
}

function holders(device: number): string {
  const stats = native().memoryStats(device);
  const rows = native()
    .largest(device, 8)
    .map((t) => `  ${formatBytes(t.bytes).padStart(10)}  ${t.dtype} [${t.shape.join(', ')}]`);
  return (
    `${deviceName(device)} holds ${formatBytes(stats.allocatedBytes)} in ${stats.tensors} tensors` +
    (rows.length ? `; the largest:\n${rows.join('\n')}` : '')
  );
}

/** Bytes for people: `1.50 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (bytes >= 1024 && i < units.length - 1) {
    bytes /= 1024;
    i++;
  }
  return `${i === 0 ? bytes : bytes.toFixed(2)} ${units[i]}`;
}

/** Remembers the caller of the run() call just made, in case its values turn out to be invalid. */
export function rememberOrigin(): void {
  if (observer?.defers) return; // the recording has it
  rememberPlace(lastDevice, lastSequence());
}
