// SPDX-License-Identifier: Apache-2.0
// Group normalisation, and with it layer and instance normalisation. A block sums up a group of a sample.
#include "cuda/handlers.h"
#include "cuda/norm.cuh"

namespace lenode::cuda {
namespace {

// n / d, which is fast for numbers below 2^31.
struct Divide {
  bool wide;
  int64_t divisor;
  FastDivide fast;

  Divide(int64_t d, int64_t largest) : wide(largest >= kNarrowLimit), divisor(d) {
    if (!wide && d > 0) fast = FastDivide(static_cast<uint32_t>(d));
  }
  LENODE_HD int64_t operator()(int64_t n) const {
    return wide ? n / divisor : static_cast<int64_t>(fast.divide(static_cast<uint32_t>(n)));
  }
};

// Kernel parameter.
struct GroupShape {
  NormShape s;
  int64_t groups, channels, length;  // channels and elements of a group
  Divide by_channels, by_row, by_sample;  // by_row: of a group's channels, of all channels, or of pixels

  GroupShape(const NormShape& shape, int64_t count)
      : s(shape), groups(count), channels(shape.c / count), length(channels * shape.spatial),
        by_channels(channels, shape.numel()), by_row(shape.columns ? shape.c : shape.spatial, shape.numel()),
        by_sample(shape.c * shape.spatial, shape.numel()) {}

  // Element e of a group of a sample, and its channel.
  LENODE_HD int64_t offset(int64_t item, int64_t e, int64_t& channel) const {
    const int64_t n = item / groups, group = item - n * groups;
    if (s.columns) {
      const int64_t row = by_channels(e), c = e - row * channels;
      channel = group * channels + c;
      return (n * s.spatial + row) * s.c + channel;
    }
    channel = group * channels + by_row(e);
    return item * length + e;
  }
  // The group of the sample, and the channel, of an element of memory.
  LENODE_HD int64_t item(int64_t at, int64_t& channel) const {
    const int64_t row = by_row(at);
    channel = s.columns ? at - row * s.c : row % s.c;
    return by_sample(at) * groups + by_channels(channel);
  }
};

template <class S>
__global__ void __launch_bounds__(kThreads)
    group_statistics_kernel(AddMoments<S> op, GroupShape shape, int64_t items, compute_t<S>* mean,
                            compute_t<S>* inv_std, double eps) {
  using Part = typename AddMoments<S>::Part;
  __shared__ __align__(16) unsigned char buffer[kThreads * sizeof(Part)];
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    Part part[1] = {};
    for (int64_t e = threadIdx.x; e < shape.length; e += kThreads) {
      int64_t channel;
      const int64_t at = shape.offset(item, e, channel);
      op.template add<1>(part, at, channel);
    }
    const Part total =
        reduce_block(MergeParts<Part>{}, op.finish(part[0]), reinterpret_cast<Part*>(buffer), threadIdx.x, kThreads, 1);
    if (threadIdx.x == 0) {
      mean[item] = total.mean;
      inv_std[item] =
          static_cast<compute_t<S>>(1 / ::sqrt(static_cast<double>(total.m2) / static_cast<double>(total.count) + eps));
    }
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    group_apply_kernel(const S* x, S* y, GroupShape shape, int64_t count, const compute_t<S>* mean,
                       const compute_t<S>* inv_std, ChannelVector weight, ChannelVector bias) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t c;
    const int64_t item = shape.item(i, c);
    const T scale = weight.present() ? inv_std[item] * weight.load<T>(c) : inv_std[item];
    y[i] = narrow<S>(normalized(widen(x[i]), mean[item], scale, bias.present() ? bias.load<T>(c) : T(0)));
  }
}

// What a group's gradient with respect to x needs: slope and offset of
// d_x = inv_std * weight * grad - slope * (x - mean) - offset.
template <class S>
__global__ void __launch_bounds__(kThreads)
    group_sums_kernel(const S* grad, const S* x, GroupShape shape, int64_t items, const compute_t<S>* mean,
                      const compute_t<S>* inv_std, ChannelVector weight, compute_t<S>* slope, compute_t<S>* offset) {
  using T = compute_t<S>;
  using Part = GradientSums<T>;
  __shared__ __align__(16) unsigned char buffer[kThreads * sizeof(Part)];
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    Part part;
    for (int64_t e = threadIdx.x; e < shape.length; e += kThreads) {
      int64_t c;
      const int64_t at = shape.offset(item, e, c);
      const T g = weight.present() ? widen(grad[at]) * weight.load<T>(c) : widen(grad[at]);
      part.sum += g;
      part.dot += g * (widen(x[at]) - mean[item]);
    }
    const Part total =
        reduce_block(MergeParts<Part>{}, part, reinterpret_cast<Part*>(buffer), threadIdx.x, kThreads, 1);
    if (threadIdx.x == 0) {
      const double inverse = inv_std[item], count = static_cast<double>(shape.length);
      slope[item] = static_cast<T>(inverse * inverse * inverse * total.dot / count);
      offset[item] = static_cast<T>(inverse * total.sum / count);
    }
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    group_input_gradient_kernel(const S* grad, const S* x, S* d_x, GroupShape shape, int64_t count,
                                const compute_t<S>* mean, const compute_t<S>* inv_std, ChannelVector weight,
                                const compute_t<S>* slope, const compute_t<S>* offset) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t c;
    const int64_t item = shape.item(i, c);
    const T scale = weight.present() ? inv_std[item] * weight.load<T>(c) : inv_std[item];
    d_x[i] = narrow<S>(scale * widen(grad[i]) - slope[item] * (widen(x[i]) - mean[item]) - offset[item]);
  }
}

