// SPDX-License-Identifier: Apache-2.0
// Concatenation and everything that reads positions from a tensor. Positions are checked before anything is written
// to an existing tensor; a fresh output of a failed call is filled with NaN.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "core/functors.h"
#include "cpu/convert.h"
#include "cpu/copy.h"
#include "cpu/handlers.h"
#include "cpu/lines.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kRandomCost = 4;  // of an access that the cache does not foresee

struct Bool {
  uint8_t byte;
};
inline void accumulate(Bool& y, Bool x) { y.byte = y.byte != 0 || x.byte != 0; }
template <class T>
inline void accumulate(T& y, T x) {
  y = functor::plus(y, x);
}

// Half types are added up in float32 and rounded once: small terms would be lost one after the other.
template <class T>
constexpr bool is_half_v = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
inline void round_to(Half& y, float x) { y = to_half(x); }
inline void round_to(BFloat16& y, float x) { y = to_bfloat16(x); }

template <class F>
void with_storage(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32: return f(float{});
    case DType::float64: return f(double{});
    case DType::float16: return f(Half{});
    case DType::bfloat16: return f(BFloat16{});
    case DType::int32: return f(int32_t{});
    case DType::int64: return f(int64_t{});
    case DType::uint8: return f(uint8_t{});
    case DType::boolean: return f(Bool{});
  }
}

[[noreturn]] void fail_on_index(const char* name, int64_t index, int64_t position, int64_t size) {
  fail(ErrorCode::index, std::string(name) + ": index " + std::to_string(index) + " at position " +
                             std::to_string(position) + " is out of range for size " + std::to_string(size));
}

// The values as a contiguous tensor of `shape`'s shape.
TensorView positions_view(std::vector<int64_t>& values, const TensorView& shape) {
  TensorView view = shape;
  view.data = values.data();
  view.dtype = DType::int64;
  int64_t stride = 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    view.strides[i] = stride;
    stride *= shape.dims[i];
  }
  return view;
}

// All values of an index tensor in logical order: positions in a dimension of `size`.
std::vector<int64_t> positions(const Call& call, const TensorView& index, int64_t size) {
  std::vector<int64_t> result(static_cast<size_t>(index.numel()));
  copy_view(index, positions_view(result, index));
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i] < 0 || result[i] >= size)
      fail_on_index(op_info(call.op).name, result[i], static_cast<int64_t>(i), size);
  }
  return result;
}

// For ops with fresh outputs.
template <class Body>
void nan_on_index_error(const Call& call, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::index) fill_outputs_with_nan(call);
    throw;
  }
}

// The view restricted to the shape of `shape`, but for dimension `dim`, whose stride is taken out: what is left to
// add for a position in it. Every other dimension must be large enough.
TensorView without_position(const TensorView& view, const TensorView& shape, int dim) {
  require(view.rank == shape.rank, "index: expected tensors of one rank");
  TensorView result = view;
  for (int i = 0; i < view.rank; ++i) {
    require(i == dim || view.dims[i] >= shape.dims[i], "index: the index tensor is larger than the tensor");
    result.dims[i] = shape.dims[i];
    if (i == dim) result.strides[i] = 0;
  }
  return result;
}

void check_1d(const char* name, const TensorView& index) {
  if (index.rank != 1) fail(ErrorCode::invalid, std::string(name) + ": expected a vector of positions");
}

template <class T>
void select(const TensorView& x, const TensorView& y, int dim, const std::vector<int64_t>& index) {
  const StridedLoop loop = make_loop({&y, &x}, dim);
  const int64_t n = static_cast<int64_t>(index.size());
  const int64_t x_dim = x.strides[dim], y_dim = y.strides[dim];
  const int64_t y_inner = loop.inner_stride(0), x_inner = loop.inner_stride(1);
  const T* from = x.ptr<const T>();
  T* to = y.ptr<T>();
  if (loop.numel == 0 || n == 0) return;
  if (loop.rank == 0 || y_dim < y_inner) {  // the selected dimension is the fastest one
    parallel_chunks(loop.numel, n * kRandomCost, [&](int64_t begin, int64_t end) {
      for (Walker walker(loop, begin); walker.position() < end; walker.advance(1)) {
        const T* line = from + walker.offset(1);
        T* out = to + walker.offset(0);
        for (int64_t i = 0; i < n; ++i) out[i * y_dim] = line[index[i] * x_dim];
      }
    });
    return;
  }
  parallel_chunks(n, loop.numel, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (Walker walker(loop, 0); walker.position() < loop.numel;) {
        const int64_t count = walker.left_in_row();
        const T* row = from + index[i] * x_dim + walker.offset(1);
        T* out = to + i * y_dim + walker.offset(0);
        if (x_inner == 1 && y_inner == 1) std::memcpy(out, row, count * sizeof(T));
        else for (int64_t k = 0; k < count; ++k) out[k * y_inner] = row[k * x_inner];
        walker.advance(count);
      }
    }
  });
}

