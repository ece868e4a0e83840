// SPDX-License-Identifier: Apache-2.0
// Convolutions of few channels with vectors across images, where oneDNN would fill a vector with padding: float32,
// two spatial dimensions, channels-last. Each function returns false, and has done nothing, if the case is not for it.
#pragma once
#include "cpu/conv_geometry.h"

namespace lenode::cpu {

struct Context;

bool conv_lanes(Context& context, const ConvGeometry& g, const TensorView& x, const TensorView& weight,
                const TensorView& y, const TensorView& bias, bool relu);
bool conv_backward_input_lanes(Context& context, const ConvGeometry& g, const TensorView& grad,
                               const TensorView& weight, const TensorView& d_x, const TensorView& no_bias);
bool conv_backward_weight_lanes(Context& context, const ConvGeometry& g, const TensorView& grad, const TensorView& x,
                                const TensorView& d_weight, const TensorView& d_bias);

}  // namespace lenode::cpu
