// SPDX-License-Identifier: Apache-2.0
// Reductions over any set of dimensions. A block is a grid of threads: one axis walks kept positions, the other the
// reduced elements, whichever of the two runs along memory takes threadIdx.x. Where there are too few outputs to
// fill the device, the reduced range is split over blocks and a second kernel merges their partial results in a
// fixed order, so results do not change from run to run.
#pragma once
#include "cuda/convert.cuh"
#include "cuda/launch.cuh"
#include "cuda/strided.cuh"

namespace lenode::cuda {

// Where elements come from. Typed sources can load packs; AnySource branches on the dtype.
template <class S>
struct TypedSource {
  using Compute = compute_t<S>;
  static constexpr int kPack = kPackSize<S>;
  const S* data;
  template <int V>
  __device__ void load(int64_t at, Compute (&value)[V]) const {
    const Pack<S, V> pack = *reinterpret_cast<const Pack<S, V>*>(data + at);
#pragma unroll
    for (int v = 0; v < V; ++v) value[v] = widen(pack.value[v]);
  }
};

template <class T>
struct AnySource {
  using Compute = T;
  static constexpr int kPack = 1;
  const void* data;
  DType dtype;
  template <int V>
  __device__ void load(int64_t at, T (&value)[V]) const {
    static_assert(V == 1);
    value[0] = load_as<T>(data, dtype, at);
  }
};

// Where results go: one or two outputs with the kept dimensions' strides (operands 1 and 2 of `kept`).
struct ReduceTarget {
  void* data[2];
  DType dtype[2];
};

struct ReduceShape {
  Indexer<3> kept;     // x, first output, second output; in packs where packs run along the kept dimensions
  Indexer<1> reduced;  // x; in packs where packs run along the reduced ones
  int64_t n_kept;      // of `kept`
  int64_t n_reduced;   // of `reduced`
  int64_t per_split;   // reduced positions that one block takes
  int64_t count;       // elements behind one result
};

// Merges the accumulators of the threads that share a kept position; the one at reduced position 0 gets the result.
// The axis of the reduced elements is x (`stride` 1) or y (`stride` blockDim.x) and a power of two long.
template <class Op>
__device__ typename Op::Acc reduce_block(const Op& op, typename Op::Acc acc, typename Op::Acc* shared, int position,
                                         int length, int stride) {
  const int self = threadIdx.y * blockDim.x + threadIdx.x;
  __syncthreads();  // the buffer may still be read from the last use
  shared[self] = acc;
  __syncthreads();
  for (int half = length / 2; half > 0; half /= 2) {
    if (position < half) shared[self] = op.merge(shared[self], shared[self + half * stride]);
    __syncthreads();
  }
  return shared[self];
}

// kAlongKept: threadIdx.x walks kept positions (columns); otherwise the reduced elements (rows).
template <class Op, class Source, int V, bool kAlongKept>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel(Op op, Source x, ReduceShape shape, ReduceTarget y, typename Op::Acc* partial) {
  using T = typename Op::Compute;
  using Acc = typename Op::Acc;
  constexpr int kAccs = kAlongKept ? V : 1, kUnroll = V == 1 ? 4 : 2;
  __shared__ __align__(16) unsigned char buffer[kThreads * sizeof(Acc)];
  const int kept_lane = kAlongKept ? threadIdx.x : threadIdx.y, kept_lanes = kAlongKept ? blockDim.x : blockDim.y;
  const int lane = kAlongKept ? threadIdx.y : threadIdx.x, lanes = kAlongKept ? blockDim.y : blockDim.x;
  const int64_t k = static_cast<int64_t>(blockIdx.x) * kept_lanes + kept_lane;
  const bool inside = k < shape.n_kept;

  int64_t at[3] = {};
  if (inside) shape.kept.offsets(k, at);
  Acc acc[kAccs];
#pragma unroll
  for (int a = 0; a < kAccs; ++a) acc[a] = op.identity();

  if (inside) {
    const int64_t begin = blockIdx.y * shape.per_split;
    const int64_t end = begin + shape.per_split < shape.n_reduced ? begin + shape.per_split : shape.n_reduced;
    const bool linear = shape.reduced.rank <= 1;
    const int64_t stride = shape.reduced.rank == 1 ? shape.reduced.strides[0][0] : 0;
    const auto add = [&](const T(&value)[V], int64_t r) {
#pragma unroll
      for (int v = 0; v < V; ++v) op.add(acc[kAlongKept ? v : 0], value[v], kAlongKept ? r : r * V + v);
    };
    int64_t r = begin + lane;
    for (; linear && r + (kUnroll - 1) * lanes < end; r += static_cast<int64_t>(kUnroll) * lanes) {
      T value[kUnroll][V];  // several loads in flight
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) x.load(at[0] + (r + u * lanes) * stride, value[u]);
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) add(value[u], r + u * lanes);
    }
    for (; r < end; r += lanes) {
      int64_t offset[1];
      shape.reduced.offsets(r, offset);
      T value[V];
      x.load(at[0] + offset[0], value);
      add(value, r);
    }
  }

