// SPDX-License-Identifier: Apache-2.0
// Dense stand-ins, in the context's own buffers, for operands that a library cannot take as they are.
#pragma once
#include "core/op.h"
#include "cpu/context.h"

namespace lenode::cpu {

enum class Order { row_major, channels_last };

class Staging {
 public:
  explicit Staging(Context& context) : context_(context) {}

  // A copy of `view` in `dtype`; an absent view stays absent.
  TensorView input(const TensorView& view, DType dtype, Order order);
  // An uninitialised stand-in; finish() copies it to `view`.
  TensorView output(const TensorView& view, DType dtype, Order order);
  void finish();

 private:
  TensorView stand_in(const TensorView& view, DType dtype, Order order);

  Context& context_;
  int used_ = 0;
  int n_outputs_ = 0;
  TensorView targets_[2], stand_ins_[2];
};

// Dimensions that reach into each other, as a slice by steps beside a short dimension does, or that repeat their data (an
// expanded tensor): oneDNN describes neither.
bool interleaves(const TensorView& view);

}  // namespace lenode::cpu
