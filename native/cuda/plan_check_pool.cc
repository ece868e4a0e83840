// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <vector>

#include "cuda/cudnn_pool.h"
#include "cuda/plan_check.h"

namespace lenode::cuda {

namespace {

struct PoolShape {
  const char* name;
  std::vector<int64_t> x;
  int64_t window, stride, padding, output;  // of each spatial dimension; a window of 0 is adaptive
};

const PoolShape kShapes[] = {
    {"3x3 /2 pad 1", {32, 64, 112, 112}, 3, 2, 1, 56},
    {"2x2 /2", {100, 20, 24, 24}, 2, 2, 0, 12},
    {"2x2 /2 odd", {16, 6, 13, 13}, 2, 2, 0, 6},
    {"3x3 /2 SAME", {32, 64, 112, 112}, 3, 2, 0, 56},
    {"global 7x7", {32, 2048, 7, 7}, 0, 0, 0, 1},
    {"3-D 2x2x2 /2", {8, 32, 8, 8, 8}, 2, 2, 0, 4},
};

struct Operation {
  const char* name;
  PoolKind kind;
  bool count_padding;
};

const Operation kOperations[] = {
    {"max_pool", PoolKind::maximum, false},
    {"avg_pool", PoolKind::average, true},
    {"avg_pool, inside", PoolKind::average, false},
    {"avg_pool_backward", PoolKind::average_backward, true},
    {"avg_pool_bwd, inside", PoolKind::average_backward, false},
};

// cuDNN pools float64 only where it is row-major. Gradients of row-major averages, and of maxima, are own kernels'
// (cudnn_pool.h, pool.cc).
bool supported(DType dtype, Layout layout) { return dtype != DType::float64 || layout == Layout::channels_first; }

}  // namespace

void check_pools(Report& report) {
  for (const PoolShape& shape : kShapes)
    for (const DType dtype : kFloatingTypes)
      for (const Layout layout : kLayouts)
        for (const Operation& operation : kOperations) {
          PoolProblem problem;
          std::memset(&problem, 0, sizeof(problem));
          problem.kind = operation.kind;
          problem.dtype = dtype;
          problem.layout = layout;
          problem.spatial = static_cast<int32_t>(shape.x.size()) - 2;
          problem.alignment = 16;
          problem.count_padding = operation.count_padding;
          std::copy(shape.x.begin(), shape.x.end(), problem.x);
          std::copy_n(shape.x.begin(), 2, problem.y);
          std::fill_n(problem.y + 2, problem.spatial, shape.output);
          std::fill_n(problem.window, problem.spatial, shape.window);
          std::fill_n(problem.stride, problem.spatial, shape.stride);
          std::fill_n(problem.padding, problem.spatial, shape.padding);
          if (!supported(dtype, layout) || !complete_windows(&problem)) continue;
          report.check(shape.name, operation.name, dtype_name(dtype), layout,
                       [&] { return make_pool_graph(problem, nullptr); }, unrounded(problem.dtype, INT64_MAX));
        }
}

}  // namespace lenode::cuda
