// SPDX-License-Identifier: Apache-2.0
// One mechanism for all pointwise ops: a Body wraps the functor, and two kernels apply it. The pack kernel moves 16
// bytes at a time wherever the operands run along the output's inner dimension or repeat over it; the element kernel
// takes every other stride pattern, and the dtypes that are not worth a kernel of their own.
#pragma once
#include "core/functors.h"
#include "cuda/convert.cuh"
#include "cuda/handlers.h"
#include "cuda/launch.cuh"
#include "cuda/strided.cuh"

namespace lenode::cuda {

template <class F, class T>
struct UnaryBody {
  using Compute = T;
  using Result = T;
  static constexpr int kArity = 1;
  Params<T> params;
  LENODE_HD T operator()(const T (&x)[1]) const { return F::apply(x[0], params); }
};

template <class F, class T>
struct PredicateBody {
  using Compute = T;
  using Result = bool;
  static constexpr int kArity = 1;
  Params<T> params;
  LENODE_HD bool operator()(const T (&x)[1]) const { return F::apply(x[0]); }
};

template <class F, class T>
struct BinaryBody {
  using Compute = T;
  using Result = T;
  static constexpr int kArity = 2;
  Params<T> params;
  LENODE_HD T operator()(const T (&x)[2]) const { return F::apply(x[0], x[1], params); }
};

template <class F, class T>
struct CompareBody {
  using Compute = T;
  using Result = bool;
  static constexpr int kArity = 2;
  Params<T> params;
  LENODE_HD bool operator()(const T (&x)[2]) const { return F::apply(x[0], x[1]); }
};

template <class F, class T>
struct TernaryBody {
  using Compute = T;
  using Result = T;
  static constexpr int kArity = 3;
  Params<T> params;
  LENODE_HD T operator()(const T (&x)[3]) const { return F::apply(x[0], x[1], x[2]); }
};

template <class T, int N>
struct Operands {
  const void* data[N];  // null: `scalar` stands for the operand
  bool packed[N];       // in the pack kernel: one value per element, not one per pack
  T scalar;
};

// The pack kernel sees 16-bit floats as their bits, so that one serves float16 and bfloat16.
LENODE_HD float decode(float x, bool) { return x; }
LENODE_HD float decode(uint16_t bits, bool bfloat) {
  return bfloat ? widen(__ushort_as_bfloat16(bits)) : widen(__ushort_as_half(bits));
}
template <class R, class T, int V>
LENODE_HD void encode(const T (&value)[V], [[maybe_unused]] bool bfloat, Pack<R, V>& pack) {
  if constexpr (!std::is_same_v<R, uint16_t>) {
    LENODE_UNROLL
    for (int v = 0; v < V; ++v) pack.value[v] = value[v];
  } else if (bfloat) {
    LENODE_UNROLL
    for (int v = 0; v < V; ++v) pack.value[v] = __bfloat16_as_ushort(narrow<BFloat16>(value[v]));
  } else {
    LENODE_UNROLL
    for (int v = 0; v < V; ++v) pack.value[v] = __half_as_ushort(narrow<Half>(value[v]));
  }
}

template <class Body, class S>
__global__ void __launch_bounds__(kThreads)
    pack_kernel(Body body, Operands<typename Body::Compute, Body::kArity> in, void* y, bool bfloat,
                Indexer<Body::kArity + 1> indexer, int64_t packs, int64_t numel) {
  using T = typename Body::Compute;
  using R = std::conditional_t<std::is_same_v<typename Body::Result, bool>, bool, S>;
  constexpr int kArity = Body::kArity, V = kPackSize<S>;
  for (int64_t i = first_item(); i < packs; i += item_step()) {
    int64_t at[kArity + 1];
    indexer.offsets(i, at);
    const int64_t left = numel - i * V;  // fewer than V only at the end of a one-dimensional layout
    T x[kArity][V];
#pragma unroll
    for (int j = 0; j < kArity; ++j) {
      const S* data = static_cast<const S*>(in.data[j]) + at[j + 1];
      if (in.data[j] != nullptr && in.packed[j] && left >= V) {
        const Pack<S, V> pack = *reinterpret_cast<const Pack<S, V>*>(data);
#pragma unroll
        for (int v = 0; v < V; ++v) x[j][v] = decode(pack.value[v], bfloat);
      } else if (in.data[j] != nullptr && in.packed[j]) {
#pragma unroll
        for (int v = 0; v < V; ++v) x[j][v] = v < left ? decode(data[v], bfloat) : T(0);
      } else {
        const T value = in.data[j] != nullptr ? decode(*data, bfloat) : in.scalar;
#pragma unroll
        for (int v = 0; v < V; ++v) x[j][v] = value;
      }
    }
    typename Body::Result results[V];
#pragma unroll
    for (int v = 0; v < V; ++v) {
      T arguments[kArity];
#pragma unroll
      for (int j = 0; j < kArity; ++j) arguments[j] = x[j][v];
      results[v] = body(arguments);
    }
    Pack<R, V> result;
    encode(results, bfloat, result);
    R* target = static_cast<R*>(y) + at[0];
    if (left >= V) {
      *reinterpret_cast<Pack<R, V>*>(target) = result;
    } else {
#pragma unroll
      for (int v = 0; v < V; ++v)
        if (v < left) target[v] = result.value[v];
    }
  }
}

template <class Body>
__global__ void __launch_bounds__(kThreads)
    element_kernel(Body body, Operands<typename Body::Compute, Body::kArity> in, void* y, DType dtype,
                   Indexer<Body::kArity + 1> indexer, int64_t numel) {
  using T = typename Body::Compute;
  constexpr int kArity = Body::kArity;
  for (int64_t i = first_item(); i < numel; i += item_step()) {
    int64_t at[kArity + 1];
    indexer.offsets(i, at);
    T x[kArity];
#pragma unroll
    for (int j = 0; j < kArity; ++j)
      x[j] = in.data[j] != nullptr ? load_as<T>(in.data[j], dtype, at[j + 1]) : in.scalar;
    if constexpr (std::is_same_v<typename Body::Result, bool>) static_cast<bool*>(y)[at[0]] = body(x);
    else store_same<T>(y, dtype, at[0], body(x));
  }
}

// Turns a coalesced layout into one of packs of V elements, if every operand allows it.
template <int N>
bool pack_layout(Layout<N>& layout, int V, const void* const (&data)[N], const size_t (&item)[N]) {
  if (layout.rank == 0 || layout.strides[0][0] != 1) return false;
  if (layout.rank > 1 && layout.sizes[0] % V != 0) return false;
  for (int j = 0; j < N; ++j) {
    if (data[j] == nullptr || layout.strides[j][0] == 0) continue;
    if (layout.strides[j][0] != 1 || !is_aligned(data[j], V * item[j])) return false;
    for (int d = 1; d < layout.rank; ++d)
      if (layout.strides[j][d] % V != 0) return false;
  }
  layout.sizes[0] = ceil_divide(layout.sizes[0], V);
  for (int j = 0; j < N; ++j) layout.strides[j][0] *= V;
  return true;
}

template <class Body, class S, int N>
bool launch_packs(Context& context, const Body& body, Operands<typename Body::Compute, N - 1> in, const TensorView& y,
                  Layout<N> layout) {
  const int64_t numel = layout.numel();
  const void* data[N] = {y.data};
  size_t item[N] = {item_size(y.dtype)};
  for (int j = 1; j < N; ++j) {
    data[j] = in.data[j - 1];
    item[j] = sizeof(S);
    in.packed[j - 1] = layout.rank > 0 && layout.strides[j][0] != 0;
  }
  if (!pack_layout(layout, kPackSize<S>, data, item)) return false;
  const int64_t packs = layout.numel();
  launch_items(context, pack_kernel<Body, S>, packs, body, in, y.data, y.dtype == DType::bfloat16, layout.indexer(), packs,
               numel);
  return true;
}

// `params` is the position of the functor's first attribute; `scalar` the value of an absent operand.
template <template <class, class> class BodyOf, class F, bool kIntegers>
void run_pointwise(Context& context, const Call& call, int params, double scalar) {
  constexpr int kArity = BodyOf<F, float>::kArity;
  const TensorView& y = call.out(0);
  const TensorView* views[kArity + 1] = {&y};
  DType dtype = y.dtype;
  for (int j = kArity; j > 0; --j) {
    views[j] = &call.in(j - 1);
    if (views[j]->present()) dtype = views[j]->dtype;
  }
  Layout<kArity + 1> layout = layout_of<kArity + 1>(views);
  const int64_t numel = layout.numel();
  if (numel == 0) return;
  layout.coalesce();

  auto run = [&](auto compute) {
    using T = decltype(compute);
    using Body = BodyOf<F, T>;
    Body body{};
    for (int k = 0; k < 2 && params + k < call.n_attrs; ++k) body.params.p[k] = attribute_as<T>(call.f(params + k));
    Operands<T, kArity> in{};
    in.scalar = attribute_as<T>(scalar);
    for (int j = 0; j < kArity; ++j) in.data[j] = views[j + 1]->present() ? views[j + 1]->data : nullptr;
    if constexpr (std::is_same_v<T, float>) {
      if (dtype == DType::float32 && launch_packs<Body, float>(context, body, in, y, layout)) return;
      if constexpr (!std::is_same_v<typename Body::Result, bool>) {  // those are rare enough to save the kernels
        if (item_size(dtype) == 2 && launch_packs<Body, uint16_t>(context, body, in, y, layout)) return;
      }
    }
    launch_items(context, element_kernel<Body>, numel, body, in, y.data, dtype, layout.indexer(), numel);
  };
  if constexpr (kIntegers) {
    with_compute(dtype, run);
  } else {
    if (!is_floating(dtype))
      fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected a floating dtype, came " +
                                   dtype_name(dtype));
    if (dtype == DType::float64) run(double{});
    else run(float{});
  }
}

}  // namespace lenode::cuda
