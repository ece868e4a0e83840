// SPDX-License-Identifier: Apache-2.0
// What batch normalisation's forward and backward passes share.
#pragma once
#include "cpu/norm.h"

namespace lenode::cpu {

// The result before residual and relu. The backward pass computes it again, by this same expression, to know
// where relu let it pass.
template <class T>
inline __attribute__((always_inline)) T normalized(T x, T mean, T scale, T shift) {
  return (x - mean) * scale + shift;
}

// f(first, count) for the runs of a line.
template <class F>
inline void for_runs(int64_t length, F&& f) {
  for (int64_t first = 0; first < length; first += kRunElements) f(first, std::min(kRunElements, length - first));
}

}  // namespace lenode::cpu
