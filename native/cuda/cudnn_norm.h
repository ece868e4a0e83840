// SPDX-License-Identifier: Apache-2.0
// Batch normalisation by the statistics of its batch as cuDNN graphs. What own kernels do besides, cuDNN does not do
// or does otherwise (batch_norm.cc).
#pragma once
#include <cstdint>

#include "cuda/cudnn_graph.h"

namespace lenode::cuda {

// A cache key, as ConvProblem is. Statistics and parameters are float32 and dense.
struct NormProblem {
  int32_t backward;
  DType dtype;
  Layout layout;
  int32_t rank;
  int32_t alignment;
  int32_t has_relu;      // forward
  int32_t has_residual;  // forward, with relu: cuDNN has no engine for a residual alone
  int32_t unused;
  int64_t dims[kMaxGraphRank];
};
static_assert(sizeof(NormProblem) == 8 * 4 + 5 * 8, "no padding");

enum NormUid : int64_t {
  kNormX = 1, kNormMean, kNormInvStd, kNormScale, kNormBias, kNormEpsilon, kNormY, kNormResidual,  // forward
  kNormGrad, kNormDX, kNormDScale, kNormDBias,  // backward, with x, mean, inv_std and scale
  kNormResult, kNormSum,  // never in memory
};

// `handle` may be null when the graph is only planned.
Graph make_norm_graph(const NormProblem& problem, cudnnHandle_t handle);

}  // namespace lenode::cuda
