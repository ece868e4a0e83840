// SPDX-License-Identifier: Apache-2.0
#include "cuda/loss.cuh"

#include "cuda/handlers.h"
#include "cuda/softmax.cuh"

namespace lenode::cuda {
namespace {

// With label smoothing e, weights w and C classes, a row's loss is
//   (1 - e) w[t] (lse - x[t]) + e / C (sum w * lse - sum w x).
template <class T>
struct RowSums {
  Exponentials<T> exponentials;
  T weights, weighted;  // sum of w and of w x, kept only for label smoothing
};

template <class T>
struct RowOp {
  using Acc = RowSums<T>;
  SumExponentials<T> sum;
  __device__ Acc identity() const { return {sum.identity(), T(0), T(0)}; }
  __device__ Acc merge(const Acc& a, const Acc& b) const {
    return {sum.merge(a.exponentials, b.exponentials), a.weights + b.weights, a.weighted + b.weighted};
  }
};

struct RowOutputs {
  void* loss;  // null unless it is wanted row by row
  DType loss_dtype;
  void* log_sum_exp;
  DType lse_dtype;
};

// Operands of `rows`: logits, target, loss, log_sum_exp, position.
template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_kernel(const void* logits, DType dtype, int64_t step, TargetSource target, IndexGuard guard,
                         RowOutputs out, RowLoss<T>* row_losses, Indexer<5> rows, int64_t count, T smoothing,
                         bool lanes_along_x) {
  __shared__ __align__(16) unsigned char buffer[kThreads * sizeof(RowSums<T>)];
  const LineThread thread(lanes_along_x);
  const RowOp<T> op{};
  RowSums<T> acc = op.identity();
  int64_t at[5] = {};
  if (thread.line < count) {
    rows.offsets(thread.line, at);
    for (int64_t c = thread.lane; c < target.classes; c += thread.lanes) {
      const T x = load_as<T>(logits, dtype, at[0] + c * step);
      op.sum.add(acc.exponentials, x);
      if (smoothing == T(0)) continue;
      const T w = target.weight_of<T>(c);
      acc.weights += w;
      acc.weighted += w * x;
    }
  }
  acc = thread.reduce(op, acc, reinterpret_cast<RowSums<T>*>(buffer));
  if (thread.line >= count || thread.lane != 0) return;

  const T lse = acc.exponentials.max + functor::log_(acc.exponentials.sum);
  const int64_t t = target.at(at[1], at[4], guard);
  RowLoss<T> row{T(0), T(0)};
  if (t >= 0) {
    row.weight = target.weight_of<T>(t);
    row.loss = (T(1) - smoothing) * row.weight * (lse - load_as<T>(logits, dtype, at[0] + t * step));
    if (smoothing != T(0))
      row.loss += smoothing / static_cast<T>(target.classes) * (acc.weights * lse - acc.weighted);
  }
  store_same<T>(out.log_sum_exp, out.lse_dtype, at[3], lse);
  if (out.loss != nullptr) store_same<T>(out.loss, out.loss_dtype, at[2], row.loss);
  row_losses[thread.line] = row;
}

// Operands of `elements`: d_logits, logits, target, grad, log_sum_exp, class.
template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_backward_kernel(void* d_logits, const void* logits, DType dtype, TargetSource target,
                                  LossGradient grad, const void* log_sum_exp, DType lse_dtype, Indexer<6> elements,
                                  int64_t count, T smoothing) {
  __shared__ T shared[kThreads];
  const T share = smoothing / static_cast<T>(target.classes);
  T weights = static_cast<T>(target.classes);
  if (smoothing != T(0) && target.weight != nullptr) {
    T sum = T(0);
    for (int64_t c = threadIdx.x; c < target.classes; c += kThreads) sum += target.weight_of<T>(c);
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = kThreads / 2; half > 0; half /= 2) {
      if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
      __syncthreads();
    }
    weights = shared[0];
  }
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[6];
    elements.offsets(i, at);
    const int64_t t = target.known(at[2]), c = at[5];
    T value = T(0);
    if (t >= 0) {
      const T picked = (T(1) - smoothing) * target.weight_of<T>(t);
      const T p = functor::exp_(load_as<T>(logits, dtype, at[1]) - load_as<T>(log_sum_exp, lse_dtype, at[4]));
      value = p * (picked + share * weights) - (c == t ? picked : T(0));
      if (smoothing != T(0)) value -= share * target.weight_of<T>(c);
      value *= grad.at<T>(at[3]);
    }
    store_same<T>(d_logits, dtype, at[0], value);
  }
}

// Operands of `rows`: log_probs, target, loss, none, position.
template <class T>
__global__ void __launch_bounds__(kThreads)
    nll_kernel(const void* log_probs, DType dtype, int64_t step, TargetSource target, IndexGuard guard, void* loss,
               DType loss_dtype, RowLoss<T>* row_losses, Indexer<5> rows, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[5];
    rows.offsets(i, at);
    const int64_t t = target.at(at[1], at[4], guard);
    RowLoss<T> row{T(0), T(0)};
    if (t >= 0) {
      row.weight = target.weight_of<T>(t);
      row.loss = -row.weight * load_as<T>(log_probs, dtype, at[0] + t * step);
    }
    if (loss != nullptr) store_same<T>(loss, loss_dtype, at[2], row.loss);
    row_losses[i] = row;
  }
}

