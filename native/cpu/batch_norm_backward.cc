// SPDX-License-Identifier: Apache-2.0
// Batch normalisation, backward: one pass for the sums that d_weight and d_bias are, which d_x needs too, and one for
// d_x. The first also writes d_residual, which the second then reads in the place of the gradient and y.
#include "cpu/handlers.h"
#include "cpu/norm_kernels.h"

namespace lenode::cpu {
namespace {

template <class E>
class Backward {
  using T = Widened<E>;

 public:
  Backward(const NormShape& s, const TensorView& grad, const TensorView& x, const TensorView& y, const TensorView& d_x,
           const TensorView& d_residual)
      : s_(s), grad_(grad), x_(x), y_(y), d_x_(d_x), d_residual_(d_residual),
        items_(s.columns ? s.rows() : s.c), run_(s.columns ? kRunRows * s.c : kRunElements),
        slots_(useful_threads(items_, s.columns ? s.c : s.rows())),
        grads_(slots_, grad_.direct() ? 0 : run_), xs_(slots_, x_.direct() ? 0 : run_),
        ys_(slots_, y_.direct() ? 0 : run_), d_xs_(slots_, d_x_.direct() ? 0 : run_),
        d_residuals_(slots_, d_residual_.direct() ? 0 : run_) {}

  // The sums of every channel, and d_residual.
  template <Mask M, bool Write>
  void sums(const Channels<T>& ch, double* sum, double* dot) const {
    if (!s_.columns) {
      for_lines([&](int64_t c, int64_t n, const Run<E>& run) {
        line_sums<E, M, Write>(run, n, at(ch, c), sum[c], dot[c]);
      }, false, Write);
      return;
    }
    const int64_t c = s_.c;
    const SlotBuffers<T> parts(slots_, 2 * c);
    const SlotBuffers<double> totals(slots_, 2 * c);
    for (int slot = 0; slot < slots_; ++slot) std::fill_n(totals[slot], 2 * c, 0.0);
    parallel_slots(slots_, items_, [&](int slot, int64_t begin, int64_t end) {
      T* part = parts[slot];
      double* total = totals[slot];
      for (int64_t row = begin; row < end; row += kRunRows) {
        const int64_t rows = std::min(kRunRows, end - row);
        std::fill_n(part, 2 * c, T(0));
        with_run(slot, row * c, rows * c, false, Write, [&](const Run<E>& run) {
          column_sums<E, M, Write>(run, rows, c, ch, part, part + c);
        });
#pragma omp simd
        for (int64_t i = 0; i < 2 * c; ++i) total[i] += part[i];
      }
    });
    for (int slot = 0; slot < slots_; ++slot)
      for (int64_t i = 0; i < c; ++i) {
        sum[i] += totals[slot][i];
        dot[i] += totals[slot][c + i];
      }
  }

  template <Mask M, bool Training>
  void input(const Channels<T>& ch) const {
    if (!s_.columns) {
      for_lines([&](int64_t c, int64_t n, const Run<E>& run) {
        input_gradient<E, M, false, Training>(run, n, at(ch, c));
      }, true, false);
      return;
    }
    const int64_t c = s_.c;
    parallel_slots(slots_, items_, [&](int slot, int64_t begin, int64_t end) {
      for (int64_t last = end; last > begin; last -= kRunRows) {  // backwards, for the cache
        const int64_t first = std::max(begin, last - kRunRows);
        with_run(slot, first * c, (last - first) * c, true, false, [&](const Run<E>& run) {
          for (int64_t r = 0; r < last - first; ++r)
            input_gradient<E, M, true, Training>(run.from(r * c), c, ch);
        });
      }
    });
  }

 private:
  static Channels<T> at(const Channels<T>& ch, int64_t c) {
    return {ch.mean + c, ch.scale + c, ch.shift + c, ch.slope + c, ch.offset + c};
  }

  template <class F>
  void with_run(int slot, int64_t first, int64_t count, bool d_x, bool d_residual, F&& f) const {
    Run<E> run{grad_.read(first, count, grads_[slot]), x_.read(first, count, xs_[slot]),
               y_.read(first, count, ys_[slot]), d_x ? d_x_.target(first, d_xs_[slot]) : nullptr,
               d_residual ? d_residual_.target(first, d_residuals_[slot]) : nullptr};
    f(run);
    if (d_x) d_x_.finish(first, count, run.d_x);
    if (d_residual) d_residual_.finish(first, count, run.d_residual);
  }