// Threads share the elements of a slice, not the positions: two positions may be the same.
template <class T>
void add_slices(const TensorView& source, const TensorView& y, int dim, const std::vector<int64_t>& index) {
  const TensorView y_slice = without_position(y, source, dim);
  const StridedLoop loop = make_loop({&y_slice, &source}, dim);
  const int64_t n = static_cast<int64_t>(index.size());
  const int64_t y_inner = loop.inner_stride(0), x_inner = loop.inner_stride(1);
  const int64_t y_dim = y.strides[dim], x_dim = source.strides[dim];
  if constexpr (is_half_v<T>) {
    // One place of y after the other, so that its sums need no memory but a block of a slice.
    std::vector<int64_t> order(index.size());
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return index[a] < index[b]; });
    parallel_chunks(loop.numel, n * kRandomCost, [&](int64_t begin, int64_t end) {
      constexpr int64_t kBlock = 256;
      float sums[kBlock];
      for (Walker walker(loop, begin); walker.position() < end;) {
        const int64_t count = std::min({walker.left_in_row(), end - walker.position(), kBlock});
        for (int64_t i = 0; i < n;) {
          const int64_t place = index[order[i]];
          T* out = y.ptr<T>() + place * y_dim + walker.offset(0);
          for (int64_t k = 0; k < count; ++k) sums[k] = to_float(out[k * y_inner]);
          for (; i < n && index[order[i]] == place; ++i) {
            const T* row = source.ptr<const T>() + order[i] * x_dim + walker.offset(1);
            for (int64_t k = 0; k < count; ++k) sums[k] += to_float(row[k * x_inner]);
          }
          for (int64_t k = 0; k < count; ++k) round_to(out[k * y_inner], sums[k]);
        }
        walker.advance(count);
      }
    });
  } else {
    parallel_chunks(loop.numel, n * kRandomCost, [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < n; ++i) {
        for (Walker walker(loop, begin); walker.position() < end;) {
          const int64_t count = std::min(walker.left_in_row(), end - walker.position());
          T* out = y.ptr<T>() + index[i] * y_dim + walker.offset(0);
          const T* row = source.ptr<const T>() + i * x_dim + walker.offset(1);
          if (y_inner == 1 && x_inner == 1) for (int64_t k = 0; k < count; ++k) accumulate(out[k], row[k]);
          else for (int64_t k = 0; k < count; ++k) accumulate(out[k * y_inner], row[k * x_inner]);
          walker.advance(count);
        }
      }
    });
  }
}

// y[index[i]] += x[i] along one line; `sums` has room for a line of y and for the positions it touches.
template <class T>
inline void add_line(T* y, int64_t y_step, int64_t length, const int64_t* index, int64_t index_step, const T* x,
                     int64_t x_step, int64_t n, float* sums) {
  if constexpr (is_half_v<T>) {
    // A short index touches few places of a long line: those alone are read and written.
    const bool whole = n >= length;
    if (whole) for (int64_t k = 0; k < length; ++k) sums[k] = to_float(y[k * y_step]);
    else for (int64_t i = 0; i < n; ++i) sums[index[i * index_step]] = to_float(y[index[i * index_step] * y_step]);
    for (int64_t i = 0; i < n; ++i) sums[index[i * index_step]] += to_float(x[i * x_step]);
    if (whole) for (int64_t k = 0; k < length; ++k) round_to(y[k * y_step], sums[k]);
    else for (int64_t i = 0; i < n; ++i) round_to(y[index[i * index_step] * y_step], sums[index[i * index_step]]);
  } else {
    for (int64_t i = 0; i < n; ++i) accumulate(y[index[i * index_step] * y_step], x[i * x_step]);
  }
}

}  // namespace

