// SPDX-License-Identifier: Apache-2.0
// Group normalisation, and with it layer and instance normalisation: statistics of a sample's channels by groups. A
// sample or group is done with while it is in the cache.
#include <vector>

#include "cpu/handlers.h"
#include "cpu/norm_kernels.h"

namespace lenode::cpu {
namespace {

// Two shapes of work. Columns: an item is a sample, whose rows of channels share the statistics of groups. Otherwise
// an item is a group of a sample, which is one piece of memory: lines of a channel each, or, without pixels, a row.
struct Groups {
  NormShape s;
  int64_t groups, channels;  // of a group
  bool columns;
  int64_t items, length;  // elements of an item
  int slots;

  Groups(const Call& call, const TensorView& x, int64_t count) : s(call, x), groups(count) {
    require(groups >= 1 && s.c % groups == 0, "group_norm: the groups do not divide the channels");
    channels = s.c / groups;
    columns = s.columns && s.spatial > 1;
    items = columns ? s.n : s.n * groups;
    length = columns ? s.spatial * s.c : s.spatial * channels;
    if (s.numel() == 0) items = 0;
    slots = useful_threads(items, length);
  }
  int64_t run() const { return columns ? kRunRows * s.c : kRunElements; }
  double count() const { return static_cast<double>(channels * s.spatial); }
};

struct Statistics {
  double mean, inv_std;
  Statistics(const Moments& m, double eps) : mean(m.mean), inv_std(1 / std::sqrt(m.m2 / m.count + eps)) {}
};

// [N, groups], dense.
template <class T>
T* group_values(const TensorView& view, const Groups& g) {
  require(is_native(view.dtype, compute_v<T>) && view.numel() == g.s.n * g.groups && view.contiguous(),
          "group_norm: expected dense statistics of every group");
  return view.ptr<T>();
}

template <class T>
void forward(const Call& call) {
  namespace o = op::group_norm;
  const TensorView &x = call.in(o::in::x), &y = call.out(o::out::y);
  const Groups g(call, x, call.i(o::attr::groups));
  const NormShape& s = g.s;
  s.check_like(call, y);
  const double eps = call.f(o::attr::eps);
  const ChannelValues<T> weight(call.in(o::in::weight_opt), s.c, T(1)), bias(call.in(o::in::bias_opt), s.c, T(0));
  T *means = group_values<T>(call.out(o::out::mean), g), *inv_stds = group_values<T>(call.out(o::out::inv_std), g);
  const DenseReader<T> reader(x);
  const DenseWriter<T> writer(y);
  const SlotBuffers<T> from(g.slots, reader.direct() ? 0 : g.run()), to(g.slots, writer.direct() ? 0 : g.run());
  const auto with_run = [&](int slot, int64_t first, int64_t count, auto&& kernel) {
    T* target = writer.target(first, to[slot]);
    kernel(reader.read(first, count, from[slot]), target);
    writer.finish(first, count, target);
  };

  if (!g.columns) {
    parallel_slots(g.slots, g.items, [&](int slot, int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t start = item * g.length, c0 = item % g.groups * g.channels;
        Moments moments;
        for_runs(g.length, [&](int64_t first, int64_t count) {
          add_line_moments(reader.read(start + first, count, from[slot]), count, moments);
        });
        const Statistics statistics(moments, eps);
        const T mean = means[item] = static_cast<T>(statistics.mean);
        const T inverse = inv_stds[item] = static_cast<T>(statistics.inv_std);
        if (s.spatial == 1) {
          for_runs(g.length, [&](int64_t first, int64_t count) {
            const T *w = weight.get() + c0 + first, *b = bias.get() + c0 + first;
            with_run(slot, start + first, count, [&](const T* v, T* result) {
#pragma omp simd
              for (int64_t i = 0; i < count; ++i) result[i] = normalized(v[i], mean, inverse * w[i], b[i]);
            });
          });
          continue;
        }
        for (int64_t c = 0; c < g.channels; ++c) {
          const T scale = inverse * weight[c0 + c];
          for_runs(s.spatial, [&](int64_t first, int64_t count) {
            with_run(slot, start + c * s.spatial + first, count, [&](const T* v, T* result) {
              apply_run<T, false, false, false>(v, nullptr, result, count, &mean, &scale, &bias[c0 + c]);
            });
          });
        }
      }
    });
    return;
  }

