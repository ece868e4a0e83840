// SPDX-License-Identifier: Apache-2.0
// What normalisations share: dense tensors [N, C, spatial...] read in runs of memory, and sums that stay accurate far
// from zero.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "core/op.h"
#include "cpu/convert.h"
#include "cpu/parallel.h"
#include "cpu/strided.h"

namespace lenode::cpu {

// Columns: memory is rows of C channels. Lines: memory is lines of `spatial` elements, one per sample and channel.
struct NormShape {
  int64_t n, c, spatial;
  bool columns;

  NormShape(const Call& call, const TensorView& x);
  int64_t rows() const { return n * spatial; }
  int64_t numel() const { return n * c * spatial; }
  // Fails unless the view, if present, is dense and laid out as x is.
  void check_like(const Call& call, const TensorView& view) const;

 private:
  TensorView x_;
};

// ---- runs of memory ----------------------------------------------------------------------------------------------------
// The loops read and write runs of E: float, double, or BFloat16, which they widen in registers. What is held otherwise
// (float16) passes through a buffer of the compute type.
template <class E>
constexpr bool is_held(DType dtype) {
  return std::is_same_v<E, BFloat16> ? dtype == DType::bfloat16 : is_native(dtype, compute_v<E>);
}

// f(E()) for what these tensors, those that are present, can be read as.
template <class F>
decltype(auto) with_run_type(std::initializer_list<const TensorView*> views, F&& f) {
  DType dtype = DType::bfloat16;
  for (const TensorView* view : views)
    if (view->present() && view->dtype != DType::bfloat16) dtype = view->dtype;
  return dtype == DType::bfloat16 ? f(BFloat16{}) : with_float_compute(dtype, f);
}

// Runs of a dense tensor as E: in place, or converted into `buffer`.
template <class E>
class DenseReader {
 public:
  explicit DenseReader(const TensorView& view)
      : view_(view), direct_(!view.present() || is_held<E>(view.dtype)),
        load_(direct_ ? nullptr : load_function(view.dtype, compute_v<E>)) {}
  bool direct() const { return direct_; }
  const E* read(int64_t first, int64_t count, E* buffer) const {
    if (!view_.present()) return nullptr;
    if (direct_) return view_.ptr<E>() + first;
    load_(at(view_, first), 1, buffer, count);
    return buffer;
  }

 private:
  TensorView view_;
  bool direct_;
  Load load_;
};

template <class E>
class DenseWriter {
 public:
  explicit DenseWriter(const TensorView& view)
      : view_(view), direct_(!view.present() || is_held<E>(view.dtype)),
        store_(direct_ ? nullptr : store_function(compute_v<E>, view.dtype)) {}
  bool direct() const { return direct_; }
  // Where to write the run; then finish() it. Null for an absent tensor.
  E* target(int64_t first, E* buffer) const {
    if (!view_.present()) return nullptr;
    return direct_ ? view_.ptr<E>() + first : buffer;
  }
  void finish(int64_t first, int64_t count, const E* buffer) const {
    if (view_.present() && !direct_) store_(buffer, at_mutable(view_, first), 1, count);
  }

 private:
  TensorView view_;
  bool direct_;
  Store store_;
};

// One number per channel.
template <class T>
class ChannelValues {
 public:
  ChannelValues(int64_t c, T value) : values_(aligned_array<T>(c)) { std::fill_n(values_.get(), c, value); }
  // The view's values, or `otherwise` where it is absent.
  ChannelValues(const TensorView& view, int64_t c, T otherwise) : ChannelValues(c, otherwise) {
    if (!view.present()) return;
    require(view.rank == 1 && view.dims[0] == c, "norm: expected one number per channel");
    load_function(view.dtype, compute_v<T>)(view.data, view.strides[0], values_.get(), c);
  }
  void store(const TensorView& view, int64_t c) const {
    if (!view.present()) return;
    require(view.rank == 1 && view.dims[0] == c, "norm: expected one number per channel");
    with_float_compute(view.dtype, [&](auto t) {
      using U = decltype(t);
      const std::unique_ptr<U[]> converted(new U[static_cast<size_t>(c)]);
      std::copy_n(values_.get(), c, converted.get());
      store_function(compute_v<U>, view.dtype)(converted.get(), view.data, view.strides[0], c);
    });
  }
  T* get() const { return values_.get(); }
  T& operator[](int64_t i) const { return values_[i]; }

