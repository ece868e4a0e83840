// SPDX-License-Identifier: Apache-2.0
// What every part of lenode has to say while a step is recorded (autograd/capture.ts): which tensors it finds and makes,
// what must be done again in JavaScript for each replay, and what cannot be replayed at all.
import { native } from './binding.js';
import { CaptureError, DisposedError } from './errors.js';
import { FRESH, observed, observer, stopObserving, type Observer, type Operand, type Operands } from './observer.js';
import type { Trace } from './trace.js';

// Of one that run() would have, had the call not been made for its attributes alone.
const NEVER = -4;

// ---- steps that run under watch --------------------------------------------------------------------------------------

/** A step that runs for the first time, or is recorded. */
export interface Watch {
  /** Note what cannot be captured instead of throwing it: the step then simply goes on. */
  readonly tolerant: boolean;
  failure: CaptureError | undefined;
  /** Not so while a step runs for the first time. */
  recording: Recording | null;
  /** Set while JavaScript runs again for a replay. */
  following?: StepObserver & Observer & { diverge(): void };
}
let watch: Watch | null = null;

/** Whether a captured step is running: what it calls becomes part of it. */
export function isWatched(): boolean {
  return watch !== null;
}

/** What the parts of lenode see of a step that is recorded, or followed. */
export interface StepObserver {
  /** Tensors, and nodes of the recorded computation, that the step has made. */
  readonly inner: { has(object: object): boolean; add(object: object): void };
  /** How many updates there were, by whom. */
  readonly updates: Map<object, number>;
}

/** The step that is being recorded, unless it is paused. */
export function recordingNow(): Recording | null {
  return observer === null || watch === null || observer !== watch.recording ? null : watch.recording;
}

/** The step that is being recorded or followed, unless it is paused. */
export function stepNow(): StepObserver | null {
  if (observer === null || watch === null) return null;
  const { recording, following } = watch;
  return observer === recording ? recording : observer === following ? following : null;
}

/** Runs a step under watch. */
export function watched<R>(what: Watch, body: () => R): R {
  watch = what;
  try {
    return observed(what.recording ?? what.following ?? null, body);
  } finally {
    watch = null;
  }
}

/**
 * Says that what is being done cannot be part of a captured step. Does nothing outside of one.
 * @param when 'recorded': harmless while the step runs for the first time, when things are made that stay
 * @throws CaptureError
 */
export function refuse(what: string, remedy: string, when: 'always' | 'recorded' = 'always'): void {
  if (watch === null) return;
  if (watch.following) {
    if (observer === watch.following) watch.following.diverge();
    return;
  }
  if (watch.recording ? observer !== watch.recording : when === 'recorded') return;
  const failure = new CaptureError(`${what} cannot be part of a captured step: ${remedy}`);
  if (!watch.tolerant) throw failure;
  watch.failure ??= failure;
  stopObserving();
  native().abortRecording();
}

/**
 * Runs `body` beside the recording: what it does is not replayed, what it makes existed before the step. For what is
 * made once and stays, and for values that follow JavaScript's.
 */
export function outside<R>(body: () => R): R {
  const recorded = recordingNow();
  const before = watch;
  watch = null;
  if (recorded) native().pauseRecording(1);
  try {
    return observed(null, body);
  } finally {
    watch = before;
    if (recorded) native().pauseRecording(0);
  }
}

/**
 * Runs `body`, and `again` whenever the step is replayed: for what a step changes in JavaScript, such as a schedule.
 * `again` may come here, too.
 */
export function hostStep(body: () => void, again = body): void {
  const recorded = recordingNow();
  if (!recorded || recorded.inEvent) return body();
  recorded.events.push({ body: again });
  recorded.inEvent = true;
  try {
    body();
  } finally {
    recorded.inEvent = false;
  }
}

/**
 * Runs `body`, whose native calls are part of the step, and again before each replay, when they are compared with the
 * recorded ones instead: attributes may differ from step to step and are handed to the replay; other operands, or
 * more or fewer calls, mean that the recording is out of date. As it may run more than once for a replay, it counts
 * nothing but versions. `body` is told how many updates `owner` has made in this step before.
 */
export function update(owner: object, body: (before: number) => void): void {
  const step = stepNow();
  const recorded = recordingNow();
  if (!step || recorded?.inEvent) return body(0);
  const before = step.updates.get(owner) ?? 0;
  step.updates.set(owner, before + 1);
  if (!recorded) return body(before);
  const made: UpdateDetails = { calls: [], allocated: [] };
  recorded.events.push({ body: () => body(before), update: made });
  recorded.inEvent = true;
  recorded.details = made;
  try {
    body(before);
  } finally {
    recorded.inEvent = false;
    recorded.details = null;
  }
}

interface RecordedCall {
  readonly index: number;
  readonly op: number;
  readonly inputs: Operands;
  readonly outputs: Operands;
  /** As the last replay had them. */
  attrs: readonly number[];
}

interface UpdateDetails {
  readonly calls: RecordedCall[];
  /** What got memory before a call filled it. */
  readonly allocated: Operand[];
}

/** What is run again in JavaScript for each replay; an update: before it. */
export interface HostEvent {
  readonly body: () => void;
  readonly update?: UpdateDetails;
}

