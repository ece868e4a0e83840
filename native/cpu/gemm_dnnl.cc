// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/error.h"
#include "core/op.h"
#include "cpu/context.h"
#include "cpu/gemm.h"
#include "cpu/parallel.h"
#include "cpu/staging.h"

namespace lenode::cpu {
namespace {

using dnnl::memory;

// Few rows to sum over (a small batch) make the weight gradient a matter of writing y: oneDNN's gemm writes it in
// half the time of its matmul.
constexpr int64_t kThin = 32;

bool thin_product(const Gemm& g) {
  return g.dtype == DType::float32 && g.batch == 1 && g.k <= kThin && g.m > 8 * kThin && g.n > 8 * kThin && !g.bias &&
         g.y.col == 1;
}

void run_thin(const Gemm& g) {
  const auto leading = [](const Matrix& m) { return m.col == 1 ? m.row : m.col; };
  const auto data = [](const Matrix& m) { return static_cast<const float*>(m.data); };
  dnnl::error::wrap_c_api(
      dnnl_sgemm(g.a.col == 1 ? 'N' : 'T', g.b.col == 1 ? 'N' : 'T', g.m, g.n, g.k, 1.0f, data(g.a), leading(g.a),
                 data(g.b), leading(g.b), 0.0f, static_cast<float*>(g.y.data), g.y.row),
      "dnnl_sgemm failed");
}

// Strides of dimensions of size 1 are free: these are the ones that oneDNN recognises as dense.
void settle_strides(Matrix& m, int64_t rows, int64_t cols) {
  if (cols == 1) m.col = 1;
  if (rows == 1) m.row = m.col == 1 ? cols : 1;
}

memory::desc matrix_desc(const Gemm& g, DType dtype, const Matrix& m, int64_t rows, int64_t cols) {
  const auto type = dnnl_type(dtype);
  if (g.batch == 1) return {{rows, cols}, type, memory::dims{m.row, m.col}};
  const bool repeated = m.batch == 0;
  return {{repeated ? 1 : g.batch, rows, cols}, type, memory::dims{repeated ? rows * cols : m.batch, m.row, m.col}};
}

Plan make_plan(Context& context, const Gemm& g) {
  const memory::desc a = matrix_desc(g, g.dtype, g.a, g.m, g.k), b = matrix_desc(g, g.dtype, g.b, g.k, g.n),
                     y = matrix_desc(g, g.result, g.y, g.m, g.n);
  memory::desc bias;
  if (g.bias) {
    memory::dims dims(g.batch == 1 ? 2 : 3, 1);
    dims.back() = g.n;
    bias = {dims, dnnl_type(g.result), memory::dims(dims.size(), 1)};
  }
  const auto desc = forward_desc<dnnl::matmul>(context.engine, plan_attr(), a, b, bias, y);
  if (is_reference(desc.impl_info_str()) && (g.batch > 1 || g.dtype != DType::float32)) return Plan();
  Plan plan(context.engine, dnnl::matmul(desc), desc.scratchpad_desc());
  plan.input(DNNL_ARG_SRC, a, a);
  plan.input(DNNL_ARG_WEIGHTS, b, b);
  plan.output(DNNL_ARG_DST, y, y);
  if (g.bias) plan.input(DNNL_ARG_BIAS, bias, bias);
  return plan;
}

bool run_plan(Context& context, const Gemm& g) {
  PlanKey key(static_cast<int64_t>(OpId::matmul));
  key.add(static_cast<int64_t>(g.dtype), static_cast<int64_t>(g.result), g.batch, g.m, g.k, g.n, g.bias != nullptr);
  for (const Matrix* m : {&g.a, &g.b, &g.y}) key.add(m->batch, m->row, m->col);
  Plan& plan = context.plans.get(key, [&] { return make_plan(context, g); });
  if (!plan.supported()) return false;
  plan.run(context, {g.a.data, g.b.data, g.y.data, g.bias});
  return true;
}

// oneDNN describes no batch whose matrices reach into each other, and none that repeats both inputs.
bool describable(const Gemm& g) {
  if (g.batch == 1) return true;
  const auto separate = [&](const Matrix& m, int64_t rows, int64_t cols) {
    TensorView view;
    view.rank = 3;
    const int64_t dims[] = {m.batch == 0 ? 1 : g.batch, rows, cols}, strides[] = {m.batch, m.row, m.col};
    std::copy_n(dims, 3, view.dims);
    std::copy_n(strides, 3, view.strides);
    return !interleaves(view);
  };
  return (g.a.batch != 0 || g.b.batch != 0) && separate(g.a, g.m, g.k) && separate(g.b, g.k, g.n);
}

}  // namespace

bool is_plain_matrix(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride) {
  if (cols == 1 || rows == 1) return rows == 1 ? cols == 1 || col_stride >= 1 : row_stride >= 1;
  return (col_stride == 1 && row_stride >= cols) || (row_stride == 1 && col_stride >= rows);
}

bool gemm_dnnl(Context& context, const Gemm& given) {
  const OneThread small(is_small_product(given.batch * given.m * given.n * given.k));
  Gemm gemm = given;
  settle_strides(gemm.a, gemm.m, gemm.k);
  settle_strides(gemm.b, gemm.k, gemm.n);
  settle_strides(gemm.y, gemm.m, gemm.n);
  if (thin_product(gemm)) {
    run_thin(gemm);
    return true;
  }
  if (describable(gemm) && run_plan(context, gemm)) return true;
  if (gemm.batch == 1) return false;
  // Batch strides that no fast kernel takes: one matrix after the other.
  Gemm one = gemm;
  one.batch = 1;
  for (int64_t i = 0; i < gemm.batch; ++i) {
    one.a = gemm.a.at(i * gemm.a.batch, gemm.dtype);
    one.b = gemm.b.at(i * gemm.b.batch, gemm.dtype);
    one.y = gemm.y.at(i * gemm.y.batch, gemm.result);
    one.a.batch = one.b.batch = one.y.batch = 0;
    if (!run_plan(context, one)) {
      LENODE_CHECK(i == 0, "oneDNN changed its mind about a matrix product");
      return false;
    }
  }
  return true;
}

}  // namespace lenode::cpu
