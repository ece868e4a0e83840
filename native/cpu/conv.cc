// SPDX-License-Identifier: Apache-2.0
// Convolution through oneDNN: activations channels-last where that is fast, weights in whatever blocked format the
// primitive prefers, everything else reordered into scratch by the plan.
#include <algorithm>
#include <string>

#include "core/error.h"
#include "cpu/context.h"
#include "cpu/conv_geometry.h"
#include "cpu/conv_lanes.h"
#include "cpu/conv_tiles.h"
#include "cpu/conv_winograd.h"
#include "cpu/inner_call.h"
#include "cpu/parallel.h"
#include "cpu/staging.h"

namespace lenode::cpu {
namespace {

using dnnl::memory;
using attr = op::conv::attr;
static_assert(static_cast<int>(attr::groups) == static_cast<int>(op::conv_backward_input::attr::groups) &&
              static_cast<int>(attr::groups) == static_cast<int>(op::conv_backward_weight::attr::groups));

// ---- memory descriptors ---------------------------------------------------------------------------------------------

memory::format_tag channels_last_tag(int spatial) {
  return spatial == 1 ? memory::format_tag::nwc : spatial == 2 ? memory::format_tag::nhwc : memory::format_tag::ndhwc;
}

memory::format_tag row_major_tag(int spatial) {
  return spatial == 1 ? memory::format_tag::ncw : spatial == 2 ? memory::format_tag::nchw : memory::format_tag::ncdhw;
}

memory::dims dims_of(const TensorView& view) { return memory::dims(view.dims, view.dims + view.rank); }

// oneDNN takes the strides of dimensions of size 1 seriously too. One that another dimension reaches beyond says nothing:
// it becomes one that lies outside of everything.
memory::dims strides_of(const TensorView& view) {
  memory::dims strides(view.strides, view.strides + view.rank);
  int64_t span = 1;
  for (int i = 0; i < view.rank; ++i)
    if (view.dims[i] > 1) span = std::max(span, view.strides[i] * view.dims[i]);
  for (int i = 0; i < view.rank; ++i) {
    if (view.dims[i] > 1) continue;
    bool free = strides[i] > 0;
    for (int j = 0; j < view.rank; ++j)
      free = free && (view.dims[j] <= 1 || strides[i] <= view.strides[j] || strides[i] >= view.strides[j] * view.dims[j]);
    if (!free) strides[i] = span;
  }
  return strides;
}

// How an activation lies in memory. The dense layouts are named by their tags, which settles the strides of
// dimensions of size 1.
memory::desc given_activation(const TensorView& view) {
  const memory::data_type type = dnnl_type(view.dtype);
  if (view.channels_last()) return {dims_of(view), type, channels_last_tag(view.rank - 2)};
  if (view.contiguous()) return {dims_of(view), type, row_major_tag(view.rank - 2)};
  return {dims_of(view), type, strides_of(view)};
}

// How the primitive takes an activation: channels-last, except that `any` leaves it to oneDNN.
memory::desc wanted_activation(const TensorView& view, bool any) {
  return {dims_of(view), dnnl_type(view.dtype), any ? memory::format_tag::any : channels_last_tag(view.rank - 2)};
}

// With so few input channels (an image) oneDNN's kernels for blocked outputs are faster, the reorder included.
bool few_channels(const ConvGeometry& g) { return g.groups == 1 && g.c <= 4; }

// Weights with the groups as a dimension of their own, as oneDNN has them; `any`: in the primitive's own format.
memory::desc weight_desc(const ConvGeometry& g, const TensorView& view, bool any) {
  memory::dims dims = dims_of(view), strides = strides_of(view);
  if (g.groups > 1) {
    dims[0] /= g.groups;
    dims.insert(dims.begin(), g.groups);
    strides.insert(strides.begin(), strides[0] * dims[1]);
  }
  if (any) return {dims, dnnl_type(view.dtype), memory::format_tag::any};
  return {dims, dnnl_type(view.dtype), strides};
}

memory::desc bias_desc(const TensorView& view) {
  if (!view.present()) return {};
  return {dims_of(view), dnnl_type(view.dtype), memory::format_tag::a};
}

struct Window {
  memory::dims stride, dilation, padding, padding_end;

