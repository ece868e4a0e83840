// SPDX-License-Identifier: Apache-2.0
// Cross entropy and negative log likelihood: a line is the C scores of one position.
#include "cpu/copy.h"
#include "cpu/handlers.h"
#include "cpu/lines.h"
#include "cpu/softmax.h"

#include <atomic>
#include <cmath>
#include <vector>

namespace lenode::cpu {
namespace {

constexpr int64_t kCost = 8;
enum Reduction : int64_t { kNone = 0, kMean = 1, kSum = 2 };

// One slot's share of the loss; padded, so that slots do not share a cache line.
struct alignas(64) Partial {
  double loss = 0, weight = 0;
};

struct Targets {
  int64_t classes;
  int64_t ignore_index;
  bool valid(int64_t target) const { return target >= 0 && target < classes; }
};

// Class weights as a contiguous array, without one all 1.
template <class T>
std::vector<T> class_weights(const TensorView& weight, int64_t classes) {
  std::vector<T> result(static_cast<size_t>(classes), T(1));
  if (weight.present()) {
    require(weight.rank == 1 && weight.dims[0] == classes, "cross_entropy: expected one weight per class");
    load_function(weight.dtype, compute_v<T>)(weight.data, weight.strides[0], result.data(), classes);
  }
  return result;
}

template <class T>
void store_scalar(const TensorView& view, double value) {
  require(view.numel() == 1, "loss: expected a scalar");
  const T converted = static_cast<T>(value);
  store_function(compute_v<T>, view.dtype)(&converted, view.data, 1, 1);
}

template <class T>
T load_scalar(const TensorView& view) {
  require(view.numel() == 1, "loss: expected a scalar");
  T value;
  load_function(view.dtype, compute_v<T>)(view.data, 1, &value, 1);
  return value;
}

// Finds the first bad target in logical order, fills what the call would have given with NaN and throws.
[[noreturn]] void fail_on_target(const Call& call, const TensorView& target, const Targets& targets) {
  fill_outputs_with_nan(call);
  const Load load = load_function(target.dtype, Compute::int64);
  for (int64_t position = 0; position < target.numel(); ++position) {
    int64_t offset = 0, rest = position, value;
    for (int d = target.rank - 1; d >= 0; --d) {
      offset += rest % target.dims[d] * target.strides[d];
      rest /= target.dims[d];
    }
    load(at(target, offset), 1, &value, 1);
    if (value == targets.ignore_index || targets.valid(value)) continue;
    fail(ErrorCode::index, std::string(op_info(call.op).name) + ": target " + std::to_string(value) +
                               " at position " + std::to_string(position) + " is out of range for " +
                               std::to_string(targets.classes) + " classes");
  }
  fail(ErrorCode::internal, std::string(op_info(call.op).name) + ": the targets changed during the call");
}

// The scores' shape as (views, class dimension): [C] counts as [1, C].
struct Shape {
  explicit Shape(const TensorView& scores) : view(scores.rank == 1 ? with_dim(scores, 0, 2) : scores) {
    require(scores.rank >= 1, "cross_entropy: expected scores of rank 1 or more");
  }
  // A per-position tensor, with a class dimension of size 1. A scalar is one position.
  TensorView positions(const TensorView& per_position) const {
    const TensorView vector = view.rank == 2 ? at_least_1d(per_position) : per_position;
    return with_dim(vector, 1, view.rank);
  }
  TensorView view;
  int64_t classes() const { return view.dims[1]; }
};

// Sums the slots in order and writes the mean or the sum.
template <class T>
void finish_loss(const TensorView& loss, const TensorView& total_weight, Reduction reduction,
                 const std::vector<Partial>& partials) {
  Partial total;
  for (const Partial& partial : partials) {
    total.loss += partial.loss;
    total.weight += partial.weight;
  }
  with_float_compute(total_weight.dtype, [&](auto w) { store_scalar<decltype(w)>(total_weight, total.weight); });
  if (reduction == kMean) store_scalar<T>(loss, total.loss / total.weight);
  if (reduction == kSum) store_scalar<T>(loss, total.loss);
}

template <class T>
void cross_entropy(const Call& call) {
  namespace o = op::cross_entropy;
  const Shape shape(call.in(o::in::logits));
  const TensorView target = shape.positions(call.in(o::in::target));
  const TensorView& loss = call.out(o::out::loss);
  const auto reduction = static_cast<Reduction>(call.i(o::attr::reduction));
  const Targets targets{shape.classes(), call.i(o::attr::ignore_index)};
  const double smoothing = call.f(o::attr::label_smoothing);
  const TensorView log_sum_exp = shape.positions(call.out(o::out::log_sum_exp));
  const TensorView losses = reduction == kNone ? shape.positions(loss) : log_sum_exp;
  const std::vector<T> weights = class_weights<T>(call.in(o::in::weight_opt), targets.classes);

  const Lines lines({{&shape.view, compute_v<T>},
                     {&target, Compute::int64},
                     {&log_sum_exp, compute_v<T>, true},
                     {&losses, compute_v<T>, reduction == kNone}},
                    1);
  const int slots = lines.slots(targets.classes * kCost);
  std::vector<Partial> partials(slots);
  std::atomic<bool> bad{false};
  lines.run(slots, [&](int slot, void* const* p) {
    const T* x = static_cast<const T*>(p[0]);
    const int64_t label = *static_cast<const int64_t*>(p[1]);
    const T largest = line_max(x, targets.classes);
    const double lse = largest + std::log(line_sum_exp(x, largest, targets.classes));
    double value = 0;
    if (targets.valid(label) && label != targets.ignore_index) {
      const double weight = weights[label];
      value = weight * (lse - x[label]);
      if (smoothing > 0) {
        double smooth = 0;
#pragma omp simd reduction(+ : smooth)
        for (int64_t c = 0; c < targets.classes; ++c) smooth += weights[c] * (lse - x[c]);
        value = (1 - smoothing) * value + smoothing / static_cast<double>(targets.classes) * smooth;
      }
      partials[slot].loss += value;
      partials[slot].weight += weight;
    } else if (label != targets.ignore_index) {
      bad.store(true, std::memory_order_relaxed);
    }
    *static_cast<T*>(p[2]) = static_cast<T>(lse);
    if (reduction == kNone) *static_cast<T*>(p[3]) = static_cast<T>(value);
  });
  if (bad) fail_on_target(call, call.in(o::in::target), targets);
  finish_loss<T>(loss, call.out(o::out::total_weight), reduction, partials);
}

// The incoming gradient: one for each position, or one that the mean divides by the total weight.
template <class T>
struct IncomingGradient {
  IncomingGradient(const TensorView& grad, const TensorView& total_weight, Reduction reduction) {
    if (reduction == kNone) return;
    scale = load_scalar<T>(grad);
    if (reduction == kMean) scale /= load_scalar<T>(total_weight);
  }
  T scale = T(1);
};

template <class T>
void cross_entropy_backward(const Call& call) {
  namespace o = op::cross_entropy_backward;
  const Shape shape(call.in(o::in::logits)), d_shape(call.out(o::out::d_logits));
  const TensorView target = shape.positions(call.in(o::in::target));
  const TensorView log_sum_exp = shape.positions(call.in(o::in::log_sum_exp));
  const auto reduction = static_cast<Reduction>(call.i(o::attr::reduction));
  const TensorView& grad = call.in(o::in::grad);
  const TensorView grads = reduction == kNone ? shape.positions(grad) : log_sum_exp;
  const IncomingGradient<T> incoming(grad, call.in(o::in::total_weight), reduction);
  const Targets targets{shape.classes(), call.i(o::attr::ignore_index)};
  require(d_shape.classes() == targets.classes, "cross_entropy_backward: the gradient's shape is not the scores'");

  const T smoothing = static_cast<T>(call.f(o::attr::label_smoothing));
  const T spread = smoothing / static_cast<T>(targets.classes);  // what every class gets
  const std::vector<T> weights = class_weights<T>(call.in(o::in::weight_opt), targets.classes);
  double weight_sum = 0;
  for (const T weight : weights) weight_sum += weight;
  const T spread_sum = spread * static_cast<T>(weight_sum);

  const Lines lines({{&d_shape.view, compute_v<T>, true},
                     {&shape.view, compute_v<T>},
                     {&target, Compute::int64},
                     {&log_sum_exp, compute_v<T>},
                     {&grads, compute_v<T>}},
                    1);
  std::atomic<bool> bad{false};
  lines.run(lines.slots(targets.classes * kCost), [&](int, void* const* p) {
    T* d_x = static_cast<T*>(p[0]);
    const T* x = static_cast<const T*>(p[1]);
    const int64_t label = *static_cast<const int64_t*>(p[2]);
    const T lse = *static_cast<const T*>(p[3]);
    const T scale = reduction == kNone ? *static_cast<const T*>(p[4]) : incoming.scale;
    if (label == targets.ignore_index || !targets.valid(label)) {
      if (label != targets.ignore_index) bad.store(true, std::memory_order_relaxed);
      std::fill_n(d_x, targets.classes, T(0));
      return;
    }
    const T own = (T(1) - smoothing) * weights[label];
    const T factor = scale * (own + spread_sum);
    if (spread == T(0)) {
#pragma omp simd
      for (int64_t c = 0; c < targets.classes; ++c) d_x[c] = factor * functor::exp_(x[c] - lse);
    } else {
#pragma omp simd
      for (int64_t c = 0; c < targets.classes; ++c)
        d_x[c] = factor * functor::exp_(x[c] - lse) - scale * spread * weights[c];
    }
    d_x[label] -= scale * own;
  });
  if (bad) fail_on_target(call, call.in(o::in::target), targets);
}

template <class T>
void nll_loss(const Call& call) {
  namespace o = op::nll_loss;
  const Shape shape(call.in(o::in::log_probs));
  const TensorView target = shape.positions(call.in(o::in::target));
  const TensorView& loss = call.out(o::out::loss);
  const auto reduction = static_cast<Reduction>(call.i(o::attr::reduction));
  const Targets targets{shape.classes(), call.i(o::attr::ignore_index)};
  const TensorView losses = reduction == kNone ? shape.positions(loss) : target;
  const std::vector<T> weights = class_weights<T>(call.in(o::in::weight_opt), targets.classes);
  // One score of each line is read: the class dimension shrinks to that of the target.
  TensorView first = shape.view;
  first.dims[1] = 1;
  const int64_t class_bytes = shape.view.strides[1] * static_cast<int64_t>(item_size(first.dtype));
  const Load load = load_function(first.dtype, compute_v<T>);

  const bool per_position = reduction == kNone;
  const StridedLoop loop = make_loop({&target, &first, &losses});
  const Load load_target = load_function(target.dtype, Compute::int64);
  const Store store_loss = store_function(compute_v<T>, loss.dtype);
  const int slots = useful_threads(loop.numel, kCost);
  std::vector<Partial> partials(slots);
  std::atomic<bool> bad{false};
  parallel_slots(slots, loop.numel, [&](int slot, int64_t begin, int64_t end) {
    Walker walker(loop, begin);
    for (; walker.position() < end; walker.advance(1)) {
      int64_t label;
      load_target(at(target, walker.offset(0)), 1, &label, 1);
      T value = 0;
      if (targets.valid(label) && label != targets.ignore_index) {
        T score;
        load(at(first, walker.offset(1)) + label * class_bytes, 1, &score, 1);
        value = -weights[label] * score;
        partials[slot].loss += value;
        partials[slot].weight += weights[label];
      } else if (label != targets.ignore_index) {
        bad.store(true, std::memory_order_relaxed);
      }
      if (per_position) store_loss(&value, at_mutable(losses, walker.offset(2)), 1, 1);
    }
  });
  if (bad) fail_on_target(call, call.in(o::in::target), targets);
  finish_loss<T>(loss, call.out(o::out::total_weight), reduction, partials);
}

template <class T>
void nll_loss_backward(const Call& call) {
  namespace o = op::nll_loss_backward;
  const Shape shape(call.out(o::out::d_log_probs));
  const TensorView target = shape.positions(call.in(o::in::target));
  const auto reduction = static_cast<Reduction>(call.i(o::attr::reduction));
  const TensorView& grad = call.in(o::in::grad);
  const TensorView grads = reduction == kNone ? shape.positions(grad) : target;
  const Compute grads_compute = reduction == kNone ? compute_v<T> : Compute::int64;
  const IncomingGradient<T> incoming(grad, call.in(o::in::total_weight), reduction);
  const Targets targets{shape.classes(), call.i(o::attr::ignore_index)};
  const std::vector<T> weights = class_weights<T>(call.in(o::in::weight_opt), targets.classes);

  const Lines lines({{&shape.view, compute_v<T>, true}, {&target, Compute::int64}, {&grads, grads_compute}}, 1);
  std::atomic<bool> bad{false};
  lines.run(lines.slots(targets.classes), [&](int, void* const* p) {
    T* d_x = static_cast<T*>(p[0]);
    const int64_t label = *static_cast<const int64_t*>(p[1]);
    std::fill_n(d_x, targets.classes, T(0));
    if (targets.valid(label) && label != targets.ignore_index) {
      d_x[label] = -weights[label] * (reduction == kNone ? *static_cast<const T*>(p[2]) : incoming.scale);
    } else if (label != targets.ignore_index) {
      bad.store(true, std::memory_order_relaxed);
    }
  });
  if (bad) fail_on_target(call, call.in(o::in::target), targets);
}

}  // namespace

void op_cross_entropy(Context&, const Call& call) {
  with_float_compute(call.in(0).dtype, [&](auto t) { cross_entropy<decltype(t)>(call); });
}

void op_cross_entropy_backward(Context&, const Call& call) {
  with_float_compute(call.out(0).dtype, [&](auto t) { cross_entropy_backward<decltype(t)>(call); });
}

void op_nll_loss(Context&, const Call& call) {
  with_float_compute(call.in(0).dtype, [&](auto t) { nll_loss<decltype(t)>(call); });
}

void op_nll_loss_backward(Context&, const Call& call) {
  with_float_compute(call.out(0).dtype, [&](auto t) { nll_loss_backward<decltype(t)>(call); });
}

}  // namespace lenode::cpu