  template <class F>
  void for_lines(F&& f, bool d_x, bool d_residual) const {
    parallel_slots(slots_, items_, [&](int slot, int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c)
        for (int64_t n = 0; n < s_.n; ++n)
          for_runs(s_.spatial, [&](int64_t first, int64_t count) {
            with_run(slot, (n * s_.c + c) * s_.spatial + first, count, d_x, d_residual,
                     [&](const Run<E>& run) { f(c, count, run); });
          });
    });
  }

  const NormShape& s_;
  DenseReader<E> grad_, x_, y_;
  DenseWriter<E> d_x_, d_residual_;
  int64_t items_, run_;
  int slots_;
  SlotBuffers<E> grads_, xs_, ys_, d_xs_, d_residuals_;
};

template <class F>
void with_mask(Mask mask, F&& f) {
  switch (mask) {
    case Mask::none: return f(std::integral_constant<Mask, Mask::none>{});
    case Mask::saved: return f(std::integral_constant<Mask, Mask::saved>{});
    case Mask::recomputed: return f(std::integral_constant<Mask, Mask::recomputed>{});
  }
}

template <class E>
void backward(const Call& call) {
  namespace o = op::batch_norm_backward;
  using T = Widened<E>;
  const TensorView &grad = call.in(o::in::grad), &x = call.in(o::in::x), &y = call.in(o::in::y_opt);
  const TensorView &d_x = call.out(o::out::d_x_opt), &d_residual = call.out(o::out::d_residual_opt);
  const NormShape s(call, x);
  for (const TensorView* view : {&grad, &y, &d_x, &d_residual}) s.check_like(call, *view);
  const bool training = call.i(o::attr::training) != 0;
  const int64_t code = call.i(o::attr::relu);
  require(code >= 0 && code <= 2 && (code != 1 || y.present()), "batch_norm_backward: relu needs y");
  const Mask mask = static_cast<Mask>(code);

  const ChannelValues<T> mean(call.in(o::in::mean), s.c, T(0)), inv_std(call.in(o::in::inv_std), s.c, T(1));
  const ChannelValues<T> scale(call.in(o::in::weight_opt), s.c, T(1)), shift(call.in(o::in::bias_opt), s.c, T(0));
  for (int64_t c = 0; c < s.c; ++c) scale[c] *= inv_std[c];
  const ChannelValues<T> slope(s.c, T(0)), offset(s.c, T(0));
  const ChannelValues<double> sum(s.c, 0), dot(s.c, 0);
  const Channels<T> channels{mean.get(), scale.get(), shift.get(), slope.get(), offset.get()};

  const TensorView &d_weight = call.out(o::out::d_weight_opt), &d_bias = call.out(o::out::d_bias_opt);
  if (s.numel() > 0) {
    const Backward<E> first(s, grad, x, y, TensorView(), d_residual);
    const bool needs_sums = d_weight.present() || d_bias.present() || (training && d_x.present());
    if (needs_sums || d_residual.present())
      with_mask(mask, [&](auto m) {
        if (d_residual.present()) first.template sums<m(), true>(channels, sum.get(), dot.get());
        else first.template sums<m(), false>(channels, sum.get(), dot.get());
      });
    if (training)
      for (int64_t c = 0; c < s.c; ++c) {
        const double inverse = inv_std[c], count = static_cast<double>(s.rows());
        slope[c] = static_cast<T>(scale[c] * inverse * inverse * dot[c] / count);
        offset[c] = static_cast<T>(scale[c] * sum[c] / count);
      }
    if (d_x.present()) {
      const bool done = d_residual.present();
      const Backward<E> second(s, done ? d_residual : grad, x, done ? TensorView() : y, d_x, TensorView());
      with_mask(done ? Mask::none : mask, [&](auto m) {
        if (training) second.template input<m(), true>(channels);
        else second.template input<m(), false>(channels);
      });
    }
  }
  for (int64_t c = 0; c < s.c; ++c) dot[c] *= inv_std[c];
  dot.store(d_weight, s.c);
  sum.store(d_bias, s.c);
}

}  // namespace

void op_batch_norm_backward(Context&, const Call& call) {
  namespace o = op::batch_norm_backward;
  with_run_type({&call.in(o::in::grad), &call.in(o::in::x), &call.in(o::in::y_opt), &call.out(o::out::d_x_opt),
                 &call.out(o::out::d_residual_opt)},
                [&](auto e) { backward<decltype(e)>(call); });
}

}  // namespace lenode::cpu
