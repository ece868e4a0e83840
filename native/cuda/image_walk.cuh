// SPDX-License-Identifier: Apache-2.0
// Kernels over [N, C, spatial...] whose threads each write one element, or four neighbouring channels where they are
// neighbours in memory, in the memory order of what is written.
#pragma once
#include <string>
#include <type_traits>

#include "core/op.h"
#include "cuda/convert.cuh"
#include "cuda/strided.cuh"

namespace lenode::cuda {

// Spatial coordinates travel through an Indexer as one operand: 19, 20 and 24 bits.
struct ImagePoint {
  int d, h, w;
};
constexpr int64_t kPointSteps[3] = {int64_t{1} << 44, int64_t{1} << 24, 1};
constexpr int64_t kPointLimits[3] = {int64_t{1} << 19, int64_t{1} << 20, int64_t{1} << 24};

LENODE_HD ImagePoint image_point(int64_t packed) {
  return {static_cast<int>(packed >> 44), static_cast<int>(packed >> 24 & 0xfffff),
          static_cast<int>(packed & 0xffffff)};
}

struct ImageSteps {
  int64_t d, h, w;
  __device__ int64_t at(int i, int j, int k) const { return i * d + j * h + k * w; }
};

template <class S, int V>
__device__ __forceinline__ void load_pack(const S* data, compute_t<S> (&value)[V]) {
  const Pack<S, V> pack = *reinterpret_cast<const Pack<S, V>*>(data);
#pragma unroll
  for (int v = 0; v < V; ++v) value[v] = widen(pack.value[v]);
}
template <class S, int V>
__device__ __forceinline__ void store_pack(S* data, const compute_t<S> (&value)[V]) {
  Pack<S, V> pack;
#pragma unroll
  for (int v = 0; v < V; ++v) pack.value[v] = narrow<S>(value[v]);
  *reinterpret_cast<Pack<S, V>*>(data) = pack;
}

constexpr int kImagePack = 4;

inline ImageSteps image_steps(const TensorView& view) {
  const int64_t* s = view.strides + view.rank;
  const int spatial = view.rank - 2;
  return {spatial > 2 ? s[-3] : 0, spatial > 1 ? s[-2] : 0, s[-1]};
}

struct ImageWalk {
  int pack;
  Indexer<4> indexer;
  int64_t count;
};

// `beside` are the tensors at the same batch and channel: with `written`'s spatial strides in the walk if they have
// its shape, without spatial strides if windows are taken in them.
inline ImageWalk image_walk(const TensorView& written, const TensorView& windowed, const TensorView& beside,
                            bool beside_walks) {
  const TensorView* views[3] = {&written, &windowed, &beside};
  const int spatial = written.rank - 2;
  bool packs = written.dims[1] % kImagePack == 0 && written.dtype != DType::float64;
  for (const TensorView* view : views) {
    if (!view->present()) continue;
    packs = packs && (view->strides[1] == 1 && is_aligned(view->data, kImagePack * item_size(view->dtype)));
    for (int d = 0; d < view->rank; ++d)
      packs = packs && (d == 1 || view->dims[d] == 1 || view->strides[d] % kImagePack == 0);
  }
  ImageWalk walk;
  walk.pack = packs ? kImagePack : 1;
  const auto stride = [&](const TensorView& view, int d) { return view.present() ? view.strides[d] : 0; };
  Layout<4> layout;
  layout.add(written.dims[1] / walk.pack, {written.strides[1] * walk.pack, windowed.strides[1] * walk.pack,
                                           stride(beside, 1) * walk.pack, 0});
  for (int d = written.rank - 1; d >= 2; --d)
    layout.add(written.dims[d], {written.strides[d], 0, beside_walks ? stride(beside, d) : 0,
                                 kPointSteps[d - 2 + 3 - spatial]});
  layout.add(written.dims[0], {written.strides[0], windowed.strides[0], stride(beside, 0), 0});
  layout.coalesce();
  walk.indexer = layout.indexer();
  walk.count = layout.numel();
  return walk;
}

// Calls f(S{}, std::integral_constant<int, V>{}).
template <class F>
void with_packs(const Call& call, DType dtype, int pack, F&& f) {
  with_floating(dtype, op_info(call.op).name, [&](auto storage) {
    using S = decltype(storage);
    if constexpr (!std::is_same_v<S, double>)
      if (pack == kImagePack) return f(storage, std::integral_constant<int, kImagePack>{});
    f(storage, std::integral_constant<int, 1>{});
  });
}

}  // namespace lenode::cuda
