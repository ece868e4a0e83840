// SPDX-License-Identifier: Apache-2.0
// Reductions over any set of dimensions. Either the fastest dimension in memory is reduced (rows: each row folds
// into one accumulator, in vector lanes), or it is kept (columns: rows are added elementwise to a row of
// accumulators). Accumulators are double for floating sums, so the order of the additions hardly shows.
#include <limits>
#include <memory>
#include <type_traits>

#include "core/functors.h"
#include "cpu/handlers.h"
#include "cpu/parallel.h"
#include "cpu/strided.h"
#include "cpu/vector.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kBlock = 1024;    // elements converted at a time
constexpr int64_t kColumns = 256;   // accumulators of a task in column mode
constexpr int64_t kFoldWidth = 64;  // narrower columns are widened by taking several rows as one

template <class T>
using SumType = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
// Vectors of integers wrap around if they are unsigned.
template <class T, class Float>
using LaneType = std::conditional_t<std::is_floating_point_v<T>, Float, uint64_t>;

// Of scalars, or of vectors.
template <class A>
LENODE_HD A plus(A a, A b) {
  if constexpr (std::is_arithmetic_v<A>) return functor::plus(a, b);
  else return a + b;
}
template <class A>
LENODE_HD A times(A a, A b) {
  if constexpr (std::is_arithmetic_v<A>) return functor::times(a, b);
  else return a * b;
}

// Acc: the accumulator. Lane: the type in which rows are folded, at most kFlush elements before a lane is merged into
// an Acc. step(accumulator, element, centre) serves scalars and vectors alike, so it is written without && and ||;
// the centre is used by the variance alone.
template <class T>
struct Sum {
  using Acc = SumType<T>;
  using Lane = LaneType<T, T>;
  static constexpr int64_t kFlush = 16;
  static constexpr Acc init() { return 0; }
  template <class A, class M>
  static LENODE_HD A step(A a, A x, M) { return plus(a, x); }
  static LENODE_HD Acc four(Acc acc, T a, T b, T c, T d, double) {
    return plus(acc, static_cast<Acc>(plus(plus(a, b), plus(c, d))));
  }
  static LENODE_HD Acc merge(Acc a, Acc b) { return plus(a, b); }
};

// The lanes of all other reductions are exact enough for rows of any length.
template <class Op, class A>
struct Plain {
  using Acc = A;
  using Lane = A;
  static constexpr int64_t kFlush = INT64_MAX / 64;
  template <class T>
  static LENODE_HD A four(A acc, T a, T b, T c, T d, double m) {
    return Op::step(Op::step(Op::step(Op::step(acc, A(a), m), A(b), m), A(c), m), A(d), m);
  }
  static LENODE_HD A merge(A a, A b) { return Op::step(a, b, 0); }
};
template <class T>
struct SquaredDeviation : Plain<SquaredDeviation<T>, double> {
  static constexpr double init() { return 0; }
  template <class A, class X, class M>
  static LENODE_HD A step(A a, X x, M centre) { return a + (x - centre) * (x - centre); }
  static LENODE_HD double merge(double a, double b) { return a + b; }
};
template <class T>
struct Prod : Plain<Prod<T>, SumType<T>> {
  using Lane = LaneType<T, double>;
  static constexpr SumType<T> init() { return 1; }
  template <class A, class M>
  static LENODE_HD A step(A a, A x, M) { return times(a, x); }
};
template <class T>
struct Max : Plain<Max<T>, T> {
  static constexpr T init() {
    return std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  }
  template <class A, class X, class M>
  static LENODE_HD A step(A a, X x, M) { return (x != x) | (x > a) ? x : a; }
};
template <class T>
struct Min : Plain<Min<T>, T> {
  static constexpr T init() {
    return std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  }
  template <class A, class X, class M>
  static LENODE_HD A step(A a, X x, M) { return (x != x) | (x < a) ? x : a; }
};
template <class T>
struct Any : Plain<Any<T>, T> {
  static constexpr T init() { return 0; }
  template <class A, class X, class M>
  static LENODE_HD A step(A a, X x, M) { return x != X{} ? X{} + 1 : a; }
};
template <class T>
struct All : Plain<All<T>, T> {
  static constexpr T init() { return 1; }
  template <class A, class X, class M>
  static LENODE_HD A step(A a, X x, M) { return x == X{} ? X{} : a; }
};

