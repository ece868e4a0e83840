// SPDX-License-Identifier: Apache-2.0
// What all poolings share: the geometry of the windows, and loops over channels and columns.
#pragma once
#include <type_traits>
#include <vector>

#include "core/op.h"
#include "cpu/image_rows.h"
#include "cpu/parallel.h"
#include "cpu/vector.h"

namespace lenode::cpu {

struct PoolGeometry;

// Window positions [first, last) of one output coordinate that lie inside the input, which they hit at
// start + i * dilation.
struct Span {
  int64_t start, first, last;
  Span(const PoolGeometry& g, int dim, int64_t out);
};

// Three spatial dimensions; missing outer ones have size and kernel 1. x is the large side, y the pooled one.
struct PoolGeometry {
  int64_t n, c;
  int64_t in[3], out[3];
  int64_t kernel[3], stride[3], padding[3], dilation[3];
  bool adaptive[3];           // windows that share the input out evenly; kernel is then the largest one's size
  std::vector<Span> columns;  // of the innermost dimension, for every output

  // Attributes start with kernel0; has_dilation says whether dilation follows the padding.
  PoolGeometry(const Call& call, const TensorView& x, const TensorView& y, bool has_dilation);

  int64_t plane() const { return in[0] * in[1] * in[2]; }
  int64_t window() const { return kernel[0] * kernel[1] * kernel[2]; }
  bool overlapping() const;  // whether an input may lie in two windows
  bool covering() const;     // whether every input lies in some window
};

// ---- loops over channels and columns ---------------------------------------------------
template <int N>
using Constant = std::integral_constant<int, N>;

// f(Constant<L>) with the most lanes that n elements of T fill; n is at least 2.
template <class T, class F>
void with_lanes(int64_t n, F&& f) {
  constexpr int kWidest = kVectorBytes / static_cast<int>(sizeof(T));
  if constexpr (kWidest >= 16) {
    if (n >= 16) return f(Constant<16>{});
  }
  if constexpr (kWidest >= 8) {
    if (n >= 8) return f(Constant<8>{});
  }
  if constexpr (kWidest >= 4) {
    if (n >= 4) return f(Constant<4>{});
  }
  f(Constant<2>{});
}

// f(first, done) for vectors that cover [0, n). The last one reaches back so that it is whole: its first `done` lanes
// have been visited before.
template <int L, class F>
inline __attribute__((always_inline)) void for_vectors(int64_t n, F&& f) {
  int64_t first = 0;
  for (; first + L <= n; first += L) f(first, 0);
  if (first < n) f(n - L, static_cast<int>(first - (n - L)));
}

// Output columns [first, last) for which window position k lies inside the input.
struct Columns {
  int64_t first, last, offset;
  Columns(const PoolGeometry& g, int64_t k) : offset(k * g.dilation[2] - g.padding[2]) {
    const int64_t s = g.stride[2];
    first = offset < 0 ? std::min(g.out[2], (-offset + s - 1) / s) : 0;
    last = offset < g.in[2] ? std::min(g.out[2], (g.in[2] - 1 - offset) / s + 1) : 0;
  }
};

// A window of at least so many pixels is gone through pixel by pixel, which reads memory in its order; a smaller one
// vector by vector, whose sum then stays in a register.
constexpr int64_t kLargeWindow = 12;

// f(Constant<stride>), where 0 stands for any: constant strides make loops that vectorize well.
template <class F>
void with_stride(int64_t stride, F&& f) {
  if (stride == 1) f(Constant<1>{});
  else if (stride == 2) f(Constant<2>{});
  else f(Constant<0>{});
}

// PyTorch's divisor of an average: the window clipped to the padded input, or to the input, or a given number.
struct AverageDivisor {
  bool count_include_pad;
  double given;

  // Product over the dimensions of what extent() counts.
  int64_t extent(const PoolGeometry& g, int dim, int64_t out) const {
    if (g.adaptive[dim]) return Span(g, dim, out).last;
    const int64_t start = out * g.stride[dim] - g.padding[dim];
    const int64_t padded_end = std::min(start + g.kernel[dim], g.in[dim] + g.padding[dim]);
    return count_include_pad ? padded_end - start
                             : std::min(padded_end, g.in[dim]) - std::max<int64_t>(start, 0);
  }
  double of(int64_t extent) const { return given != 0 ? given : static_cast<double>(extent); }
};

}  // namespace lenode::cpu
