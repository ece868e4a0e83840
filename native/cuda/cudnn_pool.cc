// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_pool.h"

#include <algorithm>

namespace lenode::cuda {

bool complete_windows(PoolProblem* problem) {
  if (problem->kind == PoolKind::average_backward && problem->layout != Layout::channels_last) return false;
  for (int i = 0; i < problem->spatial; ++i) {
    const int64_t in = problem->x[i + 2], out = problem->y[i + 2];
    if (out < 1) return false;
    int64_t &window = problem->window[i], &stride = problem->stride[i], &padding = problem->padding[i];
    if (window == 0) {
      if (in % out != 0) return false;
      window = stride = in / out;
      padding = 0;
    }
    problem->padding_end[i] = padding_behind(in, out, window, stride, padding);
    if (problem->padding_end[i] < 0) return false;
    if (problem->count_padding && problem->padding_end[i] > padding) return false;
  }
  return true;
}

Graph make_pool_graph(const PoolProblem& problem, cudnnHandle_t handle) {
  ResampleAttributes attributes;
  attributes.mode = problem.kind == PoolKind::maximum ? CUDNN_RESAMPLE_MAXPOOL
                    : problem.count_padding           ? CUDNN_RESAMPLE_AVGPOOL_INCLUDE_PADDING
                                                      : CUDNN_RESAMPLE_AVGPOOL_EXCLUDE_PADDING;
  attributes.spatial = problem.spatial;
  std::copy_n(problem.window, 3, attributes.window.begin());
  std::copy_n(problem.stride, 3, attributes.stride.begin());
  std::copy_n(problem.padding, 3, attributes.padding.begin());
  std::copy_n(problem.padding_end, 3, attributes.padding_end.begin());

  Graph graph;
  const auto tensor = [&](int64_t uid, const int64_t* dims) {
    return graph.tensor(
        dense_tensor(uid, problem.dtype, problem.spatial + 2, dims, problem.layout, problem.alignment));
  };
  const int x = tensor(kPoolX, problem.x), y = tensor(kPoolY, problem.y);
  if (problem.kind == PoolKind::average_backward)
    graph.resample_backward(attributes, problem.dtype, y, x);
  else
    graph.resample(attributes, problem.dtype, x, y);
  graph.finalize(handle);
  return graph;
}

}  // namespace lenode::cuda
