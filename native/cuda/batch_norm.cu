// SPDX-License-Identifier: Apache-2.0
// Batch normalisation: a pass over x for the statistics and one for the result; backward, a pass for the sums that
// d_weight and d_bias are, which also writes d_residual, and one for d_x.
#include "cuda/handlers.h"
#include "cuda/norm.cuh"
#include "cuda/own_kernels.h"

namespace lenode::cuda {
namespace {

// What the passes over memory need of each channel: y = (x - mean) * scale + shift, and
// d_x = scale * grad - slope * (x - mean) - offset. In workspace.
template <class T>
struct Coefficients {
  T *mean, *scale, *shift, *slope, *offset;

  static Coefficients in_workspace(Context& context, int64_t channels, int count) {
    T* data = context.workspace_of<T>(channels * count);
    T* part[5] = {};
    for (int i = 0; i < count; ++i) part[i] = data + i * channels;
    return {part[0], part[1], part[2], part[3], part[4]};
  }
};

// ---- statistics ------------------------------------------------------------------------------------------------------

// `report`: see Context::report(). What comes after a fault is no batch.
__global__ void count_batch_kernel(int64_t* batches, const int64_t* report) { *batches += *report == 0; }

struct RunningStatistics {
  ChannelVector mean, var;
  const int64_t* batches;
  double momentum;  // NaN: 1 / batches
  const int64_t* report;

  __device__ void update(int64_t c, double batch_mean, double batch_var) const {
    if (*report != 0) return;
    const double factor = momentum == momentum ? momentum : 1.0 / static_cast<double>(*batches);
    update(mean, c, batch_mean, factor);
    update(var, c, batch_var, factor);
  }
  __device__ static void update(const ChannelVector& running, int64_t c, double statistic, double factor) {
    if (!running.present()) return;
    const double old = running.load<double>(c);
    running.store(c, old + factor * (statistic - old));
  }
};

template <class T>
struct FinishStatistics {
  Coefficients<T> out;
  ChannelVector weight, bias, mean, inv_std;
  RunningStatistics running;
  double eps;

  __device__ void operator()(int64_t c, const Moments<double>& m) const {
    const T inverse = static_cast<T>(1 / ::sqrt(m.m2 / m.count + eps));
    out.mean[c] = static_cast<T>(m.mean);
    out.scale[c] = weight.present() ? weight.load<T>(c) * inverse : inverse;
    out.shift[c] = bias.present() ? bias.load<T>(c) : T(0);
    mean.store(c, static_cast<T>(m.mean));
    inv_std.store(c, inverse);
    running.update(c, m.mean, m.m2 / (m.count - 1));
  }
};

// From what is saved: 1 / inv_std^2 is the variance and eps together, as they are used later on, too, and as exact as
// inv_std is.
__global__ void __launch_bounds__(kThreads)
    update_running_kernel(RunningStatistics running, ChannelVector mean, ChannelVector inv_std, double eps,
                          double count, int64_t channels) {
  for (int64_t c = first_item(); c < channels; c += item_step()) {
    const double inverse = inv_std.load<double>(c), biased = 1 / (inverse * inverse) - eps;
    running.update(c, mean.load<double>(c), (biased < 0 ? 0 : biased) * count / (count - 1));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    given_statistics_kernel(Coefficients<T> out, ChannelVector weight, ChannelVector bias, ChannelVector mean,
                            ChannelVector var, ChannelVector inv_std, double eps, int64_t channels) {
  for (int64_t c = first_item(); c < channels; c += item_step()) {
    const T inverse = static_cast<T>(1 / ::sqrt(var.load<double>(c) + eps));
    out.mean[c] = mean.load<T>(c);
    out.scale[c] = weight.present() ? weight.load<T>(c) * inverse : inverse;
    out.shift[c] = bias.present() ? bias.load<T>(c) : T(0);
    inv_std.store(c, inverse);
  }
}

// ---- the passes over elements ----------------------------------------------------------------------------------------

// From the number of a pack of V to the channel of its first element.
struct PackChannels {
  bool columns, wide;
  int64_t inner, channels;  // packs in a row or line
  FastDivide by_inner, by_channels;

  PackChannels(const NormShape& s, int V)
      : columns(s.columns), wide(s.numel() >= kNarrowLimit), inner((s.columns ? s.c : s.spatial) / V), channels(s.c) {
    if (wide || s.numel() == 0) return;
    by_inner = FastDivide(static_cast<uint32_t>(inner));
    by_channels = FastDivide(static_cast<uint32_t>(channels));
  }
  template <int V>
  LENODE_HD int64_t of(int64_t pack) const {
    if (wide) return columns ? pack % inner * V : pack / inner % channels;
    const uint32_t p = static_cast<uint32_t>(pack), outer = by_inner.divide(p);
    if (columns) return static_cast<int64_t>(p - outer * by_inner.divisor) * V;
    return outer - by_channels.divide(outer) * by_channels.divisor;
  }
};

template <class S, int V, bool kColumns>
__global__ void __launch_bounds__(kThreads)
    apply_kernel(const S* x, const S* residual, S* y, Coefficients<compute_t<S>> k, PackChannels where, int64_t packs,
                 bool relu) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < packs; i += item_step()) {
    const int64_t c = where.of<V>(i);
    T value[V], added[V] = {};
    load_pack<S, V>(x, i * V, value);
    if (residual != nullptr) load_pack<S, V>(residual, i * V, added);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const int64_t j = kColumns ? c + v : c;
      const T r = normalized(value[v], k.mean[j], k.scale[j], k.shift[j]) + added[v];
      value[v] = relu && r < T(0) ? T(0) : r;
    }
    store_pack<S, V>(y, i * V, value);
  }
}

// ---- backward --------------------------------------------------------------------------------------------------------

// Where relu let its input pass: the numbers are the op's attribute.
enum class Mask : int { none = 0, saved = 1, recomputed = 2 };

template <class S>
struct GradientSource {
  using T = compute_t<S>;
  const S *grad, *x, *y;
  Mask mask;
  Coefficients<T> k;