void op_cat(Context&, const Call& call) {
  const TensorView& y = call.out(op::cat::out::y);
  const int dim = checked_dim("cat", y, call.i(op::cat::attr::dim));
  int64_t at_position = 0;
  for (int i = 0; i < call.n_inputs; ++i) {
    const TensorView& x = call.in(i);
    if (x.rank != y.rank && x.numel() == 0) continue;  // PyTorch lets an empty vector join anything
    require(x.rank == y.rank && x.rank > 0, "cat: expected tensors of one rank");
    TensorView part = y;
    part.dims[dim] = x.dims[dim];
    require(at_position + x.dims[dim] <= y.dims[dim], "cat: the output is too small");
    if (x.numel() > 0) {
      part.data = at_mutable(y, at_position * y.strides[dim]);
      copy_view(x, part);
    }
    at_position += x.dims[dim];
  }
  require(at_position == y.dims[dim], "cat: the output is too large");
}

void op_index_select(Context&, const Call& call) {
  namespace o = op::index_select;
  const TensorView x = at_least_1d(call.in(o::in::x)), y = at_least_1d(call.out(o::out::y));
  const int dim = checked_dim("index_select", x, call.i(o::attr::dim));
  const TensorView index = at_least_1d(call.in(o::in::index));
  check_1d("index_select", index);
  require(x.dtype == y.dtype && x.rank == y.rank && y.dims[dim] == index.dims[0],
          "index_select: the output does not fit the input");
  nan_on_index_error(call, [&] {
    const std::vector<int64_t> rows = positions(call, index, x.dims[dim]);
    with_storage(x.dtype, [&](auto t) { select<decltype(t)>(x, y, dim, rows); });
  });
}

void op_index_add(Context&, const Call& call) {
  namespace o = op::index_add;
  const TensorView source = at_least_1d(call.in(o::in::source)), y = at_least_1d(call.out(o::out::y));
  const int dim = checked_dim("index_add", y, call.i(o::attr::dim));
  const TensorView index = at_least_1d(call.in(o::in::index));
  check_1d("index_add", index);
  require(source.dtype == y.dtype && source.rank == y.rank && source.dims[dim] == index.dims[0],
          "index_add: the source does not fit the output");
  for (int i = 0; i < y.rank; ++i)
    require(i == dim || source.dims[i] == y.dims[i], "index_add: the source does not fit the output");
  const std::vector<int64_t> rows = positions(call, index, y.dims[dim]);
  with_storage(y.dtype, [&](auto t) { add_slices<decltype(t)>(source, y, dim, rows); });
}

void op_gather(Context&, const Call& call) {
  namespace o = op::gather;
  const TensorView x = at_least_1d(call.in(o::in::x)), y = at_least_1d(call.out(o::out::y));
  const TensorView index = at_least_1d(call.in(o::in::index));
  const int dim = checked_dim("gather", x, call.i(o::attr::dim));
  require(x.dtype == y.dtype && same_shape(y, index), "gather: expected an output of the index tensor's shape");
  const TensorView x_base = without_position(x, y, dim);
  nan_on_index_error(call, [&] {
    std::vector<int64_t> values = positions(call, index, x.dims[dim]);
    const TensorView where = positions_view(values, y);
    const StridedLoop loop = make_loop({&y, &where, &x_base});
    const int64_t x_dim = x.strides[dim];
    with_storage(x.dtype, [&](auto t) {
      using T = decltype(t);
      parallel_chunks(loop.numel, kRandomCost, [&](int64_t begin, int64_t end) {
        for (Walker walker(loop, begin); walker.position() < end;) {
          const int64_t n = std::min(walker.left_in_row(), end - walker.position());
          T* out = y.ptr<T>() + walker.offset(0);
          const int64_t* row = values.data() + walker.offset(1);
          const T* from = x.ptr<const T>() + walker.offset(2);
          for (int64_t k = 0; k < n; ++k)
            out[k * loop.inner_stride(0)] = from[k * loop.inner_stride(2) + row[k * loop.inner_stride(1)] * x_dim];
          walker.advance(n);
        }
      });
    });
  });
}

