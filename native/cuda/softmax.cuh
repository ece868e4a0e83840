// SPDX-License-Identifier: Apache-2.0
// The sum of exponentials of a line in one pass, relative to the maximum seen so far.
#pragma once
#include "cuda/lines.cuh"

namespace lenode::cuda {

template <class T>
struct Exponentials {
  T max, sum;  // sum of exp(x - max)
};

template <class T>
struct SumExponentials {
  using Acc = Exponentials<T>;
  __device__ Acc identity() const { return {-static_cast<T>(INFINITY), T(0)}; }
  __device__ void add(Acc& acc, T x) const {
    if (x > acc.max) {
      // x - x is NaN for an infinite x, as it has to be.
      acc.sum = acc.sum * functor::exp_(acc.max - x) + (T(1) + (x - x));
      acc.max = x;
    } else if (x != -static_cast<T>(INFINITY)) {
      acc.sum += functor::exp_(x - acc.max);
    }
  }
  __device__ Acc merge(const Acc& a, const Acc& b) const {
    if (b.sum == T(0)) return a;
    if (a.sum == T(0)) return b;
    const T max = a.max > b.max ? a.max : b.max;
    return {max, a.sum * functor::exp_(a.max - max) + b.sum * functor::exp_(b.max - max)};
  }
};

}  // namespace lenode::cuda
