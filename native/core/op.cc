// SPDX-License-Identifier: Apache-2.0
#include "core/op.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"

namespace lenode {

const OpInfo& op_info(OpId id) {
  static const OpInfo table[] = {
#define LENODE_OP(name, inputs, outputs, attrs, devices) {#name, #inputs, #outputs, #attrs, devices},
#include "core/ops.def"
  };
  return table[static_cast<int>(id)];
}

namespace {

// "(x, weight, bias_opt)"
std::vector<std::string> names_of(const std::string& list) {
  std::vector<std::string> names;
  for (size_t begin = 1; begin < list.size() && list[begin] != ')';) {
    const size_t end = list.find_first_of(",)", begin);
    names.push_back(list.substr(begin, end - begin));
    begin = list.find_first_not_of(" \n", end + 1);
  }
  return names;
}

bool ends_in(const std::string& name, const char* end) {
  const std::string ending = end;
  return name.size() > ending.size() && name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
}

Arity::List arity_of_list(const char* list) {
  Arity::List result;
  for (const std::string& name : names_of(list)) {
    if (ends_in(name, "_list")) {
      result.more = true;
      continue;
    }
    if (ends_in(name, "_opt")) result.optional |= 1u << result.count;
    ++result.count;
  }
  return result;
}

// The roles that ops.def's names and families imply; outputs beyond the last name share its role.
struct Roles {
  std::vector<OutputRole> of[kOpCount];

  Roles() {
    for (int id = 0; id < kOpCount; ++id)
      for (const std::string& name : names_of(op_info(static_cast<OpId>(id)).outputs)) of[id].push_back(role_of(name));
#define LENODE_OP(...)
#define LENODE_STEP(name, ...) set(OpId::name, OutputRole::lasting);
#include "core/ops.def"
    set(OpId::update_scale, OutputRole::lasting);
    for (OpId id : {OpId::fill, OpId::copy, OpId::arange}) set(id, OutputRole::overwritten);
    for (OpId id : {OpId::rand, OpId::randn, OpId::randint, OpId::unscale})
      of[static_cast<int>(id)][0] = OutputRole::overwritten;
  }

  void set(OpId id, OutputRole role) {
    for (OutputRole& own : of[static_cast<int>(id)]) own = role;
  }

  static OutputRole role_of(const std::string& name) {
    if (name == "state") return OutputRole::generator;
    return name.rfind("running_", 0) == 0 || name == "batches_opt" ? OutputRole::lasting : OutputRole::updated;
  }
};

}  // namespace

// Neither table is ever destroyed: a stream may be at work when main() has ended.
const Arity& arity_of(OpId id) {
  static const Arity* const table = [] {
    auto* arities = new Arity[kOpCount];
    for (int i = 0; i < kOpCount; ++i) {
      const OpInfo& info = op_info(static_cast<OpId>(i));
      arities[i] = {arity_of_list(info.inputs), arity_of_list(info.outputs),
                    static_cast<int32_t>(names_of(info.attrs).size())};
    }
    return arities;
  }();
  return table[static_cast<int>(id)];
}

OutputRole output_role(OpId id, int output) {
  static const Roles& roles = *new Roles;
  const auto& own = roles.of[static_cast<int>(id)];
  return own.empty() ? OutputRole::updated : own[std::min<size_t>(static_cast<size_t>(output), own.size() - 1)];
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
  result.storage = view.storage;
  result.whole = view.whole;
  result.kept = view.kept;
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