namespace {

// What scatter and scatter_add have in common: lines along `dim`, which never meet in y, so that threads may take
// different ones.
struct Scattering {
  explicit Scattering(const Call& call)
      : source(at_least_1d(call.in(op::scatter::in::source))),
        y(at_least_1d(call.out(op::scatter::out::y))),
        index(at_least_1d(call.in(op::scatter::in::index))),
        dim(checked_dim(op_info(call.op).name, y, call.i(op::scatter::attr::dim))) {
    static_assert(static_cast<int>(op::scatter::in::source) == static_cast<int>(op::scatter_add::in::source) &&
                  static_cast<int>(op::scatter::in::index) == static_cast<int>(op::scatter_add::in::index));
    if (source.dtype != y.dtype || source.rank != index.rank || source.dims[dim] < index.dims[dim])
      fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": the source does not fit the index tensor");
    values = positions(call, index, y.dims[dim]);
    where = positions_view(values, index);
    const TensorView y_base = without_position(y, index, dim), from = without_position(source, index, dim);
    loop = make_loop({&y_base, &where, &from}, dim);
    n = index.dims[dim];
    y_dim = y.strides[dim];
    x_dim = source.strides[dim];
    i_dim = where.strides[dim];
  }

  // body(slot, a line of y, its positions, a line of the source) for all lines, in `slots` parts.
  template <class T, class Body>
  void run(int slots, Body&& body) const {
    parallel_slots(slots, loop.numel, [&](int slot, int64_t begin, int64_t end) {
      for (Walker walker(loop, begin); walker.position() < end; walker.advance(1))
        body(slot, y.ptr<T>() + walker.offset(0), values.data() + walker.offset(1),
             source.ptr<const T>() + walker.offset(2));
    });
  }

  TensorView source, y, index, where;
  int dim;
  std::vector<int64_t> values;
  StridedLoop loop;
  int64_t n, y_dim, x_dim, i_dim;
};

}  // namespace

void op_scatter_add(Context&, const Call& call) {
  const Scattering s(call);
  with_storage(s.y.dtype, [&](auto t) {
    using T = decltype(t);
    const int64_t length = s.y.dims[s.dim];
    const int slots = useful_threads(s.loop.numel, s.n * kRandomCost);
    const SlotBuffers<float> sums(slots, is_half_v<T> ? length : 0);
    s.run<T>(slots, [&](int slot, T* out, const int64_t* line, const T* in) {
      add_line(out, s.y_dim, length, line, s.i_dim, in, s.x_dim, s.n, sums[slot]);
    });
  });
}

void op_scatter(Context&, const Call& call) {
  const Scattering s(call);
  with_storage(s.y.dtype, [&](auto t) {
    using T = decltype(t);
    s.run<T>(useful_threads(s.loop.numel, s.n * kRandomCost), [&](int, T* out, const int64_t* line, const T* in) {
      for (int64_t i = 0; i < s.n; ++i) out[line[i * s.i_dim] * s.y_dim] = in[i * s.x_dim];
    });
  });
}

void op_one_hot(Context&, const Call& call) {
  const TensorView& index = call.in(op::one_hot::in::index);
  const TensorView& y = call.out(op::one_hot::out::y);
  require(y.rank == index.rank + 1, "one_hot: expected an output with one more dimension");
  const int64_t classes = y.dims[index.rank];
  std::vector<int64_t> values = positions(call, index, classes);
  const TensorView where = with_dim(positions_view(values, index), index.rank, y.rank);
  const Lines lines({{&y, Compute::int64, true}, {&where, Compute::int64}}, index.rank);
  lines.run(lines.slots(classes), [&](int, void* const* p) {
    int64_t* line = static_cast<int64_t*>(p[0]);
    std::fill_n(line, classes, 0);
    line[*static_cast<const int64_t*>(p[1])] = 1;
  });
}

}  // namespace lenode::cpu
