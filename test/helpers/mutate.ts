// SPDX-License-Identifier: Apache-2.0
// Damaged files for the readers of file formats: seeded, so that a failure can be repeated from its message.
import { LenodeError } from '../../lib/native/errors.js';

export interface MutantOptions {
  /** How many. */
  count: number;
  /** The same seed gives the same mutants. Default 1. */
  seed?: number;
  /** Byte sequences that mean something in the format, to be written over or put between others. */
  tokens?: readonly Uint8Array[];
}

export interface Mutant {
  bytes: Uint8Array;
  /** What was done, and the seed that does it again. */
  description: string;
}

/** Marsaglia's xorshift generator of 32 bits ("Xorshift RNGs", Journal of Statistical Software, 2003). */
function generator(seed: number): (limit: number) => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x6d2b79f5) | 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let i = 0; i < 8; i++) next();
  return (limit) => (limit <= 1 ? 0 : next() % limit);
}

// Sizes, counts and positions that formats tend to believe.
const NUMBERS = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 53n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];

type Change = (bytes: Uint8Array, below: (limit: number) => number, tokens: readonly Uint8Array[]) => Uint8Array;

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(Math.min(at + remove, bytes.length))]);
}

const changes: Readonly<Record<string, Change>> = {
  'flipped a bit': (bytes, below) => {
    const at = below(bytes.length);
    bytes[at]! ^= 1 << below(8);
    return bytes;
  },
  'changed a byte': (bytes, below) => {
    bytes[below(bytes.length)] = below(256);
    return bytes;
  },
  'added to a byte': (bytes, below) => {
    bytes[below(bytes.length)]! += below(2) === 0 ? 1 : 255;
    return bytes;
  },
  'wrote a number': (bytes, below) => {
    const size = 1 << below(4);
    if (bytes.length < size) return bytes;
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(NUMBERS[below(NUMBERS.length)]!);
    const field = number.subarray(0, size);
    if (below(2) === 1) field.reverse();
    bytes.set(field, below(bytes.length - size + 1));
    return bytes;
  },
  truncated: (bytes, below) => bytes.subarray(0, below(bytes.length)),
  'removed a piece': (bytes, below) => splice(bytes, below(bytes.length), 1 + below(16), new Uint8Array(0)),
  'repeated a piece': (bytes, below) => {
    const at = below(bytes.length);
    return splice(bytes, at, 0, bytes.slice(at, at + 1 + below(64)));
  },
  'moved a piece': (bytes, below) => {
    const from = below(bytes.length);
    return splice(bytes, below(bytes.length), below(2) * 8, bytes.slice(from, from + 1 + below(32)));
  },
  'put in noise': (bytes, below) =>
    splice(bytes, below(bytes.length + 1), 0, Uint8Array.from({ length: 1 + below(32) }, () => below(256))),
  'filled a piece': (bytes, below) => {
    const at = below(bytes.length);
    bytes.fill(below(2) * 255, at, Math.min(at + 1 + below(32), bytes.length));
    return bytes;
  },
  'wrote a token': (bytes, below, tokens) => {
    if (tokens.length === 0) return changes['changed a byte']!(bytes, below, tokens);
    const token = tokens[below(tokens.length)]!;
    return splice(bytes, below(bytes.length + 1), below(2) * token.length, token);
  },
};
const names = Object.keys(changes);

/** Copies of `original`, each with one to four changes. */
export function* mutants(original: Uint8Array, { count, seed = 1, tokens = [] }: MutantOptions): Generator<Mutant> {
  for (let i = 0; i < count; i++) {
    const own = seed * 1_000_003 + i;
    const below = generator(own);
    let bytes: Uint8Array = Uint8Array.from(original);
    const done: string[] = [];
    for (let n = 1 + (below(2) === 0 ? 0 : below(4)); n > 0 && bytes.length > 0; n--) {
      const name = names[below(names.length)]!;
      bytes = changes[name]!(bytes, below, tokens);
      done.push(name);
    }
    yield { bytes, description: `mutant ${i} of seed ${seed}: ${done.join(', ')}` };
  }
}

export interface Survey {
  /** How many mutants were refused by a typed error. */
  refused: number;
  /** How many were read: what was changed did no harm. */
  read: number;
}

/**
 * Lets `read` try every mutant. It must fulfil, after having checked what it got, or throw one of lenode's errors.
 *
 * @throws Error that names the mutant, with what it threw as cause, for an error of any other kind, and when the
 * process has grown by more than `maxBytes` while a mutant was read
 */
export async function survey(
  cases: Iterable<Mutant>,
  read: (bytes: Uint8Array) => unknown,
  { maxBytes = 256 * 2 ** 20 }: { maxBytes?: number } = {},
): Promise<Survey> {
  const result: Survey = { refused: 0, read: 0 };
  for (const { bytes, description } of cases) {
    const before = process.memoryUsage.rss();
    try {
      await read(bytes);
      result.read++;
    } catch (cause) {
      if (!(cause instanceof LenodeError)) throw new Error(`${description}: ${String(cause)}`, { cause });
      result.refused++;
    }
    const grown = process.memoryUsage.rss() - before;
    if (grown > maxBytes) throw new Error(`${description}: memory grew by ${Math.round(grown / 2 ** 20)} MiB`);
  }
  return result;
}
