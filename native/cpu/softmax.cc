// SPDX-License-Identifier: Apache-2.0
#include "cpu/softmax.h"

#include "cpu/handlers.h"
#include "cpu/lines.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kCost = 8;  // of an element, in simple operations

template <class T>
void softmax_line(const T* x, T* y, int64_t n) {
  const T largest = line_max(x, n);
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    const T e = functor::exp_(x[i] - largest);
    y[i] = e;
    sum += e;
  }
  const T scale = static_cast<T>(1 / sum);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] *= scale;
}

template <class T>
void log_softmax_line(const T* x, T* y, int64_t n) {
  const T largest = line_max(x, n);
  const T log_sum = static_cast<T>(std::log(line_sum_exp(x, largest, n)));
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] - largest - log_sum;
}

template <class T>
void softmax_backward_line(const T* grad, const T* y, T* d_x, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += grad[i] * y[i];
  const T inner = static_cast<T>(sum);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) d_x[i] = y[i] * (grad[i] - inner);
}

template <class T>
void log_softmax_backward_line(const T* grad, const T* y, T* d_x, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += grad[i];
  const T total = static_cast<T>(sum);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) d_x[i] = grad[i] - functor::exp_(y[i]) * total;
}

// The two forward ops and the two backward ops differ in their line kernel alone.
template <class T>
void forward(const Call& call, void (*kernel)(const T*, T*, int64_t)) {
  const TensorView x = at_least_1d(call.in(0)), y = at_least_1d(call.out(0));
  const int dim = checked_dim(op_info(call.op).name, x, call.i(0));
  const Lines lines({{&x, compute_v<T>}, {&y, compute_v<T>, true}}, dim);
  const int64_t n = x.dims[dim];
  require(y.dims[dim] == n, "softmax: the output's shape is not the input's");
  lines.run(lines.slots(n * kCost), [&](int, void* const* p) {
    kernel(static_cast<const T*>(p[0]), static_cast<T*>(p[1]), n);
  });
}

template <class T>
void backward(const Call& call, void (*kernel)(const T*, const T*, T*, int64_t)) {
  const TensorView grad = at_least_1d(call.in(0)), y = at_least_1d(call.in(1)), d_x = at_least_1d(call.out(0));
  const int dim = checked_dim(op_info(call.op).name, y, call.i(0));
  const Lines lines({{&d_x, compute_v<T>, true}, {&y, compute_v<T>}, {&grad, compute_v<T>}}, dim);
  const int64_t n = y.dims[dim];
  require(d_x.dims[dim] == n && grad.dims[dim] == n, "softmax: the gradient's shape is not the output's");
  lines.run(lines.slots(n * kCost), [&](int, void* const* p) {
    kernel(static_cast<const T*>(p[2]), static_cast<const T*>(p[1]), static_cast<T*>(p[0]), n);
  });
}

}  // namespace

void op_softmax(Context&, const Call& call) {
  with_float_compute(call.in(0).dtype, [&](auto t) { forward<decltype(t)>(call, softmax_line); });
}

void op_log_softmax(Context&, const Call& call) {
  with_float_compute(call.in(0).dtype, [&](auto t) { forward<decltype(t)>(call, log_softmax_line); });
}

void op_softmax_backward(Context&, const Call& call) {
  with_float_compute(call.in(1).dtype, [&](auto t) { backward<decltype(t)>(call, softmax_backward_line); });
}

void op_log_softmax_backward(Context&, const Call& call) {
  with_float_compute(call.in(1).dtype, [&](auto t) { backward<decltype(t)>(call, log_softmax_backward_line); });
}

}  // namespace lenode::cpu