/** Says that the step would be another one if `read` gave another value. One such reader for each `owner`. */
export function stepDependsOn(owner: object, read: () => unknown): void {
  const recorded = recordingNow();
  if (recorded && !recorded.conditions.has(owner)) recorded.conditions.set(owner, { read, value: read() });
}

const contexts: (() => unknown)[] = [];

/** Makes a state of JavaScript's, such as whether gradients are recorded, one that recordings hold for. */
export function recordingsDependOn(state: () => unknown): void {
  contexts.push(state);
}

export function contextNow(): unknown[] {
  return contexts.map((state) => state());
}

// ---- what a recording knows ------------------------------------------------------------------------------------------

/** Something with a gradient, as far as a recording needs to know it. */
export interface Leaf {
  grad: Operand | null;
}
/** The gradient was dropped before anything looked at it. */
export const DROPPED = Symbol('dropped');

export class Recording implements Observer, StepObserver {
  calls = 0;
  /** Tensors, and nodes of the recorded computation, that the step has made. */
  readonly inner = new Set<object>();
  /** Tensors that existed before and take part, with their handles. */
  readonly outer = new Map<Operand, number>();
  /** Of what the step changes in place; updates count for themselves when they run again. */
  readonly written = new Set<{ count: number }>();
  readonly events: HostEvent[] = [];
  /** Leaves whose gradients the step sets, with what they had at first. */
  readonly leaves = new Map<Leaf, Operand | null | typeof DROPPED>();
  /** What else must be as it was, such as the modes of modules that asked for them. */
  readonly conditions = new Map<object, { readonly read: () => unknown; readonly value: unknown }>();
  /** Where calls that check values came from, by sequence number. */
  readonly origins = new Map<number, Error>();
  /** How many updates there were, by whom. */
  readonly updates = new Map<object, number>();
  inEvent = false;
  details: UpdateDetails | null = null;

  constructor(
    readonly deviceId: number,
    /** Of a step that is to be followed. */
    readonly trace: Trace | null,
  ) {}

  call(op: number, inputs: Operands, outputs: Operands, attrs: readonly number[]): boolean {
    this.trace?.call(op, inputs, outputs, attrs);
    for (const t of inputs) if (t) this.found(t);
    for (const t of outputs) {
      if (!t) continue;
      if (t.handle === FRESH) {
        this.checkDevice(t);
        this.inner.add(t);
      } else {
        this.found(t);
        if (!this.details) this.written.add(t.version);
      }
    }
    this.details?.calls.push({ index: this.calls, op, inputs: [...inputs], outputs: [...outputs], attrs: [...attrs] });
    this.calls++;
    return false;
  }

  view(base: Operand, object: Operand, offset: number): void {
    this.trace?.view(base, object, offset);
    this.found(base);
    this.inner.add(object);
  }

  allocate(object: Operand): void {
    this.trace?.allocation(object);
    this.checkDevice(object);
    this.inner.add(object);
    this.details?.allocated.push(object);
  }

  private found(t: Operand): void {
    if (this.inner.has(t) || this.outer.has(t)) return;
    this.checkDevice(t);
    this.outer.set(t, t.handle);
  }

  private checkDevice(t: Operand): void {
    if (t.deviceId !== this.deviceId)
      refuse('work on another device', 'a step runs on one device, that of its arguments (or of the option `device`)');
  }
}

/** The recording is out of date; nothing has been replayed. */
export class StaleRecording extends Error {}

/**
 * Runs an update again for its attributes; those that differ are appended as call, count, values. Without `changes` it is
 * only compared.
 * @throws StaleRecording
 */
export function collectChanges({ body, update: made }: HostEvent, changes: number[] | null): void {
  const { calls, allocated } = made!;
  let next = 0;
  let nextAllocated = 0;
  const temporaries = new Map<Operand, Operand>();
  const same = (recorded: Operands, now: Operands): boolean =>
    recorded.length === now.length &&
    recorded.every((t, i) => t === now[i] || (t !== null && temporaries.get(t) === now[i]));
  const comparing: Observer = {
    call(op, inputs, outputs, attrs) {
      const recorded = calls[next++];
      if (recorded?.op !== op || !same(recorded.inputs, inputs)) throw new StaleRecording();
      outputs.forEach((t, i) => {
        if (t?.handle !== FRESH) return;
        t.handle = NEVER;
        temporaries.set(recorded.outputs[i]!, t);
      });
      if (!same(recorded.outputs, outputs) || attrs.length !== recorded.attrs.length) throw new StaleRecording();
      if (changes && attrs.some((x, i) => !Object.is(x, recorded.attrs[i]))) {
        recorded.attrs = [...attrs];
        changes.push(recorded.index, attrs.length, ...attrs);
      }
      return true;
    },
    view: () => undefined,
    allocate(object) {
      const recorded = allocated[nextAllocated++];
      if (!recorded) throw new StaleRecording();
      temporaries.set(recorded, object);
    },
  };
  try {
    observed(comparing, body);
  } catch (error) {
    // A view of something that was not made.
    if (error instanceof DisposedError && temporaries.size > 0) throw new StaleRecording();
    throw error;
  }
  if (next !== calls.length || nextAllocated !== allocated.length) throw new StaleRecording();
}
