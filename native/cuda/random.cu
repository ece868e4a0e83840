// SPDX-License-Identifier: Apache-2.0
// Every thread turns one Philox block into four neighbours in memory. The state stays on the device: a kernel reads
// it, and a second one on the same stream advances it, so a replayed graph draws new numbers.
#include "core/philox.h"
#include "cuda/convert.cuh"
#include "cuda/handlers.h"
#include "cuda/launch.cuh"
#include "cuda/strided.cuh"

namespace lenode::cuda {
namespace {

constexpr int kLanes = 4;

__global__ void advance_kernel(int64_t* state, int64_t blocks) { state[1] += blocks; }

__device__ __forceinline__ PhiloxBlock random_block(const int64_t* state, int64_t i) {
  return philox(static_cast<uint64_t>(state[0]), static_cast<uint64_t>(state[1]) + static_cast<uint64_t>(i));
}

template <class S, class T>
__device__ __forceinline__ void store_lanes(void* y, int64_t at, int64_t count, bool aligned,
                                            const T (&value)[kLanes]) {
  S* target = static_cast<S*>(y) + at;
  Pack<S, kLanes> pack;
#pragma unroll
  for (int v = 0; v < kLanes; ++v) pack.value[v] = narrow<S>(value[v]);
  if (aligned && at + kLanes <= count) {
    *reinterpret_cast<Pack<S, kLanes>*>(target) = pack;
  } else {
#pragma unroll
    for (int v = 0; v < kLanes; ++v)
      if (at + v < count) target[v] = pack.value[v];
  }
}

template <class Make>
__global__ void __launch_bounds__(kThreads)
    random_kernel(Make make, const int64_t* state, void* y, DType dtype, bool aligned, int64_t blocks, int64_t count) {
  using T = typename Make::Compute;
  for (int64_t i = first_item(); i < blocks; i += item_step()) {
    const PhiloxBlock block = random_block(state, i);
    T value[kLanes];
#pragma unroll
    for (int v = 0; v < kLanes; ++v) value[v] = make(block, v);
    const int64_t at = i * kLanes;
    switch (dtype) {
      case DType::float32: store_lanes<float>(y, at, count, aligned, value); break;
      case DType::float64: store_lanes<double>(y, at, count, aligned, value); break;
      case DType::float16: store_lanes<Half>(y, at, count, aligned, value); break;
      case DType::bfloat16: store_lanes<BFloat16>(y, at, count, aligned, value); break;
      case DType::int32: store_lanes<int32_t>(y, at, count, aligned, value); break;
      case DType::int64: store_lanes<int64_t>(y, at, count, aligned, value); break;
      case DType::uint8: store_lanes<uint8_t>(y, at, count, aligned, value); break;
      case DType::boolean: store_lanes<bool>(y, at, count, aligned, value); break;
    }
  }
}

template <class T>
struct Uniform {
  using Compute = T;
  T low, high;
  int precision;
  __device__ T operator()(const PhiloxBlock& block, int lane) const {
    return philox_uniform_in(block.lane[lane], low, high, precision);
  }
};

template <class T>
struct Normal {
  using Compute = T;
  T mean, std;
  __device__ T operator()(const PhiloxBlock& block, int lane) const {
    return mean + std * static_cast<T>(philox_normal(block, lane));
  }
};

struct Integer {
  using Compute = int64_t;
  int64_t low, high;
  __device__ int64_t operator()(const PhiloxBlock& block, int lane) const {
    return philox_integer(block.lane[lane], low, high);
  }
};

void require_dense(const Call& call, const TensorView& y) {
  if (!is_dense(y)) fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected a dense output");
}

int64_t* state_of(const Call& call, const TensorView& state) {
  if (state.dtype != DType::int64 || state.numel() != 2 || !is_dense(state))
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected a state of two int64");
  return state.ptr<int64_t>();
}

void advance(Context& context, int64_t* state, int64_t blocks) {
  launch(context, advance_kernel, 1, 1, 0, state, blocks);
}

template <class Make>
void generate(Context& context, const Call& call, const Make& make) {
  const TensorView& y = call.out(0);
  require_dense(call, y);
  int64_t* state = state_of(call, call.out(1));
  const int64_t count = y.numel(), blocks = ceil_divide(count, kLanes);
  if (count == 0) return;
  launch_items(context, random_kernel<Make>, blocks, make, static_cast<const int64_t*>(state), y.data, y.dtype,
               is_aligned(y.data, kLanes * item_size(y.dtype)), blocks, count);
  advance(context, state, blocks);
}

int significant_bits(DType dtype) {
  if (dtype == DType::float16) return 11;
  return dtype == DType::bfloat16 ? 8 : 24;
}

// ---- dropout --------------------------------------------------------------------------------------------------

template <class S>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const S* x, S* y, bool* mask, const int64_t* state, float p, compute_t<S> scale, bool aligned,
                   int64_t blocks, int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < blocks; i += item_step()) {
    const PhiloxBlock block = random_block(state, i);
    const int64_t at = i * kLanes;
    const bool whole = aligned && at + kLanes <= count;
    Pack<S, kLanes> pack;
    if (whole) {
      pack = *reinterpret_cast<const Pack<S, kLanes>*>(x + at);
    } else {
#pragma unroll
      for (int v = 0; v < kLanes; ++v) pack.value[v] = at + v < count ? x[at + v] : narrow<S>(T(0));
    }
    T value[kLanes], kept[kLanes];
#pragma unroll
    for (int v = 0; v < kLanes; ++v) {
      const bool keep = philox_uniform(block.lane[v]) >= p;
      kept[v] = T(keep);
      value[v] = keep ? widen(pack.value[v]) * scale : T(0);
    }
    store_lanes<S>(y, at, count, aligned, value);
    store_lanes<bool>(mask, at, count, aligned, kept);
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    dropout_backward_kernel(const S* grad, const bool* mask, S* d_x, compute_t<S> scale, int64_t packs, int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < packs; i += item_step()) {
    const int64_t at = i * kLanes;
    if (at + kLanes <= count) {
      Pack<S, kLanes> pack = *reinterpret_cast<const Pack<S, kLanes>*>(grad + at);
      const Pack<bool, kLanes> kept = *reinterpret_cast<const Pack<bool, kLanes>*>(mask + at);
#pragma unroll
      for (int v = 0; v < kLanes; ++v) pack.value[v] = narrow<S>(kept.value[v] ? widen(pack.value[v]) * scale : T(0));
      *reinterpret_cast<Pack<S, kLanes>*>(d_x + at) = pack;
    } else {
      for (int64_t e = at; e < count; ++e) d_x[e] = narrow<S>(mask[e] ? widen(grad[e]) * scale : T(0));
    }
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    dropout_backward_strided_kernel(const S* grad, const bool* mask, S* d_x, compute_t<S> scale, Indexer<3> indexer,
                                    int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[3];
    indexer.offsets(i, at);
    d_x[at[0]] = narrow<S>(mask[at[2]] ? widen(grad[at[1]]) * scale : T(0));
  }
}

double kept_scale(double p) { return p < 1 ? 1 / (1 - p) : 0; }

}  // namespace

void op_rand(Context& context, const Call& call) {
  const double low = call.f(op::rand::attr::low), high = call.f(op::rand::attr::high);
  const DType dtype = call.out(0).dtype;
  if (dtype == DType::float64)
    generate(context, call, Uniform<double>{low, high, significant_bits(dtype)});
  else
    generate(context, call, Uniform<float>{static_cast<float>(low), static_cast<float>(high), significant_bits(dtype)});
}

void op_randn(Context& context, const Call& call) {
  const double mean = call.f(op::randn::attr::mean), std = call.f(op::randn::attr::std);
  if (call.out(0).dtype == DType::float64) generate(context, call, Normal<double>{mean, std});
  else generate(context, call, Normal<float>{static_cast<float>(mean), static_cast<float>(std)});
}

void op_randint(Context& context, const Call& call) {
  generate(context, call, Integer{call.i(op::randint::attr::low), call.i(op::randint::attr::high)});
}

void op_dropout(Context& context, const Call& call) {
  namespace o = op::dropout;
  const TensorView &x = call.in(o::in::x), &y = call.out(o::out::y), &mask = call.out(o::out::mask);
  if (!same_dense<3>({&y, &x, &mask}) || mask.dtype != DType::boolean)
    fail(ErrorCode::invalid, "dropout: expected dense tensors of equal strides");
  int64_t* state = state_of(call, call.out(o::out::state));
  const int64_t count = y.numel(), blocks = ceil_divide(count, kLanes);
  if (count == 0) return;
  const double p = call.f(o::attr::p);
  with_floating(y.dtype, "dropout", [&](auto storage) {
    using S = decltype(storage);
    const size_t bytes = kLanes * sizeof(S);
    const bool aligned = is_aligned(x.data, bytes) && is_aligned(y.data, bytes) && is_aligned(mask.data, kLanes);
    launch_items(context, dropout_kernel<S>, blocks, x.ptr<const S>(), y.ptr<S>(), mask.ptr<bool>(),
                 static_cast<const int64_t*>(state), static_cast<float>(p), static_cast<compute_t<S>>(kept_scale(p)),
                 aligned, blocks, count);
  });
  advance(context, state, blocks);
}

void op_dropout_backward(Context& context, const Call& call) {
  namespace o = op::dropout_backward;
  const TensorView &grad = call.in(o::in::grad), &mask = call.in(o::in::mask), &d_x = call.out(o::out::d_x);
  Layout<3> layout = layout_of<3>({&d_x, &grad, &mask});
  const int64_t count = layout.numel(), packs = ceil_divide(count, kLanes);
  if (count == 0) return;
  layout.coalesce();
  with_floating(d_x.dtype, "dropout_backward", [&](auto storage) {
    using S = decltype(storage);
    const auto scale = static_cast<compute_t<S>>(kept_scale(call.f(o::attr::p)));
    const size_t bytes = kLanes * sizeof(S);
    if (same_dense<3>({&d_x, &grad, &mask}) && is_aligned(grad.data, bytes) && is_aligned(d_x.data, bytes) &&
        is_aligned(mask.data, kLanes))
      launch_items(context, dropout_backward_kernel<S>, packs, grad.ptr<const S>(), mask.ptr<const bool>(),
                   d_x.ptr<S>(), scale, packs, count);
    else
      launch_items(context, dropout_backward_strided_kernel<S>, count, grad.ptr<const S>(), mask.ptr<const bool>(),
                   d_x.ptr<S>(), scale, layout.indexer(), count);
  });
}

}  // namespace lenode::cuda
