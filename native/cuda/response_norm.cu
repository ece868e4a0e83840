// SPDX-License-Identifier: Apache-2.0
// Local response normalisation: one thread makes one element and reads its neighbours along the channels, which other
// threads of the block read too. The backward pass forms the neighbours' sums again rather than keep them in memory.
#include "core/response_norm.h"

#include <algorithm>

#include "cuda/convert.cuh"
#include "cuda/handlers.h"
#include "cuda/launch.cuh"
#include "cuda/strided.cuh"

namespace lenode::cuda {
namespace {

template <class T>
struct Normalisation {
  int before, after, channels;  // of a window, the channels on each side of its own
  T scale, beta, k;
  Exponent exponent;
};

// The channels of one place, as they lie in memory.
template <class S>
struct Channels {
  const S* data;
  int64_t step;
  __device__ compute_t<S> operator[](int c) const { return widen(data[c * step]); }
};

template <class S, class T>
__device__ T window_base(const Normalisation<T>& norm, const Channels<S>& x, int c) {
  const int first = c > norm.before ? c - norm.before : 0;
  const int last = c + norm.after < norm.channels ? c + norm.after : norm.channels - 1;
  T sum = T(0);
  for (int i = first; i <= last; ++i) sum += x[i] * x[i];
  return norm.k + norm.scale * sum;
}

// Operands of `indexer` in both kernels: what is written, x and grad at channel 0 of the place, and the channel.
template <class S>
__global__ void __launch_bounds__(kThreads)
    response_norm_kernel(S* y, const S* x, int64_t x_step, Normalisation<compute_t<S>> norm, Indexer<4> indexer,
                         int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const int c = static_cast<int>(at[3]);
    const Channels<S> channels{x + at[1], x_step};
    y[at[0]] = narrow<S>(channels[c] * inverse_power<T>(norm.exponent, window_base(norm, channels, c), norm.beta));
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    response_norm_backward_kernel(S* d_x, const S* x, int64_t x_step, const S* grad, int64_t grad_step,
                                  Normalisation<compute_t<S>> norm, Indexer<4> indexer, int64_t count) {
  using T = compute_t<S>;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    const int c = static_cast<int>(at[3]);
    const Channels<S> channels{x + at[1], x_step}, incoming{grad + at[2], grad_step};
    // The channels in whose windows this one lies.
    const int first = c > norm.after ? c - norm.after : 0;
    const int last = c + norm.before < norm.channels ? c + norm.before : norm.channels - 1;
    T own = T(0), sum = T(0);
    for (int j = first; j <= last; ++j) {
      const T base = window_base(norm, channels, j);
      const T scaled = incoming[j] * inverse_power<T>(norm.exponent, base, norm.beta);
      if (j == c) own = scaled;
      sum += channels[j] * scaled / base;
    }
    d_x[at[0]] = narrow<S>(own - 2 * norm.scale * norm.beta * channels[c] * sum);
  }
}

template <class T>
Normalisation<T> normalisation_of(const Call& call, const TensorView& x) {
  using attr = op::local_response_norm::attr;
  static_assert(int(attr::k) == int(op::local_response_norm_backward::attr::k));
  const int64_t size = call.i(attr::size), channels = x.dims[1];
  if (size < 1 || 2 * channels >= kNarrowLimit)
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": a window of " + std::to_string(size) +
                                 " channels does not fit " + std::to_string(channels));
  return {static_cast<int>(std::min(size / 2, channels)),
          static_cast<int>(std::min((size - 1) / 2, channels)),
          static_cast<int>(channels),
          static_cast<T>(call.f(attr::alpha) / static_cast<double>(size)),
          static_cast<T>(call.f(attr::beta)),
          static_cast<T>(call.f(attr::k)),
          exponent_of(call.f(attr::beta))};
}

Layout<4> places_of(const TensorView& written, const TensorView& x, const TensorView& grad) {
  Layout<4> layout;
  for (int d = written.rank - 1; d >= 0; --d)
    layout.add(written.dims[d], {written.strides[d], d == 1 ? 0 : x.strides[d],
                                 d == 1 || !grad.present() ? 0 : grad.strides[d], d == 1 ? 1 : 0});
  layout.coalesce();
  return layout;
}

}  // namespace

void op_local_response_norm(Context& context, const Call& call) {
  namespace row = op::local_response_norm;
  const TensorView &x = call.in(row::in::x), &y = call.out(row::out::y);
  const Layout<4> layout = places_of(y, x, TensorView{});
  with_floating(y.dtype, op_info(call.op).name, [&](auto storage) {
    using S = decltype(storage);
    launch_items(context, response_norm_kernel<S>, layout.numel(), y.ptr<S>(), x.ptr<const S>(), x.strides[1],
                 normalisation_of<compute_t<S>>(call, x), layout.indexer(), layout.numel());
  });
}

void op_local_response_norm_backward(Context& context, const Call& call) {
  namespace row = op::local_response_norm_backward;
  const TensorView &grad = call.in(row::in::grad), &x = call.in(row::in::x), &d_x = call.out(row::out::d_x);
  const Layout<4> layout = places_of(d_x, x, grad);
  with_floating(d_x.dtype, op_info(call.op).name, [&](auto storage) {
    using S = decltype(storage);
    launch_items(context, response_norm_backward_kernel<S>, layout.numel(), d_x.ptr<S>(), x.ptr<const S>(),
                 x.strides[1], grad.ptr<const S>(), grad.strides[1], normalisation_of<compute_t<S>>(call, x),
                 layout.indexer(), layout.numel());
  });
}

}  // namespace lenode::cuda
