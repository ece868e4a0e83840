// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/op.h"

namespace lenode::cpu {

struct Context;

// Runs the call's handler; throws lenode::Error, dnnl::error or std::bad_alloc.
void dispatch(Context& context, const Call& call);

}  // namespace lenode::cpu
