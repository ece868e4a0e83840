// SPDX-License-Identifier: Apache-2.0
// Pointwise ops: one contiguous loop per functor and compute type; run_blocks() does the rest.
#include "cpu/simd_math.h"

#include <algorithm>

#include "cpu/convert.h"
#include "cpu/handlers.h"
#include "cpu/parallel.h"
#include "cpu/strided.h"

namespace lenode::cpu {
namespace {

// Simple operations per element: families restricted to floating dtypes are mostly transcendental.
constexpr int64_t kCheap = 1;
constexpr int64_t kCostly = 6;

// loop(params). Functors that choose their formula by the first parameter get it as a constant: a vectorized loop would
// compute both formulas.
template <class F, class T, class Loop>
inline void with_params(const void* p, Loop&& loop) {
  const Params<T> params = *static_cast<const Params<T>*>(p);
  if constexpr (std::is_same_v<F, functor::gelu> || std::is_same_v<F, functor::gelu_backward> ||
                std::is_same_v<F, functor::kl_div>) {
    if (params.p[0] != T(0)) loop(Params<T>{{T(1), T(0)}});
    else loop(Params<T>{{T(0), T(0)}});
  } else {
    loop(params);
  }
}

template <class F, class T>
void unary_kernel(void* to, const void* const* from, int64_t n, const void* p) {
  const T* x = static_cast<const T*>(from[0]);
  T* y = static_cast<T*>(to);
  with_params<F, T>(p, [=](const Params<T> params) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::apply(x[i], params);
  });
}

template <class F, class T>
void predicate_kernel(void* to, const void* const* from, int64_t n, const void*) {
  const T* x = static_cast<const T*>(from[0]);
  uint8_t* y = static_cast<uint8_t*>(to);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F::apply(x[i]);
}

template <class F, class T>
void binary_kernel(void* to, const void* const* from, int64_t n, const void* p) {
  const T* a = static_cast<const T*>(from[0]);
  const T* b = static_cast<const T*>(from[1]);
  T* y = static_cast<T*>(to);
  with_params<F, T>(p, [=](const Params<T> params) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::apply(a[i], b[i], params);
  });
}

template <class F, class T>
void compare_kernel(void* to, const void* const* from, int64_t n, const void*) {
  const T* a = static_cast<const T*>(from[0]);
  const T* b = static_cast<const T*>(from[1]);
  uint8_t* y = static_cast<uint8_t*>(to);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F::apply(a[i], b[i]);
}

template <class F, class T>
void ternary_kernel(void* to, const void* const* from, int64_t n, const void*) {
  const T* a = static_cast<const T*>(from[0]);
  const T* b = static_cast<const T*>(from[1]);
  const T* c = static_cast<const T*>(from[2]);
  T* y = static_cast<T*>(to);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F::apply(a[i], b[i], c[i]);
}

template <class T>
void where_kernel(void* to, const void* const* from, int64_t n, const void*) {
  const T* condition = static_cast<const T*>(from[0]);
  const T* a = static_cast<const T*>(from[1]);
  const T* b = static_cast<const T*>(from[2]);
  T* y = static_cast<T*>(to);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = condition[i] != T(0) ? a[i] : b[i];
}

template <class T>
Params<T> params_from(const Call& call, int first) {
  Params<T> params{};
  for (int i = first; i < call.n_attrs && i - first < 2; ++i) params.p[i - first] = from_double<T>(call.f(i));
  return params;
}

template <class T, class F>
void unary(const Call& call, int64_t cost) {
  const Params<T> params = params_from<T>(call, 0);
  run_blocks(call.out(0), {{&call.in(0)}}, compute_v<T>, compute_v<T>, unary_kernel<F, T>, &params, cost);
}

template <class T, class F>
void binary(const Call& call, int64_t cost) {
  const Params<T> params = params_from<T>(call, 1);
  const double scalar = call.f(0);
  BlockKernel kernel = binary_kernel<F, T>;
  if constexpr (std::is_same_v<F, functor::pow>) {
    if (!call.in(1).present() && scalar == 2) kernel = unary_kernel<functor::square, T>;
  }
  run_blocks(call.out(0), {{&call.in(0), scalar}, {&call.in(1), scalar}}, compute_v<T>, compute_v<T>, kernel, &params,
             cost);
}

// Sums of rows as they lie in memory, widened in registers. They are what a backward pass adds up: gradients of slices,
// whose rows (a pixel's channels) are often too short to be gathered into blocks.
template <class E>
bool add_rows(const Call& call) {
  constexpr int64_t kShortest = 16;
  const TensorView &a = call.in(0), &b = call.in(1), &y = call.out(0);
  for (const TensorView* view : {&a, &b})
    if (!view->present() || view->dtype != y.dtype) return false;
  const StridedLoop loop = make_loop({&y, &a, &b});
  if (loop.rank == 0 || loop.inner_size() < kShortest) return false;
  for (int i = 0; i < loop.operands; ++i)
    if (loop.inner_stride(i) != 1) return false;
  const auto params = params_from<Widened<E>>(call, 1);
  constexpr int64_t kRowCost = 64;  // of beginning a row, in elements
  parallel_chunks(loop.numel, kCheap * (1 + kRowCost / loop.inner_size()), [&](int64_t begin, int64_t end) {
    for (Walker walker(loop, begin); walker.position() < end;) {
      const int64_t n = std::min(end - walker.position(), walker.left_in_row());
      const E *from_a = a.ptr<E>() + walker.offset(1), *from_b = b.ptr<E>() + walker.offset(2);
      E* to = y.ptr<E>() + walker.offset(0);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i)
        to[i] = narrowed<E>(functor::add::apply(widened(from_a[i]), widened(from_b[i]), params));
      walker.advance(n);
    }
  });
  return true;
}

