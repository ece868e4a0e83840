// SPDX-License-Identifier: Apache-2.0
// Someone may look on at the native calls: which tensors are made of which.

/** Handle of a tensor that run() will give memory to. */
export const FRESH = -2;

/** A tensor, as far as an observer needs to know it. */
export interface Operand {
  handle: number;
  readonly deviceId: number;
  /** Counts changes in place, for all views of the memory. */
  readonly version: { count: number };
}
export type Operands = readonly (Operand | null)[];

export interface Observer {
  /** Before each operation; true: it shall not be made. */
  call(op: number, inputs: Operands, outputs: Operands, attrs: readonly number[]): boolean | void;
  /** `object` is about to show memory of `base`, from element `offset` on; true: it shall not. */
  view(base: Operand, object: Operand, offset: number): boolean | void;
  /** `object` is about to get memory of its own; true: it shall not. */
  allocate?(object: Operand): boolean | void;
  /** `object` is about to lose its memory; true: it shall not. */
  release?(object: Operand): boolean;
  /** Whether calls are put off. */
  readonly defers?: boolean;
}

/** Whoever looks on now. */
export let observer: Observer | null = null;

/** Runs `body` with someone looking on, or nobody. */
export function observed<R>(by: Observer | null, body: () => R): R {
  const before = observer;
  observer = by;
  try {
    return body();
  } finally {
    observer = before;
  }
}

/** Whoever looks on stops, until the body that is observed ends. */
export function stopObserving(): void {
  observer = null;
}
