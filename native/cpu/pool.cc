// SPDX-License-Identifier: Apache-2.0
// Pooling, forward. A task is one row of outputs; it reads the input rows under its windows.
#include "cpu/pool.h"

#include <algorithm>
#include <limits>
#include <string>

#include "core/functors.h"
#include "cpu/handlers.h"

namespace lenode::cpu {

PoolGeometry::PoolGeometry(const Call& call, const TensorView& x, const TensorView& y, bool has_dilation) {
  const std::string name = op_info(call.op).name;
  if (x.rank < 3 || x.rank > 5 || y.rank != x.rank || x.dims[0] != y.dims[0] || x.dims[1] != y.dims[1])
    fail(ErrorCode::invalid, name + ": expected tensors [N, C, spatial...] of one rank, 3 to 5");
  n = x.dims[0];
  c = x.dims[1];
  const int spatial = x.rank - 2;
  for (int i = 0; i < 3; ++i) {
    const int own = i - (3 - spatial);
    in[i] = own < 0 ? 1 : x.dims[2 + own];
    out[i] = own < 0 ? 1 : y.dims[2 + own];
    kernel[i] = own < 0 ? 1 : call.i(own);
    stride[i] = own < 0 ? 1 : call.i(3 + own);
    padding[i] = own < 0 ? 0 : call.i(6 + own);
    dilation[i] = own < 0 || !has_dilation ? 1 : call.i(9 + own);
    adaptive[i] = kernel[i] == 0;
    if (adaptive[i]) {
      if (out[i] < 1) fail(ErrorCode::invalid, name + ": expected outputs to share the input out to");
      kernel[i] = std::min(in[i], in[i] / out[i] + 2);
      stride[i] = dilation[i] = 1;
      padding[i] = 0;
    }
    if (kernel[i] < 1 || stride[i] < 1 || dilation[i] < 1 || padding[i] < 0)
      fail(ErrorCode::invalid, name + ": expected a positive kernel, stride and dilation, and padding from 0");
    constexpr int64_t kMost = int64_t{1} << 31;  // no product of two overflows
    if (std::max({kernel[i], stride[i], dilation[i], padding[i], in[i], out[i]}) >= kMost)
      fail(ErrorCode::invalid, name + ": sizes, kernel, stride, padding and dilation must be below 2^31");
  }
  if (plane() > std::numeric_limits<int32_t>::max())
    fail(ErrorCode::invalid, name + ": a plane of more than 2^31 elements has no int32 indices");
  for (int64_t i = 0; i < out[2]; ++i) columns.emplace_back(*this, 2, i);
}

Span::Span(const PoolGeometry& g, int dim, int64_t out) {
  if (g.adaptive[dim]) {
    start = out * g.in[dim] / g.out[dim];
    first = 0;
    last = ((out + 1) * g.in[dim] + g.out[dim] - 1) / g.out[dim] - start;
    return;
  }
  start = out * g.stride[dim] - g.padding[dim];
  first = start < 0 ? (-start + g.dilation[dim] - 1) / g.dilation[dim] : 0;
  last = std::min(g.kernel[dim], start < g.in[dim] ? (g.in[dim] - 1 - start) / g.dilation[dim] + 1 : 0);
}

bool PoolGeometry::overlapping() const {
  for (int i = 0; i < 3; ++i)
    if (adaptive[i] ? in[i] % out[i] != 0 : out[i] > 1 && stride[i] < (kernel[i] - 1) * dilation[i] + 1) return true;
  return false;
}

bool PoolGeometry::covering() const {
  for (int i = 0; i < 3; ++i) {
    if (adaptive[i]) continue;
    const bool gapless = (dilation[i] == 1 || kernel[i] == 1) && (stride[i] <= kernel[i] || out[i] <= 1);
    if (!gapless || (out[i] - 1) * stride[i] + kernel[i] - padding[i] < in[i]) return false;
  }
  return true;
}

namespace {

template <class T>
struct InputRow {
  const T* data;
  int32_t position;  // of its first pixel in the plane
};

// One row of maxima, channels innermost: all of a window's pixels pass through registers.
template <class T, int L, bool Indices>
void max_row_channels(const PoolGeometry& g, const InputRow<T>* rows, int64_t n_rows, T* y, int32_t* indices) {
  using V = VectorOf<T, L>;
  using I = VectorOf<int32_t, L>;
  const T lowest = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  for (int64_t ow = 0; ow < g.out[2]; ++ow) {
    const Span& w = g.columns[ow];
    const bool empty = n_rows == 0 || w.first >= w.last;
    const int32_t start = empty ? -1 : rows[0].position + static_cast<int32_t>(w.start + w.first * g.dilation[2]);
    for_vectors<L>(g.c, [&](int64_t c, int) {
      V best = V{} + lowest;
      I index = I{} + start;
      for (int64_t r = 0; r < n_rows; ++r) {
        for (int64_t k = w.first; k < w.last; ++k) {
          const int64_t pixel = w.start + k * g.dilation[2];
          V x;
          load_vector(x, rows[r].data + pixel * g.c + c);
          const auto take = (x > best) | (x != x);
          best = take ? x : best;
          if constexpr (Indices) {
            const I here = I{} + (rows[r].position + static_cast<int32_t>(pixel));
            index = __builtin_convertvector(take, I) ? here : index;
          }
        }
      }
      store_vector(y + ow * g.c + c, best);
      if constexpr (Indices) store_vector(indices + ow * g.c + c, index);
    });
  }
}

// One row of maxima of a single plane whose windows are not evenly spaced.
template <class T, bool Indices>
void max_row_adaptive(const PoolGeometry& g, const InputRow<T>* rows, int64_t n_rows, T* y, int32_t* indices) {
  for (int64_t ow = 0; ow < g.out[2]; ++ow) {
    const Span& w = g.columns[ow];
    T best = rows[0].data[w.start];
    int32_t index = rows[0].position + static_cast<int32_t>(w.start);
    for (int64_t r = 0; r < n_rows; ++r) {
      for (int64_t pixel = w.start; pixel < w.start + w.last; ++pixel) {
        const T x = rows[r].data[pixel];
        const bool take = (x > best) | functor::is_nan(x);
        best = take ? x : best;
        index = take ? rows[r].position + static_cast<int32_t>(pixel) : index;
      }
    }
    y[ow] = best;
    if constexpr (Indices) indices[ow] = index;
  }
}

// One row of maxima of a single plane: vectors along the row, a window position at a time.
template <class T, bool Indices>
void max_row_plane(const PoolGeometry& g, const InputRow<T>* rows, int64_t n_rows, T* y, int32_t* indices) {
  if (g.adaptive[2]) return max_row_adaptive<T, Indices>(g, rows, n_rows, y, indices);
  const T lowest = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  for (int64_t ow = 0; ow < g.out[2]; ++ow) {
    y[ow] = lowest;
    if constexpr (Indices) {
      const Span& w = g.columns[ow];
      const bool empty = n_rows == 0 || w.first >= w.last;
      indices[ow] = empty ? -1 : rows[0].position + static_cast<int32_t>(w.start + w.first * g.dilation[2]);
    }
  }
  for (int64_t r = 0; r < n_rows; ++r) {
    for (int64_t k = 0; k < g.kernel[2]; ++k) {
      const Columns columns(g, k);
      const T* row = rows[r].data + columns.offset;
      const int32_t position = rows[r].position + static_cast<int32_t>(columns.offset);
      with_stride(g.stride[2], [&](auto constant) {
        const int64_t stride = constant ? int64_t{constant} : g.stride[2];
#pragma omp simd
        for (int64_t ow = columns.first; ow < columns.last; ++ow) {
          const T x = row[ow * stride];
          const bool take = (x > y[ow]) | functor::is_nan(x);
          y[ow] = take ? x : y[ow];
          if constexpr (Indices) indices[ow] = take ? position + static_cast<int32_t>(ow * stride) : indices[ow];
        }
      });
    }
  }
}

// The mean over one large window, channels innermost.
template <class T>
void average_large_window(const PoolGeometry& g, const InputRow<T>* rows, int64_t n_rows, const Span& w, T scale,
                          T* y) {
  std::fill_n(y, g.c, T(0));
  for (int64_t r = 0; r < n_rows; ++r) {
    for (int64_t k = w.first; k < w.last; ++k) {
      const T* x = rows[r].data + (w.start + k) * g.c;
#pragma omp simd
      for (int64_t c = 0; c < g.c; ++c) y[c] += x[c];
    }
  }
#pragma omp simd
  for (int64_t c = 0; c < g.c; ++c) y[c] /= scale;
}

template <class T, int L>
void average_row_channels(const PoolGeometry& g, const InputRow<T>* rows, int64_t n_rows, T* y,
                          const AverageDivisor& divisor, int64_t outer_extent) {
  using V = VectorOf<T, L>;
  for (int64_t ow = 0; ow < g.out[2]; ++ow) {
    const Span& w = g.columns[ow];
    const bool empty = n_rows == 0 || w.first >= w.last;
    const T scale = empty ? T(1) : static_cast<T>(divisor.of(outer_extent * divisor.extent(g, 2, ow)));
    if (!empty && n_rows * (w.last - w.first) >= kLargeWindow) {
      average_large_window(g, rows, n_rows, w, scale, y + ow * g.c);
      continue;
    }
    for_vectors<L>(g.c, [&](int64_t c, int) {
      V sum = V{};
      for (int64_t r = 0; r < n_rows; ++r) {
        for (int64_t k = w.first; k < w.last; ++k) {
          V x;
          load_vector(x, rows[r].data + (w.start + k) * g.c + c);
          sum += x;
        }
      }
      store_vector(y + ow * g.c + c, static_cast<V>(sum / scale));
    });
  }
}

template <class T>
void average_row_plane(const PoolGeometry& g, const InputRow<T>* rows, int64_t n_rows, T* y,
                       const AverageDivisor& divisor, int64_t outer_extent) {
  std::fill_n(y, g.out[2], T(0));
  for (int64_t r = 0; g.adaptive[2] && r < n_rows; ++r) {
    for (int64_t ow = 0; ow < g.out[2]; ++ow) {
      const T* from = rows[r].data + g.columns[ow].start;
      for (int64_t k = 0; k < g.columns[ow].last; ++k) y[ow] += from[k];
    }
  }
  for (int64_t r = 0; !g.adaptive[2] && r < n_rows; ++r) {
    for (int64_t k = 0; k < g.kernel[2]; ++k) {
      const Columns columns(g, k);
      const T* row = rows[r].data + columns.offset;
      with_stride(g.stride[2], [&](auto constant) {
        const int64_t stride = constant ? int64_t{constant} : g.stride[2];
#pragma omp simd
        for (int64_t ow = columns.first; ow < columns.last; ++ow) y[ow] += row[ow * stride];
      });
    }
  }
  for (int64_t ow = 0; ow < g.out[2]; ++ow) {
    const Span& w = g.columns[ow];
    if (n_rows > 0 && w.first < w.last)
      y[ow] /= static_cast<T>(divisor.of(outer_extent * divisor.extent(g, 2, ow)));
  }
}

void store_indices(const int32_t* from, const ImageRows& to, char* row) {
  int32_t* out = reinterpret_cast<int32_t*>(row);
  for (int64_t i = 0; i < to.row_size(); ++i) out[i * to.step()] = from[i];
}

// kernel(rows, n_rows, y, indices, od, oh) for every row of outputs. indices: null if the op has none.
template <class T, class Kernel>
void for_output_rows(const PoolGeometry& g, const ImageLayout& layout, const TensorView& x_view,
                     const TensorView& y_view, const TensorView* indices_view, Kernel&& kernel) {
  const ImageRows x(x_view, layout), y(y_view, layout), indices(indices_view ? *indices_view : y_view, layout);
  const RowReader<T> reader(x);
  const bool y_direct = y.direct<T>(), indices_direct = indices_view && indices.step() == 1;
  const Store store = store_function(compute_v<T>, y.dtype());
  const int64_t tasks = layout.images * g.out[0] * g.out[1], max_rows = g.kernel[0] * g.kernel[1];
  if (tasks == 0 || y.row_size() == 0) return;

  const int slots = useful_threads(tasks, y.row_size() * g.window());
  const SlotBuffers<InputRow<T>> row_lists(slots, max_rows);
  const SlotBuffers<T> converted(slots, reader.direct() ? 0 : max_rows * x.row_size());
  const SlotBuffers<T> outputs(slots, y_direct ? 0 : y.row_size());
  const SlotBuffers<int32_t> positions(slots, indices_view && !indices_direct ? y.row_size() : 0);
  parallel_slots(slots, tasks, [&](int slot, int64_t begin, int64_t end) {
    InputRow<T>* rows = row_lists[slot];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t oh = task % g.out[1], od = task / g.out[1] % g.out[0], image = task / (g.out[1] * g.out[0]);
      const Span d(g, 0, od), h(g, 1, oh);
      int64_t n_rows = 0;
      for (int64_t kd = d.first; kd < d.last; ++kd) {
        for (int64_t kh = h.first; kh < h.last; ++kh) {
          const int64_t id = d.start + kd * g.dilation[0], ih = h.start + kh * g.dilation[1];
          rows[n_rows].data = reader.read(image, id, ih, converted[slot] + n_rows * x.row_size());
          rows[n_rows++].position = static_cast<int32_t>((id * g.in[1] + ih) * g.in[2]);
        }
      }
      char* y_row = y.row_mutable(image, od, oh);
      T* to = y_direct ? reinterpret_cast<T*>(y_row) : outputs[slot];
      char* index_row = indices_view ? indices.row_mutable(image, od, oh) : nullptr;
      int32_t* found = indices_direct ? reinterpret_cast<int32_t*>(index_row) : positions[slot];
      kernel(static_cast<const InputRow<T>*>(rows), n_rows, to, found, od, oh);
      if (!y_direct) store(to, y_row, y.step(), y.row_size());
      if (indices_view && !indices_direct) store_indices(found, indices, index_row);
    }
  });
}

template <class T, bool Indices>
void max_pool(const Call& call, const TensorView* indices) {
  namespace o = op::max_pool;
  const TensorView &x = call.in(o::in::x), &y = call.out(o::out::y);
  const PoolGeometry g(call, x, y, true);
  const ImageLayout layout({&x, &y, indices ? indices : &y});
  if (!layout.channels) {
    for_output_rows<T>(g, layout, x, y, indices,
                       [&](const InputRow<T>* rows, int64_t n, T* to, int32_t* found, int64_t, int64_t) {
                         max_row_plane<T, Indices>(g, rows, n, to, found);
                       });
    return;
  }
  with_lanes<T>(g.c, [&](auto lanes) {
    for_output_rows<T>(g, layout, x, y, indices,
                       [&](const InputRow<T>* rows, int64_t n, T* to, int32_t* found, int64_t, int64_t) {
                         max_row_channels<T, lanes(), Indices>(g, rows, n, to, found);
                       });
  });
}

template <class T>
void avg_pool(const Call& call) {
  namespace o = op::avg_pool;
  const TensorView &x = call.in(o::in::x), &y = call.out(o::out::y);
  const PoolGeometry g(call, x, y, false);
  const ImageLayout layout({&x, &y});
  const AverageDivisor divisor{call.i(o::attr::count_include_pad) != 0, call.f(o::attr::divisor)};
  auto outer_extent = [&](int64_t od, int64_t oh) { return divisor.extent(g, 0, od) * divisor.extent(g, 1, oh); };
  if (!layout.channels) {
    for_output_rows<T>(g, layout, x, y, nullptr,
                       [&](const InputRow<T>* rows, int64_t n, T* to, int32_t*, int64_t od, int64_t oh) {
                         average_row_plane<T>(g, rows, n, to, divisor, outer_extent(od, oh));
                       });
    return;
  }
  with_lanes<T>(g.c, [&](auto lanes) {
    for_output_rows<T>(g, layout, x, y, nullptr,
                       [&](const InputRow<T>* rows, int64_t n, T* to, int32_t*, int64_t od, int64_t oh) {
                         average_row_channels<T, lanes()>(g, rows, n, to, divisor, outer_extent(od, oh));
                       });
  });
}

}  // namespace

void op_max_pool(Context&, const Call& call) {
  namespace o = op::max_pool;
  const TensorView& indices = call.out(o::out::indices_opt);
  with_compute(call.in(o::in::x).dtype, [&](auto t) {
    using T = decltype(t);
    if (!indices.present()) return max_pool<T, false>(call, nullptr);
    require(indices.dtype == DType::int32 && same_shape(indices, call.out(o::out::y)),
            "max_pool: expected int32 indices of the output's shape");
    max_pool<T, true>(call, &indices);
  });
}

void op_avg_pool(Context&, const Call& call) {
  with_float_compute(call.in(op::avg_pool::in::x).dtype, [&](auto t) { avg_pool<decltype(t)>(call); });
}

}  // namespace lenode::cpu
