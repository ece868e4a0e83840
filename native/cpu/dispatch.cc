// SPDX-License-Identifier: Apache-2.0
// The table of handlers, in the order of core/ops.def.
#include "cpu/dispatch.h"

#include "core/error.h"
#include "core/functors.h"
#include "cpu/handlers.h"

namespace lenode::cpu {
namespace {

constexpr Handler kHandlers[] = {
#define LENODE_UNARY(name, attrs) &run_unary<functor::name>,
#define LENODE_UNARY_FLOAT(name, attrs) &run_unary_float<functor::name>,
#define LENODE_PREDICATE(name) &run_predicate<functor::name>,
#define LENODE_BINARY(name, attrs) &run_binary<functor::name>,
#define LENODE_BINARY_FLOAT(name, attrs) &run_binary_float<functor::name>,
#define LENODE_COMPARE(name) &run_compare<functor::name>,
#define LENODE_TERNARY_FLOAT(name) &run_ternary_float<functor::name>,
#define LENODE_OP(name, inputs, outputs, attrs, devices) &op_##name,
#include "core/ops.def"
};
static_assert(sizeof kHandlers / sizeof kHandlers[0] == kOpCount);

}  // namespace

void dispatch(Context& context, const Call& call) {
  const int index = static_cast<int>(call.op);
  LENODE_CHECK(index >= 0 && index < kOpCount, "unknown op " + std::to_string(index));
  kHandlers[index](context, call);
}

}  // namespace lenode::cpu
