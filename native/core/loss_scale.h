// SPDX-License-Identifier: Apache-2.0
// What scaling a loss does to one gradient and to the scale, written once for the CPU loops and the CUDA kernels.
#pragma once
#include "core/functors.h"
#include "core/op.h"

namespace lenode::loss_scale {

// The factor that takes the scale off; T is the compute type of the gradients.
template <class T>
LENODE_HD T inverse(float scale) {
  return static_cast<T>(1.0 / static_cast<double>(scale));
}

// Returns whether the gradient is infinite or NaN without its scale.
template <class T>
LENODE_HD bool unscale(T& gradient, T inverse) {
  gradient *= inverse;
  return functor::is_nan(gradient - gradient);
}

struct Adaptation {
  double growth, backoff;
  int32_t interval;

  explicit Adaptation(const Call& call) {
    using a = op::update_scale::attr;
    growth = call.f(a::growth_factor);
    backoff = call.f(a::backoff_factor);
    interval = static_cast<int32_t>(call.i(a::growth_interval));
  }

  LENODE_HD void apply(bool found, float& scale, int32_t& good_steps) const {
    if (found) {
      scale = static_cast<float>(scale * backoff);
      good_steps = 0;
    } else if (++good_steps == interval) {
      const float grown = static_cast<float>(scale * growth);
      if (!functor::is_nan(grown - grown)) scale = grown;
      good_steps = 0;
    }
  }
};

}  // namespace lenode::loss_scale
