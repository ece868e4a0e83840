// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/op.h"

namespace lenode::cpu {

// y = x, converted to y's dtype; x has y's shape or broadcasts to it.
void copy_view(const TensorView& x, const TensorView& y);
void fill_view(const TensorView& y, double value);
// What an op leaves behind when it finds a bad index: a result that cannot be mistaken for a good one.
void fill_outputs_with_nan(const Call& call);

}  // namespace lenode::cpu
