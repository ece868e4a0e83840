// SPDX-License-Identifier: Apache-2.0
// Steps that run once in JavaScript and then as a whole.
import { types } from 'node:util';
import { native } from '../native/binding.js';
import { CaptureError, DisposedError } from '../native/errors.js';
import { boolean, checked, number, oneOf, optionsOf } from '../native/options.js';
import { contextNow, isWatched, watched, type Watch } from '../native/recording.js';
import { device as toDevice, type Device, type DeviceLike } from '../tensor/device.js';
import type { Tensor } from '../tensor/tensor.js';
import { isGradEnabled } from './mode.js';
import { recordStep } from './record.js';
import type { RecordedStep } from './recorded-step.js';
import { detached } from './results.js';
import { Signature } from './signature.js';

export interface CaptureOptions {
  /** How many recordings are kept: one for each combination of shapes, modes and plain arguments. Default 4. */
  recordings?: number;
  /** Where a step without tensor arguments runs. Default: the CPU. */
  device?: DeviceLike;
  /**
   * What happens when something in the step cannot be captured: a CaptureError, or a warning, after which the step
   * always runs plainly. Default 'throw'.
   */
  otherwise?: 'throw' | 'run';
  /**
   * Whether `fn` runs at every call, and is compared with the recording: call by call, with operands, shapes and results.
   * Where all agree, the recording does the work, with the attributes (numbers such as a factor, a rate of dropout) of this
   * very call; where not, the call is a plain one, and after two of them in a row the step is recorded anew. Whatever
   * JavaScript's part of the step depends on or changes is then followed, at the cost of running it. Default false.
   */
  follow?: boolean;
}
const captureOptions = optionsOf<CaptureOptions>({
  recordings: number,
  device: checked,
  otherwise: oneOf('throw', 'run'),
  follow: boolean,
});

/** What capture() makes of a step. */
export interface Captured<A extends unknown[], R> {
  (...args: A): R;
  /** How often the step has run plainly, was recorded and was replayed. */
  readonly counts: Readonly<Counts>;
  /** Frees the recordings and their memory. Calling the step afterwards throws DisposedError. */
  dispose(): void;
  [Symbol.dispose](): void;
}

interface Counts {
  plain: number;
  recorded: number;
  replayed: number;
}

// Signatures of which it is remembered that the step has run once.
const REMEMBERED = 64;
// Recordings that may be replaced without ever having been replayed, before recording is given up.
const WASTED = 8;
// Of a step that is followed: calls in a row that differ from a recording before it is replaced, and the replays that make
// a recording worth its while.
const LAPSES = 2;
const WORTHWHILE = 8;

const releases = new FinalizationRegistry<Set<number>>((steps) => {
  for (const step of steps) native().releaseStep(step);
});

/**
 * Makes a training step, or any other synchronous function of tensors, one that is recorded and replayed: its first
 * call runs plainly, the second is recorded, and from the third on all of its operations are one task of the device
 * (one graph launch on a GPU), with nothing to do in JavaScript. Results, parameters and gradients are those of the
 * plain function, bit for bit.
 *
 * ```ts
 * const step = capture((images: Tensor, labels: Tensor) => {
 *   optimizer.zeroGrad();
 *   const loss = F.crossEntropy(model.forward(images), labels);
 *   loss.backward();
 *   optimizer.step();
 *   scheduler.step();
 *   return loss;
 * });
 * ```
 *
 * A replay takes the values of its arguments, and of tensors from elsewhere, as they are then; optimizers' options and
 * schedules are followed. Everything else that JavaScript computes is as it was when the step was recorded, since
 * it is not computed again: a factor of the loss in a variable, a dropout layer's rate, a branch, a module's field or
 * hook that change later are not seen, and what the step does in JavaScript (counting, keeping tensors) is not done. With
 * `follow: true` all of that is seen and done. Other shapes, dtypes, devices, plain arguments or modes of the modules make
 * another recording.
 *
 * @param fn called with tensors, arrays of them and plain values; returns tensors, in arrays and objects, or nothing.
 * The tensors that the captured step returns are its caller's, without a recorded computation behind them.
 * @throws CaptureError, from inside the step, for what cannot be replayed: reading values, tensors made from
 * JavaScript's values, another device, a gradient through what was computed before, a promise
 */