  std::vector<ColumnMoments<T>> parts;
  for (int slot = 0; slot < g.slots; ++slot) parts.emplace_back(s.c);
  const SlotBuffers<T> constants(g.slots, 2 * s.c);
  parallel_slots(g.slots, g.items, [&](int slot, int64_t begin, int64_t end) {
    T *mean = constants[slot], *scale = mean + s.c;
    for (int64_t n = begin; n < end; ++n) {
      const int64_t start = n * g.length;
      parts[slot].clear();
      for (int64_t row = 0; row < s.spatial; row += kRunRows) {
        const int64_t rows = std::min(kRunRows, s.spatial - row);
        parts[slot].add(reader.read(start + row * s.c, rows * s.c, from[slot]), rows);
      }
      for (int64_t group = 0; group < g.groups; ++group) {
        const int64_t c0 = group * g.channels;
        Moments moments;
        for (int64_t c = c0; c < c0 + g.channels; ++c) {
          const Moments m = parts[slot].of(c);
          moments.merge(m.count, m.mean, m.m2);
        }
        const Statistics statistics(moments, eps);
        means[n * g.groups + group] = static_cast<T>(statistics.mean);
        inv_stds[n * g.groups + group] = static_cast<T>(statistics.inv_std);
        for (int64_t c = c0; c < c0 + g.channels; ++c) {
          mean[c] = static_cast<T>(statistics.mean);
          scale[c] = static_cast<T>(statistics.inv_std) * weight[c];
        }
      }
      for (int64_t row = 0; row < s.spatial; row += kRunRows) {
        const int64_t rows = std::min(kRunRows, s.spatial - row);
        with_run(slot, start + row * s.c, rows * s.c, [&](const T* v, T* result) {
          for (int64_t r = 0; r < rows; ++r)
            apply_run<T, true, false, false>(v + r * s.c, nullptr, result + r * s.c, s.c, mean, scale, bias.get());
        });
      }
    }
  });
}

namespace o = op::group_norm_backward;

template <class T>
class Backward {
 public:
  explicit Backward(const Call& call)
      : g_(call, call.in(o::in::x), call.i(o::attr::groups)), s_(g_.s), grad_(call.in(o::in::grad)), x_(call.in(o::in::x)),
        d_x_(call.out(o::out::d_x_opt)), wants_x_(call.out(o::out::d_x_opt).present()),
        weight_(call.in(o::in::weight_opt), s_.c, T(1)), means_(group_values<T>(call.in(o::in::mean), g_)),
        inv_stds_(group_values<T>(call.in(o::in::inv_std), g_)), grads_(g_.slots, grad_.direct() ? 0 : g_.run()),
        xs_(g_.slots, x_.direct() ? 0 : g_.run()), d_xs_(g_.slots, d_x_.direct() ? 0 : g_.run()),
        totals_(g_.slots, 2 * s_.c) {
    for (const TensorView* view : {&call.in(o::in::grad), &call.out(o::out::d_x_opt)}) s_.check_like(call, *view);
  }

  void run(const Call& call) {
    for (int slot = 0; slot < g_.slots; ++slot) std::fill_n(totals_[slot], 2 * s_.c, 0.0);
    const SlotBuffers<T> constants(g_.slots, 6 * s_.c);
    const SlotBuffers<double> sums(g_.slots, 2 * s_.c);
    parallel_slots(g_.slots, g_.items, [&](int slot, int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        if (g_.columns) sample(slot, item, constants[slot], sums[slot]);
        else if (s_.spatial == 1) row(slot, item);
        else lines(slot, item, sums[slot]);
      }
    });
    const ChannelValues<double> d_weight(s_.c, 0), d_bias(s_.c, 0);
    for (int slot = 0; slot < g_.slots; ++slot)
      for (int64_t c = 0; c < s_.c; ++c) {
        d_weight[c] += totals_[slot][c];
        d_bias[c] += totals_[slot][s_.c + c];
      }
    d_weight.store(call.out(o::out::d_weight_opt), s_.c);
    d_bias.store(call.out(o::out::d_bias_opt), s_.c);
  }

 private:
  // f(run) with the run's gradient, x and, if asked for, d_x.
  template <class F>
  void with_run(int slot, int64_t first, int64_t count, bool d_x, F&& f) const {
    const Run<T> run{grad_.read(first, count, grads_[slot]), x_.read(first, count, xs_[slot]), nullptr,
                     d_x ? d_x_.target(first, d_xs_[slot]) : nullptr, nullptr};
    f(run);
    if (d_x) d_x_.finish(first, count, run.d_x);
  }

  // A channel's sums of grad and grad * (x - mean) become part of its parameters' gradients and of its group's sums.
  void collect(int slot, int64_t c, double inverse, double sum, double dot, double& group_sum, double& group_dot) const {
    totals_[slot][c] += dot * inverse;
    totals_[slot][s_.c + c] += sum;
    group_sum += weight_[c] * sum;
    group_dot += weight_[c] * dot;
  }

