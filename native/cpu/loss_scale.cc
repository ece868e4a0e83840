// SPDX-License-Identifier: Apache-2.0
// Loss scaling: gradients without their scale, and the scale's own course.
#include "core/loss_scale.h"

#include <atomic>

#include "cpu/handlers.h"
#include "cpu/strided.h"

namespace lenode::cpu {
namespace {

template <class T>
struct Unscale {
  T inverse;
  std::atomic<bool>* found;
};

template <class T>
void unscale_kernel(void* to, const void* const* from, int64_t n, const void* params) {
  const auto& [inverse, anywhere] = *static_cast<const Unscale<T>*>(params);
  const T factor = inverse;
  const T* x = static_cast<const T*>(from[0]);
  T* y = static_cast<T*>(to);
  int found = 0;
#pragma omp simd reduction(| : found)
  for (int64_t i = 0; i < n; ++i) {
    T gradient = x[i];
    found |= loss_scale::unscale(gradient, factor);
    y[i] = gradient;
  }
  if (found) anywhere->store(true, std::memory_order_relaxed);
}

bool is_scalar(const TensorView& view, DType dtype) { return view.numel() == 1 && view.dtype == dtype; }

}  // namespace

void op_unscale(Context&, const Call& call) {
  const TensorView& scale = call.in(op::unscale::in::scale);
  const TensorView& found_inf = call.out(op::unscale::out::found_inf);
  require(is_scalar(scale, DType::float32) && is_scalar(found_inf, DType::float32),
          "unscale: expected scale and found_inf as float32 scalars");
  std::atomic<bool> found{false};
  for (int i = op::unscale::out::tensors_list; i < call.n_outputs; ++i) {
    const TensorView& x = call.out(i);
    with_float_compute(x.dtype, [&](auto t) {
      using T = decltype(t);
      const Unscale<T> params{loss_scale::inverse<T>(*scale.ptr<float>()), &found};
      run_blocks(x, {{&x}}, compute_v<T>, compute_v<T>, unscale_kernel<T>, &params);
    });
  }
  *found_inf.ptr<float>() = found ? 1.0f : 0.0f;
}

void op_update_scale(Context&, const Call& call) {
  const TensorView& found_inf = call.in(op::update_scale::in::found_inf_opt);
  const TensorView& scale = call.out(op::update_scale::out::scale);
  const TensorView& tracker = call.out(op::update_scale::out::growth_tracker);
  require(is_scalar(scale, DType::float32) && is_scalar(tracker, DType::int32) &&
              (!found_inf.present() || is_scalar(found_inf, DType::float32)),
          "update_scale: expected float32 scalars and an int32 scalar");
  const bool found = found_inf.present() && *found_inf.ptr<float>() != 0;
  loss_scale::Adaptation(call).apply(found, *scale.ptr<float>(), *tracker.ptr<int32_t>());
}

}  // namespace lenode::cpu
