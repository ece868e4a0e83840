// SPDX-License-Identifier: Apache-2.0
// What an optimizer's step does to one element, written once for the CPU loops and the CUDA kernels. A rule is named
// as its row in core/ops.def and made of the row's attributes. T is float (for float32, float16, bfloat16) or double.
//
//   kStates     tensors like the parameter that are remembered of it
//   Present     which of them there are, as bits: the combinations that a call may have
//   kScalars    float32 scalars before the lists: the count of steps, and what else changes with it
//   step()      what all elements share in this step, computed in W; the scalars are as the step before left them
//   advance()   the scalars after it
//   apply()     one element, with the states kPresent: parameter and states are changed
#pragma once
#include <cmath>
#include <utility>

#include "core/functors.h"
#include "core/op.h"

namespace lenode::rule {

// The inputs of every row.
enum : int { kRate, kFoundInf, kGradients };

template <unsigned... kBits>
using Sets = std::integer_sequence<unsigned, kBits...>;

// The gradient as rules see it: sign flipped to maximize, with an L2 penalty.
template <class T>
LENODE_HD T regularized(T grad, T parameter, bool maximize, T weight_decay) {
  const T g = maximize ? -grad : grad;
  return weight_decay != T(0) ? g + weight_decay * parameter : g;
}

// As PyTorch's lerp, which is exact at both ends.
template <class T>
LENODE_HD T lerp(T from, T to, T weight) {
  return weight < T(0.5) ? from + weight * (to - from) : to - (to - from) * (T(1) - weight);
}

// NaN wins. Two choices without a jump, so that loops are vectorised.
template <class T>
LENODE_HD T larger(T a, T b) {
  const T top = a > b ? a : b;
  return functor::is_nan(a) ? a : top;
}

// 1 - beta^n from log(beta): expm1 keeps it exact where beta^n is near 1.
template <class W>
LENODE_HD W correction(double log_beta, W n) {
  return -functor::expm1_(n * static_cast<W>(log_beta));
}

// Rules that count steps and nothing else.
struct Counted {
  static constexpr int kScalars = 1;
  LENODE_HD void advance(double, float* scalars) const { scalars[0] += 1.0f; }
};

template <class T>
struct sgd_step {
  static constexpr int kScalars = 0, kStates = 1;  // momentum_buffer
  using Present = Sets<0, 1>;
  T momentum, kept, weight_decay;
  bool nesterov, maximize, first;

  explicit sgd_step(const Call& call) {
    using a = op::sgd_step::attr;
    momentum = static_cast<T>(call.f(a::momentum));
    kept = static_cast<T>(1 - call.f(a::dampening));
    weight_decay = static_cast<T>(call.f(a::weight_decay));
    nesterov = call.f(a::nesterov) != 0;
    maximize = call.f(a::maximize) != 0;
    first = call.f(a::first) != 0;
  }
  static unsigned present(const Call& call) { return call.f(op::sgd_step::attr::momentum) != 0; }

  struct Step {
    T rate;
  };
  template <class W>
  LENODE_HD Step step(W lr, const float*) const {
    return {static_cast<T>(lr)};
  }
  LENODE_HD void advance(double, float*) const {}

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    T g = regularized(grad, parameter, maximize, weight_decay);
    if constexpr (kPresent & 1) {
      const T b = first ? g : momentum * state[0] + kept * g;
      state[0] = b;
      g = nesterov ? g + momentum * b : b;
    }
    parameter -= s.rate * g;
  }
};

template <class T>
struct adam_step : Counted {
  static constexpr int kStates = 3;  // exp_avg, exp_avg_sq, max_exp_avg_sq
  using Present = Sets<0b011, 0b111>;
  double log_beta1, log_beta2, decay;
  T share, square_keep, square_share, eps, weight_decay;
  bool maximize, decoupled;

