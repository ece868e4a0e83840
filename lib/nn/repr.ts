// SPDX-License-Identifier: Apache-2.0
// Values as Python writes them, for modules that print as PyTorch's do.

/** 1 as `1.0`, 0.5 as `0.5`. */
export function float(x: number): string {
  if (x === Infinity || x === -Infinity) return x > 0 ? 'inf' : '-inf';
  const text = String(x);
  return Number.isInteger(x) && !text.includes('e') ? `${text}.0` : text.replace(/e([+-])(\d)$/, 'e$10$2');
}

export function bool(x: boolean): string {
  return x ? 'True' : 'False';
}

/** `(5, 5)`, `(3,)` */
export function tuple(values: readonly number[]): string {
  return values.length === 1 ? `(${values[0]},)` : `(${values.join(', ')})`;
}

/** A number, or several as a tuple. */
export function sizes(value: number | readonly number[]): string {
  return typeof value === 'number' ? String(value) : tuple(value);
}
