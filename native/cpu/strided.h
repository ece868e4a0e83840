// SPDX-License-Identifier: Apache-2.0
// Loops over strided tensors of any dtype. Arithmetic is written for contiguous arrays of three compute types
// (float, double, int64_t); operands that are something else pass through small buffers, a block at a time.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "core/error.h"
#include "core/tensor_view.h"

namespace lenode::cpu {

enum class Compute : int { float32, float64, int64, byte };  // byte: the result of predicates, 0 or 1

constexpr Compute compute_of(DType dtype) {
  if (dtype == DType::float64) return Compute::float64;
  return is_floating(dtype) ? Compute::float32 : Compute::int64;
}
template <class T>
constexpr Compute compute_v = std::is_same_v<T, float>    ? Compute::float32
                              : std::is_same_v<T, double> ? Compute::float64
                                                          : Compute::int64;
constexpr size_t compute_size(Compute compute) {
  return compute == Compute::byte ? 1 : (compute == Compute::float32 ? 4 : 8);
}
// Whether memory of this dtype is an array of the compute type as it stands.
constexpr bool is_native(DType dtype, Compute compute) {
  switch (compute) {
    case Compute::float32: return dtype == DType::float32;
    case Compute::float64: return dtype == DType::float64;
    case Compute::int64: return dtype == DType::int64;
    case Compute::byte: return dtype == DType::boolean;
  }
  return false;
}

// Calls f with a value of the compute type of `dtype`, whose type is what counts.
template <class F>
decltype(auto) with_compute(DType dtype, F&& f) {
  switch (compute_of(dtype)) {
    case Compute::float32: return f(float{});
    case Compute::float64: return f(double{});
    default: return f(int64_t{});
  }
}
template <class F>
decltype(auto) with_float_compute(DType dtype, F&& f) {
  return dtype == DType::float64 ? f(double{}) : f(float{});
}

// n elements, `stride` apart, to or from a contiguous array of a compute type. An integer is stored modulo its
// size, anything becomes bool by != 0. Stores exist to dtypes of the same compute type and to bool.
using Load = void (*)(const void* from, int64_t stride, void* to, int64_t n);
using Store = void (*)(const void* from, void* to, int64_t stride, int64_t n);
Load load_function(DType from, Compute to);
Store store_function(Compute from, DType to);

inline const char* at(const TensorView& view, int64_t offset) {
  return static_cast<const char*>(view.data) + offset * static_cast<int64_t>(item_size(view.dtype));
}
inline char* at_mutable(const TensorView& view, int64_t offset) {
  return static_cast<char*>(view.data) + offset * static_cast<int64_t>(item_size(view.dtype));
}

// The common iteration space of several operands: dimensions of size 1 dropped, the rest ordered by the first
// operand's strides (outermost first), neighbours merged wherever all operands allow it.
constexpr int kMaxOperands = 5;
struct StridedLoop {
  int rank = 0;
  int operands = 0;
  int64_t dims[kMaxRank] = {};
  int64_t strides[kMaxOperands][kMaxRank] = {};
  int64_t numel = 1;

  int64_t inner_size() const { return rank == 0 ? 1 : dims[rank - 1]; }
  int64_t inner_stride(int operand) const { return rank == 0 ? 1 : strides[operand][rank - 1]; }
  // The operand's elements lie in memory in the order of the loop, without gaps.
  bool flat(int operand) const;
  bool constant(int operand) const;
  bool repeats_rows(int operand) const;  // every row along the last dimension is the same memory
};

// views[0] gives the shape; the others have it or broadcast to it. `without_dim` leaves out one dimension of
// views[0], and then all ranks must be equal.
StridedLoop make_loop(std::initializer_list<const TensorView*> views, int without_dim = -1);

// A position in a loop, with access to runs of elements from there.
class Walker {
 public:
  Walker(const StridedLoop& loop, int64_t position);

  int64_t position() const { return position_; }
  int64_t left_in_row() const { return loop_.inner_size() - coordinate_[last_]; }
  int64_t offset(int operand) const {
    int64_t offset = 0;
    for (int i = 0; i <= last_; ++i) offset += coordinate_[i] * loop_.strides[operand][i];
    return offset;
  }
  void advance(int64_t n);

  // f(offset, stride, first, count) for the runs of constant stride that make up the next n elements.
  template <class F>
  void for_runs(int operand, int64_t n, F&& f) const {
    Walker walker = *this;
    const int64_t stride = loop_.inner_stride(operand);
    for (int64_t first = 0; first < n;) {
      const int64_t count = std::min(n - first, walker.left_in_row());
      f(walker.offset(operand), stride, first, count);
      first += count;
      if (first < n) walker.advance(count);
    }
  }

 private:
  const StridedLoop& loop_;
  int last_;
  int64_t position_;
  int64_t coordinate_[kMaxRank] = {};
};

// ---- pointwise driver ------------------------------------------------------------------------------------------
struct Operand {
  const TensorView* view;  // null or absent: the scalar
  double scalar = 0;
};
// y, inputs: contiguous arrays of compute types; params: whatever the caller of run_blocks gave.
using BlockKernel = void (*)(void* y, const void* const* inputs, int64_t n, const void* params);

// y = kernel(inputs...), element by element. Inputs are converted to `compute`; the kernel's results are of type
// `result`. `cost` is the work of one element in simple operations.
void run_blocks(const TensorView& y, std::initializer_list<Operand> inputs, Compute compute, Compute result,
                BlockKernel kernel, const void* params, int64_t cost = 1);

// The double as a value of T: integers saturate, so that an infinite bound stays a bound.
template <class T>
inline T from_double(double x) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(x);
  } else {
    if (!(x > -9223372036854775808.0)) return x != x ? T(0) : INT64_MIN;
    return x >= 9223372036854775808.0 ? INT64_MAX : static_cast<T>(x);
  }
}

// Dense: the elements fill numel() places of memory in some order of the dimensions.
bool is_dense(const TensorView& view);
inline void require(bool condition, const char* message) {
  if (!condition) fail(ErrorCode::invalid, message);
}

}  // namespace lenode::cpu
