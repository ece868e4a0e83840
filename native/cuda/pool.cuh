// SPDX-License-Identifier: Apache-2.0
// The geometry of pooling windows, in three spatial dimensions: fewer are filled up in front with size 1.
#pragma once
#include <cstdint>

#include "core/functors.h"

namespace lenode::cuda {

// A range of positions, `step` apart.
struct PoolRange {
  int begin, end, step;
};

// All sizes and attributes stay below 2^28 (checked where the geometry is made), so int never overflows.
constexpr int64_t kPoolLimit = int64_t{1} << 28;

struct PoolAxis {
  int input, output;  // sizes
  int kernel, stride, padding, dilation;  // a kernel of 0: adaptive, and the others count for nothing

  // The part of n positions that share number i of m covers: the shares may overlap by one position.
  LENODE_HD static PoolRange share(int i, int n, int m) {
    const int64_t begin = static_cast<int64_t>(i) * n / m, end = (static_cast<int64_t>(i + 1) * n + m - 1) / m;
    return {static_cast<int>(begin), static_cast<int>(end), 1};
  }
  LENODE_HD bool adaptive() const { return kernel == 0; }

  // The input positions of output o's window that lie inside the input.
  LENODE_HD PoolRange window(int o) const {
    if (adaptive()) return share(o, input, output);
    const int first = o * stride - padding, last = first + (kernel - 1) * dilation;
    const int skipped = first < 0 ? (-first + dilation - 1) / dilation : 0;
    return {first + skipped * dilation, last < input ? last + 1 : input, dilation};
  }

  // The outputs whose window may contain input position i (all of them if dilation is 1).
  LENODE_HD PoolRange outputs(int i) const {
    if (adaptive()) return share(i, output, input);
    const int span = (kernel - 1) * dilation, padded = i + padding;
    const int first = padded > span ? (padded - span + stride - 1) / stride : 0, last = padded / stride;
    return {first, last < output ? last + 1 : output, 1};
  }

  // How many positions an average divides by: those inside the input, or inside the input and its padding.
  LENODE_HD int divisor(int o, bool count_padding) const {
    if (adaptive()) {
      const PoolRange range = window(o);
      return range.end - range.begin;
    }
    const int first = o * stride - padding, end = first + kernel, limit = count_padding ? input + padding : input;
    return (end < limit ? end : limit) - (count_padding || first > 0 ? first : 0);
  }

  // Whether the attributes fit each other and the sizes.
  bool valid() const {
    if (adaptive()) return input > 0 && output > 0 && input < kPoolLimit && output < kPoolLimit;
    const int64_t span = static_cast<int64_t>(kernel - 1) * dilation;
    return input >= 0 && output >= 0 && kernel > 0 && stride > 0 && padding >= 0 && dilation > 0 &&
           input < kPoolLimit && output < kPoolLimit && stride < kPoolLimit && padding < kPoolLimit &&
           span < kPoolLimit && static_cast<int64_t>(output - 1) * stride - padding < input;
  }
};

struct PoolGeometry {
  PoolAxis d, h, w;
};

}  // namespace lenode::cuda