// Four vector accumulators hide the latency of one step.
template <class Op, class T>
typename Op::Acc fold_row(typename Op::Acc start, const T* x, int64_t n, double centre) {
  using Acc = typename Op::Acc;
  using Lane = typename Op::Lane;
  constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(Lane));
  constexpr int kStep = 4 * kLanes;
  using V = VectorOf<Lane, kLanes>;
  int64_t i = 0;
  while (i + kStep <= n) {
    V lanes[4];
    for (V& lane : lanes) lane = V{} + static_cast<Lane>(Op::init());
    const V centres = V{} + static_cast<Lane>(centre);
    const int64_t steps = std::min((n - i) / kStep, Op::kFlush);
    for (int64_t step = 0; step < steps; ++step, i += kStep) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        VectorOf<T, kLanes> elements;
        load_vector(elements, x + i + j * kLanes);
        lanes[j] = Op::step(lanes[j], __builtin_convertvector(elements, V), centres);
      }
    }
    Acc merged = Op::init();
    for (int k = 0; k < kLanes; ++k)
      merged = Op::merge(merged, Op::merge(Op::merge(lanes[0][k], lanes[1][k]), Op::merge(lanes[2][k], lanes[3][k])));
    start = Op::merge(start, merged);
  }
  for (; i < n; ++i) start = Op::step(start, static_cast<Acc>(x[i]), centre);
  return start;
}

// Four rows at once: an accumulator is loaded and stored once for them.
template <class Op, class T>
void add_rows(typename Op::Acc* acc, const T* x, int64_t stride, int64_t rows, int64_t n, const double* centre) {
  using Acc = typename Op::Acc;
  const T *a = x, *b = rows > 1 ? x + stride : x, *c = rows > 2 ? b + stride : x, *d = rows > 3 ? c + stride : x;
  if (rows == 4) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const double m = centre ? centre[i] : 0;
      acc[i] = Op::four(acc[i], a[i], b[i], c[i], d[i], m);
    }
    return;
  }
  for (int64_t row = 0; row < rows; ++row, x += stride) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) acc[i] = Op::step(acc[i], static_cast<Acc>(x[i]), centre ? centre[i] : 0);
  }
}

struct Plan {
  const TensorView& x;
  StridedLoop kept;     // operands: x, y
  StridedLoop reduced;  // operand: x
  bool columns;

  Plan(const TensorView& input, const TensorView& y, uint64_t mask) : x(input) {
    TensorView kept_x = x, kept_y = x, reduced_x = x;
    int own = 0;
    for (int i = 0; i < x.rank; ++i) {
      const bool reduce = mask >> i & 1;
      const bool in_y = y.rank == x.rank || !reduce;
      require(!in_y || (own < y.rank && y.dims[own] == (reduce ? 1 : x.dims[i])),
              "reduce: the output's shape does not fit the input's");
      kept_y.strides[i] = in_y ? y.strides[own] : 0;
      if (in_y) ++own;
      (reduce ? kept_x : reduced_x).dims[i] = 1;
    }
    require(own == y.rank, "reduce: the output's shape does not fit the input's");
    for (int i = 0; i < x.rank; ++i) kept_y.dims[i] = kept_x.dims[i];
    kept = make_loop({&kept_x, &kept_y});
    reduced = make_loop({&reduced_x});
    columns = reduced.rank == 0 ? kept.rank > 0
                                : kept.rank > 0 && kept.inner_stride(0) < reduced.inner_stride(0);
  }
};

// The reduced index range [begin, end) of output `index` in row mode.
template <class Op, class T>
typename Op::Acc reduce_rows(const Plan& plan, int64_t base, int64_t begin, int64_t end, double centre) {
  typename Op::Acc acc = Op::init();
  const bool direct = is_native(plan.x.dtype, compute_v<T>) && plan.reduced.inner_stride(0) == 1;
  const Load load = load_function(plan.x.dtype, compute_v<T>);
  alignas(64) T block[kBlock];
  Walker walker(plan.reduced, begin);
  while (walker.position() < end) {
    int64_t n = std::min(end - walker.position(), walker.left_in_row());
    const T* row;
    if (direct) {
      row = plan.x.ptr<const T>() + base + walker.offset(0);
    } else {
      n = std::min(end - walker.position(), kBlock);
      walker.for_runs(0, n, [&](int64_t offset, int64_t stride, int64_t first, int64_t count) {
        load(at(plan.x, base + offset), stride, block + first, count);
      });
      row = block;
    }
    acc = fold_row<Op, T>(acc, row, n, centre);
    walker.advance(n);
  }
  return acc;
}

