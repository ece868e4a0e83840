// SPDX-License-Identifier: Apache-2.0
// Stands in for cuda/launch.cuh: the same functions, with the emulator behind launch().
#pragma once
#include "emulator.h"

#include <algorithm>

#define __CUDACC__  // IndexGuard::report
#include "cuda/check.h"
#include "cuda/context.h"
#undef __CUDACC__

namespace lenode::cuda {

constexpr int kThreads = 256;
constexpr unsigned kFullWarp = 0xffffffffu;

inline int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline unsigned grid_for(const Context& context, int64_t work_items, int threads = kThreads) {
  const int64_t resident = static_cast<int64_t>(context.multiprocessors) *
                           std::max(1, context.max_threads_per_multiprocessor / threads);
  return static_cast<unsigned>(std::max<int64_t>(1, std::min(ceil_divide(work_items, threads), resident)));
}

template <class... Parameters, class... Arguments>
void launch(const Context&, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t,
            const Arguments&... arguments) {
  emulation::run(grid, block, [&] { kernel(arguments...); });
}

template <class... Parameters, class... Arguments>
void launch_items(const Context& context, void (*kernel)(Parameters...), int64_t items,
                  const Arguments&... arguments) {
  if (items > 0) launch(context, kernel, grid_for(context, items), kThreads, 0, arguments...);
}

inline int64_t first_item() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
inline int64_t item_step() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

}  // namespace lenode::cuda
