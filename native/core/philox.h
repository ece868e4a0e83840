// SPDX-License-Identifier: Apache-2.0
// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a counter-based
// generator, so every element's number depends on (seed, position) alone and both backends agree.
#pragma once
#include <cmath>
#include <cstdint>

#include "core/functors.h"

namespace lenode {

struct PhiloxBlock {
  uint32_t lane[4];
};

LENODE_HD PhiloxBlock philox(uint64_t seed, uint64_t block) {
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32), c2 = 0, c3 = 0;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(0xD2511F53u) * c0;
    const uint64_t product1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    const uint32_t n0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(product1);
    c3 = static_cast<uint32_t>(product0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// [0, 1) with 24 random bits: exact in float32.
LENODE_HD float philox_uniform(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

// [low, high) with `precision` random bits: as many as the result's dtype holds (at most 24), so that rounding to it
// does not reach `high`. The fused product rounds alike on every device.
LENODE_HD float philox_uniform_in(uint32_t bits, float low, float high, int precision) {
  const float u = static_cast<float>(bits >> (32 - precision)) / static_cast<float>(1u << precision);
  const float x = ::fmaf(u, high - low, low);
  return x < high ? x : low;
}
LENODE_HD double philox_uniform_in(uint32_t bits, double low, double high, int precision) {
  const double u = static_cast<double>(bits >> (32 - precision)) / static_cast<double>(1u << precision);
  const double x = ::fma(u, high - low, low);
  return x < high ? x : low;
}

// Element `lane` of the block as a standard normal (Box-Muller on lanes 0,1 and 2,3).
LENODE_HD float philox_normal(const PhiloxBlock& block, int lane) {
  const int pair = lane & 2;
  const float u = (static_cast<float>(block.lane[pair] >> 8) + 1.0f) * 0x1p-24f;  // (0, 1]: log stays finite
  const float angle = 6.2831853071795865f * philox_uniform(block.lane[pair + 1]);
  const float radius = ::sqrtf(-2.0f * ::logf(u));
  return (lane & 1) ? radius * ::sinf(angle) : radius * ::cosf(angle);
}

LENODE_HD int64_t philox_integer(uint32_t bits, int64_t low, int64_t high) {
  const uint64_t range = static_cast<uint64_t>(high - low);
  return low + static_cast<int64_t>((static_cast<uint64_t>(bits) * range) >> 32);
}

}  // namespace lenode
