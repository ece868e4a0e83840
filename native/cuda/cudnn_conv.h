// SPDX-License-Identifier: Apache-2.0
// Convolutions as cuDNN graphs: one plain struct says everything that a plan depends on, and is its cache key.
#pragma once
#include <cstdint>

#include "cuda/cudnn_graph.h"

namespace lenode::cuda {

struct ConvOperand {
  int64_t dims[kMaxGraphRank];
  int64_t strides[kMaxGraphRank];  // as the caller has them; the graph uses those of the chosen layout
};

// Filled from zeroed memory and without padding bytes, so that it can be compared and hashed as bytes. Two spatial
// dimensions or three; one dimension is described as two of which the first has size 1.
struct ConvProblem {
  ConvolutionKind kind;
  DType dtype;
  int32_t spatial;
  int32_t has_bias;
  int32_t has_relu;
  int32_t alignment;  // bytes, the least of all operands, at most 16
  int32_t deterministic;
  int32_t allow_tf32;
  int32_t benchmark;
  int32_t unused;
  ConvOperand x, w, y;
  int64_t stride[3], padding[3], padding_end[3], dilation[3];

  int rank() const { return spatial + 2; }
  bool has_epilogue() const { return has_bias || has_relu; }
};
static_assert(sizeof(ConvProblem) == 10 * 4 + 30 * 8 + 12 * 8, "no padding");

enum ConvUid : int64_t { kConvX = 1, kConvW = 2, kConvY = 3, kConvBias = 4, kConvSum = 5, kConvBiased = 6 };

// Sets padding_end: behind the input there are as many zeros as before it, unless y's size needs another number.
// False if none fits.
bool complete_padding(ConvProblem* problem);

// With `fused` the forward graph adds a bias, which the caller must then give, and ends in a ReLU if the problem has
// one; otherwise it is the bare convolution.
Graph make_conv_graph(const ConvProblem& problem, Layout layout, bool fused, cudnnHandle_t handle);

PlanRules conv_rules(const ConvProblem& problem, int64_t workspace_limit);

}  // namespace lenode::cuda
