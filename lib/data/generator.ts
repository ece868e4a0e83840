// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { noMore, show } from '../native/options.js';
import { initialSeed, seedings } from '../ops/random.js';

// The finalizer of MurmurHash3: every bit of the input reaches every bit of the output.
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** What Generator.getState() gives: plain data, for JSON. */
export interface GeneratorState {
  readonly seed: number;
  /** Four 32-bit integers. */
  readonly words: readonly number[];
}

const isSeed = (seed: unknown): seed is number => Number.isSafeInteger(seed) && (seed as number) >= 0;

const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

/**
 * Random numbers on JavaScript's side, for the order of samples and the choices of transforms: xoshiro128** (Blackman
 * and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47, 2021). A seed and the numbers of a stream,
 * such as an epoch and a position in it, always give the same sequence; other numbers give an independent one.
 */
export class Generator {
  #seed: number;
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;

  /**
   * @param seed an integer from 0 to 2^53 - 1
   * @param stream any integers that tell sequences of one seed apart
   * @throws ArgumentError for another seed
   */
  constructor(seed: number, ...stream: readonly number[]) {
    this.#seed = seed;
    if (!isSeed(seed))
      throw new ArgumentError(`Generator: the seed must be an integer from 0 to 2^53 - 1, got ${seed}`);
    let h = mix(seed | 0) ^ mix(Math.floor(seed / 2 ** 32) + 0x3c6ef372);
    for (const n of stream) h = mix(Math.imul(h, 0x9e3779b1) ^ mix((n | 0) + 0x27d4eb2f));
    // The state keeps a second path through the words, so that two streams that collide in one hash differ in the other.
    let g = mix(h ^ 0x165667b1);
    for (let i = stream.length - 1; i >= 0; i--) g = mix(Math.imul(g, 0x85ebca77) + (stream[i]! | 0));
    this.a = mix(h + 0x9e3779b9);
    this.b = mix(g + 0x3c6ef372);
    this.c = mix(h ^ rotate(g, 16) ^ 0xdaa66d2b);
    this.d = mix(Math.imul(g, 0xc2b2ae3d) + h) | 1;
    for (let i = 0; i < 4; i++) this.next();
  }

  /** What it was made with. */
  get seed(): number {
    return this.#seed;
  }

  /** Where it is: with it, setState() makes any generator go on as this one. */
  getState(): GeneratorState {
    return { seed: this.#seed, words: [this.a, this.b, this.c, this.d].map((word) => word >>> 0) };
  }

  /** @throws ArgumentError for anything but what getState() gave; the generator is then as it was */
  setState(state: GeneratorState): void {
    this.prepareState(state)();
  }

  /** @internal Checks a state; what it returns takes it over. */
  prepareState(state: GeneratorState): () => void {
    const { seed, words }: { seed?: unknown; words?: unknown } = typeof state === 'object' && state !== null ? state : {};
    const isWord = (word: unknown) => Number.isInteger(word) && (word as number) >= 0 && (word as number) < 2 ** 32;
    if (!isSeed(seed) || !Array.isArray(words) || words.length !== 4 || !words.every(isWord) || words.every((word) => word === 0))
      throw new ArgumentError('Generator.setState: expected a state that getState() gave: { seed, words }, four words of 32 bits');
    return () => {
      this.#seed = seed;
      [this.a, this.b, this.c, this.d] = (words as number[]).map((word) => word | 0) as [number, number, number, number];
    };
  }

  /** An integer in [0, 2^32). */
  next(): number {
    const result = Math.imul(rotate(Math.imul(this.b, 5), 7), 9);
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = rotate(this.d, 11);
    return result >>> 0;
  }

  /** A number in [0, 1) with 53 random bits. */
  random(): number {
    const high = this.next() >>> 5;
    return (high * 2 ** 26 + (this.next() >>> 6)) / 2 ** 53;
  }

  /** A number in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.random();
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** A number of the standard normal distribution (Box and Muller, 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
  }

  /**
   * A number of the gamma distribution with scale 1 (Marsaglia and Tsang, ACM TOMS 26, 2000).
   *
   * @throws ArgumentError if the shape is no positive, finite number
   */
  gamma(shape: number): number {
    if (!(Number.isFinite(shape) && shape > 0))
      throw new ArgumentError(`Generator.gamma: shape must be a positive number, got ${show(shape)}`);
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.random()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** A number of the beta distribution. @throws ArgumentError if a or b is no positive, finite number */
  beta(a: number, b: number): number {
    for (const [name, value] of [['a', a], ['b', b]] as const)
      if (!(Number.isFinite(value) && value > 0))
        throw new ArgumentError(`Generator.beta: ${name} must be a positive number, got ${show(value)}`);
    const x = this.gamma(a);
    const y = this.gamma(b);
    return x + y > 0 ? x / (x + y) : a / (a + b);
  }

  /** 0 ... n - 1 in random order (Fisher and Yates). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swap = order[i]!;
      order[i] = order[j]!;
      order[j] = swap;
    }
    return order;
  }
}

let shared: Generator | undefined;
let sharedSince = -1;

/** The generator for calls that bring none: it begins anew with manualSeed(). */
export function defaultGenerator(): Generator {
  noMore('defaultGenerator', arguments.length > 0);
  if (!shared || sharedSince !== seedings()) {
    sharedSince = seedings();
    shared = new Generator(initialSeed(), 0x7472);
  }
  return shared;
}
