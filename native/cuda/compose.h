// SPDX-License-Identifier: Apache-2.0
// Ops that another handler calls: layout copies, fills, and the epilogues that a library could not fuse.
#pragma once
#include <initializer_list>

#include "cuda/context.h"

namespace lenode::cuda {

inline void call_op(Context& context, const Call& parent, OpId op, std::initializer_list<TensorView> inputs,
                    const TensorView& output, std::initializer_list<double> attrs) {
  Call call;
  call.op = op;
  call.n_inputs = static_cast<int32_t>(inputs.size());
  call.n_outputs = 1;
  call.n_attrs = static_cast<int32_t>(attrs.size());
  call.inputs = inputs.begin();
  call.outputs = &output;
  call.attrs = attrs.begin();
  call.sequence = parent.sequence;
  dispatch(context, call);
}

inline void copy(Context& context, const Call& parent, const TensorView& from, const TensorView& to) {
  call_op(context, parent, OpId::copy, {from}, to, {});
}

inline void fill(Context& context, const Call& parent, const TensorView& y, double value) {
  call_op(context, parent, OpId::fill, {}, y, {value});
}

inline void relu_in_place(Context& context, const Call& parent, const TensorView& y) {
  call_op(context, parent, OpId::relu, {y}, y, {});
}

// y += bias along dimension `dim`; bias is 1-D.
inline void add_bias_in_place(Context& context, const Call& parent, const TensorView& y, const TensorView& bias,
                              int dim) {
  TensorView broadcast = y;
  broadcast.data = bias.data;
  for (int i = 0; i < y.rank; ++i) broadcast.strides[i] = i == dim ? bias.strides[0] : 0;
  call_op(context, parent, OpId::add, {y, broadcast}, y, {0.0});
}

// total (1-D) = sum of x over every dimension but `dim`.
inline void sum_to(Context& context, const Call& parent, const TensorView& x, int dim, const TensorView& total) {
  const int mask = ((1 << x.rank) - 1) & ~(1 << dim);
  call_op(context, parent, OpId::sum, {x}, total, {static_cast<double>(mask)});
}

}  // namespace lenode::cuda
