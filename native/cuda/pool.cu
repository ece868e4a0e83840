// SPDX-License-Identifier: Apache-2.0
// One thread makes one output, or four neighbouring channels where they are neighbours in memory. The walk follows
// the output's memory order, so channels-last and row-major tensors both move in whole lines. The backward passes
// gather: an input position asks the windows that cover it, in a fixed order and without atomics.
#include "cuda/pool.cuh"

#include "cuda/handlers.h"
#include "cuda/image_walk.cuh"
#include "cuda/launch.cuh"
#include "cuda/own_kernels.h"

namespace lenode::cuda {
namespace {

// Operands of `indexer` in all four kernels: the tensor that is written, two that are read or written at the same
// batch and channel, and the spatial point of the first.

// Written: y, with indices; read: x.
template <class S, int V>
__global__ void __launch_bounds__(kThreads)
    max_pool_kernel(const S* x, S* y, int32_t* indices, PoolGeometry g, ImageSteps steps, Indexer<4> indexer,
                    int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const ImagePoint o = image_point(at[3]);
    const PoolRange rd = g.d.window(o.d), rh = g.h.window(o.h), rw = g.w.window(o.w);
    T best[V];
    int32_t place[V];
#pragma unroll
    for (int v = 0; v < V; ++v) {
      best[v] = -static_cast<T>(INFINITY);
      place[v] = (rd.begin * g.h.input + rh.begin) * g.w.input + rw.begin;
    }
    for (int d = rd.begin; d < rd.end; d += rd.step)
      for (int h = rh.begin; h < rh.end; h += rh.step)
        for (int w = rw.begin; w < rw.end; w += rw.step) {
          T value[V];
          load_pack(x + at[1] + steps.at(d, h, w), value);
          const int32_t here = (d * g.h.input + h) * g.w.input + w;
#pragma unroll
          for (int v = 0; v < V; ++v)
            if (value[v] > best[v] || functor::is_nan(value[v])) {
              best[v] = value[v];
              place[v] = here;
            }
        }
    store_pack(y + at[0], best);
    if (indices == nullptr) continue;
    Pack<int32_t, V> places;
#pragma unroll
    for (int v = 0; v < V; ++v) places.value[v] = place[v];
    *reinterpret_cast<Pack<int32_t, V>*>(indices + at[2]) = places;
  }
}

// Written: d_x; read: grad, indices.
template <class S, int V>
__global__ void __launch_bounds__(kThreads)
    max_pool_backward_kernel(const S* grad, S* d_x, const int32_t* indices, PoolGeometry g, ImageSteps grad_steps,
                             ImageSteps index_steps, Indexer<4> indexer, int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const ImagePoint p = image_point(at[3]);
    const int32_t here = (p.d * g.h.input + p.h) * g.w.input + p.w;
    const PoolRange rd = g.d.outputs(p.d), rh = g.h.outputs(p.h), rw = g.w.outputs(p.w);
    T sum[V] = {};
    for (int d = rd.begin; d < rd.end; ++d)
      for (int h = rh.begin; h < rh.end; ++h)
        for (int w = rw.begin; w < rw.end; ++w) {
          const Pack<int32_t, V> chosen =
              *reinterpret_cast<const Pack<int32_t, V>*>(indices + at[2] + index_steps.at(d, h, w));
          T value[V];
          load_pack(grad + at[1] + grad_steps.at(d, h, w), value);
#pragma unroll
          for (int v = 0; v < V; ++v) sum[v] += chosen.value[v] == here ? value[v] : T(0);
        }
    store_pack(d_x + at[0], sum);
  }
}

struct Averaging {
  bool count_padding;
  double divisor;  // 0: by the window

  // What one axis contributes; the factors of the three multiply.
  template <class T>
  __device__ T factor(const PoolAxis& axis, int o) const {
    return divisor != 0 ? T(1) : static_cast<T>(axis.divisor(o, count_padding));
  }
  template <class T>
  __device__ T whole() const {
    return divisor != 0 ? static_cast<T>(divisor) : T(1);
  }
};

// Written: y; read: x.
template <class S, int V>
__global__ void __launch_bounds__(kThreads)
    avg_pool_kernel(const S* x, S* y, Averaging averaging, PoolGeometry g, ImageSteps steps, Indexer<4> indexer,
                    int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const ImagePoint o = image_point(at[3]);
    const PoolRange rd = g.d.window(o.d), rh = g.h.window(o.h), rw = g.w.window(o.w);
    T sum[V] = {};
    for (int d = rd.begin; d < rd.end; ++d)
      for (int h = rh.begin; h < rh.end; ++h)
        for (int w = rw.begin; w < rw.end; ++w) {
          T value[V];
          load_pack(x + at[1] + steps.at(d, h, w), value);
#pragma unroll
          for (int v = 0; v < V; ++v) sum[v] += value[v];
        }
    const T share = averaging.whole<T>() * averaging.factor<T>(g.d, o.d) * averaging.factor<T>(g.h, o.h) *
                    averaging.factor<T>(g.w, o.w);
#pragma unroll
    for (int v = 0; v < V; ++v) sum[v] /= share;
    store_pack(y + at[0], sum);
  }
}

