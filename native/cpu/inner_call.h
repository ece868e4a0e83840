// SPDX-License-Identifier: Apache-2.0
// Calls from one handler to another.
#pragma once
#include <initializer_list>

#include "cpu/handlers.h"

namespace lenode::cpu {

inline void inner_call(Context& context, Handler handler, OpId op, const TensorView& input, const TensorView& output,
                       std::initializer_list<double> attrs = {}) {
  Call call;
  call.op = op;
  call.n_inputs = call.n_outputs = 1;
  call.inputs = &input;
  call.outputs = &output;
  call.n_attrs = static_cast<int32_t>(attrs.size());
  call.attrs = attrs.begin();
  handler(context, call);
}

// Not oneDNN's post-operation, which turns NaN into 0.
inline void relu_in_place(Context& context, const TensorView& view) {
  inner_call(context, &run_unary<functor::relu>, OpId::relu, view, view);
}

}  // namespace lenode::cpu
