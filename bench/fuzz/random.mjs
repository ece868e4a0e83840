// SPDX-License-Identifier: Apache-2.0
/** Numbers that a seed determines. */
export class Random {
  constructor(seed) {
    this.state = (Math.imul(seed, 2654435761) + 12345) >>> 0;
    for (let i = 0; i < 8; i++) this.next();
  }

  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(n) {
    return Math.floor(this.next() * n);
  }

  oneIn(n) {
    return this.below(n) === 0;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}
