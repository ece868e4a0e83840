// SPDX-License-Identifier: Apache-2.0
// A batch of matrix products y = a b, plus bias: what matmul, linear and its weight gradient share.
#pragma once
#include <cstddef>

#include "core/tensor_view.h"

namespace lenode::cpu {

struct Context;

struct Matrix {
  void* data;
  int64_t batch, row, col;  // strides in elements

  Matrix at(int64_t offset, DType dtype) const {
    Matrix moved = *this;
    moved.data = static_cast<char*>(data) + offset * static_cast<int64_t>(item_size(dtype));
    return moved;
  }
};

struct Gemm {
  DType dtype, result;           // of a and b; of y and the bias
  int64_t batch, m, k, n;
  Matrix a, b, y;                // [m, k], [k, n], [m, n]; a batch stride of 0 repeats an input
  const void* bias = nullptr;    // [n], dense
  bool relu = false;             // y = max(0, .): gemm_plain alone
};

// Both expect m, n, k and batch above 0.
// Every dtype but float16 and bfloat16, any strides.
void gemm_plain(const Gemm& gemm);
// float32, bfloat16 and float16, these with a result of their own dtype or of float32; false: oneDNN has no fast
// implementation for these dtypes here.
bool gemm_dnnl(Context& context, const Gemm& gemm);
// Whether gemm_dnnl takes a matrix of [rows, cols] with these strides.
bool is_plain_matrix(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride);

}  // namespace lenode::cpu
