// SPDX-License-Identifier: Apache-2.0
#include "cpu/staging.h"

#include "core/error.h"
#include "cpu/inner_call.h"

namespace lenode::cpu {
namespace {

void copy(Context& context, const TensorView& from, const TensorView& to) {
  inner_call(context, &op_copy, OpId::copy, from, to);
}

}  // namespace

TensorView Staging::stand_in(const TensorView& view, DType dtype, Order order) {
  LENODE_CHECK(used_ < kStagingSlots, "too many staged operands");
  TensorView result = view;
  result.dtype = dtype;
  result.data = context_.staging[used_++].get(view.numel() * item_size(dtype) + 1);
  int64_t stride = 1;
  const auto step = [&](int i) {
    result.strides[i] = stride;
    stride *= view.dims[i];
  };
  const bool channels_last = order == Order::channels_last && view.rank >= 3;
  if (channels_last) step(1);
  for (int i = view.rank - 1; i >= 0; --i)
    if (!(channels_last && i == 1)) step(i);
  return result;
}

TensorView Staging::input(const TensorView& view, DType dtype, Order order) {
  if (!view.present()) return view;
  const TensorView result = stand_in(view, dtype, order);
  copy(context_, view, result);
  return result;
}

TensorView Staging::output(const TensorView& view, DType dtype, Order order) {
  if (!view.present()) return view;
  LENODE_CHECK(n_outputs_ < 2, "too many staged outputs");
  targets_[n_outputs_] = view;
  return stand_ins_[n_outputs_++] = stand_in(view, dtype, order);
}

void Staging::finish() {
  for (int i = 0; i < n_outputs_; ++i) copy(context_, stand_ins_[i], targets_[i]);
  n_outputs_ = 0;
}

bool interleaves(const TensorView& view) {
  for (int i = 0; i < view.rank; ++i) {
    if (view.dims[i] <= 1) continue;
    if (view.strides[i] == 0) return true;
    for (int j = 0; j < view.rank; ++j)
      if (i != j && view.dims[j] > 1 && view.strides[i] <= view.strides[j] &&
          view.strides[j] < view.strides[i] * view.dims[i])
        return true;
  }
  return false;
}

}  // namespace lenode::cpu