// Operands of `elements`: d_log_probs, none, target, grad, none, class.
template <class T>
__global__ void __launch_bounds__(kThreads)
    nll_backward_kernel(void* d_log_probs, DType dtype, TargetSource target, LossGradient grad, Indexer<6> elements,
                        int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[6];
    elements.offsets(i, at);
    const int64_t t = target.known(at[2]);
    store_same<T>(d_log_probs, dtype, at[0],
                  t >= 0 && t == at[5] ? -target.weight_of<T>(t) * grad.at<T>(at[3]) : T(0));
  }
}

LossReduction reduction_of(const Call& call) { return static_cast<LossReduction>(call.i(0)); }

// Calls f(T{}) for the type that a loss of `dtype` computes in.
template <class F>
void with_loss(DType dtype, F&& f) {
  if (dtype == DType::float64) f(double{});
  else f(float{});
}

}  // namespace

void op_cross_entropy(Context& context, const Call& call) {
  namespace o = op::cross_entropy;
  const TensorView &logits = call.in(o::in::logits), &target = call.in(o::in::target), &loss = call.out(o::out::loss),
                   &lse = call.out(o::out::log_sum_exp), &total_weight = call.out(o::out::total_weight);
  const LossReduction reduction = reduction_of(call);
  const bool by_row = reduction == LossReduction::none;
  const TargetSource source =
      target_source(logits, target, call.in(o::in::weight_opt), call.f(o::attr::ignore_index));
  const Lines<5> rows = loss_rows(logits, target, by_row ? loss : TensorView{}, lse);
  const int64_t count = rows.layout.numel();
  const IndexGuard guard = context.guard(call);
  with_loss(logits.dtype, [&](auto compute) {
    using T = decltype(compute);
    RowLoss<T>* row_losses = context.workspace_of<RowLoss<T>>(std::max<int64_t>(1, count));
    if (count > 0) {
      const LineGrid grid = line_grid(rows, context.multiprocessors);
      const RowOutputs out{by_row ? loss.data : nullptr, loss.dtype, lse.data, lse.dtype};
      launch(context, cross_entropy_kernel<T>, grid.grid, grid.block, 0, static_cast<const void*>(logits.data),
             logits.dtype, rows.step[0], source, guard, out, row_losses, rows.layout.indexer(), count,
             static_cast<T>(call.f(o::attr::label_smoothing)), grid.lanes_along_x);
    }
    total_loss<T>(context, row_losses, count, reduction, loss, total_weight);
  });
}

void op_cross_entropy_backward(Context& context, const Call& call) {
  namespace o = op::cross_entropy_backward;
  const TensorView &grad = call.in(o::in::grad), &logits = call.in(o::in::logits), &target = call.in(o::in::target),
                   &lse = call.in(o::in::log_sum_exp), &d_logits = call.out(0);
  const LossReduction reduction = reduction_of(call);
  const TensorView none;
  const Layout<6> elements =
      loss_elements(d_logits, logits, target, reduction == LossReduction::none ? grad : none, lse);
  const int64_t count = elements.numel();
  const TargetSource source =
      target_source(logits, target, call.in(o::in::weight_opt), call.f(o::attr::ignore_index));
  with_loss(logits.dtype, [&](auto compute) {
    using T = decltype(compute);
    launch_items(context, cross_entropy_backward_kernel<T>, count, d_logits.data, static_cast<const void*>(logits.data),
                 logits.dtype, source, loss_gradient(grad, call.in(o::in::total_weight), reduction),
                 static_cast<const void*>(lse.data), lse.dtype, elements.indexer(), count,
                 static_cast<T>(call.f(o::attr::label_smoothing)));
  });
}

void op_nll_loss(Context& context, const Call& call) {
  namespace o = op::nll_loss;
  const TensorView &log_probs = call.in(o::in::log_probs), &target = call.in(o::in::target),
                   &loss = call.out(o::out::loss), none;
  const LossReduction reduction = reduction_of(call);
  const bool by_row = reduction == LossReduction::none;
  const TargetSource source =
      target_source(log_probs, target, call.in(o::in::weight_opt), call.f(o::attr::ignore_index));
  const Lines<5> rows = loss_rows(log_probs, target, by_row ? loss : none, none);
  const int64_t count = rows.layout.numel();
  const IndexGuard guard = context.guard(call);
  with_loss(log_probs.dtype, [&](auto compute) {
    using T = decltype(compute);
    RowLoss<T>* row_losses = context.workspace_of<RowLoss<T>>(std::max<int64_t>(1, count));
    launch_items(context, nll_kernel<T>, count, static_cast<const void*>(log_probs.data), log_probs.dtype, rows.step[0],
                 source, guard, by_row ? loss.data : nullptr, loss.dtype, row_losses, rows.layout.indexer(), count);
    total_loss<T>(context, row_losses, count, reduction, loss, call.out(o::out::total_weight));
  });
}

void op_nll_loss_backward(Context& context, const Call& call) {
  namespace o = op::nll_loss_backward;
  const TensorView &grad = call.in(o::in::grad), &target = call.in(o::in::target), &d_log_probs = call.out(0), none;
  const LossReduction reduction = reduction_of(call);
  const Layout<6> elements =
      loss_elements(d_log_probs, none, target, reduction == LossReduction::none ? grad : none, none);
  const int64_t count = elements.numel();
  const TargetSource source =
      target_source(d_log_probs, target, call.in(o::in::weight_opt), call.f(o::attr::ignore_index));
  with_loss(d_log_probs.dtype, [&](auto compute) {
    launch_items(context, nll_backward_kernel<decltype(compute)>, count, d_log_probs.data, d_log_probs.dtype, source,
                 loss_gradient(grad, call.in(o::in::total_weight), reduction), elements.indexer(), count);
  });
}

}  // namespace lenode::cuda
