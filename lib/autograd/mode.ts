// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { noMore, show } from '../native/options.js';
import { AsyncLocalStorage } from 'node:async_hooks';
import { types } from 'node:util';
import { recordingsDependOn } from '../native/recording.js';

/**
 * A setting that holds while a function runs. The synchronous case is one variable. Asynchronous scopes need the
 * storage, which follows a function across its awaits without touching what runs in between; it is asked only while such
 * a scope exists.
 */
export class Mode<T> {
  private current: T;
  private asyncScopes = 0;
  private readonly storage = new AsyncLocalStorage<{ value: T }>();

  /** @param key what of the value tells recorded steps apart */
  constructor(initial: T, key: (value: T) => unknown = (value) => value) {
    this.current = initial;
    recordingsDependOn(() => key(this.get()));
  }

  /** The value here and now. */
  get(): T {
    if (this.asyncScopes === 0) return this.current;
    const scope = this.storage.getStore();
    return scope ? scope.value : this.current;
  }

  /** Runs `body`, which may be asynchronous, with another value. */
  with<R>(value: T, body: () => R): R {
    const before = this.current;
    this.current = value;
    // Entered for every call: whether the body is asynchronous is known only from its result.
    this.asyncScopes++;
    let result: R;
    try {
      result = this.storage.run({ value }, body);
    } catch (error) {
      this.asyncScopes--;
      throw error;
    } finally {
      this.current = before;
    }
    if (types.isPromise(result)) return result.finally(() => void this.asyncScopes--) as R;
    this.asyncScopes--;
    return result;
  }

  /** As with(), for lenode's own synchronous bodies: no asynchronous scope, so that it costs nothing. */
  withSync<R>(value: T, body: () => R): R {
    if (this.asyncScopes > 0) return this.with(value, body);
    const before = this.current;
    this.current = value;
    try {
      return body();
    } finally {
      this.current = before;
    }
  }
}

const recording = new Mode<'on' | 'off' | 'inference'>('on');

/** Whether operations are recorded for backward() here and now. */
export function isGradEnabled(): boolean {
  noMore('isGradEnabled', arguments.length > 0);
  return recording.get() === 'on';
}

/** Whether this is inside inferenceMode(). */
export function isInferenceModeEnabled(): boolean {
  noMore('isInferenceModeEnabled', arguments.length > 0);
  return recording.get() === 'inference';
}

/** @internal @throws ArgumentError unless it is a function, and the only argument */
export function checkBody(body: unknown, where: string, extra: boolean): void {
  noMore(where, extra);
  if (typeof body !== 'function') throw new ArgumentError(`${where}: expected a function to run, got ${show(body)}`);
}

// Inside inferenceMode() nothing changes it.
function unlessInference(value: 'on' | 'off'): 'on' | 'off' | 'inference' {
  return isInferenceModeEnabled() ? 'inference' : value;
}

/**
 * Runs `body` without recording operations for backward(). `body` may be asynchronous: the mode follows it across
 * its awaits and affects nothing else.
 */
export function noGrad<R>(body: () => R): R {
  checkBody(body, 'noGrad', arguments.length > 1);
  return recording.with(unlessInference('off'), body);
}

/** Runs `body` with recording switched on, inside noGrad(). Inside inferenceMode() it stays off. */
export function enableGrad<R>(body: () => R): R {
  checkBody(body, 'enableGrad', arguments.length > 1);
  return recording.with(unlessInference('on'), body);
}

/**
 * noGrad() for a network in use: inside, nothing switches recording on again. Unlike PyTorch's, what is computed here
 * can take part in gradients later, as a constant.
 */
export function inferenceMode<R>(body: () => R): R {
  checkBody(body, 'inferenceMode', arguments.length > 1);
  return recording.with('inference', body);
}

/** enableGrad for lenode's own synchronous bodies. */
export function withGrad<R>(body: () => R): R {
  return recording.withSync(unlessInference('on'), body);
}

/** noGrad for lenode's own synchronous bodies. */
export function withoutGrad<R>(body: () => R): R {
  return recording.withSync(unlessInference('off'), body);
}
