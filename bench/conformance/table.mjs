// SPDX-License-Identifier: Apache-2.0
// PyTorch's op_db names, and what they are called here. signature.mjs says how to read a line. Where PyTorch's samples
// of one name differ by variant, 'name:variant' has a row of its own. A row is a line, a function of (lenode, args,
// kwargs), or an object of `call` and
//   random: results are drawn, and only their shapes and dtypes are compared
//   uncaptured: why it cannot be part of a captured step

const table = {
  abs: 'abs(input)',
  add: 'add(input, other, {alpha})',
  sub: 'sub(input, other, {alpha})',
  mul: 'mul(input, other)',
  'div:no_rounding_mode': 'div(input, other, {rounding_mode})',
  exp: 'exp(input)',
  sum: 'sum(input, dim, {keepdim, dtype})',
  mean: 'mean(input, dim, {keepdim, dtype})',
  softmax: 'softmax(input, dim, {dtype})',
  matmul: 'matmul(input, other)',
  bmm: 'bmm(input, mat2)',
  cat: 'cat(tensors, dim)',
  gather: 'gather(input, dim, index)',
  sort: 'sort(input, {dim, descending, stable})',
  clamp: 'clamp(input, min, max)',
  'nn.functional.conv2d': 'F.conv2d(input, weight, bias, {stride, padding, dilation, groups})',
  'nn.functional.max_pool2d': 'F.maxPool2d(input, kernel_size, {stride, padding, dilation, ceil_mode, return_indices})',
  'nn.functional.relu': 'F.relu(input, {inplace})',
  'nn.functional.cross_entropy': 'F.crossEntropy(input, target, {weight, size_average, ignore_index, reduce, reduction, label_smoothing})',
  'nn.functional.dropout': { call: 'F.dropout(input, {p, training, inplace})', random: true },
};

export const OPS = Object.fromEntries(
  Object.entries(table).map(([name, row]) => [name, typeof row === 'object' ? row : { call: row }]),
);

/** The row of an entry of op_db. */
export const rowName = (name, variant) => (`${name}:${variant}` in OPS ? `${name}:${variant}` : name in OPS ? name : undefined);
