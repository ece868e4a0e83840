// SPDX-License-Identifier: Apache-2.0
// One recording of a step, and how it is replayed.
import { native } from '../native/binding.js';
import { setStepOrigins } from '../native/faults.js';
import { Following } from '../native/following.js';
import { Op } from '../native/ops.gen.js';
import { collectChanges, DROPPED, StaleRecording, type Recording, type Watch } from '../native/recording.js';
import { replay, run, view } from '../native/run.js';
import type { Ref } from '../native/trace.js';
import type { Device } from '../tensor/device.js';
import { fresh, Tensor } from '../tensor/tensor.js';
import { detached, mapTensors } from './results.js';
import type { Signature } from './signature.js';

/** A leaf whose gradient the step sets. */
export interface LeafGradient {
  readonly leaf: Tensor;
  readonly before: Tensor | null | typeof DROPPED;
  /** What it has afterwards. */
  grad: Tensor | null;
  /** Where in the arena; or ELSEWHERE. */
  readonly offset: number;
}

/** In the place of an offset in the arena: memory that existed before the step. */
export const ELSEWHERE = -1;

/** A tensor in a step's result: one that is computed, an argument, or one from elsewhere that is simply passed on. */
export type ResultSource = { readonly computed: number } | { readonly argument: number } | { readonly tensor: Tensor };

interface Computed {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly dtype: Tensor['dtype'];
}

export interface StepParts {
  readonly number: number;
  readonly device: Device;
  readonly arena: Tensor;
  readonly recording: Recording;
  readonly leaves: readonly LeafGradient[];
  /** Tensors from elsewhere, and whether they required gradients. */
  readonly required: readonly (readonly [t: Tensor, requiresGrad: boolean])[];
  /** Arguments that the step changes in place. */
  readonly writtenArguments: readonly number[];
  readonly computed: readonly Computed[];
  /** The step's result with sources in the place of tensors. */
  readonly rebuild: (tensorOf: (source: ResultSource) => Tensor) => unknown;
  /** The tensors of the result in order, for a step that is followed. */
  readonly returned: readonly { readonly ref: Ref; readonly source: ResultSource }[];
  /** What JavaScript keeps of a step that is followed, by number: where it is in the arena, or ELSEWHERE. */
  readonly kept: ReadonlyMap<number, number>;
}

export class RecordedStep {
  replays = 0;
  /** Of a step that is followed: how many calls in a row have differed from it. */
  lapses = 0;
  /** It can never be replayed again. */
  stale = false;

  constructor(
    readonly signature: Signature,
    private readonly parts: StepParts,
    /** Says that a gradient of this step's has a new handle. */
    private readonly onRevival: (grad: Tensor) => void,
  ) {}

  get number(): number {
    return this.parts.number;
  }

  /** Whether the modules' modes and the gradients that it begins with are as they were; looks whether it is stale. */
  fits(): boolean {
    const { recording, required, leaves } = this.parts;
    for (const [t, handle] of recording.outer) if (t.handle !== handle) this.stale = true;
    for (const [t, requiresGrad] of required) if (t.requiresGrad !== requiresGrad) this.stale = true;
    if (this.stale) return false;
    for (const { read, value } of recording.conditions.values()) if (!Object.is(read(), value)) return false;
    return leaves.every(({ leaf, before }) => before === DROPPED || leaf.grad === before);
  }

  /** A gradient that was disposed and is back. */
  revived(grad: Tensor): void {
    const { outer } = this.parts.recording;
    if (outer.has(grad)) outer.set(grad, grad.handle);
  }

  /** Replays the step; null if it turns out to be stale, before anything has changed. */
  replay(args: readonly Tensor[]): { value: unknown } | null {
    const { number, device, recording, computed, leaves, writtenArguments, rebuild } = this.parts;
    const { events } = recording;
    const dropped = this.setGradients();
    const changes: number[] = [];
    let done = 0;
    try {
      const last = events.findLastIndex((event) => event.update);
      // Where something comes before an update, that must not have happened twice when the update proves to be stale.
      if (events.slice(0, last).some((event) => !event.update))
        for (const event of events) if (event.update) collectChanges(event, null);
      for (; done <= last; done++) {
        const event = events[done]!;
        if (event.update) collectChanges(event, changes);
        else event.body();
      }
    } catch (error) {
      dropped.forEach((grad, i) => (leaves[i]!.leaf.grad = grad));
      if (!(error instanceof StaleRecording)) throw error;
      this.stale = true;
      return null;
    }
    leaves.forEach(({ leaf, before }, i) => {
      if (before === DROPPED && dropped[i] !== leaf.grad) dropped[i]?.dispose();
    });
    const results = computed.map(({ shape, strides, dtype }) => fresh(shape, dtype, device, strides));
    replay(number, device.id, args, changes, results);
    for (const version of recording.written) version.count++;
    for (const i of writtenArguments) args[i]!.version.count++;
    for (; done < events.length; done++) events[done]!.body();
    this.replays++;
    return {
      value: rebuild((source) =>
        'computed' in source ? results[source.computed]! : 'argument' in source ? args[source.argument]! : source.tensor,
      ),
    };
  }

