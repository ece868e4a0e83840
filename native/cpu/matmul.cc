// SPDX-License-Identifier: Apache-2.0
// matmul, linear and linear_backward_weight: shapes become one or several batches of plain matrix products.
#include <algorithm>
#include <string>

#include "core/error.h"
#include "cpu/context.h"
#include "cpu/gemm.h"
#include "cpu/inner_call.h"
#include "cpu/staging.h"
#include "cpu/strided.h"

namespace lenode::cpu {
namespace {

void check(const Call& call, bool ok, const char* what) {
  if (!ok) fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": " + what);
}

TensorView transposed(TensorView view) {
  std::swap(view.dims[view.rank - 2], view.dims[view.rank - 1]);
  std::swap(view.strides[view.rank - 2], view.strides[view.rank - 1]);
  return view;
}

// The batch dimensions that a, b and y share, as few as the strides allow, and the matrices below them.
struct Product {
  int rank = 0;
  int64_t size[kMaxRank];
  int64_t a[kMaxRank], b[kMaxRank], y[kMaxRank];  // strides
  Gemm gemm;
};

Matrix matrix_of(const TensorView& view) {
  return {view.data, 0, view.strides[view.rank - 2], view.strides[view.rank - 1]};
}

// One b for a batch of a's whose rows follow one another is a single product of more rows.
void merge_rows(Product& p) {
  const int last = p.rank - 1;
  Gemm merged = p.gemm;
  merged.m *= p.size[last];
  if (p.gemm.m == 1) {
    merged.a.row = p.a[last];
    merged.y.row = p.y[last];
  } else if (p.a[last] != merged.a.row * p.gemm.m || p.y[last] != merged.y.row * p.gemm.m) {
    return;
  }
  if (p.b[last] != 0 || !is_plain_matrix(merged.m, merged.k, merged.a.row, merged.a.col) ||
      !is_plain_matrix(merged.m, merged.n, merged.y.row, merged.y.col))
    return;
  p.gemm = merged;
  --p.rank;
}

Product product_of(const TensorView& a, const TensorView& b, const TensorView& y) {
  const int rank = y.rank;
  Product p;
  p.gemm = {a.dtype, y.dtype, 1, y.dims[rank - 2], a.dims[rank - 1], y.dims[rank - 1], matrix_of(a), matrix_of(b),
            matrix_of(y)};
  for (int i = 0; i < rank - 2; ++i) {
    const int64_t size = y.dims[i];
    if (size == 1) continue;
    const int last = p.rank - 1;
    const bool merges = p.rank > 0 && p.a[last] == a.strides[i] * size && p.b[last] == b.strides[i] * size &&
                        p.y[last] == y.strides[i] * size;
    const int at = merges ? last : p.rank++;
    p.size[at] = merges ? p.size[at] * size : size;
    p.a[at] = a.strides[i];
    p.b[at] = b.strides[i];
    p.y[at] = y.strides[i];
  }
  Gemm& g = p.gemm;
  if (p.rank > 0) merge_rows(p);
  if (p.rank > 0) {
    const int last = --p.rank;
    g.batch = p.size[last];
    g.a.batch = p.a[last];
    g.b.batch = p.b[last];
    g.y.batch = p.y[last];
  }
  return p;
}

// run(gemm) -> bool for each batch of the product; false as soon as one says so.
template <class Run>
bool for_each_batch(const Product& p, Run&& run) {
  int64_t index[kMaxRank] = {};
  for (;;) {
    Gemm gemm = p.gemm;
    int64_t a = 0, b = 0, y = 0;
    for (int i = 0; i < p.rank; ++i) {
      a += index[i] * p.a[i];
      b += index[i] * p.b[i];
      y += index[i] * p.y[i];
    }
    gemm.a = gemm.a.at(a, gemm.dtype);
    gemm.b = gemm.b.at(b, gemm.dtype);
    gemm.y = gemm.y.at(y, gemm.result);
    if (!run(gemm)) return false;
    int i = p.rank - 1;
    while (i >= 0 && ++index[i] == p.size[i]) index[i--] = 0;
    if (i < 0) return true;
  }
}

bool is_plain(const TensorView& view) {
  const int row = view.rank - 2, col = view.rank - 1;
  return is_plain_matrix(view.dims[row], view.dims[col], view.strides[row], view.strides[col]);
}

// A dense copy; batch dimensions that repeat are not multiplied out.
TensorView stage_input(Staging& staging, const TensorView& view, DType dtype) {
  TensorView single = view;
  for (int i = 0; i < view.rank - 2; ++i)
    if (view.strides[i] == 0) single.dims[i] = 1;
  TensorView result = staging.input(single, dtype, Order::row_major);
  for (int i = 0; i < view.rank - 2; ++i)
    if (view.strides[i] == 0) {
      result.dims[i] = view.dims[i];
      result.strides[i] = 0;
    }
  return result;
}

// Where float16 and bfloat16 are computed in float32, the large operands are b (the weights) and y (their gradient):
// they are converted a panel of columns at a time, not whole. a is converted for each panel, hence the least width.
constexpr int64_t kPanel = 1 << 20;  // elements
int64_t panel_width(const TensorView& a, const TensorView& y) {
  int64_t batches = 1;
  for (int i = 0; i < y.rank - 2; ++i) batches *= y.dims[i];
  return std::max<int64_t>(256, kPanel / (batches * (a.dims[a.rank - 1] + y.dims[y.rank - 2])));
}
void multiply_panels(Context& context, const TensorView& a, const TensorView& b, const TensorView& bias,
                     const TensorView& y, bool relu);

// y = a b + bias, for operands of any dtype and strides. bias [N] or absent.
void multiply(Context& context, const TensorView& a, const TensorView& b, const TensorView& bias, const TensorView& y,
              bool relu) {
  const auto run_with = [&](const TensorView& a, const TensorView& b, const TensorView& bias, const TensorView& y,
                            auto&& run) {
    Product product = product_of(a, b, y);
    product.gemm.bias = bias.present() ? bias.data : nullptr;
    product.gemm.relu = relu;
    return for_each_batch(product, run);
  };
  const auto plain = [](const Gemm& gemm) {
    gemm_plain(gemm);
    return true;
  };
  const auto dnnl = [&](const Gemm& gemm) { return gemm_dnnl(context, gemm); };
  const auto run_dnnl = [&](const TensorView& a, const TensorView& b, const TensorView& bias, const TensorView& y) {
    if (!run_with(a, b, bias, y, dnnl)) return false;
    if (relu) relu_in_place(context, y);
    return true;
  };
  const auto run_plain = [&](const TensorView& a, const TensorView& b, const TensorView& bias, const TensorView& y) {
    return run_with(a, b, bias, y, plain);
  };

  const bool dense_bias = !bias.present() || bias.strides[0] == 1 || bias.dims[0] == 1;
  const bool low = is_half(a.dtype), single = a.dtype == DType::float32, widens = y.dtype != a.dtype;
  // Without a sum oneDNN has nothing to do; the plain loops give zeros, or the bias.
  const bool use_dnnl = (single || low) && a.dims[a.rank - 1] > 0;
  if (!use_dnnl && !low && dense_bias) {
    run_plain(a, b, bias, y);
    return;
  }
  if (use_dnnl && is_plain(a) && is_plain(b) && is_plain(y) && dense_bias && run_dnnl(a, b, bias, y)) return;
  const auto stage = [&](DType dtype, auto&& run) {
    Staging staging(context);
    const auto in = [&](const TensorView& view) {
      return view.dtype == dtype && is_plain(view) ? view : stage_input(staging, view, dtype);
    };
    const TensorView a2 = in(a), b2 = in(b), bias2 = staging.input(bias, dtype, Order::row_major);
    const bool staged_y = y.dtype != dtype || !is_plain(y);
    const TensorView y2 = staged_y ? staging.output(y, dtype, Order::row_major) : y;
    const bool done = run(a2, b2, bias2, y2);
    if (done) staging.finish();
    return done;
  };
  if (use_dnnl && !widens && stage(y.dtype, run_dnnl)) return;
  if (low && !widens && y.dims[y.rank - 1] > panel_width(a, y)) {
    multiply_panels(context, a, b, bias, y, relu);
    return;
  }
  const DType wide = low ? DType::float32 : y.dtype;
  if (use_dnnl && low && stage(wide, run_dnnl)) return;
  stage(wide, run_plain);
}

void multiply_panels(Context& context, const TensorView& a, const TensorView& b, const TensorView& bias,
                     const TensorView& y, bool relu) {
  const int col = y.rank - 1;
  const int64_t width = panel_width(a, y);
  for (int64_t begin = 0; begin < y.dims[col]; begin += width) {
    const auto panel = [&](const TensorView& view, int dim) {
      if (!view.present()) return view;
      TensorView part = view;
      part.dims[dim] = std::min(width, view.dims[dim] - begin);
      part.data = at_mutable(view, begin * view.strides[dim]);
      return part;
    };
    multiply(context, a, panel(b, col), panel(bias, 0), panel(y, col), relu);
  }
}

}  // namespace