// The dtype that the operands share; a scalar has none.
DType operand_dtype(const Call& call) {
  for (int i = 0; i < call.n_inputs; ++i)
    if (call.in(i).present()) return call.in(i).dtype;
  fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected at least one tensor operand");
}

// Whether an integer tensor has a 0 anywhere: what cannot be divided by.
bool has_zero(const TensorView& view) {
  constexpr int64_t kBlock = 512;
  const StridedLoop loop = make_loop({&view});
  const Load load = load_function(view.dtype, Compute::int64);
  int64_t block[kBlock];
  for (Walker walker(loop, 0); walker.position() < loop.numel;) {
    const int64_t n = std::min(kBlock, walker.left_in_row());
    load(at(view, walker.offset(0)), loop.inner_stride(0), block, n);
    if (std::find(block, block + n, 0) != block + n) return true;
    walker.advance(n);
  }
  return false;
}

template <class F>
constexpr bool kDivides = std::is_same_v<F, functor::remainder> || std::is_same_v<F, functor::floor_divide> ||
                           std::is_same_v<F, functor::fmod>;

void refuse_zero(const Call& call) {
  const TensorView &b = call.in(1), &y = call.out(0);
  if (compute_of(y.dtype) != Compute::int64 || y.numel() == 0) return;
  if (b.present() ? has_zero(b) : call.f(0) == 0)
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": integer division by zero");
}

}  // namespace

template <class F>
void run_unary(Context&, const Call& call) {
  with_compute(call.out(0).dtype, [&](auto t) { unary<decltype(t), F>(call, kCheap); });
}

template <class F>
void run_unary_float(Context&, const Call& call) {
  with_float_compute(call.out(0).dtype, [&](auto t) { unary<decltype(t), F>(call, kCostly); });
}

template <class F>
void run_predicate(Context&, const Call& call) {
  with_compute(call.in(0).dtype, [&](auto t) {
    using T = decltype(t);
    run_blocks(call.out(0), {{&call.in(0)}}, compute_v<T>, Compute::byte, predicate_kernel<F, T>, nullptr, kCheap);
  });
}

template <class F>
void run_binary(Context&, const Call& call) {
  if constexpr (kDivides<F>) refuse_zero(call);
  if constexpr (std::is_same_v<F, functor::add>) {
    const DType dtype = call.out(0).dtype;
    if (dtype == DType::float32 ? add_rows<float>(call) : dtype == DType::bfloat16 && add_rows<BFloat16>(call)) return;
  }
  with_compute(call.out(0).dtype, [&](auto t) { binary<decltype(t), F>(call, kCheap); });
}

template <class F>
void run_binary_float(Context&, const Call& call) {
  with_float_compute(call.out(0).dtype, [&](auto t) { binary<decltype(t), F>(call, kCheap); });
}

template <class F>
void run_compare(Context&, const Call& call) {
  const double scalar = call.f(0);
  with_compute(operand_dtype(call), [&](auto t) {
    using T = decltype(t);
    run_blocks(call.out(0), {{&call.in(0), scalar}, {&call.in(1), scalar}}, compute_v<T>, Compute::byte,
               compare_kernel<F, T>, nullptr, kCheap);
  });
}

template <class F>
void run_ternary_float(Context&, const Call& call) {
  const double scalar = call.f(0);
  with_float_compute(call.out(0).dtype, [&](auto t) {
    using T = decltype(t);
    run_blocks(call.out(0), {{&call.in(0), scalar}, {&call.in(1), scalar}, {&call.in(2), scalar}}, compute_v<T>,
               compute_v<T>, ternary_kernel<F, T>, nullptr, kCostly);
  });
}

void op_where(Context&, const Call& call) {
  namespace o = op::where;
  const Operand a{&call.in(o::in::a_opt), call.f(o::attr::a_scalar)};
  const Operand b{&call.in(o::in::b_opt), call.f(o::attr::b_scalar)};
  with_compute(call.out(o::out::y).dtype, [&](auto t) {
    using T = decltype(t);
    run_blocks(call.out(o::out::y), {{&call.in(o::in::condition)}, a, b}, compute_v<T>, compute_v<T>, where_kernel<T>,
               nullptr, kCheap);
  });
}

#define LENODE_UNARY(name, attrs) template void run_unary<functor::name>(Context&, const Call&);
#define LENODE_UNARY_FLOAT(name, attrs) template void run_unary_float<functor::name>(Context&, const Call&);
#define LENODE_PREDICATE(name) template void run_predicate<functor::name>(Context&, const Call&);
#define LENODE_BINARY(name, attrs) template void run_binary<functor::name>(Context&, const Call&);
#define LENODE_BINARY_FLOAT(name, attrs) template void run_binary_float<functor::name>(Context&, const Call&);
#define LENODE_COMPARE(name) template void run_compare<functor::name>(Context&, const Call&);
#define LENODE_TERNARY_FLOAT(name) template void run_ternary_float<functor::name>(Context&, const Call&);
#define LENODE_OP(name, inputs, outputs, attrs, devices)
#include "core/ops.def"

}  // namespace lenode::cpu
