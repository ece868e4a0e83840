// SPDX-License-Identifier: Apache-2.0
// matmul, linear and linear_backward_weight: operands are described to cuBLASLt as they lie in memory, and copied
// only if neither they nor their transposes have rows without gaps.
#include <algorithm>
#include <array>
#include <string>

#include "core/error.h"
#include "cuda/compose.h"
#include "cuda/context.h"
#include "cuda/cublas_gemm.h"
#include "cuda/handlers.h"

namespace lenode::cuda {

namespace {

constexpr int64_t kLargestBatch = 65535;

// The last two dimensions.
Matrix matrix_of(const TensorView& view) {
  const int r = view.rank;
  return {view.data, view.dims[r - 2], view.dims[r - 1], view.strides[r - 2], view.strides[r - 1], 0};
}

void set_contiguous(TensorView& view) {
  int64_t step = 1;
  for (int i = view.rank - 1; i >= 0; --i) {
    view.strides[i] = step;
    step *= view.dims[i];
  }
}

// `view` itself if cuBLASLt can read it, else a dense copy. Repeated batch dimensions are copied once.
TensorView readable(Context& context, const Call& call, const TensorView& view) {
  BlasLayout layout;
  if (blas_layout(matrix_of(view), &layout)) return view;
  TensorView once = view;
  for (int i = 0; i < view.rank - 2; ++i)
    if (view.strides[i] == 0) once.dims[i] = 1;
  TensorView dense = once;
  set_contiguous(dense);
  dense.data = context.workspace(static_cast<size_t>(dense.numel()) * item_size(dense.dtype));
  copy(context, call, once, dense);
  for (int i = 0; i < view.rank - 2; ++i)
    if (view.strides[i] == 0) dense.strides[i] = 0;
  std::copy_n(view.dims, view.rank, dense.dims);
  return dense;
}

// Where the result is computed: y, or dense scratch that is copied to y afterwards.
TensorView writable(Context& context, const TensorView& y) {
  int64_t leading;
  if (row_major(matrix_of(y), &leading)) return y;
  TensorView dense = y;
  set_contiguous(dense);
  dense.data = context.workspace(static_cast<size_t>(dense.numel()) * item_size(dense.dtype));
  return dense;
}

const TensorView& contiguous_vector(Context& context, const Call& call, const TensorView& view, TensorView* storage) {
  if (view.dims[0] <= 1 || view.strides[0] == 1) return view;
  *storage = view;
  storage->strides[0] = 1;
  storage->data = context.workspace(static_cast<size_t>(view.dims[0]) * item_size(view.dtype));
  copy(context, call, view, *storage);
  return *storage;
}

struct BatchDim {
  int64_t size, a, b, y;  // size and strides
};

struct Batches {
  std::array<BatchDim, kMaxRank> dims;
  int count = 0;
  BatchDim& last() { return dims[count - 1]; }
};

// The leading dimensions, outermost first, joined where all three operands allow it.
Batches batches_of(const TensorView& a, const TensorView& b, const TensorView& y) {
  Batches batches;
  for (int i = 0; i < y.rank - 2; ++i) {
    if (y.dims[i] == 1) continue;
    const BatchDim dim{y.dims[i], a.strides[i], b.strides[i], y.strides[i]};
    if (batches.count > 0) {
      BatchDim& outer = batches.last();
      if (outer.a == dim.a * dim.size && outer.b == dim.b * dim.size && outer.y == dim.y * dim.size) {
        outer = {outer.size * dim.size, dim.a, dim.b, dim.y};
        continue;
      }
    }
    batches.dims[batches.count++] = dim;
  }
  return batches;
}

// If b is the same for a whole batch whose rows follow each other in a and y, the batch is one taller matrix.
void fold_rows(Batches& batches, Matrix& a, Matrix& y) {
  while (batches.count > 0) {
    const BatchDim& dim = batches.last();
    const bool follows_a = a.rows == 1 || dim.a == a.rows * a.row_stride;
    const bool follows_y = y.rows == 1 || dim.y == y.rows * y.row_stride;
    Matrix taller_a = a, taller_y = y;
    if (a.rows == 1) {
      taller_a.row_stride = dim.a;
      taller_y.row_stride = dim.y;
    }
    taller_a.rows *= dim.size;
    taller_y.rows *= dim.size;
    BlasLayout layout;
    int64_t leading;
    if (dim.b != 0 || !follows_a || !follows_y || !blas_layout(taller_a, &layout) || !row_major(taller_y, &leading))
      return;
    a = taller_a;
    y = taller_y;
    --batches.count;
  }
}

void* advance(void* data, int64_t elements, DType dtype) {
  return static_cast<char*>(data) + elements * static_cast<int64_t>(item_size(dtype));
}

[[noreturn]] void fail_unsupported(const char* name, const Gemm& gemm) {
  fail(ErrorCode::unsupported, std::string(name) + ": cuBLASLt has no algorithm for [" + std::to_string(gemm.a.rows) +
                                   ", " + std::to_string(gemm.a.columns) + "] x [" + std::to_string(gemm.b.rows) +
                                   ", " + std::to_string(gemm.b.columns) + "] of " + dtype_name(gemm.dtype));
}

void require_floating(const char* name, DType dtype) {
  if (!is_floating(dtype))
    fail(ErrorCode::unsupported, std::string(name) + ": expected a floating dtype on CUDA, got " + dtype_name(dtype));
}

}  // namespace

void op_matmul(Context& context, const Call& call) {
  using namespace op::matmul;
  const TensorView& result = call.out(out::y);
  require_floating("matmul", result.dtype);
  if (result.numel() == 0) return;
  if (call.in(in::a).numel() == 0) return fill(context, call, result, 0);
  const TensorView a = readable(context, call, call.in(in::a)), b = readable(context, call, call.in(in::b));
  const TensorView y = writable(context, result);

  Gemm gemm;
  gemm.dtype = y.dtype;
  gemm.a = matrix_of(a);
  gemm.b = matrix_of(b);
  gemm.y = matrix_of(y);
  Batches batches = batches_of(a, b, y);
  fold_rows(batches, gemm.a, gemm.y);

  // The largest dimension becomes cuBLASLt's batch, the others a loop around it.
  BatchDim inner{1, 0, 0, 0};
  if (batches.count > 0) {
    auto first = batches.dims.begin(), last = first + batches.count;
    auto largest = std::max_element(first, last, [](const BatchDim& p, const BatchDim& q) { return p.size < q.size; });
    inner = *largest;
    std::copy(largest + 1, last, largest);
    --batches.count;
  }
  gemm.a.batch_stride = inner.a;
  gemm.b.batch_stride = inner.b;
  gemm.y.batch_stride = inner.y;
  int64_t outer = 1;
  for (int i = 0; i < batches.count; ++i) outer *= batches.dims[i].size;
  const Gemm base = gemm;
  for (int64_t index = 0; index < outer; ++index) {
    int64_t rest = index, at_a = 0, at_b = 0, at_y = 0;
    for (int i = batches.count - 1; i >= 0; --i) {
      const BatchDim& dim = batches.dims[i];
      at_a += rest % dim.size * dim.a;
      at_b += rest % dim.size * dim.b;
      at_y += rest % dim.size * dim.y;
      rest /= dim.size;
    }
    for (int64_t begin = 0; begin < inner.size; begin += kLargestBatch) {
      gemm.batch = std::min(kLargestBatch, inner.size - begin);
      gemm.a.data = advance(base.a.data, at_a + begin * inner.a, y.dtype);
      gemm.b.data = advance(base.b.data, at_b + begin * inner.b, y.dtype);
      gemm.y.data = advance(base.y.data, at_y + begin * inner.y, y.dtype);
      if (!run_gemm(context, gemm)) fail_unsupported("matmul", gemm);
    }
  }
  if (y.data != result.data) copy(context, call, y, result);
}

void op_linear(Context& context, const Call& call) {
  using namespace op::linear;
  const TensorView &x = call.in(in::x), &weight = call.in(in::weight), &bias = call.in(in::bias_opt);
  const TensorView& y = call.out(out::y);
  const bool relu = call.f(attr::relu) != 0;
  require_floating("linear", y.dtype);
  if (y.numel() == 0) return;

  bool finished = false;
  if (x.numel() == 0) {
    fill(context, call, y, 0);
  } else {
    Gemm gemm;
    gemm.dtype = y.dtype;
    gemm.a = matrix_of(readable(context, call, x));
    gemm.b = matrix_of(readable(context, call, weight)).transposed();
    gemm.y = matrix_of(y);
    TensorView packed;
    if (bias.present()) gemm.vector = contiguous_vector(context, call, bias, &packed).data;
    gemm.epilogue = bias.present() ? (relu ? Epilogue::bias_relu : Epilogue::bias)
                                   : (relu ? Epilogue::relu : Epilogue::none);
    finished = run_gemm(context, gemm);
    if (!finished) {
      gemm.epilogue = Epilogue::none;
      if (!run_gemm(context, gemm)) fail_unsupported("linear", gemm);
    }
  }
  if (finished) return;
  if (bias.present()) add_bias_in_place(context, call, y, bias, 1);
  if (relu) relu_in_place(context, call, y);
}

void op_linear_backward_weight(Context& context, const Call& call) {
  using namespace op::linear_backward_weight;
  const TensorView &grad = call.in(in::grad), &x = call.in(in::x);
  const TensorView &d_weight = call.out(out::d_weight), &d_bias = call.out(out::d_bias_opt);
  require_floating("linear_backward_weight", d_weight.dtype);
  const bool wants_bias = d_bias.present() && d_bias.numel() > 0;
  bool has_bias = !wants_bias;

  if (d_weight.numel() > 0 && grad.numel() == 0) {
    fill(context, call, d_weight, 0);
  } else if (d_weight.numel() > 0) {
    Gemm gemm;
    gemm.dtype = d_weight.dtype;
    gemm.a = matrix_of(readable(context, call, grad)).transposed();
    gemm.b = matrix_of(readable(context, call, x));
    const TensorView target = writable(context, d_weight);
    gemm.y = matrix_of(target);
    if (wants_bias && (d_bias.dims[0] == 1 || d_bias.strides[0] == 1)) {
      gemm.epilogue = Epilogue::bias_gradient;
      gemm.vector = d_bias.data;
      has_bias = run_gemm(context, gemm);
    }
    if (gemm.epilogue == Epilogue::none || !has_bias) {
      gemm.epilogue = Epilogue::none;
      if (!run_gemm(context, gemm)) fail_unsupported("linear_backward_weight", gemm);
    }
    if (target.data != d_weight.data) copy(context, call, target, d_weight);
  }
  if (has_bias) return;
  if (grad.numel() == 0)
    fill(context, call, d_bias, 0);
  else
    sum_to(context, call, grad, 1, d_bias);
}

}  // namespace lenode::cuda
