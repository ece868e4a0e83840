// SPDX-License-Identifier: Apache-2.0
// Vectors across images: lane i belongs to image i of a block of kLanes. With few channels this fills the vectors that
// a vector across channels would leave mostly empty.
#pragma once
#include <cstdint>

namespace lenode::cpu {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
constexpr int kAccumulators = 24;  // of the 32 registers; the others hold operands
#else
constexpr int kLanes = 8;
constexpr int kAccumulators = 12;
#endif

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), may_alias));
using UnalignedLanes = float __attribute__((vector_size(kLanes * sizeof(float)), may_alias, aligned(alignof(float))));
// packed[j] = element j of `images` images (the other lanes 0), `length` elements each, `stride` floats apart.
void pack_lanes(const float* data, int64_t stride, int images, int64_t length, Lanes* packed);
// The other way round.
void unpack_lanes(const Lanes* packed, float* data, int64_t stride, int images, int64_t length);

}  // namespace lenode::cpu