void op_matmul(Context& context, const Call& call) {
  const TensorView &a = call.in(op::matmul::in::a), &b = call.in(op::matmul::in::b), &y = call.out(op::matmul::out::y);
  check(call, a.rank >= 2 && a.rank == b.rank && a.rank == y.rank, "a, b and y must have the same rank, 2 or more");
  check(call, a.dtype == b.dtype && a.dtype == y.dtype, "a, b and y must have the same dtype");
  const int row = y.rank - 2, col = y.rank - 1;
  check(call, a.dims[row] == y.dims[row] && b.dims[col] == y.dims[col] && a.dims[col] == b.dims[row],
        "[M, K] times [K, N] must give [M, N]");
  for (int i = 0; i < row; ++i)
    check(call, a.dims[i] == y.dims[i] && b.dims[i] == y.dims[i], "the batch dimensions must be equal");
  if (y.numel() == 0) return;
  multiply(context, a, b, TensorView(), y, false);
}

void op_linear(Context& context, const Call& call) {
  namespace row = op::linear;
  const TensorView &x = call.in(row::in::x), &weight = call.in(row::in::weight), &bias = call.in(row::in::bias_opt),
                   &y = call.out(row::out::y);
  check(call, x.rank == 2 && weight.rank == 2 && y.rank == 2, "x, weight and y must have rank 2");
  check(call, x.dtype == weight.dtype && x.dtype == y.dtype, "x, weight and y must have the same dtype");
  check(call, y.dims[0] == x.dims[0] && y.dims[1] == weight.dims[0] && x.dims[1] == weight.dims[1],
        "x [M, K] and weight [N, K] must give y [M, N]");
  check(call, !bias.present() || (bias.rank == 1 && bias.dims[0] == y.dims[1] && bias.dtype == y.dtype),
        "bias must be [N], of x's dtype");
  if (y.numel() == 0) return;
  multiply(context, x, transposed(weight), bias, y, call.i(row::attr::relu) != 0);
}

