// SPDX-License-Identifier: Apache-2.0
// A quotient has a floating-point dtype, so no integer tensor can take it in place.
import { expect, test } from 'vitest';
import { DTypeError, ones } from '../lib/index.js';

test.each(['uint8', 'int32', 'int64', 'bool'] as const)('div_() of %s', (dtype) => {
  for (const other of [2, 0.5, ones([2], { dtype }), ones([], { dtype: 'float64' })])
    expect(() => ones([2], { dtype }).div_(other)).toThrow(DTypeError);
});
