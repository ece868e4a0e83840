// SPDX-License-Identifier: Apache-2.0
// Ops along one dimension that keep positions: extremes with their indices, running sums, sorting.
#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "core/functors.h"
#include "cpu/convert.h"
#include "cpu/handlers.h"
#include "cpu/lines.h"

namespace lenode::cpu {
namespace {

// The first position of the extreme; a NaN is more extreme than any number.
template <class T, bool Largest>
int64_t extreme_position(const T* x, int64_t n) {
  auto better = [](T a, T b) { return Largest ? a > b : a < b; };
  T best = x[0];
  int nan = 0;
  for (int64_t i = 0; i < n; ++i) {
    best = better(x[i], best) ? x[i] : best;
    nan |= functor::is_nan(x[i]);
  }
  for (int64_t i = 0; i < n; ++i)
    if (nan ? functor::is_nan(x[i]) : x[i] == best) return i;
  return 0;
}

template <bool Largest>
void extremes(const Call& call) {
  const char* name = op_info(call.op).name;
  const TensorView x = at_least_1d(call.in(0));
  const int dim = checked_dim(name, x, call.i(0));
  const TensorView values = with_dim(call.out(0), dim, x.rank), indices = with_dim(call.out(1), dim, x.rank);
  with_compute(x.dtype, [&](auto t) {
    using T = decltype(t);
    const Lines lines({{&x, compute_v<T>}, {&values, compute_v<T>, true}, {&indices, Compute::int64, true}}, dim);
    const int64_t n = x.dims[dim];
    require(values.dims[dim] == 1 && indices.dims[dim] == 1, "max_dim: expected outputs of size 1 along dim");
    if (lines.count() > 0 && n == 0)
      fail(ErrorCode::invalid, std::string(name) + ": expected at least one element along the dimension");
    lines.run(lines.slots(n * 2), [&](int, void* const* p) {
      const T* line = static_cast<const T*>(p[0]);
      const int64_t position = extreme_position<T, Largest>(line, n);
      *static_cast<T*>(p[1]) = line[position];
      *static_cast<int64_t*>(p[2]) = position;
    });
  });
}

// Unsigned integers in the order of the values; NaN last, both zeros equal.
inline uint64_t sort_key(int64_t x) { return static_cast<uint64_t>(x) ^ (uint64_t{1} << 63); }
inline uint64_t sort_key(double x) {
  if (x != x) return UINT64_MAX;
  const uint64_t bits = bit_cast<uint64_t>(x == 0 ? 0.0 : x);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}
inline uint64_t sort_key(float x) { return sort_key(static_cast<double>(x)); }

struct Keyed {
  uint64_t key;
  int64_t index;
  // The index decides ties, which makes every sort a stable one.
  bool operator<(const Keyed& other) const {
    return key != other.key ? key < other.key : index < other.index;
  }
};

// The first k elements of each line in order: sort takes all of them.
void sort_lines(const Call& call, bool descending) {
  const TensorView x = at_least_1d(call.in(0)), values = at_least_1d(call.out(0)), indices = at_least_1d(call.out(1));
  const char* name = op_info(call.op).name;
  const int dim = checked_dim(name, x, call.i(0));
  const int64_t n = x.dims[dim];
  with_compute(x.dtype, [&](auto t) {
    using T = decltype(t);
    const Lines lines({{&x, compute_v<T>}, {&values, compute_v<T>, true}, {&indices, Compute::int64, true}}, dim);
    const int64_t k = lines.length(1);
    if (k > n || lines.length(2) != k)
      fail(ErrorCode::invalid, std::string(name) + ": expected at most " + std::to_string(n) + " elements, asked for " +
                                   std::to_string(k));
    const int slots = lines.slots(n * 32);
    std::vector<std::vector<Keyed>> scratch(slots, std::vector<Keyed>(n));
    lines.run(slots, [&](int slot, void* const* p) {
      const T* line = static_cast<const T*>(p[0]);
      std::vector<Keyed>& items = scratch[slot];
      for (int64_t i = 0; i < n; ++i) items[i] = {descending ? ~sort_key(line[i]) : sort_key(line[i]), i};
      if (k < n) std::nth_element(items.begin(), items.begin() + k, items.end());
      std::sort(items.begin(), items.begin() + k);
      for (int64_t i = 0; i < k; ++i) {
        static_cast<T*>(p[1])[i] = line[items[i].index];
        static_cast<int64_t*>(p[2])[i] = items[i].index;
      }
    });
  });
}

// Running results along dim; those of floating dtypes are kept in float64 until they are written.
template <class Step>
void scan(const Call& call, int start, Step step) {
  const char* name = op_info(call.op).name;
  const TensorView x = at_least_1d(call.in(0)), y = at_least_1d(call.out(0));
  const int dim = checked_dim(name, x, call.i(0));
  const int64_t n = x.dims[dim];
  require(y.rank > dim && y.dims[dim] == n, "scan: the output's shape is not the input's");
  with_compute(y.dtype, [&](auto t) {
    using T = decltype(t);
    const Lines lines({{&x, compute_v<T>}, {&y, compute_v<T>, true}}, dim);
    lines.run(lines.slots(n * 4), [&](int, void* const* p) {
      std::conditional_t<std::is_floating_point_v<T>, double, T> state = static_cast<T>(start);
      for (int64_t i = 0; i < n; ++i) {
        step(state, static_cast<const T*>(p[0])[i]);
        static_cast<T*>(p[1])[i] = static_cast<T>(state);
      }
    });
  });
}

}  // namespace

void op_max_dim(Context&, const Call& call) { extremes<true>(call); }
void op_min_dim(Context&, const Call& call) { extremes<false>(call); }
void op_sort(Context&, const Call& call) { sort_lines(call, call.i(op::sort::attr::descending) != 0); }
void op_topk(Context&, const Call& call) { sort_lines(call, call.i(op::topk::attr::largest) != 0); }

void op_cumsum(Context&, const Call& call) {
  scan(call, 0, [](auto& sum, auto x) { sum = functor::plus(sum, static_cast<std::decay_t<decltype(sum)>>(x)); });
}
void op_cumprod(Context&, const Call& call) {
  scan(call, 1, [](auto& product, auto x) {
    product = functor::times(product, static_cast<std::decay_t<decltype(product)>>(x));
  });
}

}  // namespace lenode::cpu