  // g: the gradient where relu let its input pass. d: x - mean.
  template <int V>
  __device__ void load(int64_t at, int64_t channel, bool channels, T (&g)[V], T (&d)[V]) const {
    T result[V];
    load_pack<S, V>(grad, at, g);
    load_pack<S, V>(x, at, d);
    if (mask == Mask::saved) load_pack<S, V>(y, at, result);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const int64_t j = channels ? channel + v : channel;
      if (mask == Mask::recomputed) result[v] = normalized(d[v], k.mean[j], k.scale[j], k.shift[j]);
      if (mask != Mask::none && !(result[v] > T(0))) g[v] = T(0);
      d[v] -= k.mean[j];
    }
  }
};

template <class S>
struct AddGradients {
  using T = compute_t<S>;
  using Part = GradientSums<T>;
  GradientSource<S> source;
  S* d_residual;

  template <int V>
  __device__ void add(Part (&part)[V], int64_t at, int64_t channel) const {
    T g[V], d[V];
    source.template load<V>(at, channel, true, g, d);
    if (d_residual != nullptr) store_pack<S, V>(d_residual, at, g);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      part[v].sum += g[v];
      part[v].dot += g[v] * d[v];
    }
  }
  __device__ Part finish(const Part& part) const { return part; }
};

template <class T>
struct FinishGradients {
  Coefficients<T> out;
  ChannelVector inv_std, d_weight, d_bias;
  double count;

  __device__ void operator()(int64_t c, const GradientSums<double>& g) const {
    const double inverse = inv_std.load<double>(c), scale = out.scale[c];
    out.slope[c] = static_cast<T>(scale * inverse * inverse * g.dot / count);
    out.offset[c] = static_cast<T>(scale * g.sum / count);
    d_weight.store(c, g.dot * inverse);
    d_bias.store(c, g.sum);
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    coefficients_kernel(Coefficients<T> out, ChannelVector weight, ChannelVector bias, ChannelVector mean,
                        ChannelVector inv_std, int64_t channels) {
  for (int64_t c = first_item(); c < channels; c += item_step()) {
    const T inverse = inv_std.load<T>(c);
    out.mean[c] = mean.load<T>(c);
    out.scale[c] = weight.present() ? weight.load<T>(c) * inverse : inverse;
    out.shift[c] = bias.present() ? bias.load<T>(c) : T(0);
  }
}

template <class S, int V, bool kColumns>
__global__ void __launch_bounds__(kThreads)
    input_gradient_kernel(GradientSource<S> source, S* d_x, PackChannels where, int64_t packs, bool training) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < packs; i += item_step()) {
    const int64_t c = where.of<V>(i);
    T g[V], d[V];
    source.template load<V>(i * V, c, kColumns, g, d);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const int64_t j = kColumns ? c + v : c;
      g[v] *= source.k.scale[j];
      if (training) g[v] -= source.k.slope[j] * d[v] + source.k.offset[j];
    }
    store_pack<S, V>(d_x, i * V, g);
  }
}