  explicit Window(const ConvGeometry& g)
      : stride(g.stride, g.stride + g.spatial),
        dilation(g.dilation, g.dilation + g.spatial),
        padding(g.padding, g.padding + g.spatial),
        padding_end(g.padding_end, g.padding_end + g.spatial) {
    for (auto& d : dilation) --d;  // oneDNN counts the skipped elements
  }
};

// The forward primitive, or the hint that the backward ones need.
dnnl::convolution_forward::primitive_desc forward_primitive(const Context& context, const ConvGeometry& g,
                                                            const memory::desc& x, const memory::desc& weight,
                                                            const memory::desc& bias, const memory::desc& y) {
  const Window w(g);
  return forward_desc<dnnl::convolution_forward>(context.engine, plan_attr(), dnnl::prop_kind::forward_training,
                                                 dnnl::algorithm::convolution_direct, x, weight, bias, y, w.stride,
                                                 w.dilation, w.padding, w.padding_end);
}

PlanKey plan_key(const Call& call, const ConvGeometry& g, const TensorView& a, const TensorView& b,
                 const TensorView& c, const TensorView& bias) {
  PlanKey key(static_cast<int64_t>(call.op));
  key.add(a);
  key.add(b);
  key.add(c);
  key.add(bias);
  for (int i = 0; i < g.spatial; ++i) key.add(g.stride[i], g.padding[i], g.dilation[i]);
  key.add(g.groups);
  return key;
}

// A primitive descriptor whose implementation is worth using: plain C++ loops over bfloat16 are slower than vector
// code over a float32 copy.
template <class PrimitiveDesc>
bool usable(const PrimitiveDesc& desc, DType dtype) {
  return dtype == DType::float32 || !is_reference(desc.impl_info_str());
}

// ---- the three directions over operands that oneDNN can take; false: not in this dtype ------------------------------------

bool conv_dnnl(Context& context, const Call& call, const ConvGeometry& g, const TensorView& x,
               const TensorView& weight, const TensorView& y, const TensorView& bias, bool relu) {
  Plan& plan = context.plans.get(plan_key(call, g, x, weight, y, bias), [&] {
    const bool any = few_channels(g) && g.k < 16;
    const auto desc = forward_primitive(context, g, wanted_activation(x, any), weight_desc(g, weight, true),
                                        bias_desc(bias), wanted_activation(y, any));
    if (!usable(desc, x.dtype)) return Plan();
    Plan made(context.engine, dnnl::convolution_forward(desc), desc.scratchpad_desc());
    made.input(DNNL_ARG_SRC, given_activation(x), desc.src_desc());
    made.input(DNNL_ARG_WEIGHTS, weight_desc(g, weight, false), desc.weights_desc());
    made.output(DNNL_ARG_DST, given_activation(y), desc.dst_desc());
    if (bias.present()) made.input(DNNL_ARG_BIAS, bias_desc(bias), desc.bias_desc());
    return made;
  });
  if (!plan.supported()) return false;
  plan.run(context, {x.data, weight.data, y.data, bias.data});
  if (relu) relu_in_place(context, y);
  return true;
}

bool conv_backward_input_dnnl(Context& context, const Call& call, const ConvGeometry& g, const TensorView& grad,
                              const TensorView& weight, const TensorView& d_x, const TensorView&) {
  Plan& plan = context.plans.get(plan_key(call, g, grad, weight, d_x, TensorView()), [&] {
    const memory::desc x = wanted_activation(d_x, false), w = weight_desc(g, weight, true),
                       y = wanted_activation(grad, false);
    const Window window(g);
    const auto hint = forward_primitive(context, g, x, w, memory::desc(), y);
    const auto desc = backward_desc<dnnl::convolution_backward_data>(
        context.engine, plan_attr(), hint, dnnl::algorithm::convolution_direct, x, w, y, window.stride,
        window.dilation, window.padding, window.padding_end);
    if (!usable(desc, grad.dtype)) return Plan();
    Plan made(context.engine, dnnl::convolution_backward_data(desc), desc.scratchpad_desc());
    made.input(DNNL_ARG_DIFF_DST, given_activation(grad), desc.diff_dst_desc());
    made.input(DNNL_ARG_WEIGHTS, weight_desc(g, weight, false), desc.weights_desc());
    made.output(DNNL_ARG_DIFF_SRC, given_activation(d_x), desc.diff_src_desc());
    return made;
  });
  if (!plan.supported()) return false;
  plan.run(context, {grad.data, weight.data, d_x.data});
  return true;
}

bool conv_backward_weight_dnnl(Context& context, const Call& call, const ConvGeometry& g, const TensorView& grad,
                               const TensorView& x, const TensorView& d_weight, const TensorView& d_bias) {
  Plan& plan = context.plans.get(plan_key(call, g, grad, x, d_weight, d_bias), [&] {
    const bool any = few_channels(g) && (x.dtype == DType::float32 || g.k >= 16);
    const memory::desc src = wanted_activation(x, any), w = weight_desc(g, d_weight, true),
                       y = wanted_activation(grad, any);
    const Window window(g);
    TensorView own = d_weight;  // the forward pass has no weight of another dtype
    own.dtype = x.dtype;
    const auto hint = forward_primitive(context, g, src, weight_desc(g, own, true), memory::desc(), y);
    const auto desc = backward_desc<dnnl::convolution_backward_weights>(
        context.engine, plan_attr(), hint, dnnl::algorithm::convolution_direct, src, w, bias_desc(d_bias), y,
        window.stride, window.dilation, window.padding, window.padding_end);
    if (!usable(desc, grad.dtype)) return Plan();
    Plan made(context.engine, dnnl::convolution_backward_weights(desc), desc.scratchpad_desc());
    made.input(DNNL_ARG_DIFF_DST, given_activation(grad), desc.diff_dst_desc());
    made.input(DNNL_ARG_SRC, given_activation(x), desc.src_desc());
    made.output(DNNL_ARG_DIFF_WEIGHTS, weight_desc(g, d_weight, false), desc.diff_weights_desc());
    if (d_bias.present()) made.output(DNNL_ARG_DIFF_BIAS, bias_desc(d_bias), desc.diff_bias_desc());
    return made;
  });
  if (!plan.supported()) return false;
  plan.run(context, {grad.data, x.data, d_weight.data, d_bias.data});
  return true;
}

// ---- kernels of our own, where they are faster than oneDNN's ---------------------------------------------------------------

// oneDNN has channels-last kernels that use the whole CPU for AVX-512 only (2.6), or not for every direction (3.x).
#if defined(__AVX512F__)
constexpr bool kTilesPay = false;
#else
constexpr bool kTilesPay = true;
#endif

// oneDNN's strided kernels reach half of their speed, those for an image with a large kernel two thirds.
bool tiles_pay(const ConvGeometry& g) {
  const bool strided = g.stride[0] > 1 && g.stride[1] > 1 && g.kernel[0] > 1 && g.kernel[1] > 1;
  return kTilesPay && g.spatial == 2 && (g.c <= 4 ? g.kernel[1] >= 9 : strided && g.c >= 16);
}

// A block of pixels is of one image: the smallest images are too small a block.
bool weight_tiles_pay(const ConvGeometry& g) {
  return kTilesPay && g.spatial == 2 && (g.kernel[1] > 1 || g.stride[1] == 1) && g.out[0] * g.out[1] >= 16;
}

// ---- operands that oneDNN cannot take as they are ---------------------------------------------------------------------------

bool dense_vector(const TensorView& view) { return !view.present() || view.dims[0] <= 1 || view.strides[0] == 1; }

// Runs dnnl(a, b, c, bias) -> bool on the operands as they are or on float32 stand-ins, or else plain(a, b, c, bias):
// for float64 and integers, and for empty operands, whose results are zeros or the bias alone. a and b are inputs, c
// is the output; bias is an input, or an output too.
template <class Dnnl, class Plain>
void run_paths(Context& context, const TensorView& a, const TensorView& b, const TensorView& c,
               const TensorView& bias, bool bias_is_output, Dnnl&& dnnl, Plain&& plain) {
  const bool low = is_half(a.dtype);
  const bool empty = a.numel() == 0 || b.numel() == 0 || c.numel() == 0;
  if (!low && (a.dtype != DType::float32 || empty)) return plain(a, b, c, bias);
  const bool direct = !empty && !interleaves(a) && !interleaves(b) && dense_vector(bias);
  if (direct && dnnl(a, b, c, bias)) return;
  Staging staging(context);
  const auto order = Order::channels_last;
  const TensorView a32 = staging.input(a, DType::float32, order), b32 = staging.input(b, DType::float32, order),
                   c32 = c.dtype == DType::float32 && !interleaves(c) ? c : staging.output(c, DType::float32, order),
                   bias32 = bias_is_output ? staging.output(bias, DType::float32, order)
                                           : staging.input(bias, DType::float32, order);
  if (empty || !dnnl(a32, b32, c32, bias32)) plain(a32, b32, c32, bias32);
  staging.finish();
}

}  // namespace

ConvGeometry conv_geometry(const Call& call, const TensorView& x, const TensorView& weight, const TensorView& y,
                           const TensorView& bias) {
  ConvGeometry g;
  g.spatial = x.rank - 2;
  g.n = x.dims[0];
  g.c = x.dims[1];
  g.k = weight.dims[0];
  g.groups = call.i(attr::groups);
  const char* name = op_info(call.op).name;
  const auto check = [&](bool ok, const char* what) {
    if (!ok) fail(ErrorCode::invalid, std::string(name) + ": " + what);
  };
  check(x.rank >= 3 && x.rank <= 5, "x must have one to three spatial dimensions");
  check(weight.rank == x.rank && y.rank == x.rank, "x, weight and y must have the same rank");
  const auto fits = [&](const TensorView& view) {
    return call.op == OpId::conv_backward_weight ? holds_gradient(view.dtype, x.dtype) : view.dtype == x.dtype;
  };
  check(x.dtype == y.dtype && fits(weight), "x, weight and y must have the same dtype");
  check(g.groups > 0 && g.groups <= g.k && weight.dims[1] * g.groups == g.c && g.k % g.groups == 0,
        "weight must be [K, C / groups, ...] with K divisible by groups");
  check(y.dims[0] == g.n && y.dims[1] == g.k, "y must be [N, K, ...]");
  check(!bias.present() || (bias.rank == 1 && bias.dims[0] == g.k && fits(bias)),
        "bias must be [K], of x's dtype");
  g.even_padding = true;
  for (int d = 0; d < 3; ++d) {
    const bool used = d < g.spatial;
    g.in[d] = used ? x.dims[d + 2] : 1;
    g.kernel[d] = used ? weight.dims[d + 2] : 1;
    g.out[d] = used ? y.dims[d + 2] : 1;
    g.stride[d] = used ? call.i(attr::stride0 + d) : 1;
    g.padding[d] = used ? call.i(attr::padding0 + d) : 0;
    g.dilation[d] = used ? call.i(attr::dilation0 + d) : 1;
    check(g.kernel[d] > 0 && g.stride[d] > 0 && g.padding[d] >= 0 && g.dilation[d] > 0,
          "kernel, stride and dilation must be positive, padding not negative");
    constexpr int64_t kMost = int64_t{1} << 31;  // no product of two overflows
    check(std::max({g.kernel[d], g.stride[d], g.padding[d], g.dilation[d], g.in[d], g.out[d]}) < kMost,
          "sizes, kernel, stride, padding and dilation must be below 2^31");
    const int64_t extent = g.dilation[d] * (g.kernel[d] - 1) + 1, reach = g.in[d] + 2 * g.padding[d] - extent;
    const bool even = reach >= 0 && g.out[d] == reach / g.stride[d] + 1;
    g.padding_end[d] = even ? g.padding[d] : (g.out[d] - 1) * g.stride[d] + extent - g.in[d] - g.padding[d];
    g.even_padding = g.even_padding && even;
    check(g.out[d] > 0 && g.padding_end[d] > -g.stride[d], "the spatial sizes do not fit the window");
  }
  return g;
}

void op_conv(Context& context, const Call& call) {
  const TensorView &x = call.in(op::conv::in::x), &weight = call.in(op::conv::in::weight),
                   &bias = call.in(op::conv::in::bias_opt), &y = call.out(op::conv::out::y);
  const bool relu = call.i(attr::relu) != 0;
  const ConvGeometry g = conv_geometry(call, x, weight, y, bias);
  const OneThread small(is_small_product(g.multiply_adds()));
  run_paths(
      context, x, weight, y, bias, false,
      [&](auto&... views) {
        return conv_lanes(context, g, views..., relu) || conv_winograd(context, g, views..., relu) ||
               (tiles_pay(g) && conv_tiles(context, g, views..., relu)) || conv_dnnl(context, call, g, views..., relu);
      },
      [&](auto&... views) { conv_reference(g, views..., relu); });
}

void op_conv_backward_input(Context& context, const Call& call) {
  namespace row = op::conv_backward_input;
  const TensorView &grad = call.in(row::in::grad), &weight = call.in(row::in::weight), &d_x = call.out(row::out::d_x);
  const ConvGeometry g = conv_geometry(call, d_x, weight, grad, TensorView());
  const OneThread small(is_small_product(g.multiply_adds()));
  run_paths(
      context, grad, weight, d_x, TensorView(), false,
      [&](auto&... views) {
        return conv_backward_input_lanes(context, g, views...) || conv_backward_input_winograd(context, g, views...) ||
               (tiles_pay(g) && conv_backward_input_tiles(context, g, views...)) ||
               conv_backward_input_dnnl(context, call, g, views...);
      },
      [&](auto&... views) { conv_backward_input_reference(g, views...); });
}

void op_conv_backward_weight(Context& context, const Call& call) {
  namespace row = op::conv_backward_weight;
  const TensorView &grad = call.in(row::in::grad), &x = call.in(row::in::x),
                   &d_weight = call.out(row::out::d_weight), &d_bias = call.out(row::out::d_bias_opt);
  const ConvGeometry g = conv_geometry(call, x, d_weight, grad, d_bias);
  const OneThread small(is_small_product(g.multiply_adds()));
  run_paths(
      context, grad, x, d_weight, d_bias, true,
      [&](auto&... views) {
        return conv_backward_weight_lanes(context, g, views...) || conv_backward_weight_winograd(context, g, views...) ||
               (weight_tiles_pay(g) && conv_backward_weight_tiles(context, g, views...)) ||
               conv_backward_weight_dnnl(context, call, g, views...);
      },
      [&](auto&... views) { conv_backward_weight_reference(g, views...); });
}

}  // namespace lenode::cpu
