// SPDX-License-Identifier: Apache-2.0
import { FormatError } from '../native/errors.js';

/**
 * A pickle that asks for a class or function that is not on the list of those known to be harmless data. Nothing of it
 * was run: this library has no Python, and calls nothing by a name that a file gives.
 */
export class ForbiddenGlobalError extends FormatError {
  constructor(
    message: string,
    /** What was asked for, as `os.system`. */
    readonly global: string,
    /** Where in the pickle, in bytes. */
    readonly position: number,
  ) {
    super(message);
  }
}
