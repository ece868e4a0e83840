// SPDX-License-Identifier: Apache-2.0
// Everything that joins tensors, or works by position or by order along a dimension.
export { cat, stack } from './join.js';
export { argmax, argmin, argsort, cumsum, max, min, sort, topk, type SortOptions, type TopkOptions } from './order.js';
export { embedding, gather, indexAdd, indexSelect, oneHot, scatterAdd, type EmbeddingOptions } from './pick.js';