  explicit adam_step(const Call& call) {
    using a = op::adam_step::attr;
    log_beta1 = std::log(call.f(a::beta1));
    log_beta2 = std::log(call.f(a::beta2));
    decay = call.f(a::weight_decay);
    share = static_cast<T>(1 - call.f(a::beta1));
    square_keep = static_cast<T>(call.f(a::beta2));
    square_share = static_cast<T>(1 - call.f(a::beta2));
    eps = static_cast<T>(call.f(a::eps));
    maximize = call.f(a::maximize) != 0;
    decoupled = call.f(a::decoupled) != 0;
    weight_decay = static_cast<T>(decoupled ? 0 : decay);
  }
  static unsigned present(const Call& call) { return call.f(op::adam_step::attr::amsgrad) != 0 ? 0b111 : 0b011; }

  struct Step {
    T keep, size, root;
  };
  template <class W>
  LENODE_HD Step step(W lr, const float* scalars) const {
    const W n = static_cast<W>(scalars[0]) + W(1);
    return {static_cast<T>(decoupled ? W(1) - lr * static_cast<W>(decay) : W(1)),
            static_cast<T>(lr / correction(log_beta1, n)), static_cast<T>(functor::sqrt_(correction(log_beta2, n)))};
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    parameter *= s.keep;
    const T g = regularized(grad, parameter, maximize, weight_decay);
    state[0] = lerp(state[0], g, share);
    state[1] = square_keep * state[1] + square_share * g * g;
    T square = state[1];
    if constexpr (kPresent & 0b100) square = state[2] = larger(state[2], square);
    parameter -= s.size * (state[0] / (functor::sqrt_(square) / s.root + eps));
  }
};

template <class T>
struct nadam_step {
  static constexpr int kScalars = 2;  // step, mu_product
  static constexpr int kStates = 2;   // exp_avg, exp_avg_sq
  using Present = Sets<0b11>;
  double beta1, log_beta2, decay, momentum_decay;
  T share, square_keep, square_share, eps, weight_decay;
  bool maximize, decoupled;

  explicit nadam_step(const Call& call) {
    using a = op::nadam_step::attr;
    beta1 = call.f(a::beta1);
    log_beta2 = std::log(call.f(a::beta2));
    decay = call.f(a::weight_decay);
    momentum_decay = call.f(a::momentum_decay);
    share = static_cast<T>(1 - beta1);
    square_keep = static_cast<T>(call.f(a::beta2));
    square_share = static_cast<T>(1 - call.f(a::beta2));
    eps = static_cast<T>(call.f(a::eps));
    maximize = call.f(a::maximize) != 0;
    decoupled = call.f(a::decoupled) != 0;
    weight_decay = static_cast<T>(decoupled ? 0 : decay);
  }
  static unsigned present(const Call&) { return 0b11; }

  // The momentum of step n.
  template <class W>
  LENODE_HD W momentum(W n) const {
    constexpr double kLogBase = -0.040821994520255166;  // log(0.96)
    return static_cast<W>(beta1) * (W(1) - W(0.5) * functor::exp_(n * static_cast<W>(momentum_decay * kLogBase)));
  }
  // Kept in float32, as by PyTorch.
  template <class W>
  LENODE_HD float product(W n, const float* scalars) const {
    return scalars[1] * static_cast<float>(momentum(n));
  }

  struct Step {
    T keep, root, grad_size, size;
  };
  template <class W>
  LENODE_HD Step step(W lr, const float* scalars) const {
    const W n = static_cast<W>(scalars[0]) + W(1), next = momentum(n + W(1));
    const W all = static_cast<W>(product(n, scalars));
    return {static_cast<T>(decoupled ? W(1) - lr * static_cast<W>(decay) : W(1)),
            static_cast<T>(functor::sqrt_(correction(log_beta2, n))),
            static_cast<T>(lr * (W(1) - momentum(n)) / (W(1) - all)),
            static_cast<T>(lr * next / (W(1) - all * next))};
  }
  LENODE_HD void advance(double, float* scalars) const {
    scalars[0] += 1.0f;
    scalars[1] = product(static_cast<double>(scalars[0]), scalars);
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    parameter *= s.keep;
    const T g = regularized(grad, parameter, maximize, weight_decay);
    state[0] = lerp(state[0], g, share);
    state[1] = square_keep * state[1] + square_share * g * g;
    const T root = functor::sqrt_(state[1]) / s.root + eps;
    parameter -= (s.grad_size * g + s.size * state[0]) / root;
  }
};

