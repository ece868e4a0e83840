// SPDX-License-Identifier: Apache-2.0
// The sizes of a convolution, the same for its three directions.
#pragma once
#include "core/op.h"

namespace lenode::cpu {

struct ConvGeometry {
  int spatial;  // 1 to 3; dimensions beyond have size 1 and do nothing
  int64_t n, c, k, groups;
  int64_t in[3], kernel[3], out[3], stride[3], padding[3], dilation[3];
  int64_t padding_end[3];  // behind the input: as before it, unless y's size needs another number
  bool even_padding;       // the same everywhere

  int64_t multiply_adds() const {
    int64_t result = n * k * (c / groups);
    for (int d = 0; d < spatial; ++d) result *= out[d] * kernel[d];
    return result;
  }
};

// Reads the attributes of conv, conv_backward_input or conv_backward_weight and checks that the shapes fit, so that
// no kernel leaves its operands. x, weight and y stand for their gradients as well.
ConvGeometry conv_geometry(const Call& call, const TensorView& x, const TensorView& weight, const TensorView& y,
                           const TensorView& bias);

// Plain loops for every dtype but float16 and bfloat16, and for any size, zero included.
void conv_reference(const ConvGeometry& g, const TensorView& x, const TensorView& weight, const TensorView& y,
                    const TensorView& bias, bool relu);
void conv_backward_input_reference(const ConvGeometry& g, const TensorView& grad, const TensorView& weight,
                                   const TensorView& d_x, const TensorView& no_bias);
void conv_backward_weight_reference(const ConvGeometry& g, const TensorView& grad, const TensorView& x,
                                    const TensorView& d_weight, const TensorView& d_bias);

}  // namespace lenode::cpu
