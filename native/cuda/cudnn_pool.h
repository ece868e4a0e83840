// SPDX-License-Identifier: Apache-2.0
// Pooling as cuDNN graphs: maxima without positions, and averages with their gradients, where windows mean the same to
// cuDNN as to own kernels.
#pragma once
#include <cstdint>

#include "cuda/cudnn_graph.h"

namespace lenode::cuda {

enum class PoolKind : int32_t { maximum, average, average_backward };

// A cache key, as ConvProblem is: of the forward pass's input and output, whatever is computed.
struct PoolProblem {
  PoolKind kind;
  DType dtype;
  Layout layout;
  int32_t spatial;
  int32_t alignment;
  int32_t count_padding;  // in an average's divisor; 0 for maxima
  int64_t x[kMaxGraphRank], y[kMaxGraphRank];
  int64_t window[3], stride[3], padding[3], padding_end[3];
};
static_assert(sizeof(PoolProblem) == 6 * 4 + 10 * 8 + 12 * 8, "no padding");

enum PoolUid : int64_t { kPoolX = 1, kPoolY = 2 };

// From sizes, windows, strides and padding, makes adaptive windows (of size 0) plain ones and sets padding_end. False
// if cuDNN's windows would be others: adaptive ones that are not all alike; averages that count padding, but not all
// of a last window that reaches beyond it; gradients of row-major averages, for which cuDNN wants to read x and y.
bool complete_windows(PoolProblem* problem);

// `handle` may be null when the graph is only planned.
Graph make_pool_graph(const PoolProblem& problem, cudnnHandle_t handle);

}  // namespace lenode::cuda