void op_linear_backward_weight(Context& context, const Call& call) {
  namespace row = op::linear_backward_weight;
  const TensorView &grad = call.in(row::in::grad), &x = call.in(row::in::x), &d_weight = call.out(row::out::d_weight),
                   &d_bias = call.out(row::out::d_bias_opt);
  check(call, grad.rank == 2 && x.rank == 2 && d_weight.rank == 2, "grad, x and d_weight must have rank 2");
  check(call, grad.dtype == x.dtype, "grad and x must have the same dtype");
  check(call, holds_gradient(d_weight.dtype, grad.dtype),
        "d_weight must have the dtype of grad and x, or float32 for a half type");
  check(call, grad.dims[0] == x.dims[0] && d_weight.dims[0] == grad.dims[1] && d_weight.dims[1] == x.dims[1],
        "grad [M, N] and x [M, K] must give d_weight [N, K]");
  check(call,
        !d_bias.present() || (d_bias.rank == 1 && d_bias.dims[0] == grad.dims[1] && holds_gradient(d_bias.dtype, grad.dtype)),
        "d_bias must be [N], of grad's dtype, or float32 for a half type");
  if (d_weight.numel() > 0) multiply(context, transposed(grad), x, TensorView(), d_weight, false);
  if (d_bias.present()) {
    const double rows = 1;  // a mask of dimensions
    inner_call(context, &op_sum, OpId::sum, grad, d_bias, {rows});
  }
}

}  // namespace lenode::cpu