export function capture<A extends unknown[], R>(fn: (...args: A) => R, options?: CaptureOptions): Captured<A, R> {
  options = captureOptions('capture', options, arguments.length > 2);
  const { recordings: limit = 4, device, otherwise = 'throw', follow = false } = options;
  const counts: Counts = { plain: 0, recorded: 0, replayed: 0 };
  const numbers = new Set<number>();
  const tolerant = otherwise === 'run';
  let recordings: RecordedStep[] = []; // the most recently used first
  let seen: Signature[] = [];
  let wasted = 0;
  let plainly = limit < 1;
  let disposed = false;

  const forget = (step: RecordedStep): void => {
    recordings = recordings.filter((other) => other !== step);
    numbers.delete(step.number);
    if (step.replays === 0 || (step.lapses >= LAPSES && step.replays < WORTHWHILE)) wasted++;
    step.release();
  };
  const giveUp = (reason: string): void => {
    plainly = true;
    for (const step of recordings) forget(step);
    process.emitWarning(`capture: the step runs without being captured from now on: ${reason}`, 'CaptureWarning');
  };
  const run = (args: A, watch: Watch): R => {
    const result = watched(watch, () => {
      const value = fn(...args);
      if (types.isPromise(value)) {
        value.catch(() => undefined);
        throw new CaptureError('capture: the step returned a promise; it must be synchronous');
      }
      return value;
    });
    if (watch.failure) giveUp(watch.failure.message);
    return result;
  };

  const captured = (...args: A): R => {
    if (disposed) throw new DisposedError('capture: the step was used after dispose()');
    if (isWatched()) return fn(...args); // part of the step around it
    if (plainly) {
      counts.plain++;
      return detached(fn(...args));
    }
    const signature = new Signature(args, contextNow());
    for (const step of recordings) {
      if (!step.signature.equals(signature) || !step.fits()) continue;
      if (step !== recordings[0]) recordings = [step, ...recordings.filter((other) => other !== step)];
      if (follow) {
        if (step.lapses >= LAPSES) break;
        const { value, replayed } = step.follow(signature.tensors, (watch) => run(args, watch));
        step.lapses = replayed ? 0 : step.lapses + 1;
        if (replayed) counts.replayed++;
        else counts.plain++;
        return value as R;
      }
      const replayed = step.replay(signature.tensors);
      if (replayed) {
        counts.replayed++;
        return replayed.value as R;
      }
    }
    for (const step of recordings) if (step.stale || step.lapses >= LAPSES) forget(step);
    if (wasted > WASTED) giveUp('what it depends on changes so often that recordings do not last');

    const known = seen.some((other) => other.equals(signature));
    if (plainly || !known) {
      counts.plain++;
      const value = detached(run(args, { tolerant, failure: undefined, recording: null }));
      signature.tensors = [];
      seen = [signature, ...seen].slice(0, REMEMBERED);
      return value;
    }
    for (const t of signature.tensors)
      if (t.requiresGrad && isGradEnabled())
        throw new CaptureError('capture: an argument requires gradients; pass it detached, and ask for them inside the step');
    while (recordings.length >= limit) forget(recordings.at(-1)!);
    counts.recorded++;
    const place: Device = signature.tensors[0]?.device ?? toDevice(device ?? 'cpu');
    const onRevival = (grad: Tensor) => recordings.forEach((step) => step.revived(grad));
    const { value, step, failure } = recordStep(signature, place, tolerant, (watch) => run(args, watch), onRevival, follow);
    if (step) {
      recordings.unshift(step);
      numbers.add(step.number);
    } else if (failure !== undefined) {
      giveUp(failure);
    }
    return value as R;
  };

  const dispose = (): void => {
    disposed = true;
    releases.unregister(numbers);
    for (const step of recordings) forget(step);
  };
  const result = Object.assign(captured, { counts, dispose, [Symbol.dispose]: dispose });
  releases.register(result, numbers, numbers);
  return result;
}
