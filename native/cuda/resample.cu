// SPDX-License-Identifier: Apache-2.0
// Resampling by tables: one thread makes one output, or four neighbouring channels, from the few inputs that the tables
// name. Threads of a block share most of the tables' lines.
#include "cuda/handlers.h"
#include "cuda/image_walk.cuh"
#include "cuda/launch.cuh"

namespace lenode::cuda {
namespace {

// Where the entries of each dimension's outputs begin and end; null: a dimension that the tensors do not have.
struct Offsets {
  const int32_t *d, *h, *w;
};

struct Entries {
  int first, last;
};
__device__ __forceinline__ Entries entries_of(const int32_t* offsets, int o) {
  return offsets ? Entries{offsets[o], offsets[o + 1]} : Entries{0, 1};
}

template <class S, int V>
__global__ void __launch_bounds__(kThreads)
    resample_kernel(const S* x, S* y, Offsets offsets, const int32_t* places, const compute_t<S>* weights,
                    ImageSteps steps, Indexer<4> indexer, int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const ImagePoint o = image_point(at[3]);
    const Entries d = entries_of(offsets.d, o.d), h = entries_of(offsets.h, o.h), w = entries_of(offsets.w, o.w);
    T sum[V] = {};
    for (int a = d.first; a < d.last; ++a) {
      const int place_d = offsets.d ? places[a] : 0;
      const T weight_d = offsets.d ? weights[a] : T(1);
      for (int b = h.first; b < h.last; ++b) {
        const int place_h = offsets.h ? places[b] : 0;
        const T weight_h = offsets.h ? weight_d * weights[b] : weight_d;
        for (int c = w.first; c < w.last; ++c) {
          const T weight = weight_h * weights[c];
          T value[V];
          load_pack(x + at[1] + steps.at(place_d, place_h, places[c]), value);
#pragma unroll
          for (int v = 0; v < V; ++v) sum[v] += weight * value[v];
        }
      }
    }
    store_pack(y + at[0], sum);
  }
}

}  // namespace

void op_resample(Context& context, const Call& call) {
  namespace row = op::resample;
  const TensorView &x = call.in(row::in::x), &y = call.out(row::out::y), &table = call.in(row::in::offsets);
  if (y.numel() == 0) return;
  const int spatial = y.rank - 2;
  int64_t sizes = spatial;
  for (int k = 0; k < spatial; ++k) {
    sizes += y.dims[2 + k];
    if (y.dims[2 + k] >= kPointLimits[3 - spatial + k])
      fail(ErrorCode::unsupported,
           "resample: a spatial dimension of " + std::to_string(y.dims[2 + k]) + " is too large");
  }
  if (x.rank != y.rank || spatial < 1 || spatial > 3 || table.numel() != sizes)
    fail(ErrorCode::invalid, "resample: the offsets do not fit the output");
  Offsets offsets{};
  const int32_t** axes[3] = {&offsets.d, &offsets.h, &offsets.w};
  const int32_t* next = table.ptr<const int32_t>();
  for (int k = 0; k < spatial; ++k) {
    *axes[3 - spatial + k] = next;
    next += y.dims[2 + k] + 1;
  }
  const ImageWalk walk = image_walk(y, x, TensorView{}, false);
  with_packs(call, y.dtype, walk.pack, [&](auto storage, auto pack) {
    using S = decltype(storage);
    launch_items(context, resample_kernel<S, pack()>, walk.count, x.ptr<const S>(), y.ptr<S>(), offsets,
                 call.in(row::in::places).ptr<const int32_t>(), call.in(row::in::weights).ptr<const compute_t<S>>(),
                 image_steps(x), walk.indexer, walk.count);
  });
}

}  // namespace lenode::cuda
