// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_norm.h"

namespace lenode::cuda {

Graph make_norm_graph(const NormProblem& problem, cudnnHandle_t handle) {
  Graph graph;
  const DType dtype = problem.dtype;
  const auto elements = [&](int64_t uid) {
    return dense_tensor(uid, dtype, problem.rank, problem.dims, problem.layout, problem.alignment);
  };
  const auto channels = [&](int64_t uid) {
    const int64_t dims[kMaxGraphRank] = {1, problem.dims[1], 1, 1, 1};
    return graph.tensor(dense_tensor(uid, DType::float32, problem.rank, dims, problem.layout, problem.alignment));
  };
  const int x = graph.tensor(elements(kNormX));
  const int mean = channels(kNormMean), inv_std = channels(kNormInvStd), scale = channels(kNormScale);
  if (problem.backward) {
    const int grad = graph.tensor(elements(kNormGrad)), d_x = graph.tensor(elements(kNormDX));
    graph.batch_norm_backward({grad, x, mean, inv_std, scale, d_x, channels(kNormDScale), channels(kNormDBias)});
  } else {
    const int bias = channels(kNormBias), epsilon = graph.scalar(kNormEpsilon, DType::float32, problem.rank);
    const int y = graph.tensor(elements(kNormY));
    int result = problem.has_relu ? graph.tensor(elements(kNormResult), true) : y;
    graph.batch_norm({x, mean, inv_std, scale, bias, epsilon, result});
    if (problem.has_residual) {
      const int residual = graph.tensor(elements(kNormResidual)), sum = graph.tensor(elements(kNormSum), true);
      graph.add(dtype, result, residual, sum);
      result = sum;
    }
    if (problem.has_relu) graph.relu(dtype, result, y);
  }
  graph.finalize(handle);
  return graph;
}

}  // namespace lenode::cuda
