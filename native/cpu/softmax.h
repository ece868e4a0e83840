// SPDX-License-Identifier: Apache-2.0
// What softmax and cross entropy share: the parts of log(sum(exp(line))).
#pragma once
#include "cpu/simd_math.h"

#include <cstdint>
#include <limits>

#include "core/functors.h"

namespace lenode::cpu {

// NaN may be missed here; line_sum_exp() finds it.
template <class T>
inline T line_max(const T* x, int64_t n) {
  T largest = -std::numeric_limits<T>::infinity();
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

template <class T>
inline double line_sum_exp(const T* x, T largest, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += functor::exp_(x[i] - largest);
  return sum;
}

}  // namespace lenode::cpu
