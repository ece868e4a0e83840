// SPDX-License-Identifier: Apache-2.0
// Copies between layouts and dtypes; tensors made of constants and sequences.
#include "cpu/copy.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/handlers.h"
#include "cpu/parallel.h"
#include "cpu/strided.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kTile = 32;
constexpr int64_t kStridedCost = 2;

// Calls f with an unsigned integer of the dtype's size.
template <class F>
void with_item(DType dtype, F&& f) {
  switch (item_size(dtype)) {
    case 1: return f(uint8_t{});
    case 2: return f(uint16_t{});
    case 4: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}

template <class T>
void copy_rows(const T* x, T* y, const StridedLoop& loop) {
  const int64_t y_stride = loop.inner_stride(0), x_stride = loop.inner_stride(1);
  parallel_chunks(loop.numel, kStridedCost, [&](int64_t begin, int64_t end) {
    Walker walker(loop, begin);
    while (walker.position() < end) {
      const int64_t n = std::min(end - walker.position(), walker.left_in_row());
      T* to = y + walker.offset(0);
      const T* from = x + walker.offset(1);
      if (x_stride == 1 && y_stride == 1 && n * sizeof(T) >= 64) {
        std::memcpy(to, from, n * sizeof(T));
      } else if (x_stride == 1 && y_stride == 1) {
        for (int64_t i = 0; i < n; ++i) to[i] = from[i];
      } else {
        for (int64_t i = 0; i < n; ++i) to[i * y_stride] = from[i * x_stride];
      }
      walker.advance(n);
    }
  });
}

// y runs fastest along the last dimension of the loop, x along `x_dim`: square tiles pass through a buffer, so that
// memory is read and written in whole cache lines.
template <class T>
void copy_tiles(const T* x, T* y, const StridedLoop& loop, int x_dim) {
  const int last = loop.rank - 1;
  StridedLoop outer = loop;
  outer.rank = last - 1;
  for (int i = x_dim; i < outer.rank; ++i) {
    outer.dims[i] = loop.dims[i + 1];
    for (int k = 0; k < 2; ++k) outer.strides[k][i] = loop.strides[k][i + 1];
  }
  const int64_t rows = loop.dims[x_dim], columns = loop.dims[last];
  outer.numel = loop.numel / (rows * columns);
  const int64_t y_row = loop.strides[0][x_dim], y_column = loop.strides[0][last];
  const int64_t x_column = loop.strides[1][last];
  const int64_t tiles = (rows + kTile - 1) / kTile;
  parallel_chunks(outer.numel * tiles, kTile * columns * kStridedCost, [&](int64_t begin, int64_t end) {
    T tile[kTile][kTile + 1];
    for (int64_t task = begin; task < end; ++task) {
      const Walker walker(outer, task / tiles);
      const int64_t row = task % tiles * kTile, height = std::min(kTile, rows - row);
      for (int64_t column = 0; column < columns; column += kTile) {
        const int64_t width = std::min(kTile, columns - column);
        const T* from = x + walker.offset(1) + row + column * x_column;
        for (int64_t c = 0; c < width; ++c)
          for (int64_t r = 0; r < height; ++r) tile[c][r] = from[c * x_column + r];
        T* to = y + walker.offset(0) + row * y_row + column * y_column;
        for (int64_t r = 0; r < height; ++r)
          for (int64_t c = 0; c < width; ++c) to[r * y_row + c * y_column] = tile[c][r];
      }
    }
  });
}

template <class T>
void copy_items(const TensorView& x, const TensorView& y, const StridedLoop& loop) {
  if (loop.numel == 0) return;
  const T* from = x.ptr<const T>();
  T* to = y.ptr<T>();
  if (loop.flat(0) && loop.flat(1)) {
    parallel_chunks(loop.numel, 1, [&](int64_t begin, int64_t end) {
      std::memcpy(to + begin, from + begin, (end - begin) * sizeof(T));
    });
    return;
  }
  for (int i = 0; i + 1 < loop.rank && loop.inner_stride(1) > 1; ++i)
    if (loop.strides[1][i] == 1) return copy_tiles(from, to, loop, i);
  copy_rows(from, to, loop);
}

void copy_kernel(void* y, const void* const* x, int64_t n, const void* item) {
  std::memmove(y, x[0], n * *static_cast<const size_t*>(item));
}

template <class T>
void fill_items(const TensorView& y, const void* item) {
  T value;
  std::memcpy(&value, item, sizeof(T));
  const StridedLoop loop = make_loop({&y});
  const int64_t stride = loop.inner_stride(0);
  parallel_chunks(loop.numel, 1, [&](int64_t begin, int64_t end) {
    Walker walker(loop, begin);
    while (walker.position() < end) {
      const int64_t n = std::min(end - walker.position(), walker.left_in_row());
      T* to = y.ptr<T>() + walker.offset(0);
      if (stride == 1) std::fill_n(to, n, value);
      else for (int64_t i = 0; i < n; ++i) to[i * stride] = value;
      walker.advance(n);
    }
  });
}

// y[i] = value(i) for a vector, in the compute type T of its dtype.
template <class T, class Value>
void fill_sequence(const TensorView& y, Value&& value) {
  constexpr int64_t kBlock = 1024;
  const Store store = store_function(compute_v<T>, y.dtype);
  const int64_t n = y.dims[0], stride = y.strides[0];
  parallel_chunks(n, 2, [&](int64_t begin, int64_t end) {
    T block[kBlock];
    for (int64_t first = begin; first < end; first += kBlock) {
      const int64_t count = std::min(kBlock, end - first);
      for (int64_t i = 0; i < count; ++i) block[i] = value(first + i);
      store(block, at_mutable(y, first * stride), stride, count);
    }
  });
}

}  // namespace

