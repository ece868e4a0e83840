// SPDX-License-Identifier: Apache-2.0
// Convolutions of 3 x 3 kernels with stride 1 by Winograd's minimal filtering F(2x2, 3x3): 16 products for what takes 36
// directly (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, arXiv:1509.09308). Its sums of
// four terms before the products cost about one bit of accuracy. float32, channels-last. Each function returns false, and has
// done nothing, if the case is not for it.
#pragma once
#include "cpu/conv_geometry.h"

namespace lenode::cpu {

struct Context;

bool conv_winograd(Context& context, const ConvGeometry& g, const TensorView& x, const TensorView& weight,
                   const TensorView& y, const TensorView& bias, bool relu);
bool conv_backward_input_winograd(Context& context, const ConvGeometry& g, const TensorView& grad,
                                  const TensorView& weight, const TensorView& d_x, const TensorView& no_bias);
bool conv_backward_weight_winograd(Context& context, const ConvGeometry& g, const TensorView& grad, const TensorView& x,
                                   const TensorView& d_weight, const TensorView& d_bias);

}  // namespace lenode::cpu
