// SPDX-License-Identifier: Apache-2.0
import { AsyncLocalStorage } from 'node:async_hooks';

// The synchronous case is one boolean. Asynchronous scopes need the storage, which follows a function across its
// awaits without touching what runs in between; it is asked only while such a scope exists.
let enabled = true;
let asyncScopes = 0;
const storage = new AsyncLocalStorage<boolean>();

/** Whether operations are recorded for backward() here and now. */
export function isGradEnabled(): boolean {
  return asyncScopes > 0 ? (storage.getStore() ?? enabled) : enabled;
}

function withGrad<R>(value: boolean, body: () => R): R {
  const before = enabled;
  enabled = value;
  // Entered for every call: whether the body is asynchronous is known only from its result.
  asyncScopes++;
  let result: R;
  try {
    result = storage.run(value, body);
  } catch (error) {
    asyncScopes--;
    throw error;
  } finally {
    enabled = before;
  }
  if (result instanceof Promise) return result.finally(() => void asyncScopes--) as R;
  asyncScopes--;
  return result;
}

/**
 * Runs `body` without recording operations for backward(). `body` may be asynchronous: the mode follows it across
 * its awaits and affects nothing else.
 */
export function noGrad<R>(body: () => R): R {
  return withGrad(false, body);
}

/** Runs `body` with recording switched on, inside noGrad(). */
export function enableGrad<R>(body: () => R): R {
  return withGrad(true, body);
}

/** noGrad for lenode's own synchronous bodies: no asynchronous scope, so that it costs nothing. */
export function withoutGrad<R>(body: () => R): R {
  if (asyncScopes > 0) return withGrad(false, body);
  const before = enabled;
  enabled = false;
  try {
    return body();
  } finally {
    enabled = before;
  }
}
