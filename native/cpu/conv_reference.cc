// SPDX-License-Identifier: Apache-2.0
// Convolution as its definition says, for float64 (gradient checks) and integers, and for empty operands, which
// oneDNN does not take. Clear rather than fast.
#include <string>
#include <type_traits>

#include "core/error.h"
#include "core/functors.h"
#include "cpu/conv_geometry.h"
#include "cpu/parallel.h"

namespace lenode::cpu {
namespace {

// A view as [outer, inner, spatial 0..2]: absent spatial dimensions have size 1, hence any stride.
template <class T>
struct Array {
  T* data;
  int64_t stride[5] = {};

  explicit Array(const TensorView& view) : data(view.ptr<T>()) {
    for (int i = 0; i < view.rank; ++i) stride[i] = view.strides[i];
  }
  T& at(int64_t outer, int64_t inner, const int64_t (&p)[3]) const {
    return data[outer * stride[0] + inner * stride[1] + p[0] * stride[2] + p[1] * stride[3] + p[2] * stride[4]];
  }
};

template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
template <class T>
void add_product(Sum<T>& sum, T a, T b) {
  sum = functor::plus(sum, functor::times(Sum<T>(a), Sum<T>(b)));
}

// body(position) for every position of a box.
template <class Body>
void for_each(const int64_t (&size)[3], Body&& body) {
  int64_t p[3];
  for (p[0] = 0; p[0] < size[0]; ++p[0])
    for (p[1] = 0; p[1] < size[1]; ++p[1])
      for (p[2] = 0; p[2] < size[2]; ++p[2]) body(p);
}

// The input position that output position `o` meets under kernel position `k`; false in the padding.
bool input_position(const ConvGeometry& g, const int64_t (&o)[3], const int64_t (&k)[3], int64_t (&i)[3]) {
  for (int d = 0; d < 3; ++d) {
    i[d] = o[d] * g.stride[d] - g.padding[d] + k[d] * g.dilation[d];
    if (i[d] < 0 || i[d] >= g.in[d]) return false;
  }
  return true;
}

// The output position that meets input position `i` under kernel position `k`, if there is one.
bool output_position(const ConvGeometry& g, const int64_t (&i)[3], const int64_t (&k)[3], int64_t (&o)[3]) {
  for (int d = 0; d < 3; ++d) {
    const int64_t scaled = i[d] + g.padding[d] - k[d] * g.dilation[d];
    if (scaled < 0 || scaled % g.stride[d]) return false;
    o[d] = scaled / g.stride[d];
    if (o[d] >= g.out[d]) return false;
  }
  return true;
}

int64_t volume(const int64_t (&size)[3]) { return size[0] * size[1] * size[2]; }

template <class T>
void forward(const ConvGeometry& g, const TensorView& x_view, const TensorView& weight_view, const TensorView& y_view,
             const TensorView& bias, bool relu) {
  const Array<T> x(x_view), weight(weight_view), y(y_view);
  const int64_t group_c = g.c / g.groups, group_k = g.k / g.groups;
  parallel_chunks(g.n * g.k, volume(g.out) * volume(g.kernel) * group_c, [&](int64_t begin, int64_t end) {
    for (int64_t nk = begin; nk < end; ++nk) {
      const int64_t n = nk / g.k, k = nk % g.k, first_c = k / group_k * group_c;
      for_each(g.out, [&](const int64_t(&o)[3]) {
        Sum<T> sum = bias.present() ? bias.ptr<T>()[k * bias.strides[0]] : T(0);
        for_each(g.kernel, [&](const int64_t(&p)[3]) {
          int64_t i[3];
          if (!input_position(g, o, p, i)) return;
          for (int64_t c = 0; c < group_c; ++c) add_product(sum, x.at(n, first_c + c, i), weight.at(k, c, p));
        });
        y.at(n, k, o) = static_cast<T>(relu && sum < 0 ? Sum<T>(0) : sum);
      });
    }
  });
}

template <class T>
void backward_input(const ConvGeometry& g, const TensorView& grad_view, const TensorView& weight_view,
                    const TensorView& d_x_view) {
  const Array<T> grad(grad_view), weight(weight_view), d_x(d_x_view);
  const int64_t group_c = g.c / g.groups, group_k = g.k / g.groups;
  parallel_chunks(g.n * g.c, volume(g.in) * volume(g.kernel) * group_k, [&](int64_t begin, int64_t end) {
    for (int64_t nc = begin; nc < end; ++nc) {
      const int64_t n = nc / g.c, c = nc % g.c, first_k = c / group_c * group_k;
      for_each(g.in, [&](const int64_t(&i)[3]) {
        Sum<T> sum = 0;
        for_each(g.kernel, [&](const int64_t(&p)[3]) {
          int64_t o[3];
          if (!output_position(g, i, p, o)) return;
          for (int64_t k = first_k; k < first_k + group_k; ++k)
            add_product(sum, grad.at(n, k, o), weight.at(k, c % group_c, p));
        });
        d_x.at(n, c, i) = static_cast<T>(sum);
      });
    }
  });
}

template <class T>
void backward_weight(const ConvGeometry& g, const TensorView& grad_view, const TensorView& x_view,
                     const TensorView& d_weight_view, const TensorView& d_bias) {
  const Array<T> grad(grad_view), x(x_view), d_weight(d_weight_view);
  const int64_t group_c = g.c / g.groups, group_k = g.k / g.groups;
  parallel_chunks(g.k, g.n * volume(g.out) * volume(g.kernel) * group_c, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t c = 0; c < group_c; ++c)
        for_each(g.kernel, [&](const int64_t(&p)[3]) {
          Sum<T> sum = 0;
          for (int64_t n = 0; n < g.n; ++n)
            for_each(g.out, [&](const int64_t(&o)[3]) {
              int64_t i[3];
              if (input_position(g, o, p, i)) add_product(sum, grad.at(n, k, o), x.at(n, k / group_k * group_c + c, i));
            });
          d_weight.at(k, c, p) = static_cast<T>(sum);
        });
      if (!d_bias.present()) continue;
      Sum<T> sum = 0;
      for (int64_t n = 0; n < g.n; ++n) for_each(g.out, [&](const int64_t(&o)[3]) { add_product(sum, grad.at(n, k, o), T(1)); });
      d_bias.ptr<T>()[k * d_bias.strides[0]] = static_cast<T>(sum);
    }
  });
}

