// SPDX-License-Identifier: Apache-2.0
// Values as Python writes them, for modules that print as PyTorch's do.

/** 1 as `1.0`, 0.5 as `0.5`, 0.00001 as `1e-05`. */
export function float(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return x.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return Number.isInteger(x) ? `${x}.0` : String(x);
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
