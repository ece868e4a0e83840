// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "cuda/convert.cuh"
#include "cuda/handlers.h"
#include "cuda/launch.cuh"
#include "cuda/strided.cuh"

namespace lenode::cuda {
namespace {

template <class U>
__global__ void __launch_bounds__(kThreads) fill_kernel(U* y, U value, Indexer<1> indexer, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[1];
    indexer.offsets(i, at);
    y[at[0]] = value;
  }
}

template <class U>
__global__ void __launch_bounds__(kThreads) fill_pack_kernel(U* y, U value, int64_t packs, int64_t count) {
  constexpr int V = kPackSize<U>;
  Pack<U, V> pack;
#pragma unroll
  for (int v = 0; v < V; ++v) pack.value[v] = value;
  for (int64_t i = first_item(); i < packs; i += item_step()) {
    if ((i + 1) * V <= count) *reinterpret_cast<Pack<U, V>*>(y + i * V) = pack;
    else
      for (int64_t e = i * V; e < count; ++e) y[e] = value;
  }
}

// T is double for floating outputs and int64_t for the others, so that no integer is rounded.
template <class T>
__global__ void __launch_bounds__(kThreads)
    arange_kernel(void* y, DType dtype, T start, T step, int64_t stride, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step())
    store_as<T>(y, dtype, i * stride, start + static_cast<T>(i) * step);
}

__global__ void __launch_bounds__(kThreads)
    linspace_kernel(void* y, DType dtype, double start, double end, int64_t stride, int64_t count) {
  const double step = count > 1 ? (end - start) / static_cast<double>(count - 1) : 0;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const double value = i == 0 || i < count / 2 ? start + static_cast<double>(i) * step
                                                 : end - static_cast<double>(count - 1 - i) * step;
    store_as<double>(y, dtype, i * stride, value);
  }
}

}  // namespace

void op_fill(Context& context, const Call& call) {
  const TensorView& y = call.out(0);
  Layout<1> layout = layout_of<1>({&y});
  const int64_t count = layout.numel();
  if (count == 0) return;
  layout.coalesce();

  const size_t size = item_size(y.dtype);
  double storage = 0;  // room for any dtype
  const double value = call.f(0);
  if (is_floating(y.dtype) || y.dtype == DType::boolean) store_as<double>(&storage, y.dtype, 0, value);
  else store_as<int64_t>(&storage, y.dtype, 0, attribute_as<int64_t>(value));
  unsigned char bytes[8];
  std::memcpy(bytes, &storage, sizeof bytes);

  const bool dense = layout.rank == 0 || (layout.rank == 1 && layout.strides[0][0] == 1);
  if (dense && std::all_of(bytes, bytes + size, [&](unsigned char b) { return b == bytes[0]; })) {
    LENODE_CUDA_CHECK(cudaMemsetAsync(y.data, bytes[0], count * size, context.stream));
    return;
  }
  with_unit(size, [&](auto unit) {
    using U = decltype(unit);
    U pattern;
    std::memcpy(&pattern, bytes, sizeof pattern);
    if (dense && is_aligned(y.data, 16)) {
      const int64_t packs = ceil_divide(count, kPackSize<U>);
      launch_items(context, fill_pack_kernel<U>, packs, y.ptr<U>(), pattern, packs, count);
    } else {
      launch_items(context, fill_kernel<U>, count, y.ptr<U>(), pattern, layout.indexer(), count);
    }
  });
}

void op_arange(Context& context, const Call& call) {
  const TensorView& y = call.out(0);
  const int64_t count = y.numel();
  const double start = call.f(op::arange::attr::start), step = call.f(op::arange::attr::step);
  if (is_floating(y.dtype))
    launch_items(context, arange_kernel<double>, count, y.data, y.dtype, start, step, y.strides[0], count);
  else
    launch_items(context, arange_kernel<int64_t>, count, y.data, y.dtype, attribute_as<int64_t>(start),
                 attribute_as<int64_t>(step), y.strides[0], count);
}

void op_linspace(Context& context, const Call& call) {
  const TensorView& y = call.out(0);
  const int64_t count = y.numel();
  launch_items(context, linspace_kernel, count, y.data, y.dtype, call.f(op::linspace::attr::start),
               call.f(op::linspace::attr::end), y.strides[0], count);
}

}  // namespace lenode::cuda