template <class T>
struct radam_step : Counted {
  static constexpr int kStates = 2;  // exp_avg, exp_avg_sq
  using Present = Sets<0b11>;
  double log_beta1, log_beta2, beta2, decay;
  T share, square_keep, square_share, eps, weight_decay;
  bool maximize, decoupled;

  explicit radam_step(const Call& call) {
    using a = op::radam_step::attr;
    beta2 = call.f(a::beta2);
    log_beta1 = std::log(call.f(a::beta1));
    log_beta2 = std::log(beta2);
    decay = call.f(a::weight_decay);
    share = static_cast<T>(1 - call.f(a::beta1));
    square_keep = static_cast<T>(beta2);
    square_share = static_cast<T>(1 - beta2);
    eps = static_cast<T>(call.f(a::eps));
    maximize = call.f(a::maximize) != 0;
    decoupled = call.f(a::decoupled) != 0;
    weight_decay = static_cast<T>(decoupled ? 0 : decay);
  }
  static unsigned present(const Call&) { return 0b11; }

  struct Step {
    T keep, plain, rectified;  // one of the two rates is 0
  };
  // In double whatever W is: the length of the average is a small difference of large numbers.
  template <class W>
  LENODE_HD Step step(W lr, const float* scalars) const {
    const double n = static_cast<double>(scalars[0]) + 1, rate = lr / correction(log_beta1, n);
    const double rest = correction(log_beta2, n), limit = 2 / (1 - beta2) - 1;
    const double length = limit - 2 * n * (1 - rest) / rest;
    const bool tractable = length > 5;
    const double rectification =
        tractable ? functor::sqrt_((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) : 0;
    return {static_cast<T>(decoupled ? 1 - lr * decay : 1), static_cast<T>(tractable ? 0 : rate),
            static_cast<T>(rate * functor::sqrt_(rest) * rectification)};
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    parameter *= s.keep;
    const T g = regularized(grad, parameter, maximize, weight_decay);
    state[0] = lerp(state[0], g, share);
    state[1] = square_keep * state[1] + square_share * g * g;
    const T rate = s.plain != T(0) ? s.plain : s.rectified / (functor::sqrt_(state[1]) + eps);
    parameter -= rate * state[0];
  }
};

template <class T>
struct adamax_step : Counted {
  static constexpr int kStates = 2;  // exp_avg, exp_inf
  using Present = Sets<0b11>;
  double log_beta1;
  T share, norm_keep, eps, weight_decay;
  bool maximize;

  explicit adamax_step(const Call& call) {
    using a = op::adamax_step::attr;
    log_beta1 = std::log(call.f(a::beta1));
    share = static_cast<T>(1 - call.f(a::beta1));
    norm_keep = static_cast<T>(call.f(a::beta2));
    eps = static_cast<T>(call.f(a::eps));
    weight_decay = static_cast<T>(call.f(a::weight_decay));
    maximize = call.f(a::maximize) != 0;
  }
  static unsigned present(const Call&) { return 0b11; }

  struct Step {
    T size;
  };
  template <class W>
  LENODE_HD Step step(W lr, const float* scalars) const {
    return {static_cast<T>(lr / correction(log_beta1, static_cast<W>(scalars[0]) + W(1)))};
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    const T g = regularized(grad, parameter, maximize, weight_decay);
    state[0] = lerp(state[0], g, share);
    state[1] = larger(state[1] * norm_keep, functor::abs_(g) + eps);
    parameter -= s.size * (state[0] / state[1]);
  }
};

template <class T>
struct adagrad_step : Counted {
  static constexpr int kStates = 1;  // sum
  using Present = Sets<1>;
  double lr_decay;
  T eps, weight_decay;
  bool maximize;

