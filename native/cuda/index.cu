// SPDX-License-Identifier: Apache-2.0
// Reading and adding at positions that a tensor holds. Both forms of each op, with a one-dimensional index and with
// an index of the operand's shape, are one kernel: only the index's strides differ.
#include <cstring>

#include "cuda/convert.cuh"
#include "cuda/handlers.h"
#include "cuda/launch.cuh"
#include "cuda/strided.cuh"

namespace lenode::cuda {
namespace {

struct IndexSource {
  const void* data;
  DType dtype;
  int64_t limit;
  IndexGuard guard;

  // The position in [0, limit), or -1 after a report.
  __device__ int64_t at(int64_t offset, int64_t position) const {
    const int64_t value = load_index(data, dtype, offset);
    if (value >= 0 && value < limit) return value;
    guard.report(value, position);
    return -1;
  }
};

// Operands of `indexer`: y, x without its indexed dimension, index, position in the index.
template <class U>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(U* y, const U* x, IndexSource index, int64_t x_step, Indexer<4> indexer, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const int64_t where = index.at(at[2], at[3]);
    y[at[0]] = where < 0 ? U(0) : x[at[1] + where * x_step];
  }
}

// ---- addition at one element, by whatever atomic the hardware has -------------------------------------------------

__device__ void add_at(float* y, float x) { atomicAdd(y, x); }
__device__ void add_at(double* y, double x) { atomicAdd(y, x); }
__device__ void add_at(int32_t* y, int32_t x) { atomicAdd(y, x); }
__device__ void add_at(int64_t* y, int64_t x) {
  atomicAdd(reinterpret_cast<unsigned long long*>(y), static_cast<unsigned long long>(x));
}

// Types of one byte: compare and swap on the aligned word around the element.
template <class S>
__device__ void add_at(S* y, S x) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(y);
  unsigned* word = reinterpret_cast<unsigned*>(address & ~uintptr_t{3});
  const unsigned shift = static_cast<unsigned>(address & 3) * 8, mask = (sizeof(S) == 1 ? 0xffu : 0xffffu) << shift;
  unsigned seen = *reinterpret_cast<volatile unsigned*>(word), assumed;
  do {
    assumed = seen;
    const unsigned bits = (assumed & mask) >> shift;
    S value;
    memcpy(static_cast<void*>(&value), &bits, sizeof(S));
    value = narrow<S>(widen(value) + widen(x));
    unsigned sum = 0;
    memcpy(&sum, &value, sizeof(S));
    seen = atomicCAS(word, assumed, (assumed & ~mask) | (sum << shift));
  } while (seen != assumed);
}

// Operands of `indexer`: source, y without its indexed dimension, index, position in the index. A is S, or float for
// the half types.
template <class S, class A>
__global__ void __launch_bounds__(kThreads)
    scatter_add_kernel(const S* source, A* y, IndexSource index, int64_t y_step, Indexer<4> indexer, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const int64_t where = index.at(at[2], at[3]);
    if (where >= 0) add_at(y + at[1] + where * y_step, narrow<A>(widen(source[at[0]])));
  }
}

// The deterministic form: one thread owns a whole line along the indexed dimension and adds in order.
template <class S, class A>
__global__ void __launch_bounds__(kThreads)
    scatter_lines_kernel(const S* source, A* y, IndexSource index, int64_t y_step, Indexer<4> lines, int64_t count,
                         int64_t length, int64_t source_step, int64_t index_step, int64_t position_step) {
  for (int64_t line = first_item(); line < count; line += item_step()) {
    int64_t at[4];
    lines.offsets(line, at);
    for (int64_t i = 0; i < length; ++i) {
      const int64_t where = index.at(at[2] + i * index_step, at[3] + i * position_step);
      if (where < 0) continue;
      A* target = y + at[1] + where * y_step;
      *target = narrow<A>(widen(*target) + widen(source[at[0] + i * source_step]));
    }
  }
}

