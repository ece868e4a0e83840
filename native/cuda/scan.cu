// SPDX-License-Identifier: Apache-2.0
// Cumulative sums and products. Short or interleaved lines take one thread each; long ones are cut into chunks whose totals
// are taken first, so that results do not depend on the order in which blocks run.
#include "cuda/handlers.h"
#include "cuda/lines.cuh"

namespace lenode::cuda {
namespace {

constexpr int kPerThread = 4;
constexpr int64_t kScanTile = kThreads * kPerThread;
constexpr int64_t kScanChunk = 4 * kScanTile;
constexpr int64_t kScanChunks = 1024;  // of a line

struct ScanLines {
  const void* x;
  void* y;
  DType x_dtype, y_dtype;
  int64_t x_step, y_step, count, length;
};

template <class T>
struct Sum {
  static LENODE_HD T start() { return T(0); }
  static LENODE_HD T of(T a, T b) { return a + b; }
};
template <class T>
struct Product {
  static LENODE_HD T start() { return T(1); }
  static LENODE_HD T of(T a, T b) { return a * b; }
};

// Below, "sum" stands for what M puts together.
template <class T, class M>
__global__ void __launch_bounds__(kThreads) scan_thread_kernel(ScanLines lines, Indexer<2> indexer) {
  for (int64_t line = first_item(); line < lines.count; line += item_step()) {
    int64_t at[2];
    indexer.offsets(line, at);
    T sum = M::start();
    for (int64_t i = 0; i < lines.length; ++i) {
      sum = M::of(sum, load_as<T>(lines.x, lines.x_dtype, at[1] + i * lines.x_step));
      store_as<T>(lines.y, lines.y_dtype, at[0] + i * lines.y_step, sum);
    }
  }
}

template <class T, class M>
__global__ void __launch_bounds__(kThreads)
    chunk_sum_kernel(ScanLines lines, Indexer<2> indexer, int64_t chunk, int64_t chunks, T* sums) {
  __shared__ T shared[kThreads];
  for (int64_t b = blockIdx.x; b < lines.count * chunks; b += gridDim.x) {
    const int64_t begin = b % chunks * chunk;
    const int64_t end = begin + chunk < lines.length ? begin + chunk : lines.length;
    int64_t at[2];
    indexer.offsets(b / chunks, at);
    T sum = M::start();
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads)
      sum = M::of(sum, load_as<T>(lines.x, lines.x_dtype, at[1] + i * lines.x_step));
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = kThreads / 2; half > 0; half /= 2) {
      if (threadIdx.x < half) shared[threadIdx.x] = M::of(shared[threadIdx.x], shared[threadIdx.x + half]);
      __syncthreads();
    }
    if (threadIdx.x == 0) sums[b] = shared[0];
    __syncthreads();
  }
}

// Turns the chunks' sums into what precedes each chunk.
template <class T, class M>
__global__ void __launch_bounds__(kThreads) carry_kernel(T* sums, int64_t lines, int64_t chunks) {
  for (int64_t line = first_item(); line < lines; line += item_step()) {
    T carry = M::start();
    for (int64_t c = 0; c < chunks; ++c) {
      const T sum = sums[line * chunks + c];
      sums[line * chunks + c] = carry;
      carry = M::of(carry, sum);
    }
  }
}

// The sum over the threads before this one; `total` is the block's.
template <class T, class M>
__device__ T scan_block(T value, T& total) {
  constexpr int kWarps = kThreads / 32;
  __shared__ T shared[kWarps];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const T before = __shfl_up_sync(kFullWarp, value, distance);
    if (lane >= distance) value = M::of(before, value);
  }
  const T warp_preceding = __shfl_up_sync(kFullWarp, value, 1);
  __syncthreads();  // the buffer may still be read from the last use
  if (lane == 31) shared[warp] = value;
  __syncthreads();
  T preceding = M::start();
  total = M::start();
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {
    if (w == warp) preceding = total;
    total = M::of(total, shared[w]);
  }
  return lane == 0 ? preceding : M::of(preceding, warp_preceding);
}

// carries: what precedes each chunk, or null for one chunk per line.
template <class T, class M>
__global__ void __launch_bounds__(kThreads)
    scan_chunk_kernel(ScanLines lines, Indexer<2> indexer, int64_t chunk, int64_t chunks, const T* carries) {
  for (int64_t b = blockIdx.x; b < lines.count * chunks; b += gridDim.x) {
    const int64_t begin = b % chunks * chunk;
    const int64_t end = begin + chunk < lines.length ? begin + chunk : lines.length;
    int64_t at[2];
    indexer.offsets(b / chunks, at);
    T carry = carries != nullptr ? carries[b] : M::start();
    for (int64_t tile = begin; tile < end; tile += kScanTile) {
      const int64_t first = tile + threadIdx.x * kPerThread;
      T value[kPerThread], sum = M::start();
#pragma unroll
      for (int v = 0; v < kPerThread; ++v) {
        if (first + v < end) sum = M::of(sum, load_as<T>(lines.x, lines.x_dtype, at[1] + (first + v) * lines.x_step));
        value[v] = sum;
      }
      T total;
      const T preceding = M::of(carry, scan_block<T, M>(sum, total));
#pragma unroll
      for (int v = 0; v < kPerThread; ++v)
        if (first + v < end)
          store_as<T>(lines.y, lines.y_dtype, at[0] + (first + v) * lines.y_step, M::of(preceding, value[v]));
      carry = M::of(carry, total);
    }
  }
}

template <template <class> class Monoid>
void run_scan(Context& context, const Call& call) {
  const TensorView &x = call.in(0), &y = call.out(0);
  const Lines<2> lines = lines_of<2>({&y, &x}, static_cast<int>(call.i(0)));
  const int64_t count = lines.layout.numel();
  if (count == 0 || lines.length == 0) return;
  const ScanLines scan{x.data, y.data, x.dtype, y.dtype, lines.step[1], lines.step[0], count, lines.length};
  const Indexer<2> indexer = lines.layout.indexer();
  const bool interleaved = smallest_stride(lines.layout.strides[1], lines.layout.rank) < lines.step[1];
  with_compute(x.dtype, [&](auto compute) {
    using T = decltype(compute);
    using M = Monoid<T>;
    if (lines.length <= 32 || (interleaved && count >= 32 * context.multiprocessors)) {
      launch_items(context, scan_thread_kernel<T, M>, count, scan, indexer);
      return;
    }
    const int64_t chunk =
        std::max(kScanChunk, ceil_divide(ceil_divide(lines.length, kScanChunks), kScanTile) * kScanTile);
    const int64_t chunks = ceil_divide(lines.length, chunk);
    const unsigned grid = grid_for(context, count * chunks * kThreads);
    T* carries = nullptr;
    if (chunks > 1) {
      carries = context.workspace_of<T>(count * chunks);
      launch(context, chunk_sum_kernel<T, M>, grid, kThreads, 0, scan, indexer, chunk, chunks, carries);
      launch_items(context, carry_kernel<T, M>, count, carries, count, chunks);
    }
    launch(context, scan_chunk_kernel<T, M>, grid, kThreads, 0, scan, indexer, chunk, chunks,
           static_cast<const T*>(carries));
  });
}

}  // namespace

void op_cumsum(Context& context, const Call& call) { run_scan<Sum>(context, call); }
void op_cumprod(Context& context, const Call& call) { run_scan<Product>(context, call); }

}  // namespace lenode::cuda
