// SPDX-License-Identifier: Apache-2.0
// Kernel launches on the context's stream, and the grid size of a grid-stride loop.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "cuda/check.h"
#include "cuda/context.h"

namespace lenode::cuda {

constexpr int kThreads = 256;  // threads of a block, unless a kernel says otherwise
constexpr unsigned kFullWarp = 0xffffffffu;

inline int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Blocks that fill the device once; the loop in the kernel takes the rest.
inline unsigned grid_for(const Context& context, int64_t work_items, int threads = kThreads) {
  const int64_t resident = static_cast<int64_t>(context.multiprocessors) *
                           std::max(1, context.max_threads_per_multiprocessor / threads);
  return static_cast<unsigned>(std::max<int64_t>(1, std::min(ceil_divide(work_items, threads), resident)));
}

template <class... Parameters, class... Arguments>
void launch(const Context& context, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
            const Arguments&... arguments) {
  kernel<<<grid, block, shared_bytes, context.stream>>>(arguments...);
  LENODE_LAUNCH_CHECK("kernel launch");
}

// A kernel whose threads each take items first_item(), first_item() + item_step(), ...
template <class... Parameters, class... Arguments>
void launch_items(const Context& context, void (*kernel)(Parameters...), int64_t items,
                  const Arguments&... arguments) {
  if (items > 0) launch(context, kernel, grid_for(context, items), kThreads, 0, arguments...);
}

__device__ __forceinline__ int64_t first_item() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t item_step() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

}  // namespace lenode::cuda
