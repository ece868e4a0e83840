// SPDX-License-Identifier: Apache-2.0
#include "core/op.h"

#include "core/error.h"

namespace lenode {

const OpInfo& op_info(OpId id) {
  static const OpInfo table[] = {
#define LENODE_OP(name, inputs, outputs, attrs, devices) {#name, #inputs, #outputs, #attrs, devices},
#include "core/ops.def"
  };
  return table[static_cast<int>(id)];
}

bool broadcasts(OpId id) {
  static const auto table = [] {
    struct {
      bool flags[kOpCount] = {};
    } t;
    auto set = [&](OpId op) { t.flags[static_cast<int>(op)] = true; };
#define LENODE_OP(...)
#define LENODE_UNARY(...)
#define LENODE_UNARY_FLOAT(...)
#define LENODE_PREDICATE(...)
#define LENODE_REDUCE(...)
#define LENODE_BINARY(name, attrs) set(OpId::name);
#define LENODE_BINARY_FLOAT(name, attrs) set(OpId::name);
#define LENODE_COMPARE(name) set(OpId::name);
#define LENODE_TERNARY_FLOAT(name) set(OpId::name);
#include "core/ops.def"
    set(OpId::where);
    set(OpId::copy);
    return t;
  }();
  return table.flags[static_cast<int>(id)];
}

TensorView broadcast_view(const TensorView& view, const TensorView& target) {
  if (!view.present() || same_shape(view, target)) return view;
  TensorView result = target;
  result.data = view.data;
  result.dtype = view.dtype;
  const int extra = target.rank - view.rank;
  for (int i = 0; i < target.rank; ++i) {
    const int64_t size = i < extra ? 1 : view.dims[i - extra];
    if (extra < 0 || (size != 1 && size != target.dims[i]))
      fail(ErrorCode::invalid, "an operand cannot be broadcast to the result's shape");
    result.strides[i] = size == 1 ? 0 : view.strides[i - extra];
  }
  return result;
}

}  // namespace lenode
