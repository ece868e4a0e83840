// SPDX-License-Identifier: Apache-2.0
// The norm over all gradients together, in two passes without atomics, and the scaling that follows it.
#include "cuda/handlers.h"
#include "cuda/tensor_list.cuh"

namespace lenode::cuda {
namespace {

enum class Norm : int { zero, one, two, infinite, other };

struct NormOp {
  Norm kind;
  double p;

  template <class T>
  __device__ T term(T x) const {
    switch (kind) {
      case Norm::zero: return x != T(0) ? T(1) : T(0);
      case Norm::two: return x * x;
      case Norm::other: return functor::pow_(functor::abs_(x), static_cast<T>(p));
      default: return functor::abs_(x);
    }
  }
  template <class T>
  __device__ T merge(T a, T b) const {
    return kind == Norm::infinite ? functor::maximum::apply(a, b, Params<T>{}) : a + b;
  }
  __device__ double finish(double total) const {
    if (kind == Norm::two) return ::sqrt(total);
    return kind == Norm::other ? ::pow(total, 1.0 / p) : total;
  }
};

// For thread 0.
__device__ double merge_block(const NormOp& op, double value) {
  __shared__ double shared[kThreads];
  shared[threadIdx.x] = value;
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] = op.merge(shared[threadIdx.x], shared[threadIdx.x + half]);
    __syncthreads();
  }
  return shared[0];
}

// A thread's few elements add up in the compute type, since float64 arithmetic is slow on most devices; everything
// after that is float64.
template <class S>
__global__ void __launch_bounds__(kThreads)
    norm_kernel(NormOp op, const __grid_constant__ TensorChunk<1> chunk, double* partial) {
  const int t = chunk.tensor_of(blockIdx.x);
  using T = compute_t<S>;
  T sum = T(0);
  for_run(chunk, t, [&](int64_t at, int count) {
    T value[kRunPack];
    load_run(static_cast<const S*>(chunk.data[0][t]) + at, count, value);
#pragma unroll
    for (int v = 0; v < kRunPack; ++v)
      if (v < count) sum = op.merge(sum, op.term(value[v]));
  });
  const double total = merge_block(op, static_cast<double>(sum));
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

__global__ void __launch_bounds__(kThreads)
    norm_total_kernel(NormOp op, const double* partial, int64_t count, void* norm, DType dtype) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) total = op.merge(total, partial[i]);
  total = merge_block(op, total);
  if (threadIdx.x == 0) store_as<double>(norm, dtype, 0, op.finish(total));
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    scale_kernel(const __grid_constant__ TensorChunk<1> chunk, const void* norm, DType norm_dtype, double max_norm) {
  using T = compute_t<S>;
  const double length = norm_dtype == DType::float64 ? *static_cast<const double*>(norm)
                                                     : static_cast<double>(*static_cast<const float*>(norm));
  const double coefficient = max_norm / (length + 1e-6);
  const T scale = static_cast<T>(coefficient > 1 ? 1 : coefficient);  // NaN stays NaN
  const int t = chunk.tensor_of(blockIdx.x);
  for_run(chunk, t, [&](int64_t at, int count) {
    S* const data = static_cast<S*>(chunk.data[0][t]) + at;
    T value[kRunPack];
    load_run(data, count, value);
#pragma unroll
    for (int v = 0; v < kRunPack; ++v) value[v] *= scale;
    store_run(data, count, value);
  });
}

NormOp norm_op(double p) {
  if (p == 0) return {Norm::zero, p};
  if (p == 1) return {Norm::one, p};
  if (p == 2) return {Norm::two, p};
  return {p > std::numeric_limits<double>::max() ? Norm::infinite : Norm::other, p};
}

}  // namespace

void op_total_norm(Context& context, const Call& call) {
  const TensorView& norm = call.out(0);
  const NormOp op = norm_op(call.f(0));
  int64_t blocks = 0;
  for (int i = 0; i < call.n_inputs; ++i) blocks += ceil_divide(call.in(i).numel(), kRun);
  double* partial = context.workspace_of<double>(std::max<int64_t>(1, blocks));
  int64_t written = 0;
  for (DType dtype : kFloatingDTypes) {
    const auto groups = groups_of_one(call, call.inputs, call.n_inputs, dtype);
    with_floating(dtype, "total_norm", [&](auto storage) {
      using S = decltype(storage);
      for_chunks<1>(groups, sizeof(S), [&](const TensorChunk<1>& chunk, int64_t) {
        const uint32_t n = chunk.first_block[chunk.tensors];
        launch(context, norm_kernel<S>, n, kThreads, 0, op, chunk, partial + written);
        written += n;
      });
    });
  }
  launch(context, norm_total_kernel, 1, kThreads, 0, op, static_cast<const double*>(partial), written, norm.data,
         norm.dtype);
}

void op_clip_scale(Context& context, const Call& call) {
  const TensorView& norm = call.in(0);
  if (norm.dtype != DType::float32 && norm.dtype != DType::float64)
    fail(ErrorCode::invalid,
         std::string("clip_scale: expected a float32 or float64 norm, came ") + dtype_name(norm.dtype));
  for (DType dtype : kFloatingDTypes) {
    const auto groups = groups_of_one(call, call.outputs, call.n_outputs, dtype);
    with_floating(dtype, "clip_scale", [&](auto storage) {
      using S = decltype(storage);
      for_chunks<1>(groups, sizeof(S), [&](const TensorChunk<1>& chunk, int64_t) {
        launch(context, scale_kernel<S>, chunk.first_block[chunk.tensors], kThreads, 0, chunk,
               static_cast<const void*>(norm.data), norm.dtype, call.f(0));
      });
    });
  }
}

}  // namespace lenode::cuda