// Written: d_x; read: grad.
template <class S, int V>
__global__ void __launch_bounds__(kThreads)
    avg_pool_backward_kernel(const S* grad, S* d_x, Averaging averaging, PoolGeometry g, ImageSteps steps,
                             Indexer<4> indexer, int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const ImagePoint p = image_point(at[3]);
    const PoolRange rd = g.d.outputs(p.d), rh = g.h.outputs(p.h), rw = g.w.outputs(p.w);
    T sum[V] = {};
    for (int d = rd.begin; d < rd.end; ++d) {
      const T share_d = averaging.whole<T>() * averaging.factor<T>(g.d, d);
      for (int h = rh.begin; h < rh.end; ++h) {
        const T share_h = share_d * averaging.factor<T>(g.h, h);
        for (int w = rw.begin; w < rw.end; ++w) {
          const T share = share_h * averaging.factor<T>(g.w, w);
          T value[V];
          load_pack(grad + at[1] + steps.at(d, h, w), value);
#pragma unroll
          for (int v = 0; v < V; ++v) sum[v] += value[v] / share;
        }
      }
    }
    store_pack(d_x + at[0], sum);
  }
}

// ---- planning -----------------------------------------------------------------------------------------------------

// `x` and `y` are the forward pass's input and output, or tensors of their shapes; the attributes are the kernel,
// stride and padding of each dimension, and then perhaps the dilation.
PoolGeometry pool_geometry(const Call& call, const TensorView& x, const TensorView& y, bool dilated) {
  const int spatial = x.rank - 2;
  if (spatial < 1 || spatial > 3)
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected 1 to 3 spatial dimensions, came " +
                                 std::to_string(spatial));
  PoolGeometry g;
  PoolAxis* axes[3] = {&g.d, &g.h, &g.w};
  int64_t plane = 1;
  for (int a = 0; a < 3; ++a) {
    const int k = a - (3 - spatial);  // the attribute's dimension
    if (k < 0) {
      *axes[a] = {1, 1, 1, 1, 0, 1};
      continue;
    }
    const auto attribute = [&](int group) { return static_cast<int>(call.i(3 * group + k)); };
    plane *= x.dims[2 + k];
    if (x.dims[2 + k] >= kPointLimits[a] || y.dims[2 + k] >= kPointLimits[a] || plane >= kNarrowLimit)
      fail(ErrorCode::unsupported, std::string(op_info(call.op).name) + ": a spatial dimension of " +
                                       std::to_string(x.dims[2 + k]) + " is too large");
    *axes[a] = {static_cast<int>(x.dims[2 + k]), static_cast<int>(y.dims[2 + k]), attribute(0), attribute(1),
                attribute(2), dilated ? attribute(3) : 1};
    if (!axes[a]->valid())
      fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": windows of dimension " + std::to_string(k) +
                                   " do not fit the tensors");
  }
  return g;
}

Averaging averaging_of(const Call& call) {
  namespace a = op::avg_pool;
  static_assert(int(a::attr::divisor) == int(op::avg_pool_backward::attr::divisor));
  return {call.f(a::attr::count_include_pad) != 0, call.f(a::attr::divisor)};
}

}  // namespace

namespace own {

void max_pool(Context& context, const Call& call) {
  const TensorView &x = call.in(0), &y = call.out(0), &indices = call.out(1);
  if (y.numel() == 0) return;
  const PoolGeometry g = pool_geometry(call, x, y, true);
  const ImageWalk walk = image_walk(y, x, indices, true);
  with_packs(call, y.dtype, walk.pack, [&](auto storage, auto pack) {
    using S = decltype(storage);
    launch_items(context, max_pool_kernel<S, pack()>, walk.count, x.ptr<const S>(), y.ptr<S>(), indices.ptr<int32_t>(),
                 g, image_steps(x), walk.indexer, walk.count);
  });
}

void avg_pool(Context& context, const Call& call) {
  const TensorView &x = call.in(0), &y = call.out(0);
  if (y.numel() == 0) return;
  const PoolGeometry g = pool_geometry(call, x, y, false);
  const ImageWalk walk = image_walk(y, x, TensorView{}, false);
  with_packs(call, y.dtype, walk.pack, [&](auto storage, auto pack) {
    using S = decltype(storage);
    launch_items(context, avg_pool_kernel<S, pack()>, walk.count, x.ptr<const S>(), y.ptr<S>(), averaging_of(call), g,
                 image_steps(x), walk.indexer, walk.count);
  });
}

void avg_pool_backward(Context& context, const Call& call) {
  const TensorView &grad = call.in(0), &d_x = call.out(0);
  if (d_x.numel() == 0) return;
  const PoolGeometry g = pool_geometry(call, d_x, grad, false);
  const ImageWalk walk = image_walk(d_x, grad, TensorView{}, false);
  with_packs(call, d_x.dtype, walk.pack, [&](auto storage, auto pack) {
    using S = decltype(storage);
    launch_items(context, avg_pool_backward_kernel<S, pack()>, walk.count, grad.ptr<const S>(), d_x.ptr<S>(),
                 averaging_of(call), g, image_steps(grad), walk.indexer, walk.count);
  });
}

}  // namespace own

void op_max_pool_backward(Context& context, const Call& call) {
  const TensorView &grad = call.in(0), &indices = call.in(1), &d_x = call.out(0);
  if (d_x.numel() == 0) return;
  const PoolGeometry g = pool_geometry(call, d_x, grad, true);
  const ImageWalk walk = image_walk(d_x, grad, indices, false);
  with_packs(call, d_x.dtype, walk.pack, [&](auto storage, auto pack) {
    using S = decltype(storage);
    launch_items(context, max_pool_backward_kernel<S, pack()>, walk.count, grad.ptr<const S>(), d_x.ptr<S>(),
                 indices.ptr<const int32_t>(), g, image_steps(grad), image_steps(indices), walk.indexer, walk.count);
  });
}

}  // namespace lenode::cuda
