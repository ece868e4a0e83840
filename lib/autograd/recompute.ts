// SPDX-License-Identifier: Apache-2.0
// Saved tensors that are dropped and computed again: what checkpoint() needs of the record. Operations are recorded as
// ever, but what they save goes into a segment that forgets it. When the first of them is asked for what it saved, the
// segment's function runs again, and its save() calls, which come in the same order, bring the values back.
import { AutogradError } from '../native/errors.js';
import type { DType } from '../tensor/dtype.js';
import { sameShape, type Shape } from '../tensor/shape.js';
import type { StorageVersion, Tensor } from '../tensor/tensor.js';
import { within } from './deriving.js';

/** What an operation saves into; see Context. */
export interface SaveTarget {
  /** Takes the tensors, unless they are not needed any more. */
  store(tensors: Tensor[]): void;
}

interface Saved {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly version: StorageVersion;
  readonly count: number;
}

interface Slot {
  readonly target: SaveTarget;
  readonly saved: readonly Saved[];
}

type Sink = (target: SaveTarget, tensors: Tensor[]) => void;
let sink: Sink | null = null;
let restoring = 0;

/** Whether a checkpointed function runs for the second time: what it changes besides must not be changed again. */
export function isRecomputing(): boolean {
  return restoring > 0;
}

function into<R>(next: Sink, body: () => R): R {
  const before = sink;
  sink = next;
  try {
    return body();
  } finally {
    sink = before;
  }
}

/** Offers what an operation saves to the segment being recorded or restored, if any. */
export function saveElsewhere(target: SaveTarget, tensors: Tensor[]): boolean {
  if (!sink) return false;
  sink(target, tensors);
  return true;
}

/** Part of a computation whose saved tensors are computed again. */
export class Segment {
  readonly #slots: Slot[] = [];
  /** Whether what is computed again is to be recorded, too. */
  static keepsHistory = false;
  static readonly #owners = new WeakMap<SaveTarget, Segment>();

  /** @param again does what record() was given once more */
  constructor(private readonly again: () => void) {}

  record<R>(body: () => R): R {
    return into((target, tensors) => {
      const saved = tensors.map(({ shape, dtype, version }) => ({ shape, dtype, version, count: version.count }));
      this.#slots.push({ target, saved });
      Segment.#owners.set(target, this);
    }, body);
  }

  /** Computes again what `target` saved, together with everything else of its segment. */
  static restore(target: SaveTarget, withHistory: boolean): void {
    const segment = Segment.#owners.get(target);
    if (!segment) return;
    const before = Segment.keepsHistory;
    Segment.keepsHistory = withHistory;
    try {
      within(() => segment.#restore());
    } finally {
      Segment.keepsHistory = before;
    }
  }

  #restore(): void {
    let next = 0;
    restoring++;
    try {
      into((_, tensors) => {
        const slot = this.#slots[next++];
        if (!slot || tensors.length !== slot.saved.length || !tensors.every((t, i) => agrees(t, slot.saved[i]!)))
          throw differs('other tensors were saved');
        slot.target.store(tensors);
      }, this.again);
    } finally {
      restoring--;
    }
    if (next !== this.#slots.length) throw differs(`${this.#slots.length} operations saved tensors, now ${next}`);
  }
}

function agrees(t: Tensor, saved: Saved): boolean {
  if (t.version === saved.version && t.version.count !== saved.count)
    throw new AutogradError(
      `checkpoint: a tensor of shape [${t.shape.join(', ')}] that the function uses was changed in place since ` +
        `(version ${t.version.count}, expected ${saved.count})`,
    );
  return t.dtype === saved.dtype && sameShape(t.shape, saved.shape);
}

const differs = (what: string) =>
  new AutogradError(
    `checkpoint: the function computed something else the second time: ${what}. It must depend on nothing that changes ` +
      'between forward and backward, such as train() and eval()',
  );
