// SPDX-License-Identifier: Apache-2.0
// What normalisations share: dense tensors [N, C, spatial...], and sums over all but the channels in two steps, of
// which the second merges the blocks' partial sums in a fixed order.
#pragma once
#include <string>

#include "cuda/reduce.cuh"

namespace lenode::cuda {

// Kernel parameter. Columns: memory is rows of C channels. Otherwise it is lines of `spatial` elements, one per sample
// and channel. A row is a position in (N, spatial) in both.
struct NormShape {
  int64_t n = 0, c = 0, spatial = 1;
  bool columns = false;
  bool wide = false;  // too many rows for FastDivide
  FastDivide by_spatial;

  LENODE_HD int64_t rows() const { return n * spatial; }
  LENODE_HD int64_t numel() const { return n * c * spatial; }
  LENODE_HD int64_t offset(int64_t row, int64_t channel) const {
    if (columns) return row * c + channel;
    const int64_t sample = wide ? row / spatial : by_spatial.divide(static_cast<uint32_t>(row));
    return (sample * c + channel) * spatial + (row - sample * spatial);
  }
};

inline NormShape norm_shape(const Call& call, const TensorView& x) {
  const std::string name = op_info(call.op).name;
  if (x.rank < 2 || x.rank > 5) fail(ErrorCode::invalid, name + ": expected a tensor [N, C, spatial...] of rank 2 to 5");
  NormShape s;
  s.n = x.dims[0];
  s.c = x.dims[1];
  for (int i = 2; i < x.rank; ++i) s.spatial *= x.dims[i];
  const bool rows_of_memory = x.channels_last() || (s.spatial == 1 && x.contiguous());
  s.columns = rows_of_memory && (s.c > 1 || s.spatial == 1);
  if (!rows_of_memory && !x.contiguous())
    fail(ErrorCode::invalid, name + ": expected a dense tensor, row-major or channels-last");
  s.wide = s.rows() >= kNarrowLimit;
  if (!s.wide && s.spatial > 0) s.by_spatial = FastDivide(static_cast<uint32_t>(s.spatial));
  return s;
}

inline void check_like(const Call& call, const TensorView& x, const TensorView& view) {
  if (!view.present() || x.numel() == 0) return;
  bool alike = same_shape(view, x) && view.dtype == x.dtype;
  for (int i = 0; i < x.rank; ++i) alike = alike && (x.dims[i] == 1 || view.strides[i] == x.strides[i]);
  if (!alike) fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected operands laid out as the input is");
}

// One number per channel, in whatever dtype; kernel parameter.
struct ChannelVector {
  void* data = nullptr;
  DType dtype = DType::float32;
  int64_t step = 1;

