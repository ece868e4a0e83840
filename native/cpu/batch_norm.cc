// SPDX-License-Identifier: Apache-2.0
// Batch normalisation, forward: one pass over x for the statistics, one for the result.
#include <vector>

#include "cpu/handlers.h"
#include "cpu/norm_kernels.h"

namespace lenode::cpu {
namespace {

// A column's moments need all rows; threads share the rows. A line's channel belongs to one thread.
template <class E>
std::vector<Moments> batch_moments(const NormShape& s, const TensorView& x) {
  std::vector<Moments> moments(static_cast<size_t>(s.c));
  const DenseReader<E> reader(x);
  if (!s.columns) {
    const int slots = useful_threads(s.c, s.rows());
    const SlotBuffers<E> buffers(slots, reader.direct() ? 0 : kRunElements);
    parallel_slots(slots, s.c, [&](int slot, int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c)
        for (int64_t n = 0; n < s.n; ++n)
          for_runs(s.spatial, [&](int64_t first, int64_t count) {
            add_line_moments(reader.read((n * s.c + c) * s.spatial + first, count, buffers[slot]), count, moments[c]);
          });
    });
    return moments;
  }
  const int slots = useful_threads(s.rows(), s.c);
  const SlotBuffers<E> buffers(slots, reader.direct() ? 0 : kRunRows * s.c);
  std::vector<ColumnMoments<E>> parts;
  for (int slot = 0; slot < slots; ++slot) parts.emplace_back(s.c);
  parallel_slots(slots, s.rows(), [&](int slot, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row += kRunRows) {
      const int64_t count = std::min(kRunRows, end - row);
      parts[slot].add(reader.read(row * s.c, count * s.c, buffers[slot]), count);
    }
  });
  for (const ColumnMoments<E>& part : parts)
    for (int64_t c = 0; c < s.c; ++c) {
      const Moments m = part.of(c);
      moments[c].merge(m.count, m.mean, m.m2);
    }
  return moments;
}

void update_running(const TensorView& running, const std::vector<Moments>& moments, double momentum, bool variance) {
  if (!running.present()) return;
  const int64_t c = static_cast<int64_t>(moments.size());
  const ChannelValues<double> values(running, c, 0);
  for (int64_t i = 0; i < c; ++i) {
    const Moments& m = moments[i];
    values[i] += momentum * ((variance ? m.m2 / (m.count - 1) : m.mean) - values[i]);
  }
  values.store(running, c);
}

template <class E, bool Residual, bool Relu>
void apply(const NormShape& s, const TensorView& x, const TensorView& residual, const TensorView& y,
           const Widened<E>* mean, const Widened<E>* scale, const Widened<E>* shift) {
  const DenseReader<E> x_reader(x), residual_reader(residual);
  const DenseWriter<E> writer(y);
  const int64_t run = s.columns ? kRunRows * s.c : kRunElements;
  const int64_t items = s.columns ? s.rows() : s.n * s.c;
  const int slots = useful_threads(items, s.columns ? s.c : s.spatial);
  const SlotBuffers<E> x_buffers(slots, x_reader.direct() ? 0 : run);
  const SlotBuffers<E> residual_buffers(slots, residual_reader.direct() ? 0 : run);
  const SlotBuffers<E> y_buffers(slots, writer.direct() ? 0 : run);
  const auto with_run = [&](int slot, int64_t first, int64_t count, auto&& kernel) {
    E* to = writer.target(first, y_buffers[slot]);
    kernel(x_reader.read(first, count, x_buffers[slot]), residual_reader.read(first, count, residual_buffers[slot]), to);
    writer.finish(first, count, to);
  };
  parallel_slots(slots, items, [&](int slot, int64_t begin, int64_t end) {
    if (!s.columns) {
      for (int64_t line = begin; line < end; ++line) {
        const int64_t c = line % s.c;
        for_runs(s.spatial, [&](int64_t first, int64_t count) {
          with_run(slot, line * s.spatial + first, count, [&](const E* from, const E* plus, E* to) {
            apply_run<E, false, Residual, Relu>(from, plus, to, count, mean + c, scale + c, shift + c);
          });
        });
      }
      return;
    }
    // From the end: what the pass before has read last may still be in the cache.
    for (int64_t last = end; last > begin; last -= kRunRows) {
      const int64_t first = std::max(begin, last - kRunRows), rows = last - first;
      with_run(slot, first * s.c, rows * s.c, [&](const E* from, const E* plus, E* to) {
        for (int64_t r = 0; r < rows; ++r)
          apply_run<E, true, Residual, Relu>(from + r * s.c, Residual ? plus + r * s.c : nullptr, to + r * s.c, s.c,
                                             mean, scale, shift);
      });
    }
  });
}

