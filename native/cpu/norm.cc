// SPDX-License-Identifier: Apache-2.0
#include "cpu/norm.h"

namespace lenode::cpu {

NormShape::NormShape(const Call& call, const TensorView& x) : x_(x) {
  const std::string name = op_info(call.op).name;
  if (x.rank < 2 || x.rank > 5) fail(ErrorCode::invalid, name + ": expected a tensor [N, C, spatial...] of rank 2 to 5");
  n = x.dims[0];
  c = x.dims[1];
  spatial = 1;
  for (int i = 2; i < x.rank; ++i) spatial *= x.dims[i];
  // With one channel or one pixel the two orders are one; the one that makes long runs is taken.
  const bool rows_of_memory = x.channels_last() || (spatial == 1 && x.contiguous());
  columns = rows_of_memory && (c > 1 || spatial == 1);
  if (!rows_of_memory && !x.contiguous())
    fail(ErrorCode::invalid, name + ": expected a dense tensor, row-major or channels-last");
}

void NormShape::check_like(const Call& call, const TensorView& view) const {
  if (!view.present()) return;
  bool alike = same_shape(view, x_);
  for (int i = 0; i < x_.rank; ++i) alike = alike && (x_.dims[i] == 1 || view.strides[i] == x_.strides[i]);
  if (!alike && numel() > 0)
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected operands laid out as the input is");
}

}  // namespace lenode::cpu
