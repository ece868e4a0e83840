// SPDX-License-Identifier: Apache-2.0
// Recording a step: it runs once more as ever, and what it did becomes a plan over one block of memory.
import { native } from '../native/binding.js';
import { CaptureError, OutOfMemoryError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { Recording, type Watch } from '../native/recording.js';
import { setStepOrigins } from '../native/faults.js';
import { beginRecording, run, sweep } from '../native/run.js';
import { Trace } from '../native/trace.js';
import type { Device } from '../tensor/device.js';
import { stridesLike } from '../tensor/shape.js';
import { emptyTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { ELSEWHERE, recipe, RecordedStep, type LeafGradient, type ResultSource, type StepParts } from './recorded-step.js';
import { detached } from './results.js';
import type { Signature } from './signature.js';

const MAX_RESULTS = 64;

export interface Recorded {
  value: unknown;
  /** Absent if the step could not be recorded after all. */
  step?: RecordedStep;
  /** Why not, unless the step itself said so. */
  failure?: string;
}

/**
 * Runs the step under watch and makes a recording of it.
 * @throws what the step throws; nothing is recorded then
 */
export function recordStep(
  signature: Signature,
  device: Device,
  tolerant: boolean,
  body: (watch: Watch) => unknown,
  onRevival: (grad: Tensor) => void,
  follow: boolean,
): Recorded {
  const args = signature.tensors;
  const recording = new Recording(device.id, follow ? new Trace(args) : null);
  const watch: Watch = { tolerant, failure: undefined, recording };
  for (const t of args)
    if (t.device !== device)
      throw new CaptureError(`capture: the arguments of a step must be on one device, got ${args.map((a) => a.device).join(', ')}`);
  const begin = beginRecording(device.id, args);
  const { value, computed, rebuild, returned } = runOnce(body, watch, args);
  if (watch.failure || !computed || !rebuild) return { value };
  try {
    const leaves = gradientsOf(recording);
    recording.inner.clear();
    const handles = recording.trace?.end();
    const grads = new Set(leaves.map(({ grad }) => grad?.handle));
    // What JavaScript has forgotten needs no place of its own.
    sweep(true);
    // Nor is what this run needed kept beside the arena.
    native().emptyCache(device.id);
    const arena = emptyTensor([Math.max(1, native().planRecording())], 'uint8', device) as Tensor;
    const number = native().finishRecording(arena.handle);
    const kept = new Map<number, number>();
    for (const [made, handle] of handles ?? []) {
      const offset = native().offsetOf(handle, arena.handle);
      if (offset >= ELSEWHERE) kept.set(made, offset);
      if (offset >= 0 && !grads.has(handle)) moveOut(handle, recording.trace!.formOf(made) as Pick<Tensor, 'shape' | 'strides' | 'dtype'>, device);
    }
    native().emptyCache(device.id);
    setStepOrigins(number, new Map([...recording.origins].map(([sequence, place]) => [sequence - begin, place])));
    const required = [...recording.outer.keys()].map((t) => [t as Tensor, (t as Tensor).requiresGrad] as const);
    // The arguments are others each time.
    for (const t of args) recording.outer.delete(t);
    const writtenArguments = args.flatMap((t, i) => (recording.written.has(t.version) ? [i] : []));
    for (const t of args) recording.written.delete(t.version);
    signature.tensors = [];
    const parts: StepParts = {
      number,
      device,
      arena,
      recording,
      leaves: leaves.map((entry) => ({ ...entry, offset: entry.offset < 0 ? -1 : native().offsetOf(entry.grad!.handle, arena.handle) })),
      required: required.filter(([t]) => recording.outer.has(t)),
      writtenArguments,
      computed,
      rebuild,
      returned: returned!,
      kept,
    };
    return { value, step: new RecordedStep(signature, parts, onRevival) };
  } catch (error) {
    native().abortRecording();
    if (!(error instanceof OutOfMemoryError)) throw error;
    return { value, failure: error.message };
  }
}

// In a frame of its own, so that nothing of the step is alive any more when it has returned.
function runOnce(body: (watch: Watch) => unknown, watch: Watch, args: readonly Tensor[]): Partial<ReturnType<typeof takeResults>> {
  try {
    const value = body(watch);
    if (watch.failure) return { value: detached(value) };
    native().pauseRecording(1);
    return takeResults(value, args, watch.recording!);
  } catch (error) {
    native().abortRecording();
    throw error;
  }
}

// The results of this very run, as copies that no replay will touch, and how replays make theirs.
function takeResults(value: unknown, args: readonly Tensor[], recording: Recording) {
  const computed: Pick<Tensor, 'shape' | 'strides' | 'dtype'>[] = [];
  const copies: Tensor[] = [];
  const sourceOf = (t: Tensor): ResultSource => {
    const argument = args.indexOf(t);
    if (argument >= 0) return { argument };
    if (!recording.inner.has(t)) return { tensor: t };
    const { shape, strides, dtype, device } = t;
    native().addResult(t.handle);
    const copy = fresh(shape, dtype, device, stridesLike(shape, strides)); // memory of its own repeats no element
    run(Op.copy, [t], [copy], []);
    copies.push(copy);
    return { computed: computed.push({ shape, strides, dtype }) - 1 };
  };
  const returned: StepParts['returned'][number][] = [];
  const rebuild = recipe(value, (t) => {
    const source = sourceOf(t);
    if (recording.trace) returned.push({ ref: recording.trace.refOf(t), source });
    return source;
  });
  if (computed.length > MAX_RESULTS)
    throw new CaptureError(`capture: the step returned ${computed.length} tensors; it may return ${MAX_RESULTS}`);
  const own = rebuild((source) =>
    'computed' in source ? copies[source.computed]! : 'argument' in source ? args[source.argument]! : source.tensor,
  );
  return { value: own, computed, rebuild, returned };
}

// Gives memory of its own to what JavaScript keeps of a step that is followed: each call makes another one.
function moveOut(handle: number, { shape, strides, dtype }: Pick<Tensor, 'shape' | 'strides' | 'dtype'>, device: Device): void {
  const now: Tensor = fresh(shape, dtype, device, strides);
  now.handle = handle;
  const copy: Tensor = fresh(shape, dtype, device, strides);
  run(Op.copy, [now], [copy], []);
  native().adopt(handle, copy.handle);
  copy.dispose();
}

function gradientsOf({ leaves, inner }: Recording): LeafGradient[] {
  return [...leaves].flatMap(([leaf, before]) => {
    if (inner.has(leaf)) return []; // gone with the step
    const grad = leaf.grad as Tensor | null;
    return { leaf: leaf as Tensor, before: before as LeafGradient['before'], grad, offset: grad && inner.has(grad) ? 0 : -1 };
  });
}
