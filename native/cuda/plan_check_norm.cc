// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <vector>

#include "cuda/cudnn_norm.h"
#include "cuda/plan_check.h"

namespace lenode::cuda {

namespace {

struct NormShape {
  const char* name;
  std::vector<int64_t> x;
};

const NormShape kShapes[] = {
    {"64x112x112", {32, 64, 112, 112}},
    {"2048x7x7", {32, 2048, 7, 7}},
    {"3-D 32x8x28x28", {8, 32, 8, 28, 28}},
    {"features 20", {64, 20, 1, 1}},
};

struct Operation {
  const char* name;
  bool backward, residual, relu;
};

const Operation kOperations[] = {
    {"batch_norm", false, false, false},
    {"batch_norm + relu", false, false, true},
    {"batch_norm + add + relu", false, true, true},
    {"batch_norm_backward", true, false, false},
};

// cuDNN normalises batches in neither float64 nor, if the channels are no multiple of 8, in half types; nor is there an
// engine for inference, for a residual without relu, or for a gradient through relu that selects (batch_norm.cc).
bool supported(DType dtype, int64_t channels) {
  return dtype == DType::float32 || (dtype != DType::float64 && channels % 8 == 0);
}

}  // namespace

void check_norms(Report& report) {
  for (const NormShape& shape : kShapes)
    for (const DType dtype : kFloatingTypes)
      for (const Layout layout : kLayouts)
        for (const Operation& operation : kOperations) {
          if (!supported(dtype, shape.x[1])) continue;
          NormProblem problem;
          std::memset(&problem, 0, sizeof(problem));
          problem.backward = operation.backward;
          problem.dtype = dtype;
          problem.layout = layout;
          problem.rank = static_cast<int32_t>(shape.x.size());
          problem.alignment = 16;
          problem.has_residual = operation.residual;
          problem.has_relu = operation.relu;
          std::copy(shape.x.begin(), shape.x.end(), problem.dims);
          report.check(shape.name, operation.name, dtype_name(dtype), layout,
                       [&] { return make_norm_graph(problem, nullptr); }, unrounded(problem.dtype, INT64_MAX));
        }
}

}  // namespace lenode::cuda
