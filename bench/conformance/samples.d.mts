// SPDX-License-Identifier: Apache-2.0
export interface Job {
  readonly kind: 'op' | 'errors' | 'module' | 'module errors';
  /** The row of the table. */
  readonly row: string;
  readonly variant: string;
  readonly samples: readonly unknown[];
}

export function readFixture(path: string | URL): Job[];
