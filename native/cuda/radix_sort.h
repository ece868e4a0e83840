// SPDX-License-Identifier: Apache-2.0
// CUB's radix sort in one instantiation, in a translation unit of its own because it compiles slowly.
#pragma once
#include <cstdint>

#include "cuda/context.h"

namespace lenode::cuda {

// Two halves of scratch that the sort alternates between; `keys` and `values` point at the filled ones.
struct SortBuffers {
  uint64_t *keys, *other_keys;
  int64_t *values, *other_values;
};

// Stable and ascending by the lowest `bits` bits of the keys.
void radix_sort(Context& context, SortBuffers& buffers, int64_t count, int bits);

}  // namespace lenode::cuda
