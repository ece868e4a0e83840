// SPDX-License-Identifier: Apache-2.0
// PyTorch's op_db names, and what they are called here. signature.mjs says how to read a line. Where PyTorch's samples
// of one name differ by variant, 'name:variant' has a row of its own. A row is a line, a function of (lenode, args,
// kwargs), or an object of `call` and
//   random: results are drawn, and only their shapes and dtypes are compared
//   uncaptured: why it cannot be part of a captured step
//   single: why PyTorch's own float64 is no more exact than float32
//   sums: elements are sums of several terms (compare.mjs)
//   gradient: brings a gradient and PyTorch's in a form that can be compared (checks.mjs)
//   check: compares in another way than element by element (checks.mjs)
// A row whose function does not exist (yet) is said to be missing, and counts as nothing.
import { byPosition, inColumns, sameSet } from './checks.mjs';
import { camel, Refusal } from './signature.mjs';

const drawn = (call) => ({ call, random: true });
const blocking = (call) => ({ call, uncaptured: 'it waits for values' });
const made = (call) => ({ call, floats: true, uncaptured: 'it makes a tensor of values from JavaScript' });
const cast = (dtype) => (l, [x]) => x.to(dtype);
const unbiased = (name) => (l, [x, ...rest], { unbiased: flag = true, ...k }) =>
  l[name](x, k.dim, options({ correction: rest.length > 0 ? Number(rest[0]) : k.correction ?? Number(flag), keepdim: k.keepdim }));
const options = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined && v !== null));
const swapped = (name) => (l, [x, y]) => l[name](y, x);
const creation = '{dtype, device, requires_grad, -layout, -pin_memory, -memory_format}';
const place = ({ dtype, requires_grad: requiresGrad }) => options({ dtype, requiresGrad });
const loss = '-size_average, -reduce, reduction';

const pointwise = {
  ...one(`abs acos acosh asin asinh atan atanh ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 floor frac
    i0 isfinite isinf isnan isneginf isposinf isreal lgamma log log10 log1p log2 logical_not neg positive rad2deg reciprocal rsqrt
    sgn sigmoid sign signbit sin sinc sinh sqrt square tan tanh trunc angle bitwise_not`, '(input)'),
  ...one(`atan2 bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift copysign eq float_power floor_divide fmax fmin
    fmod gcd ge gt heaviside hypot igamma igammac lcm ldexp le logaddexp logaddexp2 logical_and logical_or logical_xor lt maximum minimum
    mul ne nextafter pow remainder xlogy`, '(input, other)'),
  add: 'add(input, other, {alpha})',
  sub: 'sub(input, other, {alpha})',
  div: 'div(input, other, {rounding_mode})',
  true_divide: 'div(input, other)',
  rsub: (l, [x, y], k) => l.sub(y, x, ...(k.alpha === undefined ? [] : [k])),
  __radd__: swapped('add'),
  __rsub__: swapped('sub'),
  __rmul__: swapped('mul'),
  __rdiv__: swapped('div'),
  __rpow__: swapped('pow'),
  __rmod__: swapped('remainder'),
  __rmatmul__: swapped('matmul'),
  __rand__: swapped('bitwiseAnd'),
  __ror__: swapped('bitwiseOr'),
  __rxor__: swapped('bitwiseXor'),
  'max:binary': 'maximum(input, other)',
  'min:binary': 'minimum(input, other)',
  clamp: 'clamp(input, min, max)',
  clamp_max: (l, [x, max]) => l.clamp(x, null, max),
  clamp_min: (l, [x, min]) => l.clamp(x, min),
  round: 'round(input, {decimals})',
  logit: 'logit(input, eps)',
  nan_to_num: 'nanToNum(input, {nan, posinf, neginf})',
  lerp: 'lerp(input, end, weight)',
  addcmul: 'addcmul(input, tensor1, tensor2, {value})',
  addcdiv: 'addcdiv(input, tensor1, tensor2, {value})',
  where: (l, [x, condition, y]) => l.where(condition, x, y),
  masked_fill: 'maskedFill(input, mask, value)',
  isclose: 'isclose(input, other, {rtol, atol, equal_nan})',
  allclose: blocking('allclose(input, other, {rtol, atol, equal_nan})'),
  equal: blocking('equal(input, other)'),
  isin: 'isin(elements, test_elements, {assume_unique, invert})',
};