  explicit adagrad_step(const Call& call) {
    using a = op::adagrad_step::attr;
    lr_decay = call.f(a::lr_decay);
    eps = static_cast<T>(call.f(a::eps));
    weight_decay = static_cast<T>(call.f(a::weight_decay));
    maximize = call.f(a::maximize) != 0;
  }
  static unsigned present(const Call&) { return 1; }

  struct Step {
    T rate;
  };
  template <class W>
  LENODE_HD Step step(W lr, const float* scalars) const {
    return {static_cast<T>(lr / (W(1) + static_cast<W>(scalars[0]) * static_cast<W>(lr_decay)))};
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    const T g = regularized(grad, parameter, maximize, weight_decay);
    state[0] += g * g;
    parameter -= s.rate * (g / (functor::sqrt_(state[0]) + eps));
  }
};

template <class T>
struct adadelta_step : Counted {
  static constexpr int kStates = 2;  // square_avg, acc_delta
  using Present = Sets<0b11>;
  T rho, share, eps, weight_decay;
  bool maximize;

  explicit adadelta_step(const Call& call) {
    using a = op::adadelta_step::attr;
    rho = static_cast<T>(call.f(a::rho));
    share = static_cast<T>(1 - call.f(a::rho));
    eps = static_cast<T>(call.f(a::eps));
    weight_decay = static_cast<T>(call.f(a::weight_decay));
    maximize = call.f(a::maximize) != 0;
  }
  static unsigned present(const Call&) { return 0b11; }

  struct Step {
    T rate;
  };
  template <class W>
  LENODE_HD Step step(W lr, const float*) const {
    return {static_cast<T>(lr)};
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    const T g = regularized(grad, parameter, maximize, weight_decay);
    state[0] = rho * state[0] + share * g * g;
    const T delta = functor::sqrt_(state[1] + eps) / functor::sqrt_(state[0] + eps) * g;
    state[1] = rho * state[1] + share * delta * delta;
    parameter -= s.rate * delta;
  }
};

template <class T>
struct rmsprop_step : Counted {
  static constexpr int kStates = 3;  // square_avg, momentum_buffer, grad_avg
  using Present = Sets<0b001, 0b011, 0b101, 0b111>;
  T keep, share, eps, weight_decay, momentum;
  bool maximize;

  explicit rmsprop_step(const Call& call) {
    using a = op::rmsprop_step::attr;
    keep = static_cast<T>(call.f(a::alpha));
    share = static_cast<T>(1 - call.f(a::alpha));
    eps = static_cast<T>(call.f(a::eps));
    weight_decay = static_cast<T>(call.f(a::weight_decay));
    momentum = static_cast<T>(call.f(a::momentum));
    maximize = call.f(a::maximize) != 0;
  }
  static unsigned present(const Call& call) {
    using a = op::rmsprop_step::attr;
    return 0b001 | (call.f(a::momentum) > 0 ? 0b010 : 0) | (call.f(a::centered) != 0 ? 0b100 : 0);
  }

  struct Step {
    T rate;
  };
  template <class W>
  LENODE_HD Step step(W lr, const float*) const {
    return {static_cast<T>(lr)};
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    const T g = regularized(grad, parameter, maximize, weight_decay);
    state[0] = keep * state[0] + share * g * g;
    T square = state[0];
    if constexpr (kPresent & 0b100) {
      state[2] = lerp(state[2], g, share);
      square -= state[2] * state[2];
    }
    T direction = g / (functor::sqrt_(square) + eps);
    if constexpr (kPresent & 0b010) direction = state[1] = momentum * state[1] + direction;
    parameter -= s.rate * direction;
  }
};

template <class T>
struct rprop_step : Counted {
  static constexpr int kStates = 2;  // prev, step_size
  using Present = Sets<0b11>;
  T shrink, grow, smallest, largest;
  bool maximize;

