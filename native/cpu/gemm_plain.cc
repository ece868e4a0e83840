// SPDX-License-Identifier: Apache-2.0
// Matrix products of float64 and integers: panels of b are packed, so that any strides run at the same speed.
#include <algorithm>
#include <string>
#include <type_traits>

#include "core/error.h"
#include "core/functors.h"
#include "cpu/gemm.h"
#include "cpu/parallel.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kRows = 16;    // of y per task
constexpr int64_t kCols = 32;    // of y per panel
constexpr int64_t kDepth = 128;  // of the panel

template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;

template <class T>
struct Block {
  Sum<T> sum[kRows][kCols];
  Sum<T> panel[kDepth][kCols];
};

// Rows [row, row + rows) of matrix `batch`.
template <class T>
void row_block(const Gemm& g, int64_t batch, int64_t row, int64_t rows, Block<T>& block) {
  const T* a = static_cast<const T*>(g.a.data) + batch * g.a.batch + row * g.a.row;
  const T* b = static_cast<const T*>(g.b.data) + batch * g.b.batch;
  T* y = static_cast<T*>(g.y.data) + batch * g.y.batch + row * g.y.row;
  const T* bias = static_cast<const T*>(g.bias);
  for (int64_t col = 0; col < g.n; col += kCols) {
    const int64_t cols = std::min(kCols, g.n - col);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < kCols; ++j) block.sum[i][j] = bias && j < cols ? bias[col + j] : T(0);
    for (int64_t k = 0; k < g.k; k += kDepth) {
      const int64_t depth = std::min(kDepth, g.k - k);
      for (int64_t p = 0; p < depth; ++p)
        for (int64_t j = 0; j < kCols; ++j)
          block.panel[p][j] = j < cols ? b[(k + p) * g.b.row + (col + j) * g.b.col] : T(0);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t p = 0; p < depth; ++p) {
          const Sum<T> factor = a[i * g.a.row + (k + p) * g.a.col];
          for (int64_t j = 0; j < kCols; ++j) block.sum[i][j] = functor::plus(block.sum[i][j], functor::times(factor, block.panel[p][j]));
        }
    }
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) {
        const Sum<T> sum = block.sum[i][j];
        y[i * g.y.row + (col + j) * g.y.col] = static_cast<T>(g.relu && sum < 0 ? Sum<T>(0) : sum);
      }
  }
}

template <class T>
void run(const Gemm& g) {
  const int64_t blocks = (g.m + kRows - 1) / kRows;
  parallel_chunks(g.batch * blocks, kRows * g.k * g.n, [&](int64_t begin, int64_t end) {
    Block<T> block;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % blocks * kRows;
      row_block<T>(g, i / blocks, row, std::min(kRows, g.m - row), block);
    }
  });
}

}  // namespace

void gemm_plain(const Gemm& gemm) {
  switch (gemm.dtype) {
    case DType::float32: return run<float>(gemm);
    case DType::float64: return run<double>(gemm);
    case DType::int32: return run<int32_t>(gemm);
    case DType::int64: return run<int64_t>(gemm);
    case DType::uint8: return run<uint8_t>(gemm);
    default:
      fail(ErrorCode::unsupported,
           std::string("matmul: expected floating-point numbers or int32, int64 or uint8, got ") +
               dtype_name(gemm.dtype));
  }
}

}  // namespace lenode::cpu