// ---- on the host -----------------------------------------------------------------------------------------------------

// f(integral_constant V, bool_constant columns): V is a whole pack where memory allows it.
template <class S, int N, class F>
void with_packs(const NormShape& s, const void* const (&data)[N], F&& f) {
  constexpr int kPack = kPackSize<S>;
  const bool packs = (s.columns ? s.c : s.spatial) % kPack == 0 && all_aligned(data);
  using One = std::integral_constant<int, 1>;
  using Whole = std::integral_constant<int, kPack>;
  if (s.columns) packs ? f(Whole{}, std::true_type{}) : f(One{}, std::true_type{});
  else packs ? f(Whole{}, std::false_type{}) : f(One{}, std::false_type{});
}

template <class S>
void apply(Context& context, const NormShape& s, const TensorView& x, const TensorView& residual, const TensorView& y,
           const Coefficients<compute_t<S>>& k, bool relu) {
  const void* const data[] = {x.data, residual.data, y.data};
  with_packs<S>(s, data, [&](auto v, auto columns) {
    const int64_t packs = s.numel() / v();
    launch_items(context, apply_kernel<S, v(), columns()>, packs, static_cast<const S*>(x.data),
                 static_cast<const S*>(residual.data), static_cast<S*>(y.data), k, PackChannels(s, v()), packs, relu);
  });
}

// Counts the batch.
RunningStatistics running_statistics(Context& context, const Call& call, int64_t channels) {
  namespace o = op::batch_norm;
  const TensorView& batches = call.out(o::out::batches_opt);
  if (batches.present()) {
    if (batches.dtype != DType::int64 || batches.numel() != 1)
      fail(ErrorCode::invalid, "batch_norm: expected an int64 count of batches");
    launch(context, count_batch_kernel, 1, 1, 0, batches.ptr<int64_t>(), context.report());
  }
  const double momentum = call.f(o::attr::momentum);
  if (momentum != momentum && !batches.present())
    fail(ErrorCode::invalid, "batch_norm: expected a momentum or a count of batches");
  return {channel_vector(call, call.out(o::out::running_mean_opt), channels),
          channel_vector(call, call.out(o::out::running_var_opt), channels),
          batches.present() ? batches.ptr<int64_t>() : nullptr, momentum, context.report()};
}

template <class S>
void train(Context& context, const Call& call) {
  namespace o = op::batch_norm;
  using T = compute_t<S>;
  const TensorView &x = call.in(o::in::x), &residual = call.in(o::in::residual_opt), &y = call.out(o::out::y);
  const NormShape s = norm_shape(call, x);
  check_like(call, x, residual);
  check_like(call, x, y);
  const auto vector = [&](const TensorView& view) { return channel_vector(call, view, s.c); };
  const RunningStatistics running = running_statistics(context, call, s.c);
  const ChannelVector mean = vector(call.out(o::out::mean)), inv_std = vector(call.out(o::out::inv_std));
  if (s.numel() == 0) {
    zero(context, mean, s.c);
    zero(context, inv_std, s.c);
    return;
  }
  const auto k = Coefficients<T>::in_workspace(context, s.c, 3);
  const FinishStatistics<T> finish{k,
                                   vector(call.in(o::in::weight_opt)),
                                   vector(call.in(o::in::bias_opt)),
                                   mean,
                                   inv_std,
                                   running,
                                   call.f(o::attr::eps)};
  const void* const data[] = {x.data};
  sum_elements<S, Moments<double>>(context, s, data, AddMoments<S>{static_cast<const S*>(x.data)}, finish);
  apply<S>(context, s, x, residual, y, k, call.i(o::attr::relu) != 0);
}

template <class S>
void infer(Context& context, const Call& call) {
  namespace o = op::batch_norm_inference;
  using T = compute_t<S>;
  const TensorView &x = call.in(o::in::x), &residual = call.in(o::in::residual_opt), &y = call.out(o::out::y);
  const NormShape s = norm_shape(call, x);
  check_like(call, x, residual);
  check_like(call, x, y);
  if (s.c == 0) return;
  const auto vector = [&](const TensorView& view) { return channel_vector(call, view, s.c); };
  const auto k = Coefficients<T>::in_workspace(context, s.c, 3);
  launch_items(context, given_statistics_kernel<T>, s.c, k, vector(call.in(o::in::weight_opt)),
               vector(call.in(o::in::bias_opt)), vector(call.in(o::in::mean)), vector(call.in(o::in::var)),
               vector(call.out(o::out::inv_std)), call.f(o::attr::eps), s.c);
  apply<S>(context, s, x, residual, y, k, call.i(o::attr::relu) != 0);
}

