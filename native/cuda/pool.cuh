// SPDX-License-Identifier: Apache-2.0
// The geometry of pooling windows, in three spatial dimensions: fewer are filled up in front with size 1.
#pragma once
#include <algorithm>

#include "core/functors.h"

namespace lenode::cuda {

// Spatial coordinates travel through an Indexer as one operand: 19, 20 and 24 bits.
struct PoolPoint {
  int d, h, w;
};
constexpr int64_t kPointSteps[3] = {int64_t{1} << 44, int64_t{1} << 24, 1};
constexpr int64_t kPointLimits[3] = {int64_t{1} << 19, int64_t{1} << 20, int64_t{1} << 24};

LENODE_HD PoolPoint pool_point(int64_t packed) {
  return {static_cast<int>(packed >> 44), static_cast<int>(packed >> 24 & 0xfffff), static_cast<int>(packed & 0xffffff)};
}

// A range of positions, `step` apart.
struct PoolRange {
  int begin, end, step;
};

struct PoolAxis {
  int input, output;  // sizes
  int kernel, stride, padding, dilation;

  // The input positions of output o's window that lie inside the input.
  LENODE_HD PoolRange window(int o) const {
    const int64_t first = static_cast<int64_t>(o) * stride - padding;
    const int64_t last = first + static_cast<int64_t>(kernel - 1) * dilation;
    const int64_t skipped = first < 0 ? (-first + dilation - 1) / dilation : 0;
    return {static_cast<int>(first + skipped * dilation), static_cast<int>(last < input ? last + 1 : input), dilation};
  }

  // The outputs whose window may contain input position i (all of them if dilation is 1).
  LENODE_HD PoolRange outputs(int i) const {
    const int64_t span = static_cast<int64_t>(kernel - 1) * dilation, padded = static_cast<int64_t>(i) + padding;
    const int64_t first = padded > span ? (padded - span + stride - 1) / stride : 0;
    const int64_t last = padded / stride;
    return {static_cast<int>(first), static_cast<int>(last < output ? last + 1 : output), 1};
  }

  // How many positions an average divides by: those inside the input, or inside the input and its padding.
  LENODE_HD int divisor(int o, bool count_padding) const {
    const int64_t first = static_cast<int64_t>(o) * stride - padding, end = first + kernel;
    const int64_t low = count_padding ? first : (first > 0 ? first : 0);
    const int64_t limit = count_padding ? static_cast<int64_t>(input) + padding : input;
    return static_cast<int>((end < limit ? end : limit) - low);
  }
};

struct PoolGeometry {
  PoolAxis d, h, w;
};

}  // namespace lenode::cuda