// The reduced range [begin, end) of `width` neighbouring outputs in column mode.
template <class Op, class T>
void reduce_columns(const Plan& plan, int64_t base, int64_t width, int64_t begin, int64_t end,
                    const double* centre, typename Op::Acc* out) {
  using Acc = typename Op::Acc;
  const StridedLoop& reduced = plan.reduced;
  const int64_t column_stride = plan.kept.inner_stride(0), row_stride = reduced.inner_stride(0);
  // Rows that follow each other without a gap can be taken several at a time.
  int64_t fold = 1;
  if (width < kFoldWidth && column_stride == 1 && row_stride == width)
    fold = std::min(kColumns / width, std::max<int64_t>(1, reduced.inner_size() / 4));
  const int64_t wide = fold * width;

  alignas(64) Acc acc[kColumns];
  alignas(64) double centres[kColumns];
  std::fill_n(acc, wide, Op::init());
  if (centre)
    for (int64_t i = 0; i < wide; ++i) centres[i] = centre[i % width];
  const double* centre_row = centre ? centres : nullptr;

  const bool direct = is_native(plan.x.dtype, compute_v<T>) && column_stride == 1;
  const Load load = load_function(plan.x.dtype, compute_v<T>);
  alignas(64) T block[4 * kColumns];
  auto add = [&](int64_t offset, int64_t stride, int64_t rows, int64_t n) {
    if (direct) return add_rows<Op, T>(acc, plan.x.ptr<const T>() + offset, stride, rows, n, centre_row);
    for (int64_t row = 0; row < rows; ++row)
      load(at(plan.x, offset + row * stride), column_stride, block + row * kColumns, n);
    add_rows<Op, T>(acc, block, kColumns, rows, n, centre_row);
  };

  Walker walker(reduced, begin);
  while (walker.position() < end) {
    const int64_t rows = std::min(end - walker.position(), walker.left_in_row());
    const int64_t offset = base + walker.offset(0);
    const int64_t folded = rows / fold;
    for (int64_t row = 0; row < folded; row += 4)
      add(offset + row * fold * row_stride, fold * row_stride, std::min<int64_t>(4, folded - row), wide);
    const int64_t rest = rows - folded * fold;
    if (rest > 0) add(offset + folded * fold * row_stride, 0, 1, fold > 1 ? rest * width : width);
    walker.advance(rows);
  }
  for (int64_t k = 1; k < fold; ++k)
    for (int64_t i = 0; i < width; ++i) acc[i] = Op::merge(acc[i], acc[k * width + i]);
  for (int64_t i = 0; i < width; ++i) out[i] = Op::merge(out[i], acc[i]);
}

// All outputs, in the order of the kept loop. Few outputs: the reduced range is split over the threads as well.
template <class Op, class T>
std::unique_ptr<typename Op::Acc[]> reduce_all(const Plan& plan, const double* centre) {
  using Acc = typename Op::Acc;
  const int64_t outputs = plan.kept.numel, count = plan.reduced.numel;
  const int64_t inner = plan.columns ? plan.kept.inner_size() : 1;
  const int64_t blocks = (inner + kColumns - 1) / kColumns;
  const int64_t tasks = outputs == 0 ? 0 : outputs / inner * blocks;
  const int64_t task_work = count * std::min(inner, kColumns);
  const int threads = useful_threads(std::max<int64_t>(tasks * count, 1), std::min(inner, kColumns));
  const int splits = tasks >= threads || tasks == 0 ? 1 : static_cast<int>(std::min<int64_t>(threads, count));

  std::unique_ptr<Acc[]> result(new Acc[outputs * splits]);
  std::fill_n(result.get(), outputs * splits, Op::init());
  parallel_chunks(tasks * splits, std::max<int64_t>(1, task_work / splits), [&](int64_t first, int64_t last) {
    for (int64_t item = first; item < last; ++item) {
      const int64_t split = item / tasks, task = item % tasks;
      const int64_t begin = count * split / splits, end = count * (split + 1) / splits;
      const int64_t index = plan.columns ? task / blocks * inner + task % blocks * kColumns : task;
      const int64_t width = plan.columns ? std::min(kColumns, inner - task % blocks * kColumns) : 1;
      const int64_t base = Walker(plan.kept, index).offset(0);
      Acc* out = result.get() + split * outputs + index;
      if (plan.columns) reduce_columns<Op, T>(plan, base, width, begin, end, centre ? centre + index : nullptr, out);
      else *out = reduce_rows<Op, T>(plan, base, begin, end, centre ? centre[index] : 0);
    }
  });
  for (int split = 1; split < splits; ++split)
    for (int64_t i = 0; i < outputs; ++i) result[i] = Op::merge(result[i], result[split * outputs + i]);
  return result;
}

