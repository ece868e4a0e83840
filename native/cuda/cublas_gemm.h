// SPDX-License-Identifier: Apache-2.0
// One matrix product through cuBLASLt, in row-major terms: y = a b, optionally with a vector in the epilogue.
#pragma once
#include <cstdint>

#include "core/tensor_view.h"
#include "cuda/context.h"

namespace lenode::cuda {

// A strided matrix, or a batch of them.
struct Matrix {
  void* data = nullptr;
  int64_t rows = 0, columns = 0;
  int64_t row_stride = 0, column_stride = 0;  // in elements
  int64_t batch_stride = 0;                   // 0: the same matrix for the whole batch

  Matrix transposed() const { return {data, columns, rows, column_stride, row_stride, batch_stride}; }
};

// How BLAS sees a matrix: one of its strides is 1 and the other one is the leading dimension.
struct BlasLayout {
  bool transposed;  // stored column by column
  int64_t leading;
};
// False if the operand has to be copied first.
bool blas_layout(const Matrix& matrix, BlasLayout* layout);
// The same for a result, which is never stored column by column.
bool row_major(const Matrix& matrix, int64_t* leading);

enum class Epilogue : int32_t {
  none,
  bias,           // + vector [columns of y]
  relu,
  bias_relu,
  bias_gradient,  // vector [rows of y] = sum of a over its columns
};

struct Gemm {
  DType dtype = DType::float32;
  Matrix a, b, y;
  int64_t batch = 1;
  Epilogue epilogue = Epilogue::none;
  void* vector = nullptr;  // contiguous; read or written as the epilogue says
};

// Both operands must have a BLAS layout, and y be row-major. False if cuBLASLt has no algorithm, in which case
// nothing was enqueued: the caller then does without the epilogue.
bool run_gemm(Context& context, const Gemm& gemm);

}  // namespace lenode::cuda
