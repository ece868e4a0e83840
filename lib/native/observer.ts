// SPDX-License-Identifier: Apache-2.0
// Someone may look on at the native calls: which tensors are made of which.

type Operands = readonly (object | null)[];

export interface Observer {
  /** Before each operation. */
  call(op: number, inputs: Operands, outputs: Operands, attrs: readonly number[]): void;
  /** `object` is about to show memory of `base`. */
  view(base: object, object: object): void;
}

/** Whoever looks on now. */
export let observer: Observer | null = null;

/** Runs `body` with someone looking on. */
export function observed<R>(by: Observer, body: () => R): R {
  const before = observer;
  observer = by;
  try {
    return body();
  } finally {
    observer = before;
  }
}
