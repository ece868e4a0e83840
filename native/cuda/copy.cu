// SPDX-License-Identifier: Apache-2.0
// Copies: one run of memory by the copy engine's own kernel, swapped inner dimensions through tiles in shared
// memory, common casts by packs, everything else element by element.
#include "cuda/handlers.h"
#include "cuda/pointwise.cuh"

namespace lenode::cuda {
namespace {

template <class U>
__global__ void __launch_bounds__(kThreads)
    move_kernel(const U* x, U* y, Indexer<2> indexer, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[2];
    indexer.offsets(i, at);
    y[at[0]] = x[at[1]];
  }
}

constexpr int kTile = 32, kTileRows = 8;

// Dimension a runs along y, dimension b along x. A tile's offsets in y and x and its first a and b come from one
// indexer over (tiles along a, tiles along b, other dimensions).
template <class U>
__global__ void __launch_bounds__(kTile * kTileRows)
    transpose_kernel(const U* x, U* y, Indexer<4> tiles, int64_t count, int64_t size_a, int64_t size_b, int64_t x_step_a,
                     int64_t y_step_b) {
  __shared__ U tile[kTile][kTile + 1];
  for (int64_t t = blockIdx.x; t < count; t += gridDim.x) {
    int64_t at[4];
    tiles.offsets(t, at);
    const int64_t left_a = size_a - at[2], left_b = size_b - at[3];
    for (int a = threadIdx.y; a < kTile; a += kTileRows)
      if (a < left_a && threadIdx.x < left_b) tile[a][threadIdx.x] = x[at[1] + a * x_step_a + threadIdx.x];
    __syncthreads();
    for (int b = threadIdx.y; b < kTile; b += kTileRows)
      if (b < left_b && threadIdx.x < left_a) y[at[0] + b * y_step_b + threadIdx.x] = tile[threadIdx.x][b];
    __syncthreads();
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    cast_kernel(const void* x, DType x_dtype, void* y, DType y_dtype, Indexer<2> indexer, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[2];
    indexer.offsets(i, at);
    store_as<T>(y, y_dtype, at[0], load_as<T>(x, x_dtype, at[1]));
  }
}

constexpr int kCastPack = 4;

template <class S, class D>
__global__ void __launch_bounds__(kThreads) cast_pack_kernel(const S* x, D* y, int64_t packs, int64_t count) {
  for (int64_t i = first_item(); i < packs; i += item_step()) {
    const int64_t at = i * kCastPack;
    if (at + kCastPack <= count) {
      const Pack<S, kCastPack> pack = *reinterpret_cast<const Pack<S, kCastPack>*>(x + at);
      Pack<D, kCastPack> result;
#pragma unroll
      for (int v = 0; v < kCastPack; ++v) result.value[v] = narrow<D>(widen(pack.value[v]));
      *reinterpret_cast<Pack<D, kCastPack>*>(y + at) = result;
    } else {
      for (int64_t e = at; e < count; ++e) y[e] = narrow<D>(widen(x[e]));
    }
  }
}

template <class S, class D>
bool cast_packs(Context& context, const TensorView& x, const TensorView& y, int64_t count) {
  if (!is_aligned(x.data, kCastPack * sizeof(S)) || !is_aligned(y.data, kCastPack * sizeof(D))) return false;
  const int64_t packs = ceil_divide(count, kCastPack);
  launch_items(context, cast_pack_kernel<S, D>, packs, x.ptr<const S>(), y.ptr<D>(), packs, count);
  return true;
}

// Casts between float32 and the half types, and of images: the ones that move whole activations.
bool cast_dense(Context& context, const TensorView& x, const TensorView& y, int64_t count) {
  const auto is = [&](DType from, DType to) { return x.dtype == from && y.dtype == to; };
  if (is(DType::float32, DType::float16)) return cast_packs<float, Half>(context, x, y, count);
  if (is(DType::float32, DType::bfloat16)) return cast_packs<float, BFloat16>(context, x, y, count);
  if (is(DType::float16, DType::float32)) return cast_packs<Half, float>(context, x, y, count);
  if (is(DType::bfloat16, DType::float32)) return cast_packs<BFloat16, float>(context, x, y, count);
  if (is(DType::uint8, DType::float32)) return cast_packs<uint8_t, float>(context, x, y, count);
  return false;
}

// A dimension that runs along x but is not the one that runs along y, where tiles pay off.
template <class U>
bool transpose(Context& context, const TensorView& x, const TensorView& y, const Layout<2>& layout) {
  constexpr int64_t kWorthwhile = 8;
  if (layout.rank < 2 || layout.strides[0][0] != 1 || layout.strides[1][0] == 1 || layout.sizes[0] < kWorthwhile)
    return false;
  int b = 1;
  while (b < layout.rank && layout.strides[1][b] != 1) ++b;
  if (b == layout.rank || layout.sizes[b] < kWorthwhile) return false;

  const int64_t x_step_a = layout.strides[1][0], y_step_b = layout.strides[0][b];
  Layout<4> tiles;
  tiles.add(ceil_divide(layout.sizes[0], kTile), {kTile, kTile * x_step_a, kTile, 0});
  tiles.add(ceil_divide(layout.sizes[b], kTile), {kTile * y_step_b, kTile, 0, kTile});
  for (int d = 1; d < layout.rank; ++d)
    if (d != b) tiles.add(layout.sizes[d], {layout.strides[0][d], layout.strides[1][d], 0, 0});
  const int64_t count = tiles.numel();
  const unsigned grid = grid_for(context, count * kTile * kTileRows);
  launch(context, transpose_kernel<U>, grid, dim3(kTile, kTileRows), 0, x.ptr<const U>(), y.ptr<U>(), tiles.indexer(),
         count, layout.sizes[0], layout.sizes[b], x_step_a, y_step_b);
  return true;
}

template <class U>
void move(Context& context, const TensorView& x, const TensorView& y, const Layout<2>& layout) {
  const int64_t count = layout.numel();
  launch_items(context, move_kernel<U>, count, x.ptr<const U>(), y.ptr<U>(), layout.indexer(), count);
}

// Units of `bytes` where both operands run in step along the inner dimension.
template <class U>
bool move_packs(Context& context, const TensorView& x, const TensorView& y, Layout<2> layout) {
  const int V = static_cast<int>(sizeof(U) / item_size(y.dtype));
  const void* const data[2] = {y.data, x.data};
  const size_t item[2] = {item_size(y.dtype), item_size(x.dtype)};
  if (V < 2 || layout.strides[1][0] != 1 || layout.sizes[0] % V != 0 || !pack_layout(layout, V, data, item))
    return false;
  for (int j = 0; j < 2; ++j)
    for (int d = 0; d < layout.rank; ++d) layout.strides[j][d] /= V;
  move<U>(context, x, y, layout);
  return true;
}

void copy_tensor(Context& context, const TensorView& x, const TensorView& y) {
  Layout<2> layout = layout_of<2>({&y, &x});
  const int64_t count = layout.numel();
  if (count == 0) return;
  layout.coalesce();
  const bool one_run = layout.rank == 0 || (layout.rank == 1 && layout.strides[0][0] == 1 && layout.strides[1][0] == 1);
  const bool same_bits = x.dtype == y.dtype || (x.dtype == DType::boolean && y.dtype == DType::uint8);
  if (!same_bits) {
    if (one_run && cast_dense(context, x, y, count)) return;
    with_compute(x.dtype, [&](auto compute) {
      launch_items(context, cast_kernel<decltype(compute)>, count, static_cast<const void*>(x.data), x.dtype, y.data,
                   y.dtype, layout.indexer(), count);
    });
    return;
  }
  if (one_run) {
    if (x.data == y.data) return;
    LENODE_CUDA_CHECK(
        cudaMemcpyAsync(y.data, x.data, count * item_size(y.dtype), cudaMemcpyDeviceToDevice, context.stream));
    return;
  }
  if (move_packs<uint4>(context, x, y, layout) || move_packs<uint64_t>(context, x, y, layout) ||
      move_packs<uint32_t>(context, x, y, layout))
    return;
  with_unit(item_size(y.dtype), [&](auto unit) {
    using U = decltype(unit);
    if (!transpose<U>(context, x, y, layout)) move<U>(context, x, y, layout);
  });
}

}  // namespace

void op_copy(Context& context, const Call& call) { copy_tensor(context, call.in(0), call.out(0)); }

void op_cat(Context& context, const Call& call) {
  const TensorView& y = call.out(0);
  const int64_t dim = call.i(op::cat::attr::dim);
  int64_t begin = 0;
  for (int i = 0; i < call.n_inputs; ++i) {
    const TensorView& x = call.in(i);
    if (x.rank != y.rank) continue;  // PyTorch's empty one-dimensional tensor
    TensorView part = y;
    part.dims[dim] = x.dims[dim];
    part.data = y.ptr<char>() + begin * y.strides[dim] * static_cast<int64_t>(item_size(y.dtype));
    begin += x.dims[dim];
    LENODE_CHECK(begin <= y.dims[dim], "cat: the inputs are longer than the output");
    copy_tensor(context, x, part);
  }
}

}  // namespace lenode::cuda