const reductions = {
  ...one('amax amin all any logsumexp count_nonzero', '(input, dim, {keepdim})'),
  ...one('sum mean nansum nanmean', '(input, dim, {keepdim, dtype})'),
  prod: 'prod(input, dim, {keepdim, dtype})',
  ...one('argmax argmin', '(input, dim, {keepdim})'),
  ...one('max min', '(input, dim, {keepdim})'),
  aminmax: 'aminmax(input, {dim, keepdim})',
  std: unbiased('std'),
  var: unbiased('var'),
  std_mean: unbiased('stdMean'),
  var_mean: unbiased('varMean'),
  cumsum: 'cumsum(input, dim, {dtype})',
  cumprod: 'cumprod(input, dim, {dtype})',
  ...one('cummax cummin logcumsumexp', '(input, dim)'),
  median: { call: 'median(input, dim, {keepdim})', check: byPosition(1) },
  nanmedian: { call: 'nanmedian(input, dim, {keepdim})', check: byPosition(1) },
  mode: { call: 'mode(input, dim, {keepdim})', check: byPosition(1) },
  kthvalue: { call: 'kthvalue(input, k, dim, {keepdim})', check: byPosition(2) },
  quantile: 'quantile(input, q, dim, {keepdim, interpolation})',
  nanquantile: 'nanquantile(input, q, dim, {keepdim, interpolation})',
  sort: { call: (l, [x, ...rest], k) => l.sort(x, sortOptions(rest, k)), check: byPosition(1) },
  argsort: { call: (l, [x, ...rest], k) => l.argsort(x, sortOptions(rest, k)), check: byPosition(1, true) },
  msort: { call: 'msort(input)', gradient: inColumns },
  topk: { call: 'topk(input, k, {dim, largest, sorted})', check: byPosition(2) },
  norm: (l, [x, p, dim, keepdim], k) => l.norm(x, p ?? k.p ?? undefined, dim ?? k.dim ?? undefined, options({ keepdim: keepdim ?? k.keepdim, dtype: k.dtype })),
  'linalg.vector_norm': (l, [x, p], k) => l.norm(x, p ?? k.ord ?? 2, k.dim ?? undefined, options({ keepdim: k.keepdim, dtype: k.dtype })),
  dist: 'dist(input, other, p)',
  bincount: blocking('bincount(input, {weights, minlength})'),
  histc: 'histc(input, {bins, min, max})',
  unique: { call: 'unique(input, {sorted, return_inverse, return_counts, dim})', check: sameSet, uncaptured: 'it waits for values' },
  unique_consecutive: blocking('uniqueConsecutive(input, {return_inverse, return_counts, dim})'),
  searchsorted: 'searchsorted(sorted_sequence, input, {out_int32, right, side, sorter})',
  bucketize: 'bucketize(input, boundaries, {out_int32, right})',
  trace: 'trace(input)',
  renorm: 'renorm(input, p, dim, maxnorm)',
};

const matrices = {
  matmul: 'matmul(input, other)',
  mm: 'mm(input, mat2)',
  bmm: 'bmm(input, mat2)',
  mv: 'mv(input, vec)',
  ...one('dot vdot inner kron', '(input, other)'),
  outer: 'outer(input, vec2)',
  ...one('addmm addbmm baddbmm', '(input, batch1, batch2, {beta, alpha})'),
  addmv: 'addmv(input, mat, vec, {beta, alpha})',
  addr: 'addr(input, vec1, vec2, {beta, alpha})',
  einsum: (l, [operands, equation]) => l.einsum(equation, ...operands),
  tensordot: 'tensordot(input, other, dims)',
  cdist: 'cdist(x1, x2, {p})',
  cross: 'cross(input, other, dim)',
  'linalg.cross': (l, [x, y], { dim = -1 }) => l.cross(x, y, dim),
};