template <class Body>
void with_type(DType dtype, const char* op, Body&& body) {
  switch (dtype) {
    case DType::float32: return body(float());
    case DType::float64: return body(double());
    case DType::int32: return body(int32_t());
    case DType::int64: return body(int64_t());
    case DType::uint8: return body(uint8_t());
    default:
      fail(ErrorCode::unsupported,
           std::string(op) + ": expected floating-point numbers or int32, int64 or uint8, got " +
               dtype_name(dtype));
  }
}

}  // namespace

void conv_reference(const ConvGeometry& g, const TensorView& x, const TensorView& weight, const TensorView& y,
                    const TensorView& bias, bool relu) {
  with_type(x.dtype, "conv", [&](auto zero) { forward<decltype(zero)>(g, x, weight, y, bias, relu); });
}

void conv_backward_input_reference(const ConvGeometry& g, const TensorView& grad, const TensorView& weight,
                                   const TensorView& d_x, const TensorView&) {
  with_type(grad.dtype, "conv_backward_input",
            [&](auto zero) { backward_input<decltype(zero)>(g, grad, weight, d_x); });
}

void conv_backward_weight_reference(const ConvGeometry& g, const TensorView& grad, const TensorView& x,
                                    const TensorView& d_weight, const TensorView& d_bias) {
  with_type(grad.dtype, "conv_backward_weight",
            [&](auto zero) { backward_weight<decltype(zero)>(g, grad, x, d_weight, d_bias); });
}

}  // namespace lenode::cpu
