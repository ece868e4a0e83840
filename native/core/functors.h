// SPDX-License-Identifier: Apache-2.0
// The scalar bodies of the pointwise ops, written once for the CPU loops and the CUDA kernels. T is the compute
// type: float (for float32, float16, bfloat16), double or int64_t (all integers and bool). `p` holds the
// attributes of the row in core/ops.def, without `scalar`, in their order.
#pragma once
#include <cmath>
#include <cstdint>
#include <type_traits>

#ifdef __CUDACC__
#define LENODE_HD __host__ __device__ __forceinline__
#else
#define LENODE_HD inline __attribute__((always_inline))
#endif

namespace lenode {

template <class T>
struct Params {
  T p[2];
};

namespace functor {

template <class T>
constexpr bool is_float_v = std::is_floating_point_v<T>;

template <class T>
LENODE_HD bool is_nan(T x) {
  return x != x;
}

// Sums, differences and products; those of integers wrap around, which signed arithmetic leaves undefined.
template <class T>
LENODE_HD T plus(T a, T b) {
  if constexpr (is_float_v<T>) return a + b;
  else return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
template <class T>
LENODE_HD T minus(T a, T b) {
  if constexpr (is_float_v<T>) return a - b;
  else return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
template <class T>
LENODE_HD T times(T a, T b) {
  if constexpr (is_float_v<T>) return a * b;
  else return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

// A float as an integer, by truncation; what does not fit is INT64_MIN, as x86 has it.
template <class T>
LENODE_HD int64_t to_integer(T x) {
  return x >= T(-0x1p63) && x < T(0x1p63) ? static_cast<int64_t>(x) : INT64_MIN;
}

// exp and friends in the type's own precision: a bare exp(float) would be computed in double on the host.
LENODE_HD float exp_(float x) { return ::expf(x); }
LENODE_HD double exp_(double x) { return ::exp(x); }
LENODE_HD float log_(float x) { return ::logf(x); }
LENODE_HD double log_(double x) { return ::log(x); }
LENODE_HD float log1p_(float x) { return ::log1pf(x); }
LENODE_HD double log1p_(double x) { return ::log1p(x); }
LENODE_HD float expm1_(float x) { return ::expm1f(x); }
LENODE_HD double expm1_(double x) { return ::expm1(x); }
LENODE_HD float tanh_(float x) { return ::tanhf(x); }
LENODE_HD double tanh_(double x) { return ::tanh(x); }
LENODE_HD float erf_(float x) { return ::erff(x); }
LENODE_HD double erf_(double x) { return ::erf(x); }
LENODE_HD float sqrt_(float x) { return ::sqrtf(x); }
LENODE_HD double sqrt_(double x) { return ::sqrt(x); }
LENODE_HD float floor_(float x) { return ::floorf(x); }
LENODE_HD double floor_(double x) { return ::floor(x); }
LENODE_HD float pow_(float x, float y) { return ::powf(x, y); }
LENODE_HD double pow_(double x, double y) { return ::pow(x, y); }
LENODE_HD float abs_(float x) { return ::fabsf(x); }
LENODE_HD double abs_(double x) { return ::fabs(x); }
LENODE_HD float fmod_(float x, float y) { return ::fmodf(x, y); }
LENODE_HD double fmod_(double x, double y) { return ::fmod(x, y); }
#define LENODE_FUNCTION(name)                              \
  LENODE_HD float name##_(float x) { return ::name##f(x); } \
  LENODE_HD double name##_(double x) { return ::name(x); }
LENODE_FUNCTION(log2)
LENODE_FUNCTION(log10)
LENODE_FUNCTION(tan)
LENODE_FUNCTION(asin)
LENODE_FUNCTION(acos)
LENODE_FUNCTION(atan)
LENODE_FUNCTION(sinh)
LENODE_FUNCTION(cosh)
LENODE_FUNCTION(asinh)
LENODE_FUNCTION(acosh)
LENODE_FUNCTION(atanh)
LENODE_FUNCTION(erfc)
LENODE_FUNCTION(trunc)
#undef LENODE_FUNCTION
LENODE_HD float atan2_(float x, float y) { return ::atan2f(x, y); }
LENODE_HD double atan2_(double x, double y) { return ::atan2(x, y); }
LENODE_HD float hypot_(float x, float y) { return ::hypotf(x, y); }
LENODE_HD double hypot_(double x, double y) { return ::hypot(x, y); }

template <class T>
LENODE_HD T logistic(T x) {
  const T e = exp_(-abs_(x));  // at most 1: it cannot overflow
  return (x >= T(0) ? T(1) : e) / (T(1) + e);
}

// tanh(log(1 + exp(x))), by one exponential that cannot overflow.
template <class T>
LENODE_HD T tanh_softplus(T x) {
  const T e = exp_(-abs_(x));
  const T part = x >= T(0) ? T(1) + T(2) * e : e * (e + T(2));
  return part / (part + (x >= T(0) ? T(2) * e * e : T(2)));
}

#define LENODE_UNARY_FUNCTOR(name)                                            \
  struct name {                                                               \
    template <class T>                                                        \
    static LENODE_HD T apply(T x, [[maybe_unused]] const Params<T>& p);       \
  };                                                                          \
  template <class T>                                                          \
  LENODE_HD T name::apply(T x, [[maybe_unused]] const Params<T>& p)

#define LENODE_PREDICATE_FUNCTOR(name)  \
  struct name {                         \
    template <class T>                  \
    static LENODE_HD bool apply(T x);   \
  };                                    \
  template <class T>                    \
  LENODE_HD bool name::apply(T x)

#define LENODE_BINARY_FUNCTOR(name)                                           \
  struct name {                                                               \
    template <class T>                                                        \
    static LENODE_HD T apply(T a, T b, [[maybe_unused]] const Params<T>& p);  \
  };                                                                          \
  template <class T>                                                          \
  LENODE_HD T name::apply(T a, T b, [[maybe_unused]] const Params<T>& p)

#define LENODE_COMPARE_FUNCTOR(name)         \
  struct name {                              \
    template <class T>                       \
    static LENODE_HD bool apply(T a, T b);   \
  };                                         \
  template <class T>                         \
  LENODE_HD bool name::apply(T a, T b)

#define LENODE_TERNARY_FUNCTOR(name)            \
  struct name {                                 \
    template <class T>                          \
    static LENODE_HD T apply(T a, T b, T c);    \
  };                                            \
  template <class T>                            \
  LENODE_HD T name::apply(T a, T b, T c)

// ---- unary -----------------------------------------------------------------------------------------------------
LENODE_UNARY_FUNCTOR(neg) {
  if constexpr (is_float_v<T>) return -x;
  else return minus(T(0), x);
}
LENODE_UNARY_FUNCTOR(abs) { return x < T(0) ? neg::apply(x, p) : (x == T(0) ? T(0) : x); }
LENODE_UNARY_FUNCTOR(sign) { return T((x > T(0)) - (x < T(0))); }  // NaN gives 0, as in PyTorch
LENODE_UNARY_FUNCTOR(square) { return times(x, x); }
LENODE_UNARY_FUNCTOR(relu) { return x < T(0) ? T(0) : x; }  // this order lets NaN pass
LENODE_UNARY_FUNCTOR(clamp) {
  const T low = x < p.p[0] ? p.p[0] : x;
  return low > p.p[1] ? p.p[1] : low;
}
LENODE_UNARY_FUNCTOR(floor) { return floor_(x); }
LENODE_UNARY_FUNCTOR(ceil) { return -floor_(-x); }
LENODE_UNARY_FUNCTOR(round) {
  if constexpr (std::is_same_v<T, float>) return ::rintf(x);
  else return ::rint(x);
}
LENODE_UNARY_FUNCTOR(exp) { return exp_(x); }
LENODE_UNARY_FUNCTOR(log) { return log_(x); }
LENODE_UNARY_FUNCTOR(sqrt) { return sqrt_(x); }
LENODE_UNARY_FUNCTOR(rsqrt) { return T(1) / sqrt_(x); }
LENODE_UNARY_FUNCTOR(reciprocal) { return T(1) / x; }
LENODE_UNARY_FUNCTOR(sin) {
  if constexpr (std::is_same_v<T, float>) return ::sinf(x);
  else return ::sin(x);
}
LENODE_UNARY_FUNCTOR(cos) {
  if constexpr (std::is_same_v<T, float>) return ::cosf(x);
  else return ::cos(x);
}
LENODE_UNARY_FUNCTOR(erf) { return erf_(x); }
LENODE_UNARY_FUNCTOR(erfc) { return erfc_(x); }
LENODE_UNARY_FUNCTOR(log1p) { return log1p_(x); }
LENODE_UNARY_FUNCTOR(expm1) { return expm1_(x); }
LENODE_UNARY_FUNCTOR(log2) { return log2_(x); }
LENODE_UNARY_FUNCTOR(log10) { return log10_(x); }
LENODE_UNARY_FUNCTOR(tan) { return tan_(x); }
LENODE_UNARY_FUNCTOR(asin) { return asin_(x); }
LENODE_UNARY_FUNCTOR(acos) { return acos_(x); }
LENODE_UNARY_FUNCTOR(atan) { return atan_(x); }
LENODE_UNARY_FUNCTOR(sinh) { return sinh_(x); }
LENODE_UNARY_FUNCTOR(cosh) { return cosh_(x); }
LENODE_UNARY_FUNCTOR(asinh) { return asinh_(x); }
LENODE_UNARY_FUNCTOR(acosh) { return acosh_(x); }
LENODE_UNARY_FUNCTOR(atanh) { return atanh_(x); }
LENODE_UNARY_FUNCTOR(trunc) { return trunc_(x); }
LENODE_UNARY_FUNCTOR(sigmoid) { return logistic(x); }
LENODE_UNARY_FUNCTOR(tanh) { return tanh_(x); }
LENODE_UNARY_FUNCTOR(leaky_relu) { return x < T(0) ? x * p.p[0] : x; }
LENODE_UNARY_FUNCTOR(gelu) {
  if (p.p[0] != T(0)) {
    const T inner = T(0.7978845608028654) * (x + T(0.044715) * x * x * x);  // sqrt(2/pi)
    return T(0.5) * x * (T(1) + tanh_(inner));
  }
  return T(0.5) * x * (T(1) + erf_(x * T(0.7071067811865476)));
}
LENODE_UNARY_FUNCTOR(silu) { return x * logistic(x); }
LENODE_UNARY_FUNCTOR(elu) { return x < T(0) ? p.p[0] * expm1_(x) : x; }
LENODE_UNARY_FUNCTOR(softplus) {
  const T scaled = x * p.p[0];
  return scaled > p.p[1] ? x : log1p_(exp_(scaled)) / p.p[0];
}
LENODE_UNARY_FUNCTOR(threshold) { return x <= p.p[0] ? p.p[1] : x; }
LENODE_UNARY_FUNCTOR(hardsigmoid) {
  const T shifted = x + T(3);
  const T positive = shifted < T(0) ? T(0) : shifted;
  return (positive > T(6) ? T(6) : positive) / T(6);
}
LENODE_UNARY_FUNCTOR(hardswish) { return x * hardsigmoid::apply(x, p); }
LENODE_UNARY_FUNCTOR(mish) { return x * tanh_softplus(x); }
constexpr double kSeluScale = 1.0507009873554804934193349852946;
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
LENODE_UNARY_FUNCTOR(selu) { return T(kSeluScale) * (x < T(0) ? T(kSeluAlpha) * expm1_(x) : x); }
LENODE_UNARY_FUNCTOR(celu) { return x < T(0) ? p.p[0] * expm1_(x / p.p[0]) : x; }
LENODE_UNARY_FUNCTOR(logsigmoid) { return (x < T(0) ? x : T(0)) - log1p_(exp_(-abs_(x))); }
LENODE_UNARY_FUNCTOR(smooth_l1) {
  const T size = abs_(x);
  return p.p[1] * (size < p.p[0] ? T(0.5) * x * x / p.p[0] : size - T(0.5) * p.p[0]);
}
LENODE_UNARY_FUNCTOR(hardshrink) { return x >= -p.p[0] && x <= p.p[0] ? T(0) : x; }
LENODE_UNARY_FUNCTOR(softshrink) {
  return x > p.p[0] ? x - p.p[0] : (x < -p.p[0] ? x + p.p[0] : x * T(0));  // NaN passes, as in PyTorch
}

LENODE_PREDICATE_FUNCTOR(logical_not) { return x == T(0); }
LENODE_PREDICATE_FUNCTOR(isnan) { return is_nan(x); }
LENODE_PREDICATE_FUNCTOR(isfinite) { return !is_nan(x - x); }
LENODE_PREDICATE_FUNCTOR(isinf) { return is_nan(x - x) && !is_nan(x); }

// ---- binary ----------------------------------------------------------------------------------------------------
LENODE_BINARY_FUNCTOR(add) { return plus(a, b); }
LENODE_BINARY_FUNCTOR(sub) { return minus(a, b); }
LENODE_BINARY_FUNCTOR(mul) { return times(a, b); }
LENODE_BINARY_FUNCTOR(div) { return a / b; }
LENODE_BINARY_FUNCTOR(pow) {
  if constexpr (is_float_v<T>) {
    return b == T(2) ? a * a : pow_(a, b);
  } else {
    if (b < 0) return a == 1 ? 1 : (a == -1 ? (b % 2 ? -1 : 1) : 0);
    T result = 1;
    for (T e = b; e > 0; e >>= 1) {
      if (e & 1) result = times(result, a);
      a = times(a, a);
    }
    return result;
  }
}
LENODE_BINARY_FUNCTOR(minimum) { return (a < b || is_nan(a)) ? a : b; }
LENODE_BINARY_FUNCTOR(maximum) { return (a > b || is_nan(a)) ? a : b; }
LENODE_BINARY_FUNCTOR(remainder) {
  if constexpr (is_float_v<T>) {
    const T r = fmod_(a, b);
    return (r != T(0) && ((r < T(0)) != (b < T(0)))) ? r + b : r;
  } else {
    if (b == 0 || b == -1) return 0;  // -1: INT64_MIN % -1 traps
    const T r = a % b;
    return (r != 0 && ((r < 0) != (b < 0))) ? r + b : r;
  }
}
LENODE_BINARY_FUNCTOR(floor_divide) {
  if constexpr (is_float_v<T>) {
    // From the exact remainder: a / b may round up to the next integer, as in 1 / 0.1.
    if (b == T(0)) return a / b;
    const T r = fmod_(a, b);
    T q = (a - r) / b;
    if (r != T(0) && (r < T(0)) != (b < T(0))) q -= T(1);
    const T whole = floor_(q);
    return q - whole > T(0.5) ? whole + T(1) : whole;
  } else {
    if (b == 0) return 0;
    if (b == -1) return minus(T(0), a);
    const T q = a / b;
    return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
  }
}
LENODE_BINARY_FUNCTOR(fmod) {
  if constexpr (is_float_v<T>) return fmod_(a, b);
  else return b == 0 || b == -1 ? 0 : a % b;  // -1: INT64_MIN % -1 traps
}
LENODE_BINARY_FUNCTOR(atan2) { return atan2_(a, b); }
LENODE_BINARY_FUNCTOR(hypot) { return hypot_(a, b); }
LENODE_BINARY_FUNCTOR(logaddexp) {
  const T high = a < b ? b : a;
  const T gap = abs_(a - b);
  return gap != gap ? a + b : high + log1p_(exp_(-gap));  // of equal infinities, or with NaN
}
LENODE_BINARY_FUNCTOR(bce_with_logits) {
  return (a > T(0) ? a * (T(1) - b) : -a * b) + log1p_(exp_(-abs_(a)));
}
LENODE_BINARY_FUNCTOR(bce) {
  const T yes = log_(a), no = log1p_(-a);
  return (b - T(1)) * (no < T(-100) ? T(-100) : no) - b * (yes < T(-100) ? T(-100) : yes);
}
LENODE_BINARY_FUNCTOR(kl_div) {
  if (p.p[0] != T(0)) return exp_(b) * (b - a);
  return (b == T(0) ? T(0) : b * log_(b)) - b * a;
}
LENODE_BINARY_FUNCTOR(prelu) { return a > T(0) ? a : b * a; }

LENODE_COMPARE_FUNCTOR(eq) { return a == b; }
LENODE_COMPARE_FUNCTOR(ne) { return a != b; }
LENODE_COMPARE_FUNCTOR(lt) { return a < b; }
LENODE_COMPARE_FUNCTOR(le) { return a <= b; }
LENODE_COMPARE_FUNCTOR(gt) { return a > b; }
LENODE_COMPARE_FUNCTOR(ge) { return a >= b; }
LENODE_COMPARE_FUNCTOR(logical_and) { return a != T(0) && b != T(0); }
LENODE_COMPARE_FUNCTOR(logical_or) { return a != T(0) || b != T(0); }
LENODE_COMPARE_FUNCTOR(logical_xor) { return (a != T(0)) != (b != T(0)); }

// ---- gradients: a is the incoming gradient ---------------------------------------------------------------------
LENODE_BINARY_FUNCTOR(abs_backward) { return a * T((b > T(0)) - (b < T(0))); }
LENODE_BINARY_FUNCTOR(relu_backward) { return b <= T(0) ? T(0) : a; }  // as the forward pass, it lets NaN pass
LENODE_BINARY_FUNCTOR(clamp_backward) { return (b >= p.p[0] && b <= p.p[1]) ? a : T(0); }
LENODE_BINARY_FUNCTOR(sqrt_backward) { return a / (T(2) * b); }
LENODE_BINARY_FUNCTOR(rsqrt_backward) { return T(-0.5) * a * b * b * b; }
LENODE_BINARY_FUNCTOR(reciprocal_backward) { return -a * b * b; }
LENODE_BINARY_FUNCTOR(erf_backward) { return a * T(1.1283791670955126) * exp_(-b * b); }  // 2/sqrt(pi)
LENODE_BINARY_FUNCTOR(sigmoid_backward) { return a * (T(1) - b) * b; }
LENODE_BINARY_FUNCTOR(tanh_backward) { return a * (T(1) - b * b); }
LENODE_BINARY_FUNCTOR(leaky_relu_backward) { return b > T(0) ? a : a * p.p[0]; }
LENODE_BINARY_FUNCTOR(gelu_backward) {
  if (p.p[0] != T(0)) {
    const T x2 = b * b;
    const T t = tanh_(T(0.7978845608028654) * (b + T(0.044715) * b * x2));
    const T slope = T(0.7978845608028654) * (T(1) + T(3 * 0.044715) * x2);
    return a * (T(0.5) * (T(1) + t) + T(0.5) * b * (T(1) - t * t) * slope);
  }
  const T cdf = T(0.5) * (T(1) + erf_(b * T(0.7071067811865476)));
  const T pdf = T(0.3989422804014327) * exp_(T(-0.5) * b * b);  // 1/sqrt(2 pi)
  return a * (cdf + b * pdf);
}
LENODE_BINARY_FUNCTOR(silu_backward) {
  const T s = logistic(b);
  return a * s * (T(1) + b * (T(1) - s));
}
LENODE_BINARY_FUNCTOR(elu_backward) { return b <= T(0) ? a * p.p[0] * exp_(b) : a; }
LENODE_BINARY_FUNCTOR(softplus_backward) {
  const T scaled = b * p.p[0];
  return scaled > p.p[1] ? a : a * logistic(scaled);
}
LENODE_BINARY_FUNCTOR(threshold_backward) { return b <= p.p[0] ? T(0) : a; }
LENODE_BINARY_FUNCTOR(hardtanh_backward) { return (b > p.p[0] && b < p.p[1]) ? a : T(0); }
LENODE_BINARY_FUNCTOR(hardswish_backward) {
  return b <= T(-3) ? T(0) : (b < T(3) ? a * (b / T(3) + T(0.5)) : a);
}
LENODE_BINARY_FUNCTOR(hardsigmoid_backward) { return (b > T(-3) && b < T(3)) ? a / T(6) : T(0); }
LENODE_BINARY_FUNCTOR(mish_backward) {
  const T t = tanh_softplus(b);
  return a * (t + b * logistic(b) * (T(1) - t * t));
}
LENODE_BINARY_FUNCTOR(selu_backward) {
  return a * (b <= T(0) ? T(kSeluScale * kSeluAlpha) * exp_(b) : T(kSeluScale));
}
LENODE_BINARY_FUNCTOR(celu_backward) { return b <= T(0) ? a * exp_(b / p.p[0]) : a; }
LENODE_BINARY_FUNCTOR(logsigmoid_backward) { return a * logistic(-b); }
LENODE_BINARY_FUNCTOR(smooth_l1_backward) {
  // NaN is in the middle, as in PyTorch; without a middle (beta 0) it has no sign.
  if (b > p.p[0]) return a * p.p[1];
  if (b < -p.p[0]) return -a * p.p[1];
  return p.p[0] == T(0) ? a * T(0) : a * p.p[1] * b / p.p[0];
}
LENODE_BINARY_FUNCTOR(shrink_backward) { return b >= -p.p[0] && b <= p.p[0] ? T(0) : a; }
LENODE_BINARY_FUNCTOR(prelu_backward_weight) { return b > T(0) ? T(0) : a * b; }

LENODE_TERNARY_FUNCTOR(maximum_backward) { return b > c ? a : (b == c ? a / T(2) : (b < c ? T(0) : a)); }
LENODE_TERNARY_FUNCTOR(minimum_backward) { return b < c ? a : (b == c ? a / T(2) : (b > c ? T(0) : a)); }
LENODE_TERNARY_FUNCTOR(div_backward) { return -a * (b / c / c); }  // c * c could leave the type's range
LENODE_TERNARY_FUNCTOR(pow_backward_base) { return c == T(0) ? T(0) : a * c * pow_(b, c - T(1)); }
LENODE_TERNARY_FUNCTOR(pow_backward_exponent) {
  return (b == T(0) && c >= T(0)) ? a * T(0) : a * pow_(b, c) * log_(b);
}
LENODE_TERNARY_FUNCTOR(bce_with_logits_backward) { return a * (logistic(b) - c); }
LENODE_TERNARY_FUNCTOR(bce_backward) {
  const T spread = (T(1) - b) * b;
  return a * (b - c) / (spread < T(1e-12) ? T(1e-12) : spread);
}
LENODE_TERNARY_FUNCTOR(prelu_backward) { return b > T(0) ? a : c * a; }

#undef LENODE_UNARY_FUNCTOR
#undef LENODE_PREDICATE_FUNCTOR
#undef LENODE_BINARY_FUNCTOR
#undef LENODE_COMPARE_FUNCTOR
#undef LENODE_TERNARY_FUNCTOR

}  // namespace functor
}  // namespace lenode