const shapes = {
  reshape: 'reshape(input, shape)',
  view: (l, [x, shape]) => x.view(shape),
  view_copy: (l, [x, shape]) => x.view(shape).clone(),
  reshape_as: (l, [x, y]) => x.reshape(y.shape),
  view_as: (l, [x, y]) => x.view(y.shape),
  expand: 'expand(input, size)',
  expand_as: (l, [x, y]) => x.expand(y.shape),
  expand_copy: (l, [x, size]) => x.expand(size).clone(),
  broadcast_to: 'expand(input, size)',
  broadcast_tensors: (l, tensors) => l.broadcastTensors(...tensors),
  flatten: 'flatten(input, start_dim, end_dim)',
  ravel: (l, [x]) => x.flatten(),
  unflatten: '.unflatten(input, dim, sizes)',
  squeeze: 'squeeze(input, dim)',
  'squeeze:multiple': 'squeeze(input, dim)',
  squeeze_copy: (l, a) => l.squeeze(...a).clone(),
  unsqueeze: 'unsqueeze(input, dim)',
  unsqueeze_copy: (l, a) => l.unsqueeze(...a).clone(),
  permute: (l, [x, ...dims]) => x.permute(dims.flat()),
  permute_copy: (l, [x, ...dims]) => x.permute(dims.flat()).clone(),
  transpose: 'transpose(input, dim0, dim1)',
  transpose_copy: (l, a) => l.transpose(...a).clone(),
  t: 't(input)',
  t_copy: (l, [x]) => l.t(x).clone(),
  T: (l, [x]) => x.permute(x.shape.map((_, i) => x.ndim - 1 - i)),
  mT: (l, [x]) => x.transpose(-2, -1),
  movedim: 'movedim(input, source, destination)',
  narrow: blockingNarrow,
  narrow_copy: (l, a) => l.narrow(...a).clone(),
  select: '.select(input, dim, index)',
  slice: (l, [x, dim, start, end, step], k) =>
    x.slice(dim ?? k.dim ?? 0, start ?? k.start ?? undefined, end ?? k.end ?? undefined, step ?? k.step ?? undefined),
  split: 'split(input, split_size, dim)',
  split_with_sizes: 'split(input, split_sizes, dim)',
  split_with_sizes_copy: (l, a, k) => l.split(a[0], a[1], a[2] ?? k.dim).map((t) => t.clone()),
  unsafe_split: 'split(input, split_size, dim)',
  tensor_split: 'tensorSplit(input, indices_or_sections, dim)',
  ...one('hsplit vsplit dsplit', '(input, indices_or_sections)'),
  chunk: 'chunk(input, chunks, dim)',
  unsafe_chunk: 'chunk(input, chunks, dim)',
  unbind: 'unbind(input, dim)',
  unbind_copy: (l, a, k) => l.unbind(a[0], a[1] ?? k.dim).map((t) => t.clone()),
  cat: 'cat(tensors, dim)',
  stack: 'stack(tensors, dim)',
  ...one('hstack vstack dstack column_stack', '(tensors)'),
  atleast_1d: 'atleast1d(input)',
  atleast_2d: 'atleast2d(input)',
  atleast_3d: 'atleast3d(input)',
  clone: (l, [x]) => l.clone(x),
  alias_copy: (l, [x]) => l.clone(x),
  contiguous: '.contiguous(input, memory_format)',
  flip: 'flip(input, dims)',
  fliplr: 'fliplr(input)',
  flipud: 'flipud(input)',
  roll: 'roll(input, shifts, dims)',
  rot90: 'rot90(input, k, dims)',
  repeat: (l, [x, ...sizes]) => l.repeat(x, sizes.flat()),
  tile: 'tile(input, dims)',
  repeat_interleave: 'repeatInterleave(input, repeats, {dim, output_size})',
  tril: 'tril(input, diagonal)',
  triu: 'triu(input, diagonal)',
  diag: 'diag(input, diagonal)',
  diag_embed: 'diagEmbed(input, {offset, dim1, dim2})',
  diagflat: 'diagflat(input, offset)',
  diagonal: 'diagonal(input, {offset, dim1, dim2})',
  diagonal_copy: (l, [x], k) => l.diagonal(x, k).clone(),
  'linalg.diagonal': 'diagonal(input, {offset, dim1, dim2})',
  meshgrid: (l, a, k) => l.meshgrid(a.flat(), k),
  block_diag: (l, a) => l.blockDiag(...a),
  cartesian_prod: (l, a) => l.cartesianProd(...a),
  combinations: 'combinations(input, {r, with_replacement})',
  unfold: '.unfold(input, dimension, size, step)',
  diff: 'diff(input, {n, dim, prepend, append})',
  trapezoid: 'trapezoid(y, x, {dx, dim})',
  cumulative_trapezoid: 'cumulativeTrapezoid(y, x, {dx, dim})',
};