// One thread owns `length` elements along the indexed dimension: a whole line where equal positions must meet in order.
template <class U>
__global__ void __launch_bounds__(kThreads)
    scatter_kernel(const U* source, U* y, IndexSource index, int64_t y_step, Indexer<4> lines, int64_t count,
                   int64_t length, int64_t source_step, int64_t index_step, int64_t position_step) {
  for (int64_t line = first_item(); line < count; line += item_step()) {
    int64_t at[4];
    lines.offsets(line, at);
    for (int64_t i = 0; i < length; ++i) {
      const int64_t where = index.at(at[2] + i * index_step, at[3] + i * position_step);
      if (where >= 0) y[at[1] + where * y_step] = source[at[0] + i * source_step];
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    one_hot_kernel(int64_t* y, IndexSource index, Indexer<4> indexer, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];  // y, index, position in the index, class
    indexer.offsets(i, at);
    const int64_t value = load_index(index.data, index.dtype, at[1]);
    if (value < 0 || value >= index.limit) index.guard.report(value, at[2]);
    y[at[0]] = value == at[3];
  }
}

// ---- layouts ------------------------------------------------------------------------------------------------------

struct Walk {
  Layout<4> all;    // walked, other without `dim`, index, position in the index
  Layout<4> lines;  // the same without `dim`
  int64_t steps[4];  // along `dim`
};

// `walked` has the index's shape, or is indexed along `dim` by a one-dimensional index.
Walk walk(const TensorView& walked, const TensorView& other, const TensorView& index, int dim) {
  Walk result;
  int64_t row_major = 1;  // of a full index
  const bool full = index.rank == walked.rank && walked.rank > 1;
  for (int d = walked.rank - 1; d >= 0; --d) {
    const int64_t index_step = full ? index.strides[d] : (d == dim ? index.strides[0] : 0);
    const int64_t position_step = full ? row_major : (d == dim ? 1 : 0);
    const int64_t size = full ? index.dims[d] : walked.dims[d];
    row_major *= size;
    const int64_t steps[4] = {walked.strides[d], d == dim ? 0 : other.strides[d], index_step, position_step};
    result.all.add(size, steps);
    if (d != dim) result.lines.add(size, steps);
    else std::copy(steps, steps + 4, result.steps);
  }
  result.all.coalesce();
  result.lines.coalesce();
  return result;
}

void run_gather(Context& context, const Call& call) {
  const TensorView &x = call.in(0), &index = call.in(1), &y = call.out(0);
  const int dim = static_cast<int>(call.i(0));
  const Walk w = y.rank == 0 ? Walk{} : walk(y, x, index, dim);
  const int64_t count = w.all.numel();
  if (count == 0) return;
  const IndexSource source{index.data, index.dtype, x.rank == 0 ? 1 : x.dims[dim], context.guard(call)};
  with_unit(item_size(y.dtype), [&](auto unit) {
    using U = decltype(unit);
    launch_items(context, gather_kernel<U>, count, y.ptr<U>(), x.ptr<const U>(), source,
                 x.rank == 0 ? int64_t{0} : x.strides[dim], w.all.indexer(), count);
  });
}

// All but the half types.
template <class F>
void with_storage(DType dtype, F&& f) {
  switch (dtype) {
    case DType::int32: return f(int32_t{});
    case DType::int64: return f(int64_t{});
    case DType::uint8: return f(uint8_t{});
    case DType::boolean: return f(bool{});
    case DType::float64: return f(double{});
    default: return f(float{});
  }
}

template <class S, class A>
void scatter_add(Context& context, const Call& call, const TensorView& y) {
  const TensorView &index = call.in(0), &source = call.in(1);
  const int dim = static_cast<int>(call.i(0));
  const Walk w = source.rank == 0 ? Walk{} : walk(source, y, index, dim);
  const int64_t count = w.all.numel();
  const IndexSource where{index.data, index.dtype, y.rank == 0 ? 1 : y.dims[dim], context.guard(call)};
  const int64_t y_step = y.rank == 0 ? 0 : y.strides[dim];
  const S* from = source.ptr<const S>();
  if (context.deterministic && is_floating(y.dtype)) {  // integers add up the same in any order
    const int64_t lines = w.lines.numel();
    launch_items(context, scatter_lines_kernel<S, A>, lines, from, y.ptr<A>(), where, y_step, w.lines.indexer(), lines,
                 count / lines, w.steps[0], w.steps[2], w.steps[3]);
  } else {
    launch_items(context, scatter_add_kernel<S, A>, count, from, y.ptr<A>(), where, y_step, w.all.indexer(), count);
  }
}

void convert(Context& context, const TensorView& from, const TensorView& to) {
  Call call;
  call.op = OpId::copy;
  call.n_inputs = call.n_outputs = 1;
  call.inputs = &from;
  call.outputs = &to;
  op_copy(context, call);
}

// Half types are added up in float32 and rounded once: small terms would be lost one after the other.
template <class S>
void scatter_add_half(Context& context, const Call& call) {
  const TensorView& y = call.out(0);
  TensorView sums = y;
  sums.dtype = DType::float32;
  int64_t stride = 1;
  for (int d = y.rank - 1; d >= 0; --d) {
    sums.strides[d] = stride;
    stride *= y.dims[d];
  }
  sums.data = context.workspace(static_cast<size_t>(stride) * sizeof(float));
  convert(context, y, sums);
  scatter_add<S, float>(context, call, sums);
  convert(context, sums, y);
}

void run_scatter_add(Context& context, const Call& call) {
  const TensorView& y = call.out(0);
  if (call.in(0).numel() == 0 || call.in(1).numel() == 0) return;
  if (y.dtype == DType::float16) return scatter_add_half<Half>(context, call);
  if (y.dtype == DType::bfloat16) return scatter_add_half<BFloat16>(context, call);
  with_storage(y.dtype, [&](auto storage) {
    scatter_add<decltype(storage), decltype(storage)>(context, call, y);
  });
}

}  // namespace

