// SPDX-License-Identifier: Apache-2.0
// The inner loops of normalisation, over runs of memory: y = (x - mean) * scale + shift and its gradients. A run has
// one channel, or one for each element (a row).
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

template <class E, bool PerElement, bool Residual, bool Relu>
inline void apply_run(const E* x, const E* residual, E* y, int64_t n, const Widened<E>* mean, const Widened<E>* scale,
                      const Widened<E>* shift) {
  using T = Widened<E>;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const int64_t k = PerElement ? i : 0;
    T v = normalized(widened(x[i]), mean[k], scale[k], shift[k]);
    if constexpr (Residual) v += widened(residual[i]);
    if constexpr (Relu) v = v < T(0) ? T(0) : v;
    y[i] = narrowed<E>(v);
  }
}

// ---- gradients --------------------------------------------------------------------------------------------------------
// Where relu let its input pass: everywhere (there is none), where y is positive, or where y, computed anew, is.
enum class Mask : int { none = 0, saved = 1, recomputed = 2 };

template <class T>
struct Channels {
  const T *mean, *scale, *shift;  // as in normalized()
  const T *slope, *offset;        // d_x = scale * grad - slope * (x - mean) - offset
};

template <class E, Mask M, class T = Widened<E>>
inline __attribute__((always_inline)) T masked(T grad, const E* x, const E* y, int64_t i, const Channels<T>& ch,
                                               int64_t k) {
  if constexpr (M == Mask::saved) return widened(y[i]) > T(0) ? grad : T(0);
  if constexpr (M == Mask::recomputed)
    return normalized(widened(x[i]), ch.mean[k], ch.scale[k], ch.shift[k]) > T(0) ? grad : T(0);
  return grad;
}

template <class E>
struct Run {
  const E *grad, *x, *y;
  E *d_x, *d_residual;
  Run from(int64_t i) const {
    return {grad + i, x + i, y ? y + i : y, d_x ? d_x + i : d_x, d_residual ? d_residual + i : d_residual};
  }
};

// sum += grad, dot += grad * (x - mean), by column.
template <class E, Mask M, bool Write>
inline void column_sums(const Run<E>& run, int64_t rows, int64_t c, const Channels<Widened<E>>& ch,
                        Widened<E>* __restrict sum, Widened<E>* __restrict dot) {
  using T = Widened<E>;
  const auto row = [&](const Run<E>& at, int64_t i) __attribute__((always_inline)) {
    const T g = masked<E, M>(widened(at.grad[i]), at.x, at.y, i, ch, i);
    if constexpr (Write) at.d_residual[i] = narrowed<E>(g);
    return g;
  };
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    const Run<E> a = run.from(r * c), b = run.from((r + 1) * c);
#pragma omp simd
    for (int64_t i = 0; i < c; ++i) {
      const T g = row(a, i), h = row(b, i);
      sum[i] += g + h;
      dot[i] += g * (widened(a.x[i]) - ch.mean[i]) + h * (widened(b.x[i]) - ch.mean[i]);
    }
  }
  for (; r < rows; ++r) {
    const Run<E> a = run.from(r * c);
#pragma omp simd
    for (int64_t i = 0; i < c; ++i) {
      const T g = row(a, i);
      sum[i] += g;
      dot[i] += g * (widened(a.x[i]) - ch.mean[i]);
    }
  }
}

template <class E, Mask M, bool Write>
inline void line_sums(const Run<E>& run, int64_t n, const Channels<Widened<E>>& ch, double& sum, double& dot) {
  using T = Widened<E>;
  T s = 0, d = 0;
#pragma omp simd reduction(+ : s, d)
  for (int64_t i = 0; i < n; ++i) {
    const T g = masked<E, M>(widened(run.grad[i]), run.x, run.y, i, ch, 0);
    if constexpr (Write) run.d_residual[i] = narrowed<E>(g);
    s += g;
    d += g * (widened(run.x[i]) - ch.mean[0]);
  }
  sum += s;
  dot += d;
}

template <class E, Mask M, bool PerElement, bool Training>
inline void input_gradient(const Run<E>& run, int64_t n, const Channels<Widened<E>>& ch) {
  using T = Widened<E>;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const int64_t k = PerElement ? i : 0;
    const T g = masked<E, M>(widened(run.grad[i]), run.x, run.y, i, ch, k);
    T d = ch.scale[k] * g;
    if constexpr (Training) d = d - ch.slope[k] * (widened(run.x[i]) - ch.mean[k]) - ch.offset[k];
    run.d_x[i] = narrowed<E>(d);
  }
}

}  // namespace lenode::cpu