const positions = {
  gather: 'gather(input, dim, index, {sparse_grad})',
  take_along_dim: 'takeAlongDim(input, indices, dim)',
  take: 'take(input, index)',
  index_select: 'indexSelect(input, dim, index)',
  index_add: 'indexAdd(input, dim, index, source, {alpha})',
  index_copy: 'indexCopy(input, dim, index, source)',
  index_fill: 'indexFill(input, dim, index, value)',
  index_put: 'indexPut(input, indices, values, {accumulate})',
  index_reduce: 'indexReduce(input, dim, index, source, reduce, {include_self})',
  scatter: 'scatter(input, dim, index, src, {reduce, value})',
  scatter_add: 'scatterAdd(input, dim, index, src)',
  scatter_reduce: 'scatterReduce(input, dim, index, src, reduce, {include_self})',
  masked_scatter: 'maskedScatter(input, mask, source)',
  masked_select: blocking('maskedSelect(input, mask)'),
  nonzero: blocking('nonzero(input, {as_tuple})'),
  argwhere: blocking('argwhere(input)'),
  select_scatter: 'selectScatter(input, src, dim, index)',
  slice_scatter: 'sliceScatter(input, src, dim, start, end, step)',
  diagonal_scatter: 'diagonalScatter(input, src, {offset, dim1, dim2})',
  __getitem__: blocking((l, [x, index]) => getItem(l, x, Array.isArray(index) ? index : [index])),
  put: 'put(input, index, source, {accumulate})',
};

