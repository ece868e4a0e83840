// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_conv.h"

#include <algorithm>

namespace lenode::cuda {

namespace {

GraphTensor describe(const ConvProblem& problem, const int64_t* dims, int64_t uid, Layout layout) {
  return dense_tensor(uid, problem.dtype, problem.rank(), dims, layout, problem.alignment);
}

}  // namespace

bool complete_padding(ConvProblem* problem) {
  for (int i = 0; i < problem->spatial; ++i) {
    const int64_t stride = problem->stride[i], out = problem->y.dims[i + 2];
    const int64_t extent = problem->dilation[i] * (problem->w.dims[i + 2] - 1) + 1;
    problem->padding_end[i] = padding_behind(problem->x.dims[i + 2], out, extent, stride, problem->padding[i]);
    if (out < 1 || problem->padding_end[i] <= -stride) return false;
  }
  return true;
}

Graph make_conv_graph(const ConvProblem& problem, Layout layout, bool fused, cudnnHandle_t handle) {
  ConvolutionAttributes attributes;
  attributes.spatial = problem.spatial;
  std::copy_n(problem.stride, 3, attributes.stride.begin());
  std::copy_n(problem.padding, 3, attributes.padding.begin());
  std::copy_n(problem.padding_end, 3, attributes.padding_end.begin());
  std::copy_n(problem.dilation, 3, attributes.dilation.begin());

  Graph graph;
  const DType dtype = problem.dtype;
  const int x = graph.tensor(describe(problem, problem.x.dims, kConvX, layout));
  const int w = graph.tensor(describe(problem, problem.w.dims, kConvW, layout));
  const int y = graph.tensor(describe(problem, problem.y.dims, kConvY, layout));
  if (!fused) {
    graph.convolution(problem.kind, attributes, dtype, x, w, y);
  } else {
    const int64_t channels[kMaxGraphRank] = {1, problem.y.dims[1], 1, 1, 1};
    const int bias = graph.tensor(describe(problem, channels, kConvBias, layout));
    const int sum = graph.tensor(describe(problem, problem.y.dims, kConvSum, layout), true);
    graph.convolution(problem.kind, attributes, dtype, x, w, sum);
    if (problem.has_relu) {
      const int biased = graph.tensor(describe(problem, problem.y.dims, kConvBiased, layout), true);
      graph.add(dtype, sum, bias, biased);
      graph.relu(dtype, biased, y);
    } else {
      graph.add(dtype, sum, bias, y);
    }
  }
  graph.finalize(handle);
  return graph;
}

PlanRules conv_rules(const ConvProblem& problem, int64_t workspace_limit) {
  PlanRules rules;
  rules.deterministic = problem.deterministic;
  rules.keep_inputs = problem.dtype == DType::float32;
  rules.no_tensor_cores = problem.dtype == DType::float32 && !problem.allow_tf32;
  rules.workspace_limit = workspace_limit;
  return rules;
}

}  // namespace lenode::cuda
