// SPDX-License-Identifier: Apache-2.0
// Blurs a photograph and finds its edges: convolutions whose kernels are written down, not learned.
//   node examples/filters.mjs PHOTO [OUTPUT_FOLDER]
import { join } from 'node:path';
import { data, F, noGrad, tensor, visualize } from 'lenode';

const [photo, folder = 'runs/filters'] = process.argv.slice(2);
if (photo === undefined) throw new Error('which photograph? See the first lines of this file');

/** @param {number[]} values @param {number} side */
const kernel = (values, side) => tensor(values, { shape: [1, 1, side, side] });
const binomial = [1, 4, 6, 4, 1];
const blur = kernel(binomial.flatMap((a) => binomial.map((b) => (a * b) / 256)), 5);
const sobelX = kernel([-1, 0, 1, -2, 0, 2, -1, 0, 1], 3);
const sobelY = kernel([-1, -2, -1, 0, 0, 0, 1, 2, 1], 3);
const laplace = kernel([0, 1, 0, 1, -4, 1, 0, 1, 0], 3);

const image = await data.readImage(photo, { mode: 'L' });
const { height, width } = image;
const x = tensor(Float32Array.from(image.data, (byte) => byte / 255), { shape: [1, 1, height, width] });

const results = noGrad(() => {
  const across = F.conv2d(x, sobelX);
  const down = F.conv2d(x, sobelY);
  return { gray: x, blur: F.conv2d(x, blur), across, down, edges: across.square().add(down.square()).sqrt(), laplace: F.conv2d(x, laplace) };
});
for (const [name, result] of Object.entries(results)) {
  const [, , h, w] = /** @type {[number, number, number, number]} */ (result.shape);
  const path = join(folder, `${name}.png`);
  // The least value becomes black, the greatest white.
  await visualize.imagePicture(/** @type {Float32Array} */ (await result.data()), [1, h, w]).save(path);
  console.log(`${path}: ${w} x ${h}`);
}
