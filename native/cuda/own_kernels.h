// SPDX-License-Identifier: Apache-2.0
// The implementations by own kernels of ops that cuDNN may do instead (batch_norm.cc, pool.cc). They do every case.
#pragma once
#include "core/op.h"

namespace lenode::cuda {

struct Context;

namespace own {

void batch_norm(Context& context, const Call& call);
// The part of batch_norm that cuDNN is not asked for: counts the batch, and moves the running statistics towards the
// mean and inv_std that the call has already got.
void update_running_statistics(Context& context, const Call& call);
void batch_norm_backward(Context& context, const Call& call);
void max_pool(Context& context, const Call& call);
void avg_pool(Context& context, const Call& call);
void avg_pool_backward(Context& context, const Call& call);

}  // namespace own

}  // namespace lenode::cuda
