// SPDX-License-Identifier: Apache-2.0
// From the number of an element to its offset in each operand: dimensions are ordered by the first operand's
// strides, merged where all operands allow it, and divided by multiplication while indices stay below 2^31.
#pragma once
#include <cstdint>
#include <utility>

#include "core/functors.h"
#include "core/tensor_view.h"

#ifdef __CUDA_ARCH__
#define LENODE_UNROLL _Pragma("unroll")
#else
#define LENODE_UNROLL
#endif

namespace lenode::cuda {

// n / divisor for n < 2^31 and 1 <= divisor < 2^31 (Granlund and Montgomery, "Division by invariant integers
// using multiplication", 1994).
struct FastDivide {
  uint32_t divisor = 1, multiplier = 1, shift = 0;

  FastDivide() = default;
  explicit FastDivide(uint32_t d) : divisor(d) {
    while ((uint64_t{1} << shift) < d) ++shift;
    multiplier = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - d)) / d + 1);
  }
  LENODE_HD uint32_t divide(uint32_t n) const {
    const uint32_t high = static_cast<uint32_t>((static_cast<uint64_t>(n) * multiplier) >> 32);
    return (high + n) >> shift;
  }
};

constexpr int64_t kNarrowLimit = int64_t{1} << 31;

// Kernel parameter. Dimension 0 is the innermost.
template <int N>
struct Indexer {
  int32_t rank = 0;
  bool wide = false;  // more elements than FastDivide can number
  FastDivide dividers[kMaxRank];
  int64_t sizes[kMaxRank] = {};
  int64_t strides[N][kMaxRank] = {};

  LENODE_HD void offsets(int64_t index, int64_t (&out)[N]) const {
    LENODE_UNROLL
    for (int j = 0; j < N; ++j) out[j] = 0;
    if (rank == 0) return;
    if (wide) return wide_offsets(index, out);
    uint32_t rest = static_cast<uint32_t>(index);
    int d = 0;
    LENODE_UNROLL
    for (; d < kMaxRank - 1; ++d) {
      if (d == rank - 1) break;
      const uint32_t quotient = dividers[d].divide(rest);
      const uint32_t coordinate = rest - quotient * dividers[d].divisor;
      LENODE_UNROLL
      for (int j = 0; j < N; ++j) out[j] += static_cast<int64_t>(coordinate) * strides[j][d];
      rest = quotient;
    }
    LENODE_UNROLL
    for (int j = 0; j < N; ++j) out[j] += static_cast<int64_t>(rest) * strides[j][d];
  }

 private:
  LENODE_HD void wide_offsets(int64_t index, int64_t (&out)[N]) const {
    for (int d = 0; d < rank; ++d) {
      const int64_t quotient = index / sizes[d];
      const int64_t coordinate = index - quotient * sizes[d];
      LENODE_UNROLL
      for (int j = 0; j < N; ++j) out[j] += coordinate * strides[j][d];
      index = quotient;
    }
  }
};

// Collects dimensions on the host and makes an Indexer of them.
template <int N>
struct Layout {
  int rank = 0;
  int64_t sizes[kMaxRank] = {};
  int64_t strides[N][kMaxRank] = {};

  int64_t numel() const {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= sizes[d];
    return n;
  }

  // Size 1 counts for nothing.
  void add(int64_t size, const int64_t (&steps)[N]) {
    if (size == 1) return;
    sizes[rank] = size;
    for (int j = 0; j < N; ++j) strides[j][rank] = steps[j];
    ++rank;
  }

  // Innermost first by the strides of operand 0, then 1, and so on; neighbours that are one run in every operand
  // become one dimension.
  void coalesce() {
    for (int i = 1; i < rank; ++i)
      for (int d = i; d > 0 && inner(d, d - 1); --d) exchange(d, d - 1);
    if (rank == 0) return;
    int last = 0;
    for (int d = 1; d < rank; ++d) {
      if (continues(last, d)) {
        sizes[last] *= sizes[d];
      } else {
        ++last;
        move(d, last);
      }
    }
    rank = last + 1;
  }

  Indexer<N> indexer() const {
    Indexer<N> result;
    result.rank = rank;
    result.wide = numel() >= kNarrowLimit;
    for (int d = 0; d < rank; ++d) {
      result.sizes[d] = sizes[d];
      if (!result.wide && sizes[d] > 0) result.dividers[d] = FastDivide(static_cast<uint32_t>(sizes[d]));
      for (int j = 0; j < N; ++j) result.strides[j][d] = strides[j][d];
    }
    return result;
  }

 private:
  bool inner(int a, int b) const {
    for (int j = 0; j < N; ++j)
      if (strides[j][a] != strides[j][b]) return strides[j][a] < strides[j][b];
    return false;
  }
  bool continues(int a, int b) const {
    for (int j = 0; j < N; ++j)
      if (strides[j][b] != strides[j][a] * sizes[a]) return false;
    return true;
  }
  void move(int from, int to) {
    sizes[to] = sizes[from];
    for (int j = 0; j < N; ++j) strides[j][to] = strides[j][from];
  }
  void exchange(int a, int b) {
    std::swap(sizes[a], sizes[b]);
    for (int j = 0; j < N; ++j) std::swap(strides[j][a], strides[j][b]);
  }
};

// The layout of operands of one shape; absent ones get strides of 0. The first must be present.
template <int N>
Layout<N> layout_of(const TensorView* const (&views)[N]) {
  Layout<N> layout;
  for (int d = views[0]->rank - 1; d >= 0; --d) {
    int64_t steps[N];
    for (int j = 0; j < N; ++j) steps[j] = views[j]->present() ? views[j]->strides[d] : 0;
    layout.add(views[0]->dims[d], steps);
  }
  return layout;
}

// One run of memory, in whatever order of dimensions.
inline bool is_dense(const TensorView& view) {
  Layout<1> layout = layout_of<1>({&view});
  layout.coalesce();
  return layout.rank == 0 || (layout.rank == 1 && layout.strides[0][0] == 1);
}

// Dense, and each operand has the first one's strides: element e in memory is the same element in all.
template <int N>
bool same_dense(const TensorView* const (&views)[N]) {
  Layout<N> layout = layout_of<N>(views);
  layout.coalesce();
  if (layout.rank == 0) return true;
  if (layout.rank != 1) return false;
  for (int j = 0; j < N; ++j)
    if (layout.strides[j][0] != 1) return false;
  return true;
}

}  // namespace lenode::cuda