  void sample(int slot, int64_t n, T* constants, double* sums) const {
    const int64_t c = s_.c, start = n * g_.length;
    T *mean = constants, *scale = mean + c, *slope = scale + c, *offset = slope + c, *part = offset + c;
    for (int64_t i = 0; i < c; ++i) mean[i] = means_[n * g_.groups + i / g_.channels];
    const Channels<T> ch{mean, scale, nullptr, slope, offset};
    std::fill_n(sums, 2 * c, 0.0);
    for_rows([&](int64_t first, int64_t rows) {
      std::fill_n(part, 2 * c, T(0));
      with_run(slot, start + first * c, rows * c, false, [&](const Run<T>& run) {
        column_sums<T, Mask::none, false>(run, rows, c, ch, part, part + c);
      });
      for (int64_t i = 0; i < 2 * c; ++i) sums[i] += part[i];
    });
    for (int64_t group = 0; group < g_.groups; ++group) {
      const double inverse = inv_stds_[n * g_.groups + group];
      const int64_t begin = group * g_.channels, end = begin + g_.channels;
      double sum = 0, dot = 0;
      for (int64_t i = begin; i < end; ++i) collect(slot, i, inverse, sums[i], sums[c + i], sum, dot);
      for (int64_t i = begin; i < end; ++i) {
        scale[i] = static_cast<T>(inverse * weight_[i]);
        slope[i] = static_cast<T>(inverse * inverse * inverse * dot / g_.count());
        offset[i] = static_cast<T>(inverse * sum / g_.count());
      }
    }
    if (!wants_x_) return;
    for_rows([&](int64_t first, int64_t rows) {
      with_run(slot, start + first * c, rows * c, true, [&](const Run<T>& run) {
        for (int64_t r = 0; r < rows; ++r)
          input_gradient<T, Mask::none, true, true>(run.from(r * c), c, ch);
      });
    });
  }

  void lines(int slot, int64_t item, double* sums) const {
    const int64_t start = item * g_.length, c0 = item % g_.groups * g_.channels;
    const T mean = means_[item];
    const double inverse = inv_stds_[item];
    double sum = 0, dot = 0;
    for (int64_t c = 0; c < g_.channels; ++c) {
      const Channels<T> ch{&mean, nullptr, nullptr, nullptr, nullptr};
      sums[0] = sums[1] = 0;
      for_runs(s_.spatial, [&](int64_t first, int64_t count) {
        with_run(slot, start + c * s_.spatial + first, count, false, [&](const Run<T>& run) {
          line_sums<T, Mask::none, false>(run, count, ch, sums[0], sums[1]);
        });
      });
      collect(slot, c0 + c, inverse, sums[0], sums[1], sum, dot);
    }
    if (!wants_x_) return;
    const T slope = static_cast<T>(inverse * inverse * inverse * dot / g_.count());
    const T offset = static_cast<T>(inverse * sum / g_.count());
    for (int64_t c = 0; c < g_.channels; ++c) {
      const T scale = static_cast<T>(inverse * weight_[c0 + c]);
      const Channels<T> ch{&mean, &scale, nullptr, &slope, &offset};
      for_runs(s_.spatial, [&](int64_t first, int64_t count) {
        with_run(slot, start + c * s_.spatial + first, count, true, [&](const Run<T>& run) {
          input_gradient<T, Mask::none, false, true>(run, count, ch);
        });
      });
    }
  }

  void row(int slot, int64_t item) const {
    const int64_t start = item * g_.length, c0 = item % g_.groups * g_.channels;
    const T mean = means_[item], inverse = inv_stds_[item];
    double *d_weight = totals_[slot] + c0, *d_bias = d_weight + s_.c;
    double sum = 0, dot = 0;
    for_runs(g_.length, [&](int64_t first, int64_t count) {
      const T* w = weight_.get() + c0 + first;
      with_run(slot, start + first, count, false, [&](const Run<T>& run) {
        T part = 0, part_dot = 0;
#pragma omp simd reduction(+ : part, part_dot)
        for (int64_t i = 0; i < count; ++i) {
          const T d = run.x[i] - mean, g = run.grad[i];
          d_weight[first + i] += g * (d * inverse);
          d_bias[first + i] += g;
          part += w[i] * g;
          part_dot += w[i] * g * d;
        }
        sum += part;
        dot += part_dot;
      });
    });
    if (!wants_x_) return;
    const double wide = inverse;
    const T slope = static_cast<T>(wide * wide * wide * dot / g_.count());
    const T offset = static_cast<T>(wide * sum / g_.count());
    for_runs(g_.length, [&](int64_t first, int64_t count) {
      const T* w = weight_.get() + c0 + first;
      with_run(slot, start + first, count, true, [&](const Run<T>& run) {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i)
          run.d_x[i] = inverse * w[i] * run.grad[i] - slope * (run.x[i] - mean) - offset;
      });
    });
  }

  // f(first, count) for the runs of a sample's rows.
  template <class F>
  void for_rows(F&& f) const {
    for (int64_t row = 0; row < s_.spatial; row += kRunRows) f(row, std::min(kRunRows, s_.spatial - row));
  }

  const Groups g_;
  const NormShape& s_;
  const DenseReader<T> grad_, x_;
  const DenseWriter<T> d_x_;
  const bool wants_x_;
  const ChannelValues<T> weight_;
  const T *means_, *inv_stds_;
  const SlotBuffers<T> grads_, xs_, d_xs_;
  const SlotBuffers<double> totals_;  // d_weight, then d_bias
};

}  // namespace

void op_group_norm(Context&, const Call& call) {
  with_float_compute(call.in(op::group_norm::in::x).dtype, [&](auto t) { forward<decltype(t)>(call); });
}

void op_group_norm_backward(Context&, const Call& call) {
  with_float_compute(call.in(op::group_norm_backward::in::x).dtype,
                     [&](auto t) { Backward<decltype(t)>(call).run(call); });
}

}  // namespace lenode::cpu
