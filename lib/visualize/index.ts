// SPDX-License-Identifier: Apache-2.0
// What users know as visualize.
export { confusion, misclassified, type Confusion, type Misclassified } from './errors.js';
export { featureMaps, filters, type Drawn, type FeatureMaps } from './layers.js';
export { page, writePage, type PageOptions } from './page.js';
export { grid, imagePicture, Picture, planePicture, type GridOptions } from './picture.js';
export { saliency } from './saliency.js';
