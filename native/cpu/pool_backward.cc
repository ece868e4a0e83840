// SPDX-License-Identifier: Apache-2.0
// Pooling, backward. A task is one image of d_x, or some of its channels, so that no two threads write one place.
// Where windows do not overlap every input is written once; otherwise contributions are added to zeros.
#include <string>

#include "cpu/handlers.h"
#include "cpu/pool.h"

namespace lenode::cpu {
namespace {

// The part of an image that a task fills: channels [first, first + count) of `lanes`.
struct Channels {
  int64_t lanes, first, count;
};

// f(pixel) for the pixels of a window, by their places in the plane.
template <class F>
inline __attribute__((always_inline)) void for_window(const PoolGeometry& g, const Span& d, const Span& h,
                                                      const Span& w, F&& f) {
  for (int64_t kd = d.first; kd < d.last; ++kd) {
    for (int64_t kh = h.first; kh < h.last; ++kh) {
      const int64_t row = ((d.start + kd * g.dilation[0]) * g.in[1] + h.start + kh * g.dilation[1]) * g.in[2];
      for (int64_t kw = w.first; kw < w.last; ++kw) f(row + w.start + kw * g.dilation[2]);
    }
  }
}

template <int L>
inline VectorOf<int32_t, L> lane_numbers() {
  VectorOf<int32_t, L> lanes;
  for (int i = 0; i < L; ++i) lanes[i] = i;
  return lanes;
}

// Every input compares its place with the chosen one, which needs no scatter and cannot leave the image.
template <class T, int L, bool Add>
void max_backward_channels(const PoolGeometry& g, const Channels& part, int64_t od, int64_t oh, const T* grad,
                           const int32_t* indices, T* image) {
  using V = VectorOf<T, L>;
  using I = VectorOf<int32_t, L>;
  using M = decltype(V{} < V{});
  const Span d(g, 0, od), h(g, 1, oh);
  const I lane = lane_numbers<L>();
  for (int64_t ow = 0; ow < g.out[2]; ++ow) {
    const T* incoming_row = grad + ow * part.lanes + part.first;
    const int32_t* chosen_row = indices + ow * part.lanes + part.first;
    for_window(g, d, h, g.columns[ow], [&](int64_t pixel) {
      T* place = image + pixel * part.lanes + part.first;
      const I here = I{} + static_cast<int32_t>(pixel);
      for_vectors<L>(part.count, [&](int64_t c, int done) {
        V incoming;
        I chosen;
        load_vector(incoming, incoming_row + c);
        load_vector(chosen, chosen_row + c);
        if constexpr (Add) chosen = lane < done ? I{} - 1 : chosen;
        const M hit = __builtin_convertvector(chosen == here, M);
        V value = hit ? incoming : V{};
        if constexpr (Add) {
          V before;
          load_vector(before, place + c);
          value += before;
        }
        store_vector(place + c, value);
      });
    });
  }
}

template <class T>
void max_backward_plane(const PoolGeometry& g, const T* grad, const int32_t* indices, T* image) {
  const int64_t plane = g.plane();
  for (int64_t ow = 0; ow < g.out[2]; ++ow)
    if (indices[ow] >= 0 && indices[ow] < plane) image[indices[ow]] += grad[ow];
}

// The shares of one large window, a block of channels at a time.
template <class T, bool Add>
void average_backward_large_window(const PoolGeometry& g, const Channels& part, const Span& d, const Span& h,
                                   const Span& w, const T* grad, T scale, T* image) {
  constexpr int64_t kBlock = 512;
  T share[kBlock];
  for (int64_t block = 0; block < part.count; block += kBlock) {
    const int64_t count = std::min(kBlock, part.count - block);
#pragma omp simd
    for (int64_t c = 0; c < count; ++c) share[c] = grad[block + c] / scale;
    for_window(g, d, h, w, [&](int64_t pixel) {
      T* place = image + pixel * part.lanes + part.first + block;
      if constexpr (Add) {
#pragma omp simd
        for (int64_t c = 0; c < count; ++c) place[c] += share[c];
      } else {
        std::copy_n(share, count, place);
      }
    });
  }
}

template <class T, int L, bool Add>
void average_backward_channels(const PoolGeometry& g, const Channels& part, int64_t od, int64_t oh, const T* grad,
                               T* image, const AverageDivisor& divisor) {
  using V = VectorOf<T, L>;
  using M = decltype(V{} < V{});
  const Span d(g, 0, od), h(g, 1, oh);
  const int64_t outer = divisor.extent(g, 0, od) * divisor.extent(g, 1, oh);
  const M lane = __builtin_convertvector(lane_numbers<L>(), M);
  for (int64_t ow = 0; ow < g.out[2]; ++ow) {
    const Span& w = g.columns[ow];
    const T scale = static_cast<T>(divisor.of(outer * divisor.extent(g, 2, ow)));
    if ((d.last - d.first) * (h.last - h.first) * (w.last - w.first) >= kLargeWindow) {
      average_backward_large_window<T, Add>(g, part, d, h, w, grad + ow * part.lanes + part.first, scale, image);
      continue;
    }
    for_vectors<L>(part.count, [&](int64_t c, int done) {
      V share;
      load_vector(share, grad + ow * part.lanes + part.first + c);
      share /= scale;
      if constexpr (Add) share = lane < done ? V{} : share;
      for_window(g, d, h, w, [&](int64_t pixel) {
        T* place = image + pixel * part.lanes + part.first + c;
        V value = share;
        if constexpr (Add) {
          load_vector(value, place);
          value += share;
        }
        store_vector(place, value);
      });
    });
  }
}

// Shares are made for a block of outputs at once and added along rows of the image.
template <class T>
void average_backward_plane(const PoolGeometry& g, int64_t od, int64_t oh, const T* grad, T* image,
                            const AverageDivisor& divisor) {
  constexpr int64_t kBlock = 256;
  const Span d(g, 0, od), h(g, 1, oh);
  const int64_t outer = divisor.extent(g, 0, od) * divisor.extent(g, 1, oh);
  T share[kBlock];
  for (int64_t block = 0; block < g.out[2]; block += kBlock) {
    const int64_t end = std::min(g.out[2], block + kBlock);
    for (int64_t ow = block; ow < end; ++ow)
      share[ow - block] = grad[ow] / static_cast<T>(divisor.of(outer * divisor.extent(g, 2, ow)));
    for (int64_t kd = d.first; kd < d.last; ++kd) {
      for (int64_t kh = h.first; kh < h.last; ++kh) {
        T* row = image + ((d.start + kd) * g.in[1] + h.start + kh) * g.in[2];
        for (int64_t ow = block; g.adaptive[2] && ow < end; ++ow) {
          const Span& w = g.columns[ow];
          for (int64_t kw = w.start; kw < w.start + w.last; ++kw) row[kw] += share[ow - block];
        }
        for (int64_t kw = 0; !g.adaptive[2] && kw < g.kernel[2]; ++kw) {
          const Columns columns(g, kw);
          const int64_t first = std::max(block, columns.first), last = std::min(end, columns.last);
          with_stride(g.stride[2], [&](auto constant) {
            const int64_t stride = constant ? int64_t{constant} : g.stride[2];
#pragma omp simd
            for (int64_t ow = first; ow < last; ++ow) row[ow * stride + columns.offset] += share[ow - block];
          });
        }
      }
    }
  }
}

template <class T>
void clear(const PoolGeometry& g, const Channels& part, T* image) {
  if (part.count == part.lanes) {
    std::fill_n(image, g.plane() * part.lanes, T(0));
    return;
  }
  for (int64_t pixel = 0; pixel < g.plane(); ++pixel)
    std::fill_n(image + pixel * part.lanes + part.first, part.count, T(0));
}

const int32_t* read_indices(const ImageRows& indices, int64_t image, int64_t od, int64_t oh, int32_t* buffer) {
  const int32_t* row = reinterpret_cast<const int32_t*>(indices.row(image, od, oh));
  if (indices.step() == 1) return row;
  for (int64_t i = 0; i < indices.row_size(); ++i) buffer[i] = row[i * indices.step()];
  return buffer;
}

// kernel(part, od, oh, grad, indices, image) for every row of outputs of every task. zero: images start as zeros.
template <class T, class Kernel>
void for_images(const PoolGeometry& g, const ImageLayout& layout, const TensorView& d_x_view,
                const TensorView& grad_view, const TensorView* indices_view, bool zero, Kernel&& kernel) {
  const ImageRows d_x(d_x_view, layout), grad(grad_view, layout),
      indices(indices_view ? *indices_view : grad_view, layout);
  const RowReader<T> reader(grad);
  const bool direct = d_x.direct<T>() && d_x.packed();
  const bool copy_indices = indices_view && indices.step() != 1;
  const Store store = store_function(compute_v<T>, d_x.dtype());
  const int64_t pixels = g.plane();
  if (layout.images == 0 || pixels == 0) return;

  // Few images: their channels are shared out, in pieces of whole vectors.
  constexpr int64_t kPiece = 16;
  const int threads = thread_count();
  const bool divide = direct && layout.images < threads;
  const int64_t pieces = divide ? std::max<int64_t>(1, std::min<int64_t>(threads, layout.lanes / kPiece)) : 1;
  const int64_t tasks = layout.images * pieces;
  const int slots = useful_threads(tasks, pixels * layout.lanes / pieces * 2);
  const SlotBuffers<T> image_buffers(slots, direct ? 0 : pixels * layout.lanes);
  const SlotBuffers<T> grad_buffers(slots, reader.direct() ? 0 : grad.row_size());
  const SlotBuffers<int32_t> index_buffers(slots, copy_indices ? grad.row_size() : 0);
  parallel_slots(slots, tasks, [&](int slot, int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / pieces, piece = task % pieces;
      const int64_t vectors = layout.lanes / kPiece;
      const int64_t first = piece * vectors / pieces * kPiece;
      const int64_t last = piece + 1 == pieces ? layout.lanes : (piece + 1) * vectors / pieces * kPiece;
      const Channels part{layout.lanes, first, last - first};
      T* target = direct ? reinterpret_cast<T*>(d_x.row_mutable(image, 0, 0)) : image_buffers[slot];
      if (zero) clear(g, part, target);
      for (int64_t od = 0; od < g.out[0]; ++od) {
        for (int64_t oh = 0; oh < g.out[1]; ++oh) {
          const T* row = reader.read(image, od, oh, grad_buffers[slot]);
          const int32_t* chosen =
              indices_view ? read_indices(indices, image, od, oh, index_buffers[slot]) : nullptr;
          kernel(part, od, oh, row, chosen, target);
        }
      }
      if (direct) continue;
      for (int64_t id = 0; id < g.in[0]; ++id)
        for (int64_t ih = 0; ih < g.in[1]; ++ih)
          store(target + (id * g.in[1] + ih) * d_x.row_size(), d_x.row_mutable(image, id, ih), d_x.step(),
                d_x.row_size());
    }
  });
}

template <class T>
void max_pool_backward(const Call& call) {
  namespace o = op::max_pool_backward;
  const TensorView &grad = call.in(o::in::grad), &indices = call.in(o::in::indices), &d_x = call.out(o::out::d_x);
  const PoolGeometry g(call, d_x, grad, true);
  require(indices.dtype == DType::int32 && same_shape(indices, grad),
          "max_pool_backward: expected int32 indices of the gradient's shape");
  const ImageLayout layout({&grad, &indices, &d_x});
  if (!layout.channels) {
    for_images<T>(g, layout, d_x, grad, &indices, true,
                  [&](const Channels&, int64_t, int64_t, const T* row, const int32_t* chosen, T* image) {
                    max_backward_plane<T>(g, row, chosen, image);
                  });
    return;
  }
  const bool add = g.overlapping();
  with_lanes<T>(g.c, [&](auto lanes) {
    for_images<T>(g, layout, d_x, grad, &indices, add || !g.covering(),
                  [&](const Channels& part, int64_t od, int64_t oh, const T* row, const int32_t* chosen, T* image) {
                    if (add) max_backward_channels<T, lanes(), true>(g, part, od, oh, row, chosen, image);
                    else max_backward_channels<T, lanes(), false>(g, part, od, oh, row, chosen, image);
                  });
  });
}

template <class T>
void avg_pool_backward(const Call& call) {
  namespace o = op::avg_pool_backward;
  const TensorView &grad = call.in(o::in::grad), &d_x = call.out(o::out::d_x);
  const PoolGeometry g(call, d_x, grad, false);
  const AverageDivisor divisor{call.i(o::attr::count_include_pad) != 0, call.f(o::attr::divisor)};
  const ImageLayout layout({&grad, &d_x});
  if (!layout.channels) {
    for_images<T>(g, layout, d_x, grad, nullptr, true,
                  [&](const Channels&, int64_t od, int64_t oh, const T* row, const int32_t*, T* image) {
                    average_backward_plane<T>(g, od, oh, row, image, divisor);
                  });
    return;
  }
  const bool add = g.overlapping();
  with_lanes<T>(g.c, [&](auto lanes) {
    for_images<T>(g, layout, d_x, grad, nullptr, add || !g.covering(),
                  [&](const Channels& part, int64_t od, int64_t oh, const T* row, const int32_t*, T* image) {
                    if (add) average_backward_channels<T, lanes(), true>(g, part, od, oh, row, image, divisor);
                    else average_backward_channels<T, lanes(), false>(g, part, od, oh, row, image, divisor);
                  });
  });
}

}  // namespace

void op_max_pool_backward(Context&, const Call& call) {
  with_float_compute(call.out(0).dtype, [&](auto t) { max_pool_backward<decltype(t)>(call); });
}

void op_avg_pool_backward(Context&, const Call& call) {
  with_float_compute(call.out(0).dtype, [&](auto t) { avg_pool_backward<decltype(t)>(call); });
}

}  // namespace lenode::cpu
