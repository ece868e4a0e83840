// SPDX-License-Identifier: Apache-2.0
// The rejection loops of Generator would never end for what is no number.
import { expect, test } from 'vitest';
import { ArgumentError, data } from '../lib/index.js';

test.each([NaN, Infinity, -Infinity, -1, 0, 'x', undefined, null, {}])('gamma() and beta() of %s', (value) => {
  const generator = new data.Generator(1);
  expect(() => generator.gamma(value as number)).toThrow(ArgumentError);
  expect(() => generator.beta(value as number, 1)).toThrow(ArgumentError);
  expect(() => generator.beta(1, value as number)).toThrow(ArgumentError);
});
