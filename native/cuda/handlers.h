// SPDX-License-Identifier: Apache-2.0
// The CUDA handlers, one per row of core/ops.def: families as templates over the functors, the rest as functions
// named op_<row>. Each enqueues kernels on context.stream and never waits, so any of them can be captured.
#pragma once
#include "core/op.h"

namespace lenode::cuda {

struct Context;

template <class F>
void run_unary(Context& context, const Call& call);
template <class F>
void run_unary_float(Context& context, const Call& call);
template <class F>
void run_predicate(Context& context, const Call& call);
template <class F>
void run_binary(Context& context, const Call& call);
template <class F>
void run_binary_float(Context& context, const Call& call);
template <class F>
void run_compare(Context& context, const Call& call);
template <class F>
void run_ternary_float(Context& context, const Call& call);

#define LENODE_UNARY(name, attrs)
#define LENODE_UNARY_FLOAT(name, attrs)
#define LENODE_PREDICATE(name)
#define LENODE_BINARY(name, attrs)
#define LENODE_BINARY_FLOAT(name, attrs)
#define LENODE_COMPARE(name)
#define LENODE_TERNARY_FLOAT(name)
#define LENODE_OP(name, inputs, outputs, attrs, devices) void op_##name(Context& context, const Call& call);
#include "core/ops.def"

}  // namespace lenode::cuda