void op_index_select(Context& context, const Call& call) { run_gather(context, call); }
void op_gather(Context& context, const Call& call) { run_gather(context, call); }
void op_index_add(Context& context, const Call& call) { run_scatter_add(context, call); }
void op_scatter_add(Context& context, const Call& call) { run_scatter_add(context, call); }

void op_scatter(Context& context, const Call& call) {
  const TensorView &index = call.in(0), &source = call.in(1), &y = call.out(0);
  const int dim = static_cast<int>(call.i(0));
  const Walk w = source.rank == 0 ? Walk{} : walk(source, y, index, dim);
  const int64_t count = w.all.numel();
  if (count == 0) return;
  const IndexSource where{index.data, index.dtype, y.rank == 0 ? 1 : y.dims[dim], context.guard(call)};
  const int64_t y_step = y.rank == 0 ? 0 : y.strides[dim];
  const int64_t items = context.deterministic ? w.lines.numel() : count;
  const Indexer<4> indexer = (context.deterministic ? w.lines : w.all).indexer();
  with_unit(item_size(y.dtype), [&](auto unit) {
    using U = decltype(unit);
    launch_items(context, scatter_kernel<U>, items, source.ptr<const U>(), y.ptr<U>(), where, y_step, indexer, items,
                 count / items, w.steps[0], w.steps[2], w.steps[3]);
  });
}

void op_one_hot(Context& context, const Call& call) {
  const TensorView &index = call.in(0), &y = call.out(0);
  Layout<4> layout;
  const int64_t classes = y.dims[y.rank - 1];
  layout.add(classes, {y.strides[y.rank - 1], 0, 0, 1});
  int64_t row_major = 1;
  for (int d = y.rank - 2; d >= 0; --d) {
    layout.add(y.dims[d], {y.strides[d], index.strides[d], row_major, 0});
    row_major *= y.dims[d];
  }
  const int64_t count = layout.numel();
  if (count == 0) return;
  layout.coalesce();
  const IndexSource source{index.data, index.dtype, classes, context.guard(call)};
  launch_items(context, one_hot_kernel, count, y.ptr<int64_t>(), source, layout.indexer(), count);
}

}  // namespace lenode::cuda