template <class S>
void backward(Context& context, const Call& call) {
  namespace o = op::batch_norm_backward;
  using T = compute_t<S>;
  const TensorView &grad = call.in(o::in::grad), &x = call.in(o::in::x), &y = call.in(o::in::y_opt);
  const TensorView &d_x = call.out(o::out::d_x_opt), &d_residual = call.out(o::out::d_residual_opt);
  const NormShape s = norm_shape(call, x);
  for (const TensorView* view : {&grad, &y, &d_x, &d_residual}) check_like(call, x, *view);
  const bool training = call.i(o::attr::training) != 0;
  const int64_t code = call.i(o::attr::relu);
  if (code < 0 || code > 2 || (code == 1 && !y.present()))
    fail(ErrorCode::invalid, "batch_norm_backward: relu needs y");
  const auto vector = [&](const TensorView& view) { return channel_vector(call, view, s.c); };
  const ChannelVector inv_std = vector(call.in(o::in::inv_std));
  const ChannelVector d_weight = vector(call.out(o::out::d_weight_opt)), d_bias = vector(call.out(o::out::d_bias_opt));
  if (s.numel() == 0) {
    zero(context, d_weight, s.c);
    zero(context, d_bias, s.c);
    return;
  }
  const auto k = Coefficients<T>::in_workspace(context, s.c, 5);
  launch_items(context, coefficients_kernel<T>, s.c, k, vector(call.in(o::in::weight_opt)),
               vector(call.in(o::in::bias_opt)), vector(call.in(o::in::mean)), inv_std, s.c);
  const auto typed = [](const TensorView& view) { return static_cast<const S*>(view.data); };
  GradientSource<S> source{typed(grad), typed(x), typed(y), static_cast<Mask>(code), k};
  if (d_weight.present() || d_bias.present() || d_residual.present() || (training && d_x.present())) {
    const void* const data[] = {grad.data, x.data, y.data, d_residual.data};
    const AddGradients<S> add{source, static_cast<S*>(d_residual.data)};
    const FinishGradients<T> finish{k, inv_std, d_weight, d_bias, static_cast<double>(s.rows())};
    sum_elements<S, GradientSums<double>>(context, s, data, add, finish);
  }
  if (!d_x.present()) return;
  if (d_residual.present()) {  // the masked gradient
    source.grad = typed(d_residual);
    source.mask = Mask::none;
  }
  const void* const data[] = {source.grad, x.data, y.data, d_x.data};
  with_packs<S>(s, data, [&](auto v, auto columns) {
    const int64_t packs = s.numel() / v();
    launch_items(context, input_gradient_kernel<S, v(), columns()>, packs, source, static_cast<S*>(d_x.data),
                 PackChannels(s, v()), packs, training);
  });
}

}  // namespace

namespace own {

void batch_norm(Context& context, const Call& call) {
  with_floating(call.in(0).dtype, "batch_norm", [&](auto s) { train<decltype(s)>(context, call); });
}
void update_running_statistics(Context& context, const Call& call) {
  namespace o = op::batch_norm;
  const NormShape s = norm_shape(call, call.in(o::in::x));
  const RunningStatistics running = running_statistics(context, call, s.c);
  if (!running.mean.present() && !running.var.present()) return;
  launch_items(context, update_running_kernel, s.c, running, channel_vector(call, call.out(o::out::mean), s.c),
               channel_vector(call, call.out(o::out::inv_std), s.c), call.f(o::attr::eps),
               static_cast<double>(s.rows()), s.c);
}
void batch_norm_backward(Context& context, const Call& call) {
  with_floating(call.in(op::batch_norm_backward::in::x).dtype, "batch_norm_backward",
                [&](auto s) { backward<decltype(s)>(context, call); });
}

}  // namespace own

void op_batch_norm_inference(Context& context, const Call& call) {
  with_floating(call.in(0).dtype, "batch_norm_inference", [&](auto s) { infer<decltype(s)>(context, call); });
}

}  // namespace lenode::cuda
