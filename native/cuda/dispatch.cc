// SPDX-License-Identifier: Apache-2.0
// The handler of every row of core/ops.def. A row that names CUDA and has no handler is a link error; a row that does
// not name CUDA gives an error at run time.
#include <string>

#include "core/error.h"
#include "core/functors.h"
#include "cuda/context.h"
#include "cuda/handlers.h"

namespace lenode::cuda {

namespace {

using Handler = void (*)(Context&, const Call&);

const Handler kHandlers[] = {
#define LENODE_UNARY(name, attrs) &run_unary<functor::name>,
#define LENODE_UNARY_FLOAT(name, attrs) &run_unary_float<functor::name>,
#define LENODE_PREDICATE(name) &run_predicate<functor::name>,
#define LENODE_BINARY(name, attrs) &run_binary<functor::name>,
#define LENODE_BINARY_FLOAT(name, attrs) &run_binary_float<functor::name>,
#define LENODE_COMPARE(name) &run_compare<functor::name>,
#define LENODE_TERNARY_FLOAT(name) &run_ternary_float<functor::name>,
#define LENODE_OP(name, inputs, outputs, attrs, devices)                                             \
  [](Context& context, const Call& call) {                                                           \
    if constexpr (((devices) & kDeviceCuda) != 0)                                                    \
      op_##name(context, call);                                                                      \
    else                                                                                             \
      fail(ErrorCode::unsupported, #name ": there is no CUDA implementation; move the operands to the CPU"); \
  },
#include "core/ops.def"
};
static_assert(sizeof(kHandlers) / sizeof(kHandlers[0]) == kOpCount, "one handler for each row");

}  // namespace

void dispatch(Context& context, const Call& call) {
  const int op = static_cast<int>(call.op);
  LENODE_CHECK(op >= 0 && op < kOpCount, "unknown op " + std::to_string(op));
  kHandlers[op](context, call);
}

}  // namespace lenode::cuda
