// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <vector>

#include "cuda/cudnn_conv.h"
#include "cuda/plan_check.h"

namespace lenode::cuda {

namespace {

struct ConvShape {
  const char* name;
  std::vector<int64_t> x, w;  // NC..., KC...; one spatial dimension is written as two, of which the first is 1
  int64_t stride, padding, dilation;
  int64_t more = 0;  // zeros behind, beyond those before
};

const ConvShape kShapes[] = {
    {"LeNet C1 5x5", {64, 1, 28, 28}, {6, 1, 5, 5}, 1, 2, 1},
    {"LeNet C3 5x5", {64, 6, 14, 14}, {16, 6, 5, 5}, 1, 0, 1},
    {"3x3 32>64", {100, 32, 14, 14}, {64, 32, 3, 3}, 1, 1, 1},
    {"7x7 /2 3>64", {32, 3, 224, 224}, {64, 3, 7, 7}, 2, 3, 1},
    {"1x1 /2 256>512", {32, 256, 56, 56}, {512, 256, 1, 1}, 2, 0, 1},
    {"3x3 dilated", {8, 64, 28, 28}, {64, 64, 3, 3}, 1, 2, 2},
    {"3x3 groups 4", {8, 64, 28, 28}, {128, 16, 3, 3}, 1, 1, 1},
    {"3x3 depthwise", {8, 64, 28, 28}, {64, 1, 3, 3}, 1, 1, 1},
    {"1-D k5", {16, 24, 1, 200}, {48, 24, 1, 5}, 1, 0, 1},
    {"3-D 3x3x3", {2, 16, 8, 28, 28}, {32, 16, 3, 3, 3}, 1, 1, 1},
    {"3-D 3x3x3 /2", {2, 32, 8, 28, 28}, {64, 32, 3, 3, 3}, 2, 1, 1},
    {"2x2 /2 transposed", {16, 64, 56, 56}, {128, 64, 2, 2}, 2, 0, 1},
    {"4x4 /2 transposed", {16, 3, 64, 64}, {64, 3, 4, 4}, 2, 1, 1},
    {"SAME 3x3 /2", {32, 32, 112, 112}, {64, 32, 3, 3}, 2, 0, 1, 1},
    {"SAME 2x2", {32, 16, 28, 28}, {32, 16, 2, 2}, 1, 0, 1, 1},
    {"SAME depthw. /2", {32, 32, 112, 112}, {32, 1, 3, 3}, 2, 0, 1, 1},
};

struct Operation {
  const char* name;
  ConvolutionKind kind;
  bool bias, relu;
};

const Operation kOperations[] = {
    {"conv", ConvolutionKind::forward, false, false},
    {"conv + bias", ConvolutionKind::forward, true, false},
    {"conv + bias + relu", ConvolutionKind::forward, true, true},
    {"conv_backward_input", ConvolutionKind::backward_input, false, false},
    {"conv_backward_weight", ConvolutionKind::backward_weight, false, false},
};

ConvProblem make_problem(const ConvShape& shape, ConvolutionKind kind, DType dtype, bool tf32) {
  ConvProblem problem;
  std::memset(&problem, 0, sizeof(problem));
  problem.kind = kind;
  problem.dtype = dtype;
  problem.spatial = static_cast<int32_t>(shape.x.size()) - 2;
  problem.alignment = 16;
  problem.allow_tf32 = tf32;
  for (int i = 0; i < problem.spatial; ++i) {
    const bool unit = shape.x[i + 2] == 1 && shape.w[i + 2] == 1;
    problem.stride[i] = unit ? 1 : shape.stride;
    problem.padding[i] = unit ? 0 : shape.padding;
    problem.dilation[i] = unit ? 1 : shape.dilation;
    problem.y.dims[i + 2] = (shape.x[i + 2] + 2 * problem.padding[i] + shape.more -
                             (problem.dilation[i] * (shape.w[i + 2] - 1) + 1)) / problem.stride[i] + 1;
  }
  std::copy(shape.x.begin(), shape.x.end(), problem.x.dims);
  std::copy(shape.w.begin(), shape.w.end(), problem.w.dims);
  problem.y.dims[0] = shape.x[0];
  problem.y.dims[1] = shape.w[0];
  if (!complete_padding(&problem)) fail(ErrorCode::invalid, std::string(shape.name) + ": no padding fits");
  return problem;
}

}  // namespace

void check_convolutions(Report& report) {
  for (const ConvShape& shape : kShapes)
    for (const DType dtype : kFloatingTypes)
      for (const Layout layout : kLayouts)
        for (const Operation& operation : kOperations)
          for (const bool tf32 : {true, false}) {
            if (!tf32 && dtype != DType::float32) continue;
            ConvProblem problem = make_problem(shape, operation.kind, dtype, tf32);
            problem.has_bias = operation.bias;
            problem.has_relu = operation.relu;
            const char* const precision = tf32 && dtype == DType::float32 ? "tf32" : dtype_name(dtype);
            report.check(shape.name, operation.name, precision, layout,
                         [&] { return make_conv_graph(problem, layout, problem.has_epilogue(), nullptr); },
                         conv_rules(problem, INT64_MAX));
          }
}

}  // namespace lenode::cuda
