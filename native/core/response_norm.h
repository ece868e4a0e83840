// SPDX-License-Identifier: Apache-2.0
// What both backends share of local response normalisation.
#pragma once
#include "core/functors.h"

namespace lenode {

// x^-beta for x > 0, by square roots where they do it: the paper's 3/4 among them.
enum class Exponent { three_quarters, half, one, other };

inline Exponent exponent_of(double beta) {
  return beta == 0.75  ? Exponent::three_quarters
         : beta == 0.5 ? Exponent::half
         : beta == 1   ? Exponent::one
                       : Exponent::other;
}

template <class T>
LENODE_HD T inverse_power(Exponent exponent, T x, T beta) {
  if (exponent == Exponent::one) return T(1) / x;
  if (exponent == Exponent::other) return functor::pow_(x, -beta);
  const T root = T(1) / functor::sqrt_(x);
  return exponent == Exponent::half ? root : root * functor::sqrt_(root);
}

}  // namespace lenode