 private:
  AlignedArray<T> values_;
};

// ---- moments ---------------------------------------------------------------------------------------------------------
// Short runs are summed in the compute type, after their first element is taken off; runs are merged in float64 (Chan,
// Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
constexpr int64_t kRunRows = 32;
constexpr int64_t kRunElements = 1024;

struct Moments {
  double count = 0, mean = 0, m2 = 0;

  void merge(double other_count, double other_mean, double other_m2) {
    const double total = count + other_count;
    if (total == 0) return;
    const double delta = other_mean - mean, share = other_count / total;
    mean += delta * share;
    m2 += other_m2 + delta * delta * count * share;
    count = total;
  }
};

template <class E>
inline void add_line_moments(const E* x, int64_t n, Moments& moments) {
  using T = Widened<E>;
  for (int64_t first = 0; first < n; first += kRunElements) {
    const E* run = x + first;
    const int64_t count = std::min(kRunElements, n - first);
    const T origin = widened(run[0]);
    T sum = 0, square = 0;
#pragma omp simd reduction(+ : sum, square)
    for (int64_t i = 0; i < count; ++i) {
      const T d = widened(run[i]) - origin;
      sum += d;
      square += d * d;
    }
    const double mean = static_cast<double>(sum) / count;
    const double m2 = square - mean * sum;
    moments.merge(static_cast<double>(count), origin + mean, m2 < 0 ? 0 : m2);  // NaN passes
  }
}

// The moments of every column of rows of c elements.
template <class E>
class ColumnMoments {
  using T = Widened<E>;

 public:
  explicit ColumnMoments(int64_t c) : c_(c), mean_(c, 0), m2_(c, 0), origin_(c, 0), sum_(c, 0), square_(c, 0) {}

  // At most kRunRows rows.
  void add(const E* rows_of_x, int64_t rows) {
    T* __restrict x = origin_.get();  // the first row
    T* __restrict sum = sum_.get();
    T* __restrict square = square_.get();
    for (int64_t i = 0; i < c_; ++i) x[i] = widened(rows_of_x[i]);
    std::fill_n(sum, c_, T(0));
    std::fill_n(square, c_, T(0));
    int64_t r = 1;
    for (; r + 4 <= rows; r += 4) {
      const E *a = rows_of_x + r * c_, *b = a + c_, *c = b + c_, *d = c + c_;
#pragma omp simd
      for (int64_t i = 0; i < c_; ++i) {
        const T e0 = widened(a[i]) - x[i], e1 = widened(b[i]) - x[i], e2 = widened(c[i]) - x[i], e3 = widened(d[i]) - x[i];
        sum[i] += (e0 + e1) + (e2 + e3);
        square[i] += (e0 * e0 + e1 * e1) + (e2 * e2 + e3 * e3);
      }
    }
    for (; r < rows; ++r) {
      const E* a = rows_of_x + r * c_;
#pragma omp simd
      for (int64_t i = 0; i < c_; ++i) {
        const T e = widened(a[i]) - x[i];
        sum[i] += e;
        square[i] += e * e;
      }
    }
    const double n = static_cast<double>(rows), total = count_ + n, share = n / total, weight = count_ * share;
    double* __restrict mean = mean_.get();
    double* __restrict m2 = m2_.get();
#pragma omp simd
    for (int64_t i = 0; i < c_; ++i) {
      const double s = sum[i], offset = s / n, run = square[i] - offset * s;
      const double delta = x[i] + offset - mean[i];
      mean[i] += delta * share;
      m2[i] += (run < 0 ? 0 : run) + delta * delta * weight;
    }
    count_ = total;
  }

  void clear() {
    count_ = 0;
    std::fill_n(mean_.get(), c_, 0.0);
    std::fill_n(m2_.get(), c_, 0.0);
  }
  Moments of(int64_t channel) const { return {count_, mean_[channel], m2_[channel]}; }

 private:
  int64_t c_;
  double count_ = 0;
  ChannelValues<double> mean_, m2_;
  ChannelValues<T> origin_, sum_, square_;
};

}  // namespace lenode::cpu