const creations = {
  arange: made((l, a, { end, start, step, ...k }) => l.arange(...a, ...[start, end, step].filter((v) => v !== undefined), place(k))),
  'linspace:tensor_overload': made((l, a, k) => l.linspace(...a.map((v) => (v instanceof l.Tensor ? v.itemSync() : v)), place(k))),
  linspace: made(`linspace(start, end, steps, ${creation})`),
  logspace: made(`logspace(start, end, steps, base, ${creation})`),
  eye: made((l, [n, m], k) => (m === undefined ? l.eye(n, place(k)) : l.eye(n, m, place(k)))),
  ...Object.fromEntries(['zeros', 'ones'].map((name) => [name, `${name}(size, ${creation})`])),
  full: { call: (l, [shape, value], k) => l.full(shape, value, { dtype: typeof value === 'boolean' ? 'bool' : 'float32', ...place(k) }), floats: true },
  zeros_like: `zerosLike(input, ${creation})`,
  ones_like: `onesLike(input, ${creation})`,
  full_like: { call: `fullLike(input, fill_value, ${creation})`, floats: true },
  new_zeros: (l, [x, size], k) => l.zeros(size, { dtype: x.dtype, ...place(k) }),
  new_ones: (l, [x, size], k) => l.ones(size, { dtype: x.dtype, ...place(k) }),
  new_full: { call: (l, [x, size, value], k) => l.full(size, value, { dtype: x.dtype, ...place(k) }), floats: true },
  new_empty: drawn((l, [x, size], k) => l.empty(size, { dtype: x.dtype, ...place(k) })),
  empty: drawn(`empty(size, ${creation})`),
  empty_like: drawn((l, [x], k) => l.empty(x.shape, { dtype: x.dtype, ...place(k) })),
  scalar_tensor: made((l, [value], k) => l.tensor(value, place(k))),
  tril_indices: made(`trilIndices(row, col, offset, ${creation})`),
  triu_indices: made(`triuIndices(row, col, offset, ${creation})`),
  fill: { call: (l, [x], { value }) => x.clone().fill_(value), floats: true },
  zero_: (l, [x]) => x.clone().zero_(),
  item: blocking((l, [x]) => x.itemSync()),
  to: (l, [x, ...rest]) => x.to(rest.find((v) => typeof v === 'string' && v !== 'cpu') ?? rest.find((v) => v instanceof l.Tensor)?.dtype ?? 'cpu'),
  ...Object.fromEntries(Object.entries({
    bfloat16: 'bfloat16', bool: 'bool', byte: 'uint8', double: 'float64', float: 'float32', half: 'float16', int: 'int32', long: 'int64',
  }).map(([name, dtype]) => [name, cast(dtype)])),
  rand_like: drawn(`randLike(input, ${creation})`),
  randn_like: drawn(`randnLike(input, ${creation})`),
  randint_like: drawn((l, [x, low, high], k) => (high === undefined ? l.randintLike(x, 0, low, place(k)) : l.randintLike(x, low, high, place(k)))),
  randn: drawn(`randn(size, ${creation})`),
  randint: drawn((l, a, k) => l.randint(...a, place(k))),
  'normal:in_place': drawn((l, [x, ...a]) => x.clone().normal_(...a)),
  uniform: drawn((l, [x, ...a]) => x.clone().uniform_(...a)),
  ...Object.fromEntries(['cauchy', 'exponential', 'geometric', 'log_normal'].map((name) =>
    [name, drawn((l, [x, ...a]) => x.clone()[`${name === 'log_normal' ? 'logNormal' : name}_`](...a))])),
  bernoulli: drawn('bernoulli(input)'),
  multinomial: drawn('multinomial(input, num_samples, {replacement})'),
};

const activations = {
  ...functional('relu relu6 selu silu mish hardswish', '(input, {inplace})'),
  'nn.functional.hardsigmoid': { call: 'F.hardsigmoid(input, {inplace})', single: 'its gradient multiplies by a float32 1/6' },
  ...functional('logsigmoid softsign tanhshrink', '(input)'),
  ...functional('elu celu', '(input, {alpha, inplace})'),
  'nn.functional.leaky_relu': 'F.leakyRelu(input, {negative_slope, inplace})',
  'nn.functional.gelu': 'F.gelu(input, {approximate})',
  'nn.functional.glu': 'F.glu(input, dim)',
  'nn.functional.hardtanh': 'F.hardtanh(input, {min_val, max_val, inplace})',
  'nn.functional.hardshrink': 'F.hardshrink(input, lambd)',
  'nn.functional.softshrink': 'F.softshrink(input, lambd)',
  'nn.functional.prelu': 'F.prelu(input, weight)',
  'nn.functional.rrelu': drawn('F.rrelu(input, {lower, upper, training, inplace})'),
  'nn.functional.softplus': 'F.softplus(input, {beta, threshold})',
  'nn.functional.threshold': 'F.threshold(input, threshold, value, {inplace})',
  softmax: 'softmax(input, dim, {dtype})',
  log_softmax: 'logSoftmax(input, dim, {dtype})',
  'nn.functional.softmin': 'F.softmin(input, dim, {dtype})',
  ...Object.fromEntries(['dropout', 'dropout2d', 'dropout3d'].map((name) => [`nn.functional.${name}`, drawn(`F.${name}(input, {p, training, inplace})`)])),
  'nn.functional.alpha_dropout': drawn('F.alphaDropout(input, {p, training=training, inplace})'),
  'nn.functional.feature_alpha_dropout': drawn('F.featureAlphaDropout(input, {p, training, inplace})'),
};