#pragma unroll
  for (int a = 0; a < kAccs; ++a) {
    const Acc total = reduce_block(op, acc[a], reinterpret_cast<Acc*>(buffer), lane, lanes,
                                   kAlongKept ? static_cast<int>(blockDim.x) : 1);
    if (!inside || lane != 0) continue;
    if (partial != nullptr) {
      partial[blockIdx.y * (shape.n_kept * kAccs) + k * kAccs + a] = total;
    } else {
      // A pack along the kept dimensions is a run of the innermost one, whose output step is strides[.][0] / V.
      const int64_t step0 = kAccs == 1 ? 0 : shape.kept.strides[1][0] / V * a;
      const int64_t step1 = kAccs == 1 ? 0 : shape.kept.strides[2][0] / V * a;
      op.store(y, at[1] + step0, at[2] + step1, total, shape.count);
    }
  }
}

// partial is [splits][n_kept] by kept position; `kept` counts single elements here.
template <class Op>
__global__ void __launch_bounds__(kThreads)
    merge_kernel(Op op, const typename Op::Acc* partial, int64_t splits, int64_t n_kept, Indexer<3> kept, int64_t count,
                 ReduceTarget y) {
  using Acc = typename Op::Acc;
  __shared__ __align__(16) unsigned char buffer[kThreads * sizeof(Acc)];
  const int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  Acc acc = op.identity();
  if (k < n_kept)
    for (int64_t s = threadIdx.y; s < splits; s += blockDim.y) acc = op.merge(acc, partial[s * n_kept + k]);
  acc = reduce_block(op, acc, reinterpret_cast<Acc*>(buffer), threadIdx.y, blockDim.y, static_cast<int>(blockDim.x));
  if (k >= n_kept || threadIdx.y != 0) return;
  int64_t at[3];
  kept.offsets(k, at);
  op.store(y, at[1], at[2], acc, count);
}

// ---- planning, on the host -------------------------------------------------------------------------------------

struct ReduceLayout {
  Layout<3> kept;     // x, first output, second output
  Layout<1> reduced;  // x
};

// x's dimensions in `mask` are reduced; the outputs have x's rank, or x's less the reduced dimensions.
inline ReduceLayout reduce_layout(const TensorView& x, const TensorView& y0, const TensorView& y1, uint32_t mask) {
  ReduceLayout layout;
  const bool keeps = y0.rank == x.rank;
  int out = y0.rank;
  for (int d = x.rank - 1; d >= 0; --d) {
    const bool reduced = (mask >> d & 1) != 0;
    if (!reduced || keeps) --out;
    if (reduced) layout.reduced.add(x.dims[d], {x.strides[d]});
    else layout.kept.add(x.dims[d], {x.strides[d], y0.strides[out], y1.present() ? y1.strides[out] : 0});
  }
  layout.kept.coalesce();
  layout.reduced.coalesce();
  return layout;
}

inline int64_t smallest_stride(const int64_t* strides, int rank) {
  int64_t smallest = INT64_MAX;
  for (int d = 0; d < rank; ++d) smallest = std::min(smallest, strides[d]);
  return smallest;
}

// Whether memory runs along the kept dimensions, so that threads should too.
inline bool runs_along_kept(const ReduceLayout& layout) {
  return smallest_stride(layout.kept.strides[0], layout.kept.rank) <
         smallest_stride(layout.reduced.strides[0], layout.reduced.rank);
}

inline int64_t power_of_two_at_least(int64_t n) {
  int64_t p = 1;
  while (p < n) p *= 2;
  return p;
}

struct ReduceGrid {
  dim3 grid, block;
  int64_t splits, per_split;
};

