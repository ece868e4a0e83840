// SPDX-License-Identifier: Apache-2.0
// The floating binary and ternary ops: division, the loss and the gradients of the unary and binary ops.
#include "cuda/pointwise.cuh"

namespace lenode::cuda {

template <class F>
void run_binary_float(Context& context, const Call& call) {
  run_pointwise<BinaryBody, F, false>(context, call, 1, call.f(0));
}
template <class F>
void run_ternary_float(Context& context, const Call& call) {
  run_pointwise<TernaryBody, F, false>(context, call, 1, call.f(0));
}

#define LENODE_UNARY(name, attrs)
#define LENODE_UNARY_FLOAT(name, attrs)
#define LENODE_PREDICATE(name)
#define LENODE_BINARY(name, attrs)
#define LENODE_BINARY_FLOAT(name, attrs) template void run_binary_float<functor::name>(Context&, const Call&);
#define LENODE_COMPARE(name)
#define LENODE_TERNARY_FLOAT(name) template void run_ternary_float<functor::name>(Context&, const Call&);
#define LENODE_OP(name, inputs, outputs, attrs, devices)
#include "core/ops.def"

}  // namespace lenode::cuda