void copy_view(const TensorView& x, const TensorView& y) {
  if (x.dtype == y.dtype && x.dtype != DType::boolean) {
    const StridedLoop loop = make_loop({&y, &x});
    with_item(x.dtype, [&](auto item) { copy_items<decltype(item)>(x, y, loop); });
    return;
  }
  // To bool, a float must be compared with 0 before it is truncated.
  const Compute compute = compute_of(y.dtype == DType::boolean ? x.dtype : y.dtype);
  const StridedLoop loop = make_loop({&y, &x});
  if (loop.flat(0) && loop.flat(1) && (is_native(y.dtype, compute) || is_native(x.dtype, compute))) {
    const Load load = is_native(y.dtype, compute) ? load_function(x.dtype, compute) : nullptr;
    const Store store = load ? nullptr : store_function(compute, y.dtype);
    parallel_chunks(loop.numel, 1, [&](int64_t begin, int64_t end) {
      if (load) load(at(x, begin), 1, at_mutable(y, begin), end - begin);
      else store(at(x, begin), at_mutable(y, begin), 1, end - begin);
    });
    return;
  }
  const size_t item = compute_size(compute);
  run_blocks(y, {{&x}}, compute, compute, copy_kernel, &item);
}

void fill_view(const TensorView& y, double value) {
  char item[8];
  with_compute(y.dtype == DType::boolean ? DType::float64 : y.dtype, [&](auto t) {
    using T = decltype(t);
    const T converted = from_double<T>(value);
    store_function(compute_v<T>, y.dtype)(&converted, item, 1, 1);
  });
  with_item(y.dtype, [&](auto t) { fill_items<decltype(t)>(y, item); });
}

void fill_outputs_with_nan(const Call& call) {
  for (int i = 0; i < call.n_outputs; ++i) {
    const TensorView& y = call.out(i);
    if (y.present() && is_floating(y.dtype)) fill_view(y, std::numeric_limits<double>::quiet_NaN());
  }
}

void op_copy(Context&, const Call& call) { copy_view(call.in(op::copy::in::x), call.out(op::copy::out::y)); }

void op_fill(Context&, const Call& call) {
  fill_view(call.out(op::fill::out::y), call.f(op::fill::attr::value));
}

// As PyTorch accumulates: exact integers, or double before rounding.
void op_arange(Context&, const Call& call) {
  const TensorView& y = call.out(op::arange::out::y);
  require(y.rank == 1, "arange: expected a vector");
  const double start = call.f(op::arange::attr::start), step = call.f(op::arange::attr::step);
  with_compute(y.dtype, [&](auto t) {
    using T = decltype(t);
    const auto first = static_cast<uint64_t>(from_double<int64_t>(start)), increment = static_cast<uint64_t>(from_double<int64_t>(step));
    fill_sequence<T>(y, [=](int64_t i) {
      if constexpr (std::is_same_v<T, int64_t>) return static_cast<int64_t>(first + static_cast<uint64_t>(i) * increment);
      else return static_cast<T>(start + static_cast<double>(i) * step);
    });
  });
}

// From both ends, so that both are exact.
void op_linspace(Context&, const Call& call) {
  const TensorView& y = call.out(op::linspace::out::y);
  require(y.rank == 1, "linspace: expected a vector");
  const double start = call.f(op::linspace::attr::start), end = call.f(op::linspace::attr::end);
  const int64_t n = y.dims[0];
  const double step = n > 1 ? (end - start) / static_cast<double>(n - 1) : 0;
  with_compute(y.dtype, [&](auto t) {
    using T = decltype(t);
    fill_sequence<T>(y, [=](int64_t i) {
      return from_double<T>(i == 0 || i < n / 2 ? start + static_cast<double>(i) * step
                                                : end - static_cast<double>(n - 1 - i) * step);
    });
  });
}

}  // namespace lenode::cpu