template <class E>
void apply_any(const NormShape& s, const TensorView& x, const TensorView& residual, const TensorView& y, bool relu,
               const ChannelValues<Widened<E>>& mean, const ChannelValues<Widened<E>>& inv_std, const TensorView& weight,
               const TensorView& bias) {
  using T = Widened<E>;
  const ChannelValues<T> scale(weight, s.c, T(1)), shift(bias, s.c, T(0));
  for (int64_t c = 0; c < s.c; ++c) scale[c] *= inv_std[c];
  const auto with = [&](auto has_residual, auto has_relu) {
    apply<E, has_residual(), has_relu()>(s, x, residual, y, mean.get(), scale.get(), shift.get());
  };
  if (residual.present()) relu ? with(std::true_type{}, std::true_type{}) : with(std::true_type{}, std::false_type{});
  else relu ? with(std::false_type{}, std::true_type{}) : with(std::false_type{}, std::false_type{});
}

template <class E>
void train(const Call& call) {
  namespace o = op::batch_norm;
  using T = Widened<E>;
  const TensorView &x = call.in(o::in::x), &residual = call.in(o::in::residual_opt), &y = call.out(o::out::y);
  const TensorView& batches = call.out(o::out::batches_opt);
  const NormShape s(call, x);
  s.check_like(call, residual);
  s.check_like(call, y);
  double momentum = call.f(o::attr::momentum);
  require(momentum == momentum || batches.present(), "batch_norm: expected a momentum or a count of batches");
  if (batches.present()) {
    require(batches.dtype == DType::int64 && batches.numel() == 1, "batch_norm: expected an int64 count of batches");
    ++*batches.ptr<int64_t>();
    if (momentum != momentum) momentum = 1.0 / static_cast<double>(*batches.ptr<int64_t>());
  }
  const ChannelValues<T> mean(s.c, T(0)), inv_std(s.c, T(0));
  if (s.numel() > 0) {
    const std::vector<Moments> moments = batch_moments<E>(s, x);
    for (int64_t c = 0; c < s.c; ++c) {
      mean[c] = static_cast<T>(moments[c].mean);
      inv_std[c] = static_cast<T>(1 / std::sqrt(moments[c].m2 / moments[c].count + call.f(o::attr::eps)));
    }
    update_running(call.out(o::out::running_mean_opt), moments, momentum, false);
    update_running(call.out(o::out::running_var_opt), moments, momentum, true);
    apply_any<E>(s, x, residual, y, call.i(o::attr::relu) != 0, mean, inv_std, call.in(o::in::weight_opt),
                 call.in(o::in::bias_opt));
  }
  mean.store(call.out(o::out::mean), s.c);
  inv_std.store(call.out(o::out::inv_std), s.c);
}

template <class E>
void infer(const Call& call) {
  namespace o = op::batch_norm_inference;
  using T = Widened<E>;
  const TensorView &x = call.in(o::in::x), &residual = call.in(o::in::residual_opt), &y = call.out(o::out::y);
  const NormShape s(call, x);
  s.check_like(call, residual);
  s.check_like(call, y);
  const ChannelValues<T> mean(call.in(o::in::mean), s.c, T(0)), inv_std(call.in(o::in::var), s.c, T(1));
  for (int64_t c = 0; c < s.c; ++c)
    inv_std[c] = static_cast<T>(1 / std::sqrt(static_cast<double>(inv_std[c]) + call.f(o::attr::eps)));
  apply_any<E>(s, x, residual, y, call.i(o::attr::relu) != 0, mean, inv_std, call.in(o::in::weight_opt),
               call.in(o::in::bias_opt));
  inv_std.store(call.out(o::out::inv_std), s.c);
}

}  // namespace

void op_batch_norm(Context&, const Call& call) {
  namespace o = op::batch_norm;
  with_run_type({&call.in(o::in::x), &call.in(o::in::residual_opt), &call.out(o::out::y)},
                [&](auto e) { train<decltype(e)>(call); });
}

void op_batch_norm_inference(Context&, const Call& call) {
  namespace o = op::batch_norm_inference;
  with_run_type({&call.in(o::in::x), &call.in(o::in::residual_opt), &call.out(o::out::y)},
                [&](auto e) { infer<decltype(e)>(call); });
}

}  // namespace lenode::cpu