// d_bias and d_weight are sums over all samples.
template <class S>
struct AddParameterGradients {
  using T = compute_t<S>;
  using Part = GradientSums<T>;
  const S *grad, *x;
  const T *mean, *inv_std;
  GroupShape shape;

  template <int V>
  __device__ void add(Part (&part)[V], int64_t at, int64_t channel) const {
    T g[V], value[V];
    load_pack<S, V>(grad, at, g);
    load_pack<S, V>(x, at, value);
    const int64_t first = shape.by_sample(at) * shape.groups;
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const int64_t item = first + shape.by_channels(channel + v);
      part[v].sum += g[v];
      part[v].dot += g[v] * ((value[v] - mean[item]) * inv_std[item]);
    }
  }
  __device__ Part finish(const Part& part) const { return part; }
};

struct StoreParameterGradients {
  ChannelVector d_weight, d_bias;
  __device__ void operator()(int64_t c, const GradientSums<double>& g) const {
    d_weight.store(c, g.dot);
    d_bias.store(c, g.sum);
  }
};

NormShape checked_shape(const Call& call, const TensorView& x, int64_t groups) {
  const NormShape s = norm_shape(call, x);
  if (groups < 1 || s.c % groups != 0)
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": the groups do not divide the channels");
  return s;
}

// [N, groups], dense, of the compute type.
template <class T>
T* group_values(const Call& call, const TensorView& view, int64_t count) {
  if (view.numel() != count || !view.contiguous() || item_size(view.dtype) != sizeof(T) || !is_floating(view.dtype))
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected dense statistics of every group");
  return static_cast<T*>(view.data);
}

// Blocks for groups of samples.
unsigned group_blocks(int64_t items) { return static_cast<unsigned>(std::min<int64_t>(items, 1 << 20)); }

template <class S>
void forward(Context& context, const Call& call) {
  namespace o = op::group_norm;
  using T = compute_t<S>;
  const TensorView &x = call.in(o::in::x), &y = call.out(o::out::y);
  const int64_t groups = call.i(o::attr::groups);
  const NormShape s = checked_shape(call, x, groups);
  check_like(call, x, y);
  if (s.numel() == 0) return;
  const int64_t items = s.n * groups;
  const GroupShape shape(s, groups);
  T *mean = group_values<T>(call, call.out(o::out::mean), items),
    *inv_std = group_values<T>(call, call.out(o::out::inv_std), items);
  launch(context, group_statistics_kernel<S>, group_blocks(items), kThreads, 0, AddMoments<S>{static_cast<const S*>(x.data)},
         shape, items, mean, inv_std, call.f(o::attr::eps));
  launch_items(context, group_apply_kernel<S>, s.numel(), static_cast<const S*>(x.data), static_cast<S*>(y.data), shape,
               s.numel(), static_cast<const T*>(mean), static_cast<const T*>(inv_std),
               channel_vector(call, call.in(o::in::weight_opt), s.c), channel_vector(call, call.in(o::in::bias_opt), s.c));
}

template <class S>
void backward(Context& context, const Call& call) {
  namespace o = op::group_norm_backward;
  using T = compute_t<S>;
  const TensorView &grad = call.in(o::in::grad), &x = call.in(o::in::x), &d_x = call.out(o::out::d_x_opt);
  const int64_t groups = call.i(o::attr::groups);
  const NormShape s = checked_shape(call, x, groups);
  check_like(call, x, grad);
  check_like(call, x, d_x);
  const ChannelVector weight = channel_vector(call, call.in(o::in::weight_opt), s.c);
  const ChannelVector d_weight = channel_vector(call, call.out(o::out::d_weight_opt), s.c),
                      d_bias = channel_vector(call, call.out(o::out::d_bias_opt), s.c);
  if (s.numel() == 0) {
    zero(context, d_weight, s.c);
    zero(context, d_bias, s.c);
    return;
  }
  const int64_t items = s.n * groups, count = s.numel();
  const GroupShape shape(s, groups);
  const S *g = static_cast<const S*>(grad.data), *values = static_cast<const S*>(x.data);
  const T *mean = group_values<T>(call, call.in(o::in::mean), items),
          *inv_std = group_values<T>(call, call.in(o::in::inv_std), items);
  if (d_x.present()) {
    T *slope = context.workspace_of<T>(2 * items), *offset = slope + items;
    launch(context, group_sums_kernel<S>, group_blocks(items), kThreads, 0, g, values, shape, items, mean, inv_std, weight,
           slope, offset);
    launch_items(context, group_input_gradient_kernel<S>, count, g, values, static_cast<S*>(d_x.data), shape, count, mean,
                 inv_std, weight, static_cast<const T*>(slope), static_cast<const T*>(offset));
  }
  if (!d_weight.present() && !d_bias.present()) return;
  const void* const data[] = {g, values};
  sum_elements<S, GradientSums<double>>(context, s, data, AddParameterGradients<S>{g, values, mean, inv_std, shape},
                                        StoreParameterGradients{d_weight, d_bias});
}

}  // namespace

void op_group_norm(Context& context, const Call& call) {
  with_floating(call.in(op::group_norm::in::x).dtype, "group_norm", [&](auto s) { forward<decltype(s)>(context, call); });
}
void op_group_norm_backward(Context& context, const Call& call) {
  with_floating(call.in(op::group_norm_backward::in::x).dtype, "group_norm_backward",
                [&](auto s) { backward<decltype(s)>(context, call); });
}

}  // namespace lenode::cuda
