// SPDX-License-Identifier: Apache-2.0
// What a recorded step consists of, call by call, so that JavaScript can run again and be compared with it. Nothing here
// keeps a tensor of the step alive: those go by numbers.
import { InternalError } from './errors.js';
import { FRESH, type Operand, type Operands } from './observer.js';

/** A tensor of a trace: the number of one that the step makes, -1 - i for argument i, one from elsewhere by itself. */
export type Ref = number | Operand | null;

/** In the place of an operation's number. */
export const VIEW = -1;
export const ALLOCATION = -2;

/** What memory is made for. */
export interface Form {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly dtype: string;
}

export interface TraceEntry {
  /** Of the op table; or VIEW, ALLOCATION. */
  readonly op: number;
  /** Its number among the native calls. */
  readonly call: number;
  /** A view's: its base. */
  readonly inputs: readonly Ref[];
  readonly outputs: readonly Ref[];
  /** As the last replay had them. A view's: its offset. */
  attrs: readonly number[];
  /** Of the outputs that are made, in order. */
  readonly made: readonly Form[];
}

/** Written while a step is recorded. */
export class Trace {
  readonly entries: TraceEntry[] = [];
  private numbers = new Map<Operand, number>();
  private count = 0;
  private calls = 0;

  constructor(args: readonly Operand[]) {
    args.forEach((t, i) => this.numbers.set(t, -1 - i));
  }

  refOf(t: Operand | null): Ref {
    return t && (this.numbers.get(t) ?? t);
  }

  call(op: number, inputs: Operands, outputs: Operands, attrs: readonly number[]): void {
    this.add(op, inputs, outputs, [...attrs], this.calls++);
  }
  view(base: Operand, object: Operand, offset: number): void {
    this.add(VIEW, [base], [object], [offset], -1);
  }
  allocation(object: Operand): void {
    this.add(ALLOCATION, [], [object], [], -1);
  }

  private add(op: number, inputs: Operands, outputs: Operands, attrs: readonly number[], call: number): void {
    const refs = inputs.map((t) => this.refOf(t));
    const made: Form[] = [];
    const results = outputs.map((t) => {
      if (t?.handle !== FRESH) return this.refOf(t);
      const { shape, strides, dtype } = t as Operand & Form;
      made.push({ shape, strides, dtype });
      this.numbers.set(t, this.count);
      return this.count++;
    });
    this.entries.push({ op, call, inputs: refs, outputs: results, attrs, made });
  }

  /** The form of what the step makes under a number. */
  formOf(number: number): Form {
    let first = 0;
    for (const { made } of this.entries) {
      if (number < first + made.length) return made[number - first]!;
      first += made.length;
    }
    throw new InternalError(`a trace has no tensor ${number}`);
  }

  /** Ends the trace: its tensors are let go of. Returns the handles of those that have one, by number. */
  end(): Map<number, number> {
    const handles = new Map<number, number>();
    for (const [t, number] of this.numbers) if (number >= 0 && t.handle >= 0) handles.set(number, t.handle);
    this.numbers = new Map();
    return handles;
  }
}
