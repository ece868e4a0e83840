// SPDX-License-Identifier: Apache-2.0

/** Many strings in two blocks of memory that worker threads share: a million paths cost each of them nothing. */
export class StringTable {
  private constructor(
    private readonly text: Uint8Array,
    private readonly ends: Float64Array,
  ) {}

  static of(strings: readonly string[]): StringTable {
    const encoded = strings.map((s) => Buffer.from(s));
    const bytes = encoded.reduce((n, e) => n + e.length, 0);
    const text = new Uint8Array(new SharedArrayBuffer(bytes));
    const ends = new Float64Array(new SharedArrayBuffer(8 * strings.length));
    let at = 0;
    encoded.forEach((e, i) => {
      text.set(e, at);
      ends[i] = at += e.length;
    });
    return new StringTable(text, ends);
  }

  get length(): number {
    return this.ends.length;
  }
  get(i: number): string {
    const start = i === 0 ? 0 : this.ends[i - 1]!;
    return Buffer.from(this.text.subarray(start, this.ends[i]!)).toString();
  }

  parts(): readonly [Uint8Array, Float64Array] {
    return [this.text, this.ends];
  }
  static fromParts([text, ends]: readonly [Uint8Array, Float64Array]): StringTable {
    return new StringTable(text, ends);
  }
}
