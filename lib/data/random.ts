// SPDX-License-Identifier: Apache-2.0
// Random numbers for the order of samples: on the JavaScript side, so that shuffling needs no device.

/**
 * A small generator with 64 bits of state per stream (SplitMix64, Steele, Lea and Flood, "Fast splittable
 * pseudorandom number generators", OOPSLA 2014).
 */
export class SplitMix64 {
  private state: bigint;

  constructor(seed: number, stream = 0) {
    this.state = BigInt.asUintN(64, BigInt(Math.trunc(seed)) * 0x9e3779b97f4a7c15n + BigInt(stream) * 0xbf58476d1ce4e5b9n);
    this.next();
  }

  private next(): bigint {
    this.state = BigInt.asUintN(64, this.state + 0x9e3779b97f4a7c15n);
    let z = this.state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }

  /** An integer in [0, limit), limit at most 2^32. */
  below(limit: number): number {
    return Number(((this.next() >> 32n) * BigInt(limit)) >> 32n);
  }
}

/** 0 ... n - 1 in random order (Fisher and Yates). The same seed and epoch give the same order everywhere. */
export function permutation(n: number, seed: number, epoch: number): Int32Array {
  const random = new SplitMix64(seed, epoch);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const swap = order[i]!;
    order[i] = order[j]!;
    order[j] = swap;
  }
  return order;
}