const convolution = '(input, weight, bias, {stride, padding, dilation, groups})';
const transposed = '(input, weight, bias, {stride, padding, output_padding, groups, dilation})';
const maxPool = '(input, kernel_size, {stride, padding, dilation, ceil_mode, return_indices})';
const avgPool = '(input, kernel_size, {stride, padding, ceil_mode, count_include_pad, divisor_override})';

const layers = {
  ...functional('conv1d conv2d conv3d', convolution),
  ...functional('conv_transpose1d conv_transpose2d conv_transpose3d', transposed),
  ...functional('max_pool1d max_pool2d max_pool3d', maxPool),
  ...functional('avg_pool1d avg_pool2d avg_pool3d', avgPool),
  ...functional('max_unpool1d max_unpool2d max_unpool3d', '(input, indices, kernel_size, {stride, padding, output_size})'),
  ...functional('adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d', '(input, output_size)'),
  ...functional('adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d', '(input, output_size, {return_indices})'),
  ...functional('linear', '(input, weight, bias)'),
  ...functional('bilinear', '(input1, input2, weight, bias)'),
  // op_db gives the weight first.
  'nn.functional.embedding': (l, [weight, input], { padding_idx: paddingIdx, max_norm: maxNorm, norm_type: normType, scale_grad_by_freq: scaleGradByFreq }) =>
    l.F.embedding(input, weight, options({ paddingIdx, maxNorm, normType, scaleGradByFreq })),
  ...functional('one_hot', '(input, num_classes)'),
  ...functional('batch_norm', '(input, running_mean, running_var, weight, bias, {training, momentum, eps})'),
  ...functional('instance_norm', '(input, running_mean, running_var, weight, bias, {use_input_stats, momentum, eps})'),
  ...functional('layer_norm', '(input, normalized_shape, weight, bias, {eps})'),
  ...functional('rms_norm', '(input, normalized_shape, weight, {eps})'),
  ...functional('group_norm', '(input, num_groups, weight, bias, {eps})'),
  ...functional('local_response_norm', '(input, size, {alpha, beta, k})'),
  ...functional('normalize', '(input, {p, dim, eps})'),
  ...functional('pad', '(input, pad, {mode, value})'),
  constant_pad_nd: 'F.pad(input, pad, {value})',
  ...functional('interpolate', '(input, {size, scale_factor, mode, align_corners, recompute_scale_factor, antialias})'),
  'nn.functional.upsample_bilinear': (l, [x, size], k) =>
    l.F.interpolate(x, options({ size: size ?? k.size, scaleFactor: k.scale_factor, mode: 'bilinear', alignCorners: true })),
  'nn.functional.upsample_nearest': (l, [x, size], k) => l.F.interpolate(x, options({ size: size ?? k.size, scaleFactor: k.scale_factor })),
  ...functional('unfold', '(input, kernel_size, {dilation, padding, stride})'),
  ...functional('grid_sample', '(input, grid, {mode, padding_mode, align_corners})'),
  ...functional('pixel_shuffle', '(input, upscale_factor)'),
  ...functional('pixel_unshuffle', '(input, downscale_factor)'),
  ...functional('channel_shuffle', '(input, groups)'),
  ...functional('scaled_dot_product_attention', '(query, key, value, {attn_mask, dropout_p, is_causal, scale, enable_gqa})'),
};

