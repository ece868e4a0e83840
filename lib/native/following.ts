// SPDX-License-Identifier: Apache-2.0
// A step of which there is a recording, while JavaScript runs it again: its calls are not made, only compared with the
// recorded ones. If all agree, one replay does their work, with the attributes that they have now. Where one does not,
// those before it are made after all, in their order, and the step goes on as a plain one. Either way JavaScript has run
// once, and finds what it would have found.
import { native } from './binding.js';
import { observed, stopObserving, type Observer, type Operand, type Operands } from './observer.js';
import type { StepObserver } from './recording.js';
import { allocate, DISPOSED, FRESH, NOT_MADE, run, view, type NativeTensor } from './run.js';
import { ALLOCATION, VIEW, type Form, type Ref, type Trace, type TraceEntry } from './trace.js';

/** One call, view or allocation that has been put off. */
interface PutOff {
  readonly op: number;
  readonly inputs: Operands;
  readonly outputs: Operands;
  readonly attrs: readonly number[];
}

export class Following implements Observer, StepObserver {
  readonly defers = true;
  /** Attributes that differ from those of the last replay: call, count, values. */
  readonly changes: number[] = [];
  /** Nothing more is compared: the step has become a plain one. */
  diverged = false;
  readonly inner = {
    has: (object: object): boolean => this.numbers.has(object) || this.nodes.has(object),
    add: (object: object): void => void this.nodes.add(object),
  };
  readonly updates = new Map<object, number>();
  private readonly nodes = new Set<object>();
  private readonly numbers = new Map<object, number>();
  private readonly made: Operand[] = [];
  private readonly done: PutOff[] = [];
  private readonly changed: [TraceEntry, attrs: readonly number[]][] = [];
  /** What was disposed of meanwhile, with the handles to be released. */
  private readonly released = new Map<Operand, number>();

  constructor(
    private readonly trace: Trace,
    private readonly args: readonly Operand[],
    private readonly deviceId: number,
  ) {}

  call(op: number, inputs: Operands, outputs: Operands, attrs: readonly number[]): boolean {
    return this.compare(op, inputs, outputs, attrs);
  }
  view(base: Operand, object: Operand, offset: number): boolean {
    return this.compare(VIEW, [base], [object], [offset]);
  }
  allocate(object: Operand): boolean {
    return this.compare(ALLOCATION, [], [object], []);
  }
  release(object: Operand): boolean {
    if (object.handle >= 0) this.released.set(object, object.handle);
    object.handle = DISPOSED;
    return true;
  }

  private compare(op: number, inputs: Operands, outputs: Operands, attrs: readonly number[]): boolean {
    const entry = this.trace.entries[this.done.length];
    if (entry?.op !== op || !this.agree(entry, inputs, outputs, attrs)) {
      this.diverge();
      return false;
    }
    for (let i = 0; i < attrs.length; i++) {
      if (Object.is(attrs[i], entry.attrs[i])) continue;
      this.changes.push(entry.call, attrs.length, ...attrs);
      this.changed.push([entry, attrs]);
      break;
    }
    for (let i = 0; i < outputs.length; i++) {
      const t = outputs[i];
      if (t?.handle !== FRESH) continue;
      t.handle = NOT_MADE;
      this.numbers.set(t, this.made.push(t) - 1);
    }
    this.done.push({ op, inputs, outputs, attrs });
    return true;
  }

  private agree(entry: TraceEntry, inputs: Operands, outputs: Operands, attrs: readonly number[]): boolean {
    const { inputs: before, outputs: after } = entry;
    if (inputs.length !== before.length || outputs.length !== after.length || attrs.length !== entry.attrs.length) return false;
    if (entry.op === VIEW && attrs[0] !== entry.attrs[0]) return false; // its operand, as it were
    for (let i = 0; i < inputs.length; i++) if (!this.is(inputs[i]!, before[i]!)) return false;
    let fresh = 0;
    for (let i = 0; i < outputs.length; i++) {
      const t = outputs[i]!;
      if (t?.handle === FRESH) {
        if (after[i] !== this.made.length + fresh || !sameForm(t, entry.made[fresh++]!) || t.deviceId !== this.deviceId) return false;
      } else if (!this.is(t, after[i]!)) {
        return false;
      }
    }
    return fresh === entry.made.length;
  }

  /** Whether t is what the recording had in its place. */
  is(t: Operand | null, ref: Ref): boolean {
    if (t === null || ref === null) return t === ref;
    if (typeof ref !== 'number') return t === ref && t.handle >= 0;
    if (ref < 0) return this.args[-1 - ref] === t && t.handle >= 0;
    return t.handle === NOT_MADE && this.numbers.get(t) === ref;
  }

  /** The number of what the step has made, unless it was disposed of. */
  numberOf(t: Operand): number | undefined {
    return t.handle === NOT_MADE ? this.numbers.get(t) : undefined;
  }

  /** What has this number; undefined if it was disposed of. */
  get(number: number): Operand | undefined {
    const t = this.made[number];
    return t?.handle === NOT_MADE ? t : undefined;
  }

  /** Makes a view that was put off, and what it is a view of, down to memory from elsewhere. */
  makeView(t: Operand): void {
    const { inputs, attrs } = this.done.find(({ op, outputs }) => op === VIEW && outputs[0] === t)!;
    const base = inputs[0]!;
    if (base.handle === NOT_MADE) this.makeView(base);
    t.handle = FRESH;
    view(base as NativeTensor, t as NativeTensor, attrs[0]!);
  }

  /** Makes it ready for a call of its own. */
  unmake(t: Operand): void {
    t.handle = FRESH;
  }

  /** Whether all of the step has been seen. */
  get complete(): boolean {
    return !this.diverged && this.done.length === this.trace.entries.length;
  }

  /** Makes up for what was put off. */
  diverge(): void {
    if (this.diverged) return;
    this.diverged = true;
    stopObserving();
    observed(null, () => {
      // What was disposed of lives again till then.
      for (const [t, handle] of this.released) t.handle = handle;
      const disposed = this.made.filter((t) => t.handle === DISPOSED);
      for (const t of this.made) t.handle = FRESH;
      try {
        for (const { op, inputs, outputs, attrs } of this.done) {
          if (op === VIEW) view(inputs[0] as NativeTensor, outputs[0] as NativeTensor, attrs[0]!);
          else if (op === ALLOCATION) allocate(outputs[0] as NativeTensor);
          else run(op as never, inputs as never, outputs as never, attrs as never);
        }
      } finally {
        for (const t of disposed) this.released.set(t, t.handle);
        this.releaseAll();
      }
    });
  }

  /** A replay does what was put off. */
  commit(): void {
    for (const [entry, attrs] of this.changed) entry.attrs = [...attrs];
    this.releaseAll();
  }

  private releaseAll(): void {
    for (const [t, handle] of this.released) {
      if (handle >= 0) native().release(handle);
      t.handle = DISPOSED;
    }
    this.released.clear();
  }
}

function sameForm(t: Operand, form: Form): boolean {
  const { shape, strides, dtype } = t as Operand & Form;
  const rank = shape.length;
  if (dtype !== form.dtype || rank !== form.shape.length) return false;
  for (let i = 0; i < rank; i++) if (shape[i] !== form.shape[i] || strides[i] !== form.strides[i]) return false;
  return true;
}
