// SPDX-License-Identifier: Apache-2.0
#include "cuda/pointwise.cuh"

namespace lenode::cuda {

template <class F>
void run_binary(Context& context, const Call& call) {
  run_pointwise<BinaryBody, F, true>(context, call, 1, call.f(0));
}

#define LENODE_UNARY(name, attrs)
#define LENODE_UNARY_FLOAT(name, attrs)
#define LENODE_PREDICATE(name)
#define LENODE_BINARY(name, attrs) template void run_binary<functor::name>(Context&, const Call&);
#define LENODE_BINARY_FLOAT(name, attrs)
#define LENODE_COMPARE(name)
#define LENODE_TERNARY_FLOAT(name)
#define LENODE_OP(name, inputs, outputs, attrs, devices)
#include "core/ops.def"

}  // namespace lenode::cuda