  explicit rprop_step(const Call& call) {
    using a = op::rprop_step::attr;
    shrink = static_cast<T>(call.f(a::eta_minus));
    grow = static_cast<T>(call.f(a::eta_plus));
    smallest = static_cast<T>(call.f(a::step_size_min));
    largest = static_cast<T>(call.f(a::step_size_max));
    maximize = call.f(a::maximize) != 0;
  }
  static unsigned present(const Call&) { return 0b11; }

  struct Step {
    T size;  // of the first step; else 0
  };
  // The first step may come later than the state, and the rate have changed by then.
  template <class W>
  LENODE_HD Step step(W lr, const float* scalars) const {
    return {scalars[0] == 0 ? static_cast<T>(lr) : T(0)};
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    const T signed_grad = maximize ? -grad : grad;
    const T agreement = signed_grad * state[0];
    const T factor = agreement > T(0) ? grow : (agreement < T(0) ? shrink : T(1));
    const T before = s.size != T(0) ? s.size : state[1];
    const T size = functor::clamp::apply(before * factor, Params<T>{{smallest, largest}});
    // Where the sign has changed the element rests for one step.
    const T g = agreement < T(0) ? T(0) : signed_grad;
    parameter -= functor::sign::apply(g, Params<T>{}) * size;
    state[0] = g;
    state[1] = size;
  }
};

template <class T>
struct asgd_step {
  static constexpr int kScalars = 3;  // step, eta, mu
  static constexpr int kStates = 1;   // ax
  using Present = Sets<1>;
  double lambd, alpha, t0;
  T weight_decay;
  bool maximize;

  explicit asgd_step(const Call& call) {
    using a = op::asgd_step::attr;
    lambd = call.f(a::lambd);
    alpha = call.f(a::alpha);
    t0 = call.f(a::t0);
    weight_decay = static_cast<T>(call.f(a::weight_decay));
    maximize = call.f(a::maximize) != 0;
  }
  static unsigned present(const Call&) { return 1; }

  struct Step {
    T keep, rate, share;
  };
  template <class W>
  LENODE_HD Step step(W lr, const float* scalars) const {
    // The first step may come later than the state, and the rate have changed by then.
    const W eta = static_cast<W>(scalars[0] == 0 ? static_cast<float>(lr) : scalars[1]);
    return {static_cast<T>(W(1) - static_cast<W>(lambd) * eta), static_cast<T>(eta), static_cast<T>(scalars[2])};
  }
  LENODE_HD void advance(double lr, float* scalars) const {
    scalars[0] += 1.0f;
    const double n = scalars[0], averaged = n - t0;
    scalars[1] = static_cast<float>(lr / functor::pow_(1 + lambd * lr * n, alpha));
    scalars[2] = static_cast<float>(1 / (averaged > 1 ? averaged : 1.0));
  }

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& parameter, T grad, T* state) const {
    const T g = regularized(grad, parameter, maximize, weight_decay);
    parameter = parameter * s.keep - s.rate * g;
    state[0] = s.share == T(1) ? parameter : state[0] + (parameter - state[0]) * s.share;
  }
};

// No optimizer's step: tensors go towards others, by a weight that stands in lr's place.
template <class T>
struct lerp_step {
  static constexpr int kScalars = 0, kStates = 0;
  using Present = Sets<0>;

  explicit lerp_step(const Call&) {}
  static unsigned present(const Call&) { return 0; }

  struct Step {
    T weight;
  };
  template <class W>
  LENODE_HD Step step(W weight, const float*) const {
    return {static_cast<T>(weight)};
  }
  LENODE_HD void advance(double, float*) const {}

  template <unsigned kPresent>
  LENODE_HD void apply(const Step& s, T& tensor, T target, T*) const {
    tensor = lerp(tensor, target, s.weight);
  }
};

}  // namespace lenode::rule
