// SPDX-License-Identifier: Apache-2.0
// What cross-entropy and the negative log likelihood share: targets with class weights, and the sum of the rows'
// losses divided by the sum of their weights. A row is one target; the class dimension is dimension 1.
#pragma once
#include "cuda/lines.cuh"

namespace lenode::cuda {

enum class LossReduction : int { none = 0, mean = 1, sum = 2 };

struct TargetSource {
  const void* data;
  DType dtype;
  int64_t classes, ignored;
  const void* weight;  // per class, or null
  DType weight_dtype;
  int64_t weight_step;

  // The class, or -1 where the target is ignored or was reported.
  __device__ int64_t at(int64_t offset, int64_t position, const IndexGuard& guard) const {
    const int64_t value = load_index(data, dtype, offset);
    if (value == ignored) return -1;
    if (value >= 0 && value < classes) return value;
    guard.report(value, position);
    return -1;
  }
  // Backward passes meet only targets that the forward pass has seen.
  __device__ int64_t known(int64_t offset) const {
    const int64_t value = load_index(data, dtype, offset);
    return value != ignored && value >= 0 && value < classes ? value : -1;
  }
  template <class T>
  __device__ T weight_of(int64_t c) const {
    return weight != nullptr ? load_as<T>(weight, weight_dtype, c * weight_step) : T(1);
  }
};

inline TargetSource target_source(const TensorView& logits, const TensorView& target, const TensorView& weight,
                                  double ignore_index) {
  return {target.data,  target.dtype,
          logits.dims[1], attribute_as<int64_t>(ignore_index),
          weight.present() ? weight.data : nullptr, weight.dtype,
          weight.present() && weight.rank > 0 ? weight.strides[0] : 0};
}

// Operands: logits without the class dimension, target, a per-row tensor (or absent, or a scalar), another one, and
// the row's position in row-major order.
inline Lines<5> loss_rows(const TensorView& logits, const TensorView& target, const TensorView& a,
                          const TensorView& b) {
  Lines<5> rows;
  const auto step = [&](const TensorView& view, int d) { return view.rank == target.rank ? view.strides[d] : 0; };
  int64_t row_major = 1;
  for (int d = target.rank - 1; d >= 0; --d) {
    rows.layout.add(target.dims[d],
                    {logits.strides[d == 0 ? 0 : d + 1], target.strides[d], step(a, d), step(b, d), row_major});
    row_major *= target.dims[d];
  }
  rows.length = logits.dims[1];
  rows.step[0] = logits.strides[1];
  rows.layout.coalesce();
  return rows;
}

// One row's loss and weight.
template <class T>
struct RowLoss {
  T loss, weight;
};

template <class T>
struct RowLosses {
  using Compute = RowLoss<T>;
  static constexpr int kPack = 1;
  const RowLoss<T>* data;
  template <int V>
  __device__ void load(int64_t at, RowLoss<T> (&value)[V]) const {
    value[0] = data[at];
  }
};

template <class T>
struct TotalLoss {
  using Compute = RowLoss<T>;
  using Acc = RowLoss<T>;
  LossReduction reduction;
  __device__ Acc identity() const { return {T(0), T(0)}; }
  __device__ void add(Acc& acc, const RowLoss<T>& row, int64_t) const { acc = merge(acc, row); }
  __device__ Acc merge(const Acc& a, const Acc& b) const { return {a.loss + b.loss, a.weight + b.weight}; }
  __device__ void store(const ReduceTarget& y, int64_t, int64_t, const Acc& acc, int64_t) const {
    if (reduction == LossReduction::mean) store_same<T>(y.data[0], y.dtype[0], 0, acc.loss / acc.weight);
    if (reduction == LossReduction::sum) store_same<T>(y.data[0], y.dtype[0], 0, acc.loss);
    store_same<T>(y.data[1], y.dtype[1], 0, acc.weight);
  }
};

// total_weight, and loss unless it was wanted row by row.
template <class T>
void total_loss(Context& context, const RowLoss<T>* rows, int64_t count, LossReduction reduction,
                const TensorView& loss, const TensorView& total_weight) {
  ReduceLayout layout;
  layout.reduced.add(count, {1});
  const ReduceTarget target{{loss.data, total_weight.data}, {loss.dtype, total_weight.dtype}};
  launch_reduce<1>(context, TotalLoss<T>{reduction}, RowLosses<T>{rows}, layout, layout, false, target);
}

// The incoming gradient of a row: its own, or the scalar's share.
struct LossGradient {
  const void* data;
  DType dtype;
  const void* total_weight;  // null unless the reduction is a mean
  DType total_dtype;

  template <class T>
  __device__ T at(int64_t offset) const {
    const T g = load_as<T>(data, dtype, offset);
    return total_weight != nullptr ? g / load_as<T>(total_weight, total_dtype, 0) : g;
  }
};

inline LossGradient loss_gradient(const TensorView& grad, const TensorView& total_weight, LossReduction reduction) {
  return {grad.data, grad.dtype, reduction == LossReduction::mean ? total_weight.data : nullptr, total_weight.dtype};
}

// Every element of a gradient with its row's operands: d_logits, logits (or absent), target, per-row a and b, class.
inline Layout<6> loss_elements(const TensorView& d_logits, const TensorView& logits, const TensorView& target,
                               const TensorView& a, const TensorView& b) {
  Layout<6> layout;
  const auto step = [&](const TensorView& view, int d) { return view.rank == target.rank ? view.strides[d] : 0; };
  for (int d = d_logits.rank - 1; d >= 0; --d) {
    const int64_t x = logits.present() ? logits.strides[d] : 0;
    if (d == 1) layout.add(d_logits.dims[d], {d_logits.strides[d], x, 0, 0, 0, 1});
    else {
      const int row = d == 0 ? 0 : d - 1;
      layout.add(d_logits.dims[d], {d_logits.strides[d], x, target.strides[row], step(a, row), step(b, row), 0});
    }
  }
  layout.coalesce();
  return layout;
}

}  // namespace lenode::cuda
