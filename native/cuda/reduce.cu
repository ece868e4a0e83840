// SPDX-License-Identifier: Apache-2.0
#include "cuda/reduce.cuh"

#include "cuda/handlers.h"

namespace lenode::cuda {
namespace {

template <class T>
__device__ T infinity() {
  if constexpr (std::is_same_v<T, float>) return __int_as_float(0x7f800000);
  else if constexpr (std::is_same_v<T, double>) return __longlong_as_double(0x7ff0000000000000LL);
  else return INT64_MAX;
}
template <class T>
__device__ T lowest() {
  if constexpr (std::is_same_v<T, int64_t>) return INT64_MIN;
  else return -infinity<T>();
}

template <class T>
struct Sum {
  using Compute = T;
  using Acc = T;
  bool mean;
  __device__ Acc identity() const { return T(0); }
  __device__ void add(Acc& acc, T x, int64_t) const { acc += x; }
  __device__ Acc merge(Acc a, Acc b) const { return a + b; }
  __device__ void store(const ReduceTarget& y, int64_t at, int64_t, Acc acc, int64_t count) const {
    store_as<T>(y.data[0], y.dtype[0], at, mean ? acc / static_cast<T>(count) : acc);
  }
};

template <class T>
struct Product {
  using Compute = T;
  using Acc = T;
  __device__ Acc identity() const { return T(1); }
  __device__ void add(Acc& acc, T x, int64_t) const { acc *= x; }
  __device__ Acc merge(Acc a, Acc b) const { return a * b; }
  __device__ void store(const ReduceTarget& y, int64_t at, int64_t, Acc acc, int64_t) const {
    store_as<T>(y.data[0], y.dtype[0], at, acc);
  }
};

template <class T, bool kMax>
struct Extreme {
  using Compute = T;
  using Acc = T;
  __device__ Acc identity() const { return kMax ? lowest<T>() : infinity<T>(); }
  __device__ void add(Acc& acc, T x, int64_t) const { acc = merge(acc, x); }
  __device__ Acc merge(Acc a, Acc b) const {
    constexpr Params<T> none{};
    if constexpr (kMax) return functor::maximum::apply(a, b, none);
    else return functor::minimum::apply(a, b, none);
  }
  __device__ void store(const ReduceTarget& y, int64_t at, int64_t, Acc acc, int64_t) const {
    store_same<T>(y.data[0], y.dtype[0], at, acc);
  }
};

// Welford's running mean and squared deviations, merged as by Chan et al.
template <class T>
struct Moments {
  T mean, squares;
  int64_t count;
};
template <class T>
struct Variance {
  using Compute = T;
  using Acc = Moments<T>;
  double correction;
  bool root;
  __device__ Acc identity() const { return {T(0), T(0), 0}; }
  __device__ void add(Acc& acc, T x, int64_t) const {
    ++acc.count;
    const T delta = x - acc.mean;
    acc.mean += delta / static_cast<T>(acc.count);
    acc.squares += delta * (x - acc.mean);
  }
  __device__ Acc merge(const Acc& a, const Acc& b) const {
    if (a.count == 0) return b;
    if (b.count == 0) return a;
    const int64_t count = a.count + b.count;
    const T delta = b.mean - a.mean, share = static_cast<T>(b.count) / static_cast<T>(count);
    return {a.mean + delta * share, a.squares + b.squares + delta * delta * static_cast<T>(a.count) * share, count};
  }
  __device__ void store(const ReduceTarget& y, int64_t at, int64_t, const Acc& acc, int64_t count) const {
    const double freedom = static_cast<double>(count) - correction;
    const T variance = acc.squares / static_cast<T>(freedom > 0 ? freedom : 0);
    store_same<T>(y.data[0], y.dtype[0], at, root ? functor::sqrt_(variance) : variance);
  }
};

// any(x), and all(x) as !any(!x).
template <class T>
struct Truth {
  using Compute = T;
  using Acc = int;
  bool all;
  __device__ Acc identity() const { return 0; }
  __device__ void add(Acc& acc, T x, int64_t) const { acc |= (x == T(0)) == all; }
  __device__ Acc merge(Acc a, Acc b) const { return a | b; }
  __device__ void store(const ReduceTarget& y, int64_t at, int64_t, Acc acc, int64_t) const {
    static_cast<bool*>(y.data[0])[at] = (acc != 0) != all;
  }
};

// The first position of the extreme value; NaN counts as more extreme than every number.
template <class T>
struct Place {
  T value;
  int64_t index;  // -1: none yet
};
template <class T>
struct ArgExtreme {
  using Compute = T;
  using Acc = Place<T>;
  bool max;
  __device__ bool beats(T a, T b) const {
    if (functor::is_nan(a) || functor::is_nan(b)) return functor::is_nan(a) && !functor::is_nan(b);
    return max ? a > b : a < b;
  }
  __device__ Acc identity() const { return {T(0), -1}; }
  __device__ void add(Acc& acc, T x, int64_t r) const { acc = merge(acc, {x, r}); }
  __device__ Acc merge(const Acc& a, const Acc& b) const {
    if (b.index < 0) return a;
    if (a.index < 0 || beats(b.value, a.value)) return b;
    return beats(a.value, b.value) || a.index < b.index ? a : b;
  }
  __device__ void store(const ReduceTarget& y, int64_t at0, int64_t at1, const Acc& acc, int64_t) const {
    store_same<T>(y.data[0], y.dtype[0], at0, acc.value);
    static_cast<int64_t*>(y.data[1])[at1] = acc.index;
  }
};

struct Prepared {
  const TensorView& x;
  ReduceLayout layout;
  ReduceTarget target;
};

Prepared prepare(const Call& call, uint32_t mask) {
  const TensorView &x = call.in(0), &y0 = call.out(0), &y1 = call.out(1);
  return {x, reduce_layout(x, y0, y1, mask), {{y0.data, y1.data}, {y0.dtype, y1.dtype}}};
}
Prepared prepare(const Call& call) { return prepare(call, static_cast<uint32_t>(call.i(0))); }

void run_sum(Context& context, const Call& call, bool mean) {
  const Prepared p = prepare(call);
  if (p.layout.kept.numel() == 0) return;
  const auto packed = [&](auto storage) {
    using S = decltype(storage);
    return reduce_packs(context, Sum<float>{mean}, TypedSource<S>{p.x.ptr<const S>()}, p.layout, p.target);
  };
  if (p.x.dtype == DType::float32 && packed(float{})) return;
  if (p.x.dtype == DType::float16 && packed(Half{})) return;
  if (p.x.dtype == DType::bfloat16 && packed(BFloat16{})) return;
  with_compute(p.x.dtype, [&](auto compute) {
    reduce_any(context, Sum<decltype(compute)>{mean}, p.x, p.layout, p.target);
  });
}

template <bool kMax>
void run_extreme(Context& context, const Prepared& p) {
  with_compute(p.x.dtype, [&](auto compute) {
    reduce_any(context, Extreme<decltype(compute), kMax>{}, p.x, p.layout, p.target);
  });
}

void run_truth(Context& context, const Prepared& p, bool all) {
  with_compute(p.x.dtype, [&](auto compute) {
    reduce_any(context, Truth<decltype(compute)>{all}, p.x, p.layout, p.target);
  });
}

void run_arg_extreme(Context& context, const Call& call, bool max) {
  const Prepared p = prepare(call, 1u << call.i(0));
  with_compute(p.x.dtype, [&](auto compute) {
    reduce_any(context, ArgExtreme<decltype(compute)>{max}, p.x, p.layout, p.target);
  });
}

}  // namespace

void op_sum(Context& context, const Call& call) { run_sum(context, call, false); }
void op_mean(Context& context, const Call& call) { run_sum(context, call, true); }
void op_prod(Context& context, const Call& call) {
  const Prepared p = prepare(call);
  with_compute(p.x.dtype, [&](auto compute) {
    reduce_any(context, Product<decltype(compute)>{}, p.x, p.layout, p.target);
  });
}
void op_amax(Context& context, const Call& call) { run_extreme<true>(context, prepare(call)); }
void op_amin(Context& context, const Call& call) { run_extreme<false>(context, prepare(call)); }
void op_any(Context& context, const Call& call) { run_truth(context, prepare(call), false); }
void op_all(Context& context, const Call& call) { run_truth(context, prepare(call), true); }
void op_max_dim(Context& context, const Call& call) { run_arg_extreme(context, call, true); }
void op_min_dim(Context& context, const Call& call) { run_arg_extreme(context, call, false); }

void op_var(Context& context, const Call& call) {
  const Prepared p = prepare(call);
  const double correction = call.f(op::var::attr::correction);
  const bool root = call.f(op::var::attr::root) != 0;
  if (p.x.dtype == DType::float64) reduce_any(context, Variance<double>{correction, root}, p.x, p.layout, p.target);
  else reduce_any(context, Variance<float>{correction, root}, p.x, p.layout, p.target);
}

}  // namespace lenode::cuda