  /**
   * Runs JavaScript's part of the step once more, and replays the recording if that is what it asks for; otherwise the
   * step has been made plainly.
   */
  follow(args: readonly Tensor[], body: (watch: Watch) => unknown): { value: unknown; replayed: boolean } {
    const { number, device, recording, computed } = this.parts;
    const following = new Following(recording.trace!, args, device.id);
    let value: unknown;
    let results: readonly ResultSource[] | null;
    try {
      value = body({ tolerant: true, failure: undefined, recording: null, following });
      results = this.#resultsOf(value, following);
    } catch (error) {
      following.diverge();
      throw error;
    }
    if (!results || !this.#gradientsFit(following)) {
      following.diverge();
      return { value: detached(value), replayed: false };
    }
    const outputs = computed.map(({ shape, strides, dtype }) => fresh(shape, dtype, device, strides));
    try {
      replay(number, device.id, args, following.changes, outputs);
      this.replays++;
    } catch (error) {
      // It may have come from an earlier call, or have kept this one from the queue: whether it has the new attributes, nobody
      // knows.
      if (following.changes.length > 0) this.stale = true;
      throw error;
    } finally {
      following.commit();
      this.#settle(following);
    }
    let next = 0;
    return {
      value: mapTensors(value, (t) => {
        const source = results[next++]!;
        return 'computed' in source ? outputs[source.computed]! : t;
      }),
      replayed: true,
    };
  }

  // Where the tensors of a result come from, one after the other; null if they are others than those of the recording.
  #resultsOf(value: unknown, following: Following): ResultSource[] | null {
    const { returned } = this.parts;
    const sources: ResultSource[] = [];
    let fits = following.complete;
    mapTensors(value, (t) => {
      const found = fits ? returned.find(({ ref }) => following.is(t, ref)) : undefined;
      if (found) sources.push(found.source);
      else fits = false;
    });
    return fits ? sources : null;
  }

  // Whether the gradients that JavaScript has set have places in the arena.
  #gradientsFit(following: Following): boolean {
    return this.parts.leaves.every(({ leaf }) => {
      const made = leaf.grad && following.numberOf(leaf.grad as Tensor);
      return typeof made !== 'number' || (this.parts.kept.get(made) ?? ELSEWHERE) >= 0;
    });
  }

  // Gives memory to what JavaScript keeps: gradients in the arena, where the next replay finds them; all else as copies,
  // since each step has its own.
  #settle(following: Following): void {
    const { arena, device, kept, leaves } = this.parts;
    for (const entry of leaves) {
      const grad = entry.leaf.grad as Tensor | null;
      const made = grad && following.numberOf(grad);
      if (typeof made === 'number') view(arena, grad!, kept.get(made)!);
      entry.grad = grad;
    }
    for (const [number, offset] of kept) {
      const t = following.get(number) as Tensor | undefined;
      if (!t) continue;
      if (offset < 0) {
        following.makeView(t);
        continue;
      }
      const source = new Tensor(t.shape, t.strides, t.dtype, device, t.version);
      view(arena, source, offset);
      following.unmake(t);
      run(Op.copy, [source], [t], []);
      source.dispose();
    }
  }

  // Puts the gradients where the plain step would leave them; returns those that were there.
  private setGradients(): (Tensor | null)[] {
    const { arena, leaves } = this.parts;
    return leaves.map(({ leaf, grad, offset }) => {
      const before = leaf.grad;
      if (before === grad) return before;
      if (grad && grad.handle < 0 && offset >= 0) {
        view(arena, grad, offset);
        this.onRevival(grad);
      }
      leaf.grad = grad;
      return before;
    });
  }

  release(): void {
    native().releaseStep(this.number);
    setStepOrigins(this.number);
    this.parts.arena.dispose();
  }
}

/** The recipe of a result: a function that builds it anew. */
export function recipe(value: unknown, sourceOf: (t: Tensor) => ResultSource): StepParts['rebuild'] {
  const sources = new Map<Tensor, ResultSource>();
  // Tensors stand for their sources; the structure around them is kept without them.
  const structure = mapTensors(value, (t) => {
    let source = sources.get(t);
    if (!source) sources.set(t, (source = sourceOf(t)));
    return new Placeholder(source);
  });
  sources.clear(); // the function below would keep it, and the tensors with it
  const build = (node: unknown, tensorOf: (source: ResultSource) => Tensor): unknown => {
    if (node instanceof Placeholder) return tensorOf(node.source);
    if (Array.isArray(node)) return node.map((entry) => build(entry, tensorOf));
    if (typeof node !== 'object' || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, entry]) => [key, build(entry, tensorOf)]));
  };
  return (tensorOf) => build(structure, tensorOf);
}

class Placeholder {
  constructor(readonly source: ResultSource) {}
}