const losses = {
  ...functional('cross_entropy', `(input, target, {weight, -size_average, ignore_index, -reduce, reduction, label_smoothing})`),
  ...functional('nll_loss', `(input, target, {weight, -size_average, ignore_index, -reduce, reduction})`),
  ...functional('binary_cross_entropy', `(input, target, {weight, ${loss}})`),
  ...functional('binary_cross_entropy_with_logits', `(input, target, {weight, ${loss}, pos_weight})`),
  ...functional('kl_div', `(input, target, {${loss}, log_target})`),
  ...functional('mse_loss l1_loss', `(input, target, {${loss}, weight})`),
  ...functional('smooth_l1_loss', `(input, target, {${loss}, beta})`),
  ...functional('huber_loss', '(input, target, {reduction, delta, weight})'),
  ...functional('soft_margin_loss multilabel_margin_loss', `(input, target, {${loss}})`),
  ...functional('multilabel_soft_margin_loss', `(input, target, {weight, ${loss}})`),
  ...functional('multi_margin_loss', `(input, target, {p, margin, weight, ${loss}})`),
  ...functional('margin_ranking_loss', `(input1, input2, target, {margin, ${loss}})`),
  ...functional('hinge_embedding_loss', `(input, target, {margin, ${loss}})`),
  ...functional('cosine_embedding_loss', `(input1, input2, target, {margin, ${loss}})`),
  ...functional('triplet_margin_loss', `(anchor, positive, negative, {margin, p, eps, swap, ${loss}})`),
  ...functional('poisson_nll_loss', `(input, target, {log_input, full, -size_average, eps, -reduce, reduction})`),
  ...functional('gaussian_nll_loss', '(input, target, var, {full, eps, reduction})'),
  ...functional('cosine_similarity', '(x1, x2, {dim, eps})'),
  ...functional('pairwise_distance', '(x1, x2, {p, eps, keepdim})'),
};

/** Rows of functions that are called alike. */
function one(names, rest) {
  return Object.fromEntries(names.split(/\s+/).map((name) => [name, camel(name) + rest]));
}

/** The same for functions of F, which op_db calls nn.functional. */
function functional(names, rest) {
  return Object.fromEntries(names.split(/\s+/).map((name) => [`nn.functional.${name}`, `F.${camel(name)}${rest}`]));
}

function sortOptions([dim, descending], k) {
  return options({ dim: dim ?? k.dim, descending: descending ?? k.descending, stable: k.stable });
}

function blockingNarrow(l, [x, dim, start, length], k) {
  return l.narrow(x, dim, start instanceof l.Tensor ? start.itemSync() : start, length ?? k.length);
}

// x[...] of Python: slices are slice() here, the rest is index().
function getItem(l, x, parts) {
  const spans = (part) => (part instanceof l.Tensor && part.dtype === 'bool' ? part.ndim : part.ellipsis ? 0 : 1);
  if (parts.includes(null)) throw new Refusal('an index None, for a new dimension');
  const rest = x.ndim - parts.reduce((sum, part) => sum + spans(part), 0);
  let dim = 0;
  const indices = parts.map((part) => {
    const at = dim;
    dim += part.ellipsis ? rest : spans(part);
    if (part.ellipsis) return '...';
    if (typeof part === 'boolean') throw new Refusal('an index True or False');
    if (part instanceof l.Tensor || typeof part === 'number') return part;
    const [start, end, step] = part.slice;
    x = x.slice(at, start ?? 0, end ?? undefined, step ?? 1);
    return null;
  });
  return l.index(x, indices);
}

const SUMS = new Set([...Object.keys({ ...reductions, ...matrices, ...layers, ...losses }), ...`arange linspace logspace addcmul addcdiv index_add index_put index_reduce scatter_add
  scatter_reduce diff trapezoid cumulative_trapezoid softmax log_softmax nn.functional.softmin`.split(/\s+/)]);
const table = {
  ...pointwise, ...reductions, ...matrices, ...shapes, ...positions, ...creations, ...activations, ...layers, ...losses,
};

export const OPS = Object.fromEntries(
  Object.entries(table).map(([name, row]) => [name, { sums: SUMS.has(name), ...(typeof row === 'object' ? row : { call: row }) }]),
);

/** The row of an entry of op_db. */
export const rowName = (name, variant) => (`${name}:${variant}` in OPS ? `${name}:${variant}` : name in OPS ? name : undefined);