// Enough blocks to fill the device, each thread with several loads.
inline ReduceGrid reduce_grid(int64_t n_kept, int64_t n_reduced, bool along_kept, int multiprocessors) {
  ReduceGrid result;
  int64_t lanes, kept_lanes;
  if (along_kept) {
    kept_lanes = std::min<int64_t>(32, power_of_two_at_least(n_kept));
    lanes = kThreads / kept_lanes;
  } else {
    const int64_t wanted = power_of_two_at_least(std::max<int64_t>(1, n_reduced));
    lanes = std::min<int64_t>(kThreads, std::max(wanted / 8, std::min<int64_t>(32, wanted)));
    kept_lanes = kThreads / lanes;
  }
  const int64_t blocks = ceil_divide(n_kept, kept_lanes);
  const int64_t wanted_splits = ceil_divide(static_cast<int64_t>(multiprocessors) * 4, blocks);
  const int64_t useful_splits = n_reduced / (lanes * 8);
  result.splits = std::max<int64_t>(1, std::min<int64_t>({wanted_splits, useful_splits, 1024}));
  result.per_split = ceil_divide(n_reduced, result.splits);
  if (result.per_split > 0) result.splits = ceil_divide(n_reduced, result.per_split);
  result.grid = dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(result.splits));
  result.block = along_kept ? dim3(static_cast<unsigned>(kept_lanes), static_cast<unsigned>(lanes))
                            : dim3(static_cast<unsigned>(lanes), static_cast<unsigned>(kept_lanes));
  return result;
}

template <int V, class Op, class Source>
void launch_reduce(Context& context, const Op& op, const Source& x, const ReduceLayout& elements,
                   const ReduceLayout& packs, bool along_kept, const ReduceTarget& y) {
  const int64_t n_results = elements.kept.numel();
  const ReduceGrid grid = reduce_grid(packs.kept.numel(), packs.reduced.numel(), along_kept, context.multiprocessors);
  const ReduceShape shape{packs.kept.indexer(),    packs.reduced.indexer(), packs.kept.numel(),
                          packs.reduced.numel(),   grid.per_split,          elements.reduced.numel()};
  typename Op::Acc* partial = nullptr;
  if (grid.splits > 1) partial = context.workspace_of<typename Op::Acc>(grid.splits * n_results);
  if (along_kept) launch(context, reduce_kernel<Op, Source, V, true>, grid.grid, grid.block, 0, op, x, shape, y, partial);
  else launch(context, reduce_kernel<Op, Source, V, false>, grid.grid, grid.block, 0, op, x, shape, y, partial);
  if (partial == nullptr) return;
  const int64_t width = std::min<int64_t>(32, power_of_two_at_least(n_results));
  launch(context, merge_kernel<Op>, static_cast<unsigned>(ceil_divide(n_results, width)),
         dim3(static_cast<unsigned>(width), static_cast<unsigned>(kThreads / width)), 0, op,
         static_cast<const typename Op::Acc*>(partial), grid.splits, n_results, elements.kept.indexer(),
         elements.reduced.numel(), y);
}

// Packs run along dimension 0 of the inner part, and every other dimension of x must step over whole packs.
inline bool pack_reduction(ReduceLayout& layout, bool along_kept, int V, const void* x, size_t item) {
  const int64_t* inner = along_kept ? layout.kept.strides[0] : layout.reduced.strides[0];
  int64_t* size = along_kept ? layout.kept.sizes : layout.reduced.sizes;
  const int inner_rank = along_kept ? layout.kept.rank : layout.reduced.rank;
  if (inner_rank == 0 || inner[0] != 1 || size[0] % V != 0 || !is_aligned(x, V * item)) return false;
  for (int d = along_kept ? 1 : 0; d < layout.kept.rank; ++d)
    if (layout.kept.strides[0][d] % V != 0) return false;
  for (int d = along_kept ? 0 : 1; d < layout.reduced.rank; ++d)
    if (layout.reduced.strides[0][d] % V != 0) return false;
  size[0] /= V;
  if (along_kept)
    for (auto& strides : layout.kept.strides) strides[0] *= V;
  else
    layout.reduced.strides[0][0] *= V;
  return true;
}

// Source is TypedSource, where packs are worth a kernel, or AnySource.
template <class Op, class Source>
bool reduce_packs(Context& context, const Op& op, const Source& x, const ReduceLayout& layout, const ReduceTarget& y) {
  const bool along_kept = runs_along_kept(layout);
  ReduceLayout packs = layout;
  if (!pack_reduction(packs, along_kept, Source::kPack, x.data, 16 / Source::kPack)) return false;
  launch_reduce<Source::kPack>(context, op, x, layout, packs, along_kept, y);
  return true;
}

template <class Op>
void reduce_any(Context& context, const Op& op, const TensorView& x, const ReduceLayout& layout, const ReduceTarget& y) {
  if (layout.kept.numel() == 0) return;
  const AnySource<typename Op::Compute> source{x.data, x.dtype};
  launch_reduce<1>(context, op, source, layout, layout, runs_along_kept(layout), y);
}

}  // namespace lenode::cuda