// y[i] = finish(acc[i]) as R, y's compute type.
template <class R, class Acc, class Finish>
void write(const Plan& plan, const TensorView& y, const Acc* acc, Finish&& finish) {
  const Store store = store_function(compute_v<R>, y.dtype);
  parallel_chunks(plan.kept.numel, 2, [&](int64_t begin, int64_t end) {
    R block[kBlock];
    Walker walker(plan.kept, begin);
    while (walker.position() < end) {
      const int64_t n = std::min(kBlock, end - walker.position());
      for (int64_t i = 0; i < n; ++i) block[i] = static_cast<R>(finish(acc[walker.position() + i]));
      walker.for_runs(1, n, [&](int64_t offset, int64_t stride, int64_t first, int64_t count) {
        store(block + first, at_mutable(y, offset), stride, count);
      });
      walker.advance(n);
    }
  });
}

template <template <class> class Op>
void reduce(const Call& call) {
  const Plan plan(call.in(0), call.out(0), static_cast<uint64_t>(call.i(0)));
  with_compute(plan.x.dtype, [&](auto t) {
    using T = decltype(t);
    const auto acc = reduce_all<Op<T>, T>(plan, nullptr);
    write<T>(plan, call.out(0), acc.get(), [](auto a) { return a; });
  });
}

}  // namespace

void op_sum(Context&, const Call& call) { reduce<Sum>(call); }
void op_prod(Context&, const Call& call) { reduce<Prod>(call); }
void op_amax(Context&, const Call& call) { reduce<Max>(call); }
void op_amin(Context&, const Call& call) { reduce<Min>(call); }
void op_any(Context&, const Call& call) { reduce<Any>(call); }
void op_all(Context&, const Call& call) { reduce<All>(call); }

void op_mean(Context&, const Call& call) {
  const Plan plan(call.in(0), call.out(0), static_cast<uint64_t>(call.i(op::mean::attr::dim_mask)));
  const double count = static_cast<double>(plan.reduced.numel);
  with_float_compute(plan.x.dtype, [&](auto t) {
    using T = decltype(t);
    const auto sums = reduce_all<Sum<T>, T>(plan, nullptr);
    write<T>(plan, call.out(0), sums.get(), [count](double sum) { return sum / count; });
  });
}

// Two passes: the mean, then the deviations from it, which loses no digits.
void op_var(Context&, const Call& call) {
  const Plan plan(call.in(0), call.out(0), static_cast<uint64_t>(call.i(op::var::attr::dim_mask)));
  const double count = static_cast<double>(plan.reduced.numel);
  const double divisor = std::max(0.0, count - call.f(op::var::attr::correction));
  const bool root = call.f(op::var::attr::root) != 0;
  with_float_compute(plan.x.dtype, [&](auto t) {
    using T = decltype(t);
    const auto centre = reduce_all<Sum<T>, T>(plan, nullptr);
    for (int64_t i = 0; i < plan.kept.numel; ++i) centre[i] /= count;
    const auto squares = reduce_all<SquaredDeviation<T>, T>(plan, centre.get());
    if (root) write<T>(plan, call.out(0), squares.get(), [divisor](double sum) { return std::sqrt(sum / divisor); });
    else write<T>(plan, call.out(0), squares.get(), [divisor](double sum) { return sum / divisor; });
  });
}

}  // namespace lenode::cpu
