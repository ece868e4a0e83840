// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { LenodeError } from '../../lib/native/errors.js';

type ErrorClass = new (message: string) => LenodeError;
export type Bad = readonly [call: () => unknown, ErrorClass: ErrorClass, message: RegExp];

/** A test for each call that it throws this very class with such a message. */
export function refuses(rows: readonly Bad[]): void {
  for (const [call, ErrorClass, message] of rows)
    test(`${String(call).replace(/^\(\) => /, '')} → ${ErrorClass.name}`, () => {
      let thrown: unknown;
      try {
        call();
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(ErrorClass);
      expect((thrown as Error).constructor).toBe(ErrorClass);
      expect((thrown as Error).message).toMatch(message);
    });
}
