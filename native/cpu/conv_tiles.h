// SPDX-License-Identifier: Apache-2.0
// Convolutions as products of register tiles, straight from channels-last memory: no image is unfolded, a kernel row of
// neighbouring taps is one contiguous run of a padded input row. For float32 where oneDNN has no kernels for
// channels-last activations that use the whole CPU (AVX2). Each function returns false, and has done nothing, if the case
// is not for it.
#pragma once
#include "cpu/conv_geometry.h"

namespace lenode::cpu {

struct Context;

bool conv_tiles(Context& context, const ConvGeometry& g, const TensorView& x, const TensorView& weight,
                const TensorView& y, const TensorView& bias, bool relu);
bool conv_backward_input_tiles(Context& context, const ConvGeometry& g, const TensorView& grad,
                               const TensorView& weight, const TensorView& d_x, const TensorView& no_bias);
bool conv_backward_weight_tiles(Context& context, const ConvGeometry& g, const TensorView& grad, const TensorView& x,
                                const TensorView& d_weight, const TensorView& d_bias);

}  // namespace lenode::cpu
