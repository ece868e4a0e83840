// SPDX-License-Identifier: Apache-2.0
// Max pooling makes a network care less about where something is: a shape is moved by 0 to 4 pixels, and what a
// convolution makes of it is compared before and after pooling.
//   node examples/translation.mjs
import { F, noGrad, tensor } from 'lenode';

const SIZE = 24;
/** A bright 4 x 4 square with its left edge at a column. @param {number} left */
const square = (left) =>
  tensor(
    Float32Array.from({ length: SIZE * SIZE }, (_, i) => {
      const [row, column] = [Math.floor(i / SIZE), i % SIZE];
      return row >= 8 && row < 12 && column >= left && column < left + 4 ? 1 : 0;
    }),
    { shape: [1, 1, SIZE, SIZE] },
  );

// Left, right, upper and lower edges.
const edges = [[-1, 0, 1], [1, 0, -1]].flatMap((row) => [[row, row, row].flat(), row.flatMap((v) => [v, v, v])]).flat();
const filters = tensor(edges, { shape: [4, 1, 3, 3] });
/** @param {number} left @param {number} window */
const features = (left, window) => {
  const maps = F.relu(F.conv2d(square(left), filters, null, { padding: 1 }));
  return window === 1 ? maps : F.maxPool2d(maps, window);
};

/** How much of the features changes, as a share of their size. @param {number} window @param {number} shift */
async function change(window, shift) {
  const { before, difference } = noGrad(() => {
    const still = features(8, window);
    return { before: still.square().sum(), difference: still.sub(features(8 + shift, window)).square().sum() };
  });
  return Math.sqrt(Number(await difference.item()) / Number(await before.item()));
}

console.log('shift   no pooling   2 x 2   4 x 4   8 x 8   all');
for (let shift = 0; shift <= 4; shift++) {
  const row = [];
  for (const window of [1, 2, 4, 8, SIZE]) row.push((await change(window, shift)).toFixed(2));
  console.log([String(shift).padEnd(7), row[0]?.padEnd(12), ...row.slice(1).map((text) => text.padEnd(7))].join(' ').trimEnd());
}
