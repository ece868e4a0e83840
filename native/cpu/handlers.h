// SPDX-License-Identifier: Apache-2.0
// The declarations of all CPU handlers, generated from the op table: op_NAME for an ordinary row, a template over
// the row's functor for a family.
#pragma once
#include "core/functors.h"
#include "core/op.h"

namespace lenode::cpu {

struct Context;
using Handler = void (*)(Context&, const Call&);

template <class F> void run_unary(Context&, const Call&);
template <class F> void run_unary_float(Context&, const Call&);
template <class F> void run_predicate(Context&, const Call&);
template <class F> void run_binary(Context&, const Call&);
template <class F> void run_binary_float(Context&, const Call&);
template <class F> void run_compare(Context&, const Call&);
template <class F> void run_ternary_float(Context&, const Call&);

#define LENODE_UNARY(name, attrs)
#define LENODE_UNARY_FLOAT(name, attrs)
#define LENODE_PREDICATE(name)
#define LENODE_BINARY(name, attrs)
#define LENODE_BINARY_FLOAT(name, attrs)
#define LENODE_COMPARE(name)
#define LENODE_TERNARY_FLOAT(name)
#define LENODE_OP(name, inputs, outputs, attrs, devices) void op_##name(Context& context, const Call& call);
#include "core/ops.def"

}  // namespace lenode::cpu
