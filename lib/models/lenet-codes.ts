// SPDX-License-Identifier: Apache-2.0
// What the 84 values before LeNet-5's outputs should be for each class.
import { checkInteger } from '../ops/checks.js';
import { tensor } from '../ops/creation.js';
import type { Tensor } from '../tensor/tensor.js';

const WIDTH = 7;
const HEIGHT = 12;

// Stylised digits, as in the paper's figure 3: rows from the top, a letter of ink, a dot of paper.
const DIGITS: readonly string[] = [
  '....... ..###.. .##.##. ##...## ##...## ##...## ##...## ##...## ##...## .##.##. ..###.. .......',
  '....... ...##.. ..###.. .####.. ...##.. ...##.. ...##.. ...##.. ...##.. ...##.. .###### .......',
  '....... .#####. ##...## .....## .....## ....##. ...##.. ..##... .##.... ##..... ####### .......',
  '....... ####### .....## ....##. ...##.. ..####. .....## .....## .....## ##...## .#####. .......',
  '....... ....##. ...###. ..####. .##.##. ##..##. ##..##. ####### ....##. ....##. ....##. .......',
  '....... ####### ##..... ##..... ##..... ######. .....## .....## .....## ##...## .#####. .......',
  '....... ..####. .##.... ##..... ##..... ######. ##...## ##...## ##...## ##...## .#####. .......',
  '....... ####### .....## .....## ....##. ....##. ...##.. ...##.. ..##... ..##... ..##... .......',
  '....... .#####. ##...## ##...## ##...## .#####. ##...## ##...## ##...## ##...## .#####. .......',
  '....... .#####. ##...## ##...## ##...## ##...## .###### .....## .....## ....##. .####.. .......',
];

/**
 * [classes, 84] of -1 and 1: pictures of the digits for up to ten classes, the paper's other suggestion, random codes,
 * for more. The same ones every time.
 */
export function classCodes(classes: number): Tensor {
  checkInteger(classes, 1, 'LeNet5Paper', 'numClasses');
  const length = WIDTH * HEIGHT;
  const values = new Float32Array(classes * length);
  if (classes <= DIGITS.length)
    for (let c = 0; c < classes; c++)
      [...DIGITS[c]!.replaceAll(' ', '')].forEach((pixel, i) => (values[c * length + i] = pixel === '#' ? 1 : -1));
  else {
    // Marsaglia's xorshift32: its own state, so that the codes depend on no seed of the user's.
    let state = 0x9e3779b9;
    for (let i = 0; i < values.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      values[i] = state < 0 ? -1 : 1;
    }
  }
  return tensor(values, { shape: [classes, length] }) as Tensor;
}
