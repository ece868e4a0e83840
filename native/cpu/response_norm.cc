// SPDX-License-Identifier: Apache-2.0
// Local response normalisation: lines of channels, and a window of squares that slides along them. The sums are formed
// anew for every channel, in vectors: a running sum would gather the errors of what it takes away.
#include "core/response_norm.h"

#include <algorithm>

#include "cpu/handlers.h"
#include "cpu/lines.h"
#include "cpu/simd_math.h"

namespace lenode::cpu {
namespace {

template <class T>
struct Normalisation {
  int64_t size, before, after;  // channels in a window, and how many of them lie on each side, as far as there are any
  T scale, beta, k;

  Normalisation(const Call& call, int64_t channels) {
    using attr = op::local_response_norm::attr;
    static_assert(int(attr::k) == int(op::local_response_norm_backward::attr::k));
    const int64_t stated = call.i(attr::size);
    require(stated >= 1, "local_response_norm: expected a window of at least one channel");
    before = std::min(stated / 2, channels);
    after = std::min((stated - 1) / 2, channels);
    size = before + after + 1;
    scale = static_cast<T>(call.f(attr::alpha) / static_cast<double>(stated));
    beta = static_cast<T>(call.f(attr::beta));
    k = static_cast<T>(call.f(attr::k));
  }
};

// sums[i] = padded[i] + ... + padded[i + size - 1]
template <class T>
void window_sums(const T* padded, T* sums, int64_t n, int64_t size) {
  std::copy_n(padded, n, sums);
  for (int64_t j = 1; j < size; ++j) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) sums[i] += padded[i + j];
  }
}

// base[i] = k + scale * (sum of the squares in i's window); `padded` has room for n + size - 1 values.
template <class T>
void line_bases(const Normalisation<T>& norm, const T* x, T* padded, T* base, int64_t n) {
  std::fill_n(padded, norm.before, T(0));
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) padded[norm.before + i] = x[i] * x[i];
  std::fill_n(padded + norm.before + n, norm.after, T(0));
  window_sums(padded, base, n, norm.size);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) base[i] = norm.k + norm.scale * base[i];
}

// With the exponent a constant the loops' bodies are free of branches and vectorize.
template <class F>
void with_exponent(double beta, F&& f) {
  switch (exponent_of(beta)) {
    case Exponent::three_quarters: return f(std::integral_constant<Exponent, Exponent::three_quarters>{});
    case Exponent::half: return f(std::integral_constant<Exponent, Exponent::half>{});
    case Exponent::one: return f(std::integral_constant<Exponent, Exponent::one>{});
    case Exponent::other: return f(std::integral_constant<Exponent, Exponent::other>{});
  }
}

int64_t line_cost(int64_t n, int64_t size) { return n * (size + 16); }

template <class T>
void forward(const Call& call) {
  namespace row = op::local_response_norm;
  const TensorView &x = call.in(row::in::x), &y = call.out(row::out::y);
  require(x.rank >= 2 && same_shape(x, y), "local_response_norm: expected operands [N, C, ...] of one shape");
  const Normalisation<T> norm(call, x.dims[1]);
  const Lines lines({{&x, compute_v<T>}, {&y, compute_v<T>, true}}, 1);
  const int64_t n = x.dims[1];
  const int slots = lines.slots(line_cost(n, norm.size));
  const SlotBuffers<T> buffers(slots, 2 * n + norm.size);
  with_exponent(call.f(row::attr::beta), [&](auto exponent) {
    lines.run(slots, [&](int slot, void* const* p) {
      const T* from = static_cast<const T*>(p[0]);
      T* to = static_cast<T*>(p[1]);
      T *base = buffers[slot], *padded = base + n;
      line_bases(norm, from, padded, base, n);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) to[i] = from[i] * inverse_power<T>(exponent(), base[i], norm.beta);
    });
  });
}

template <class T>
void backward(const Call& call) {
  namespace row = op::local_response_norm_backward;
  const TensorView &grad = call.in(row::in::grad), &x = call.in(row::in::x), &d_x = call.out(row::out::d_x);
  require(x.rank >= 2 && same_shape(x, grad) && same_shape(x, d_x),
          "local_response_norm_backward: expected operands [N, C, ...] of one shape");
  const Normalisation<T> norm(call, x.dims[1]);
  const Lines lines({{&d_x, compute_v<T>, true}, {&x, compute_v<T>}, {&grad, compute_v<T>}}, 1);
  const int64_t n = x.dims[1];
  const int slots = lines.slots(line_cost(n, 2 * norm.size));
  const SlotBuffers<T> buffers(slots, 3 * n + norm.size);
  const T factor = 2 * norm.scale * norm.beta;
  with_exponent(call.f(row::attr::beta), [&](auto exponent) {
    lines.run(slots, [&](int slot, void* const* p) {
      const T *from = static_cast<const T*>(p[1]), *incoming = static_cast<const T*>(p[2]);
      T* to = static_cast<T*>(p[0]);
      T *base = buffers[slot], *powers = base + n, *padded = powers + n;
      line_bases(norm, from, padded, base, n);
      // A channel lies in the windows of `after` channels before it and of `before` behind it.
      std::fill_n(padded, norm.after, T(0));
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) {
        powers[i] = inverse_power<T>(exponent(), base[i], norm.beta);
        padded[norm.after + i] = incoming[i] * from[i] * powers[i] / base[i];
      }
      std::fill_n(padded + norm.after + n, norm.before, T(0));
      window_sums(padded, base, n, norm.size);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) to[i] = incoming[i] * powers[i] - factor * from[i] * base[i];
    });
  });
}

}  // namespace

void op_local_response_norm(Context&, const Call& call) {
  with_float_compute(call.in(0).dtype, [&](auto t) { forward<decltype(t)>(call); });
}

void op_local_response_norm_backward(Context&, const Call& call) {
  with_float_compute(call.out(0).dtype, [&](auto t) { backward<decltype(t)>(call); });
}

}  // namespace lenode::cpu
