// SPDX-License-Identifier: Apache-2.0
import { libraryRoot } from './paths.js';

/**
 * Base class of every error that lenode throws. Its stack begins at the caller's line: lenode's own frames above
 * it are left out (they are in `internalStack`).
 */
export class LenodeError extends Error {
  /** The whole stack, lenode's own frames included. */
  declare internalStack: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    // Not enumerable: Node prints what is beside the stack of an uncaught error.
    for (const [key, value] of [['name', new.target.name], ['internalStack', '']] as const)
      Object.defineProperty(this, key, { value, writable: true, configurable: true, enumerable: false });
    this.adoptStack(this.stack ?? '');
  }

  /** Gives the error another message. */
  restate(message: string): void {
    this.message = message;
    this.adoptStack(this.internalStack);
  }

  /** Makes the error point at another place: for one that was found after the call that caused it. */
  adoptStack(stack: string): void {
    this.internalStack = stack;
    this.stack = callerStack(stack, `${this.name}: ${this.message}`);
  }
}

// Array.map() and its like, in between.
const builtIn = /\((?:<anonymous>|node:[^)]*)\)$/;

function callerStack(stack: string, heading: string): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const outside = frames.findIndex((line) => !line.includes(libraryRoot) && !builtIn.test(line));
  const first = outside < 0 ? frames.findIndex((line) => !line.includes(libraryRoot)) : outside;
  return [heading, ...(first < 0 ? frames : frames.slice(first))].join('\n');
}

/** A shape, size or dimension that the operation cannot take. */
export class ShapeError extends LenodeError {}
/** An element type that the operation cannot take, or a mixture of them. */
export class DTypeError extends LenodeError {}
/** A device that does not exist or cannot be used, or tensors on different devices. */
export class DeviceError extends LenodeError {}
/** An argument of the wrong type or outside its range. */
export class ArgumentError extends LenodeError {}
/** A value inside a tensor (a label, an index) that is out of range. */
export class IndexError extends LenodeError {}
/** Memory is exhausted, even after everything unused was freed. */
export class OutOfMemoryError extends LenodeError {}
/** A tensor was used after `dispose()`. */
export class DisposedError extends LenodeError {}
/** A parameter or buffer of a lazy module was used before the first forward() gave it its shape. */
export class UninitializedError extends LenodeError {}
/** Something that cannot be differentiated, or cannot be differentiated again. */
export class AutogradError extends LenodeError {}
/** The combination is valid, but no library here implements it. */
export class UnsupportedError extends LenodeError {}
/** A call into oneDNN, cuDNN, cuBLAS or CUDA failed. */
export class BackendError extends LenodeError {}
/** The native addon could not be loaded; the message says why and what to do. */
export class LoadError extends LenodeError {}
/** A file that is truncated, corrupt or of another kind than it should be. */
export class FormatError extends LenodeError {}
/**
 * A state dict or checkpoint that does not fit the model, optimizer or scheduler it was to be loaded into. Nothing was
 * loaded.
 */
export class StateDictError extends LenodeError {}
/** A file that cannot be opened or written; `cause` is the system's error. */
export class FileError extends LenodeError {}
/** Something in a captured step that a replay could not do again; the message says what to do instead. */
export class CaptureError extends LenodeError {}
/** A broken invariant of lenode itself: please report it. */
export class InternalError extends LenodeError {}

/** Error classes by native/core/error.h's ErrorCode. */
const classes = [
  InternalError, InternalError, ArgumentError, OutOfMemoryError, IndexError, UnsupportedError, BackendError,
  DisposedError, CaptureError,
] as const;

/** An error class for a native code, with the message that came with it. */
export function nativeError(code: number, message: string, options?: ErrorOptions): LenodeError {
  const NativeError = classes[code] ?? InternalError;
  return new NativeError(message, options);
}

/** Turns what a native call threw into one of the classes above; anything else passes unchanged. */
export function fromNative(error: unknown, context?: string): unknown {
  const code = (error as { nativeCode?: unknown } | null)?.nativeCode;
  if (typeof code !== 'number') return error;
  const message = (error as Error).message;
  return nativeError(code, context && !message.startsWith(context) ? `${context}: ${message}` : message);
}
