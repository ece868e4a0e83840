// SPDX-License-Identifier: Apache-2.0
// Sorting along a dimension: elements become unsigned keys in the same order, with the line's number above them, so
// one radix sort orders all lines at once. 64-bit elements leave no room for the line: they are sorted first and the
// lines, stably, afterwards. A few largest elements of a short line are picked one by one instead.
#include <cstring>

#include "cuda/handlers.h"
#include "cuda/lines.cuh"
#include "cuda/radix_sort.h"

namespace lenode::cuda {
namespace {

constexpr int64_t kPickedElements = 16;
constexpr int64_t kPickedLength = 16384;

struct SortOperand {
  const void* data;
  DType dtype;
  int64_t step;
};

int key_bits(DType dtype) {
  switch (item_size(dtype)) {
    case 1: return 8;
    case 8: return 64;
    default: return 32;  // 16-bit floats as float32
  }
}

// Unsigned order equals element order; NaN is the greatest and -0 equals 0.
LENODE_HD uint64_t order_key(float x) {
  if (functor::is_nan(x)) return 0xffffffffu;
  x += 0.0f;
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
LENODE_HD uint64_t order_key(double x) {
  if (functor::is_nan(x)) return ~uint64_t{0};
  x += 0.0;
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}
LENODE_HD uint64_t order_key(int64_t x, int bits) {
  if (bits == 8) return static_cast<uint64_t>(x);
  const uint64_t biased = static_cast<uint64_t>(x) + (uint64_t{1} << (bits - 1));
  return bits == 64 ? biased : biased & 0xffffffffu;
}

// keys[line * length + i]; values hold i, or line * length + i if the line is not part of the key.
template <class T>
__global__ void __launch_bounds__(kThreads)
    key_kernel(SortOperand x, Indexer<3> lines, int64_t count, int64_t length, int bits, bool descending,
               bool line_in_key, uint64_t* keys, int64_t* values) {
  const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  for (int64_t e = first_item(); e < count; e += item_step()) {
    const int64_t line = e / length, i = e - line * length;
    int64_t at[3];
    lines.offsets(line, at);
    const T value = load_as<T>(x.data, x.dtype, at[0] + i * x.step);
    uint64_t key;
    if constexpr (std::is_same_v<T, int64_t>) key = order_key(value, bits);
    else key = order_key(value);
    if (descending) key = ~key & mask;
    keys[e] = line_in_key && bits < 64 ? static_cast<uint64_t>(line) << bits | key : key;
    values[e] = line_in_key ? i : e;
  }
}

__global__ void __launch_bounds__(kThreads)
    line_key_kernel(const int64_t* values, int64_t count, int64_t length, uint64_t* keys) {
  for (int64_t e = first_item(); e < count; e += item_step()) keys[e] = static_cast<uint64_t>(values[e] / length);
}

// The first `kept` of each line.
template <class U>
__global__ void __launch_bounds__(kThreads)
    pick_sorted_kernel(const U* x, int64_t x_step, U* out, int64_t out_step, int64_t* indices, int64_t index_step,
                       Indexer<3> lines, int64_t count, int64_t length, int64_t kept, bool line_in_key,
                       const int64_t* values) {
  for (int64_t e = first_item(); e < count; e += item_step()) {
    const int64_t line = e / kept, j = e - line * kept;
    int64_t at[3];
    lines.offsets(line, at);
    const int64_t i = values[line * length + j] - (line_in_key ? 0 : line * length);
    out[at[1] + j * out_step] = x[at[0] + i * x_step];
    indices[at[2] + j * index_step] = i;
  }
}

int bits_for(int64_t n) {  // of the numbers 0 .. n - 1
  int bits = 0;
  while (bits < 63 && (int64_t{1} << bits) < n) ++bits;
  return bits;
}

struct Sorting {
  const TensorView &x, &values, &indices;
  Lines<3> lines;  // x, values, indices
  int64_t kept;    // of each line
  bool descending;
};

void sort_lines(Context& context, const Sorting& s) {
  const int64_t lines = s.lines.layout.numel(), length = s.lines.length, count = lines * length;
  const int bits = key_bits(s.x.dtype), line_bits = bits_for(lines);
  const bool line_in_key = bits + line_bits <= 64;
  const Indexer<3> indexer = s.lines.layout.indexer();
  SortBuffers buffers{context.workspace_of<uint64_t>(count), context.workspace_of<uint64_t>(count),
                      context.workspace_of<int64_t>(count), context.workspace_of<int64_t>(count)};
  with_compute(s.x.dtype, [&](auto compute) {
    launch_items(context, key_kernel<decltype(compute)>, count, SortOperand{s.x.data, s.x.dtype, s.lines.step[0]},
                 indexer, count, length, bits, s.descending, line_in_key, buffers.keys, buffers.values);
  });
  radix_sort(context, buffers, count, line_in_key ? bits + line_bits : bits);
  if (!line_in_key) {
    launch_items(context, line_key_kernel, count, static_cast<const int64_t*>(buffers.values), count, length,
                 buffers.keys);
    radix_sort(context, buffers, count, line_bits);
  }
  const int64_t picked = lines * s.kept;
  with_unit(item_size(s.x.dtype), [&](auto unit) {
    using U = decltype(unit);
    launch_items(context, pick_sorted_kernel<U>, picked, s.x.ptr<const U>(), s.lines.step[0], s.values.ptr<U>(),
                 s.lines.step[1], s.indices.ptr<int64_t>(), s.lines.step[2], indexer, picked, length, s.kept,
                 line_in_key, static_cast<const int64_t*>(buffers.values));
  });
}

// ---- a few of each line ---------------------------------------------------------------------------------------------

template <class T>
struct Candidate {
  T value;
  int64_t index;  // -1: none
};

template <class T>
struct Foremost {
  using Acc = Candidate<T>;
  bool largest;

  // In the order of the sorted line; NaN counts as the greatest, equal values keep their order.
  __device__ bool precedes(const Acc& a, const Acc& b) const {
    const bool a_nan = functor::is_nan(a.value), b_nan = functor::is_nan(b.value);
    const bool greater = a_nan ? !b_nan : a.value > b.value, less = b_nan ? !a_nan : a.value < b.value;
    if (greater || less) return largest ? greater : less;
    return a.index < b.index;
  }
  __device__ Acc merge(const Acc& a, const Acc& b) const {
    if (a.index < 0) return b;
    return b.index < 0 || precedes(a, b) ? a : b;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    pick_kernel(SortOperand x, void* values, int64_t value_step, int64_t* indices, int64_t index_step, Indexer<3> lines,
                int64_t count, int64_t length, int64_t kept, bool largest, bool lanes_along_x) {
  __shared__ __align__(16) unsigned char buffer[kThreads * sizeof(Candidate<T>)];
  const LineThread thread(lanes_along_x);
  const Foremost<T> order{largest};
  int64_t at[3] = {};
  if (thread.line < count) lines.offsets(thread.line, at);
  Candidate<T> last{T(0), -1};
  for (int64_t k = 0; k < kept; ++k) {
    Candidate<T> best{T(0), -1};
    if (thread.line < count)
      for (int64_t i = thread.lane; i < length; i += thread.lanes) {
        const Candidate<T> candidate{load_as<T>(x.data, x.dtype, at[0] + i * x.step), i};
        if (last.index < 0 || order.precedes(last, candidate)) best = order.merge(best, candidate);
      }
    last = thread.reduce(order, best, reinterpret_cast<Candidate<T>*>(buffer));
    if (thread.line < count && thread.lane == 0) {
      store_same<T>(values, x.dtype, at[1] + k * value_step, last.value);
      indices[at[2] + k * index_step] = last.index;
    }
  }
}

void pick(Context& context, const Sorting& s) {
  const LineGrid grid = line_grid(s.lines, context.multiprocessors);
  with_compute(s.x.dtype, [&](auto compute) {
    launch(context, pick_kernel<decltype(compute)>, grid.grid, grid.block, 0,
           SortOperand{s.x.data, s.x.dtype, s.lines.step[0]}, s.values.data, s.lines.step[1], s.indices.ptr<int64_t>(),
           s.lines.step[2], s.lines.layout.indexer(), s.lines.layout.numel(), s.lines.length, s.kept, s.descending,
           grid.lanes_along_x);
  });
}

Sorting sorting(const Call& call) {
  const TensorView &x = call.in(0), &values = call.out(0), &indices = call.out(1);
  const int dim = static_cast<int>(call.i(0));
  return {x, values, indices, lines_of<3>({&x, &values, &indices}, dim), x.rank == 0 ? 1 : values.dims[dim],
          call.f(1) != 0};
}

}  // namespace

void op_sort(Context& context, const Call& call) {
  const Sorting s = sorting(call);
  if (s.values.numel() > 0) sort_lines(context, s);
}

void op_topk(Context& context, const Call& call) {
  const Sorting s = sorting(call);
  if (s.values.numel() == 0) return;
  LENODE_CHECK(s.kept <= s.lines.length, "topk: k is larger than the dimension");
  if (s.kept <= kPickedElements && s.lines.length <= kPickedLength) pick(context, s);
  else sort_lines(context, s);
}

}  // namespace lenode::cuda