  LENODE_HD bool present() const { return data != nullptr; }
  template <class T>
  LENODE_HD T load(int64_t channel) const {
    if (dtype == DType::float64) return static_cast<T>(load_as<double>(data, dtype, channel * step));
    return static_cast<T>(load_as<float>(data, dtype, channel * step));
  }
  template <class T>
  LENODE_HD void store(int64_t channel, T value) const {
    if (present()) store_as<T>(data, dtype, channel * step, value);
  }
};

inline ChannelVector channel_vector(const Call& call, const TensorView& view, int64_t channels) {
  if (!view.present() || channels == 0) return {};
  if (view.rank != 1 || view.dims[0] != channels)
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected one number per channel");
  return {view.data, view.dtype, view.strides[0]};
}

// Packs of V neighbours in memory: channels in columns, pixels in lines.
template <class S, int V>
__device__ __forceinline__ void load_pack(const S* data, int64_t at, compute_t<S> (&value)[V]) {
  const Pack<S, V> pack = *reinterpret_cast<const Pack<S, V>*>(data + at);
#pragma unroll
  for (int v = 0; v < V; ++v) value[v] = widen(pack.value[v]);
}
template <class S, int V>
__device__ __forceinline__ void store_pack(S* data, int64_t at, const compute_t<S> (&value)[V]) {
  Pack<S, V> pack;
#pragma unroll
  for (int v = 0; v < V; ++v) pack.value[v] = narrow<S>(value[v]);
  *reinterpret_cast<Pack<S, V>*>(data + at) = pack;
}

// ---- sums over rows --------------------------------------------------------------------------------------------------
// Op::Part<T> is what a thread, a block and finally a channel have summed up: a thread in the compute type, the
// merging of blocks in float64. op.add(part[V], offset, channel) takes V neighbours into the parts of V channels;
// op.finish(part) makes a thread's part one that can be merged.

// The merge of parts, as reduce_block() wants it.
template <class P>
struct MergeParts {
  using Acc = P;
  __device__ P merge(const P& a, const P& b) const { return P::merge(a, b); }
};

// partial is [gridDim.y][C].
template <class Op, int V, bool kColumns>
__global__ void __launch_bounds__(kThreads)
    channel_sums_kernel(Op op, NormShape shape, int64_t per_split, typename Op::Part* partial) {
  using Part = typename Op::Part;
  __shared__ __align__(16) unsigned char buffer[kThreads * sizeof(Part)];
  const int channel_lane = kColumns ? threadIdx.x : threadIdx.y, channel_lanes = kColumns ? blockDim.x : blockDim.y;
  const int lane = kColumns ? threadIdx.y : threadIdx.x, lanes = kColumns ? blockDim.y : blockDim.x;
  const int64_t channel = (static_cast<int64_t>(blockIdx.x) * channel_lanes + channel_lane) * V;
  const bool inside = channel < shape.c;
  Part part[V] = {};
  if (inside) {
    const int64_t rows = shape.rows(), begin = blockIdx.y * per_split;
    const int64_t end = begin + per_split < rows ? begin + per_split : rows;
    for (int64_t row = begin + lane; row < end; row += lanes)
      op.template add<V>(part, kColumns ? row * shape.c + channel : shape.offset(row, channel), channel);
  }
#pragma unroll
  for (int v = 0; v < V; ++v) {
    const Part total = reduce_block(MergeParts<Part>{}, op.finish(part[v]), reinterpret_cast<Part*>(buffer), lane, lanes,
                                    kColumns ? static_cast<int>(blockDim.x) : 1);
    if (inside && lane == 0) partial[blockIdx.y * shape.c + channel + v] = total;
  }
}

// done(channel, total) for each channel, by one thread.
template <class Part, class Total, class Done>
__global__ void __launch_bounds__(kThreads)
    channel_merge_kernel(Done done, const Part* partial, int64_t splits, int64_t channels) {
  __shared__ __align__(16) unsigned char buffer[kThreads * sizeof(Total)];
  const int64_t channel = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  Total total = {};
  if (channel < channels)
    for (int64_t s = threadIdx.y; s < splits; s += blockDim.y)
      total = Total::merge(total, Total(partial[s * channels + channel]));
  total = reduce_block(MergeParts<Total>{}, total, reinterpret_cast<Total*>(buffer), threadIdx.y, blockDim.y,
                       static_cast<int>(blockDim.x));
  if (channel < channels && threadIdx.y == 0) done(channel, total);
}

template <class Op, int V, bool kColumns, class Total, class Done>
void sum_channels(Context& context, const Op& op, const NormShape& shape, const Done& done) {
  using Part = typename Op::Part;
  const ReduceGrid grid = reduce_grid(shape.c / V, shape.rows(), kColumns, context.multiprocessors);
  Part* partial = context.workspace_of<Part>(grid.splits * shape.c);
  launch(context, channel_sums_kernel<Op, V, kColumns>, grid.grid, grid.block, 0, op, shape, grid.per_split, partial);
  const int64_t width = std::min<int64_t>(32, power_of_two_at_least(shape.c));
  launch(context, channel_merge_kernel<Part, Total, Done>, static_cast<unsigned>(ceil_divide(shape.c, width)),
         dim3(static_cast<unsigned>(width), static_cast<unsigned>(kThreads / width)), 0, done,
         static_cast<const Part*>(partial), grid.splits, shape.c);
}

}  // namespace lenode::cuda
