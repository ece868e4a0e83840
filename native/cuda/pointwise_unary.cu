// SPDX-License-Identifier: Apache-2.0
#include "cuda/pointwise.cuh"

namespace lenode::cuda {

template <class F>
void run_unary(Context& context, const Call& call) {
  run_pointwise<UnaryBody, F, true>(context, call, 0, 0);
}
template <class F>
void run_unary_float(Context& context, const Call& call) {
  run_pointwise<UnaryBody, F, false>(context, call, 0, 0);
}

#define LENODE_UNARY(name, attrs) template void run_unary<functor::name>(Context&, const Call&);
#define LENODE_UNARY_FLOAT(name, attrs) template void run_unary_float<functor::name>(Context&, const Call&);
#define LENODE_PREDICATE(name)
#define LENODE_BINARY(name, attrs)
#define LENODE_BINARY_FLOAT(name, attrs)
#define LENODE_COMPARE(name)
#define LENODE_TERNARY_FLOAT(name)
#define LENODE_OP(name, inputs, outputs, attrs, devices)
#include "core/ops.def"

}  // namespace lenode::cuda
