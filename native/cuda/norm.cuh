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

// The backward pass computes it again, by this same expression, to know where relu let it pass.
template <class T>
__device__ __forceinline__ T normalized(T x, T mean, T scale, T shift) {
  return (x - mean) * scale + shift;
}

// ---- what is summed --------------------------------------------------------------------------------------------------

// Count, mean and sum of squared deviations (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979).
template <class T>
struct Moments {
  T count = T(0), mean = T(0), m2 = T(0);

  Moments() = default;
  __device__ Moments(T n, T m, T s) : count(n), mean(m), m2(s) {}
  template <class U>
  __device__ explicit Moments(const Moments<U>& other)
      : count(static_cast<T>(other.count)), mean(static_cast<T>(other.mean)), m2(static_cast<T>(other.m2)) {}

  __device__ static Moments merge(const Moments& a, const Moments& b) {
    if (a.count == T(0)) return b;
    if (b.count == T(0)) return a;
    const T total = a.count + b.count, delta = b.mean - a.mean, share = b.count / total;
    return {total, a.mean + delta * share, a.m2 + b.m2 + delta * delta * a.count * share};
  }
};

// While a thread adds, m2 is the sum of squares and mean the sum, both of differences from its first element.
template <class S, class T = compute_t<S>>
struct AddMoments {
  struct Part : Moments<T> {
    T origin = T(0);
    Part() = default;
    __device__ explicit Part(const Moments<T>& m) : Moments<T>(m) {}
    __device__ static Part merge(const Part& a, const Part& b) { return Part(Moments<T>::merge(a, b)); }
  };
  const S* x;

  template <int V>
  __device__ void add(Part (&part)[V], int64_t at, int64_t) const {
    T value[V];
    load_pack<S, V>(x, at, value);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      if (part[v].count == T(0)) part[v].origin = value[v];
      const T d = value[v] - part[v].origin;
      part[v].count += T(1);
      part[v].mean += d;
      part[v].m2 += d * d;
    }
  }
  __device__ Part finish(const Part& sums) const {
    if (sums.count == T(0)) return sums;
    const T offset = sums.mean / sums.count, m2 = sums.m2 - offset * sums.mean;
    return Part(Moments<T>(sums.count, sums.origin + offset, m2 < T(0) ? T(0) : m2));  // NaN passes
  }
};

template <class T>
struct GradientSums {
  T sum = T(0), dot = T(0);

  GradientSums() = default;
  __device__ GradientSums(T s, T d) : sum(s), dot(d) {}
  template <class U>
  __device__ explicit GradientSums(const GradientSums<U>& other)
      : sum(static_cast<T>(other.sum)), dot(static_cast<T>(other.dot)) {}
  __device__ static GradientSums merge(const GradientSums& a, const GradientSums& b) {
    return {a.sum + b.sum, a.dot + b.dot};
  }
};

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

template <int N>
inline bool all_aligned(const void* const (&data)[N]) {
  for (const void* p : data)
    if (p != nullptr && !is_aligned(p, 16)) return false;
  return true;
}

// Sums of channels: packs along columns; along lines an element at a time.
template <class S, class Total, class Op, class Done, int N>
void sum_elements(Context& context, const NormShape& s, const void* const (&data)[N], const Op& op, const Done& done) {
  constexpr int kPack = kPackSize<S>;
  if (!s.columns) sum_channels<Op, 1, false, Total>(context, op, s, done);
  else if (s.c % kPack == 0 && all_aligned(data)) sum_channels<Op, kPack, true, Total>(context, op, s, done);
  else sum_channels<Op, 1, true, Total>(context, op, s, done);
}

static __global__ void __launch_bounds__(kThreads) zero_kernel(ChannelVector vector, int64_t channels) {
  for (int64_t c = first_item(); c < channels; c += item_step()) vector.store(c, 0.0);
}

inline void zero(Context& context, const ChannelVector& vector, int64_t channels) {
  if (vector.present()) launch_items(context, zero_kernel, channels, vector, channels);
}

}  // namespace lenode::cuda
