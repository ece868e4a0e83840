// SPDX-License-Identifier: Apache-2.0
// Loss scaling: gradients without their scale, and the scale's own course. Nothing is read back.
#include "core/loss_scale.h"
#include "cuda/handlers.h"
#include "cuda/tensor_list.cuh"

namespace lenode::cuda {
namespace {

template <class S>
__global__ void __launch_bounds__(kThreads)
    unscale_kernel(const __grid_constant__ TensorChunk<1> chunk, const float* scale, float* found_inf) {
  using T = compute_t<S>;
  const T inverse = loss_scale::inverse<T>(*scale);
  const int t = chunk.tensor_of(blockIdx.x);
  bool found = false;
  for_run(chunk, t, [&](int64_t at, int count) {
    S* const data = static_cast<S*>(chunk.data[0][t]) + at;
    T value[kRunPack];
    load_run(data, count, value);  // 0 beyond the end
#pragma unroll
    for (int v = 0; v < kRunPack; ++v) found |= loss_scale::unscale(value[v], inverse);
    store_run(data, count, value);
  });
  if (found) *found_inf = 1.0f;  // whoever writes writes the same
}

__global__ void adapt_kernel(const loss_scale::Adaptation adaptation, const float* found_inf, float* scale,
                             int32_t* tracker) {
  adaptation.apply(found_inf && *found_inf != 0, *scale, *tracker);
}

void check_scalar(const TensorView& view, DType dtype, const char* what) {
  if (view.numel() != 1 || view.dtype != dtype)
    fail(ErrorCode::invalid, std::string(what) + " must be a scalar of " + dtype_name(dtype));
}

}  // namespace

void op_unscale(Context& context, const Call& call) {
  const TensorView& scale = call.in(op::unscale::in::scale);
  const TensorView& found_inf = call.out(op::unscale::out::found_inf);
  constexpr int first = op::unscale::out::tensors_list;
  check_scalar(scale, DType::float32, "unscale: scale");
  check_scalar(found_inf, DType::float32, "unscale: found_inf");
  LENODE_CUDA_CHECK(cudaMemsetAsync(found_inf.data, 0, sizeof(float), context.stream));
  for (DType dtype : kFloatingDTypes) {
    const auto groups = groups_of_one(call, call.outputs + first, call.n_outputs - first, dtype);
    with_floating(dtype, "unscale", [&](auto storage) {
      using S = decltype(storage);
      for_chunks<1>(groups, sizeof(S), [&](const TensorChunk<1>& chunk, int64_t) {
        launch(context, unscale_kernel<S>, chunk.first_block[chunk.tensors], kThreads, 0, chunk,
               scale.ptr<const float>(), found_inf.ptr<float>());
      });
    });
  }
}

void op_update_scale(Context& context, const Call& call) {
  const TensorView& found_inf = call.in(op::update_scale::in::found_inf_opt);
  const TensorView& scale = call.out(op::update_scale::out::scale);
  const TensorView& tracker = call.out(op::update_scale::out::growth_tracker);
  check_scalar(scale, DType::float32, "update_scale: scale");
  check_scalar(tracker, DType::int32, "update_scale: growth_tracker");
  if (found_inf.present()) check_scalar(found_inf, DType::float32, "update_scale: found_inf");
  launch(context, adapt_kernel, 1, 1, 0, loss_scale::Adaptation(call), found_inf.ptr<const float>(),
         scale.ptr<float>(), tracker.ptr<int32_t>());
}

}  // namespace lenode::cuda
