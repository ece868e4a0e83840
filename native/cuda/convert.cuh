// SPDX-License-Identifier: Apache-2.0
// Storage types and compute types: float computes for float32, float16 and bfloat16, double for float64, int64_t
// for all integers and bool. Where a kernel takes the dtype at run time, the branch is the same for every thread.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "core/error.h"
#include "core/functors.h"

namespace lenode::cuda {

using Half = __half;
using BFloat16 = __nv_bfloat16;

template <class S>
using compute_t = std::conditional_t<std::is_same_v<S, double>, double,
                                     std::conditional_t<std::is_integral_v<S>, int64_t, float>>;

LENODE_HD float widen(float x) { return x; }
LENODE_HD double widen(double x) { return x; }
LENODE_HD float widen(Half x) { return __half2float(x); }
LENODE_HD float widen(BFloat16 x) { return __bfloat162float(x); }
LENODE_HD int64_t widen(int32_t x) { return x; }
LENODE_HD int64_t widen(int64_t x) { return x; }
LENODE_HD int64_t widen(uint8_t x) { return x; }
LENODE_HD int64_t widen(bool x) { return x; }

// A float becomes an integer by truncation as on the CPU; anything becomes bool by != 0.
template <class S, class T>
LENODE_HD S narrow(T x) {
  if constexpr (std::is_same_v<S, Half>) {
    if constexpr (std::is_same_v<T, double>) return __double2half(x);
    else return __float2half_rn(static_cast<float>(x));
  } else if constexpr (std::is_same_v<S, BFloat16>) {
    if constexpr (std::is_same_v<T, double>) return __double2bfloat16(x);
    else return __float2bfloat16_rn(static_cast<float>(x));
  } else if constexpr (std::is_same_v<S, bool>) {
    return x != T(0);
  } else if constexpr (std::is_integral_v<S>) {
    if constexpr (std::is_floating_point_v<T>) return static_cast<S>(functor::to_integer(x));
    else return static_cast<S>(x);
  } else {
    return static_cast<S>(x);
  }
}

// Element `i` of memory of a dtype that computes in T.
template <class T>
LENODE_HD T load_as(const void* data, DType dtype, int64_t i) {
  if constexpr (std::is_same_v<T, float>) {
    if (dtype == DType::float32) return static_cast<const float*>(data)[i];
    if (dtype == DType::float16) return widen(static_cast<const Half*>(data)[i]);
    return widen(static_cast<const BFloat16*>(data)[i]);
  } else if constexpr (std::is_same_v<T, double>) {
    return static_cast<const double*>(data)[i];
  } else {
    if (dtype == DType::int64) return static_cast<const int64_t*>(data)[i];
    if (dtype == DType::int32) return static_cast<const int32_t*>(data)[i];
    return static_cast<const uint8_t*>(data)[i];  // bool holds 0 or 1
  }
}

// The counterpart: the dtype computes in T.
template <class T>
LENODE_HD void store_same(void* data, DType dtype, int64_t i, T value) {
  if constexpr (std::is_same_v<T, float>) {
    if (dtype == DType::float32) static_cast<float*>(data)[i] = value;
    else if (dtype == DType::float16) static_cast<Half*>(data)[i] = narrow<Half>(value);
    else static_cast<BFloat16*>(data)[i] = narrow<BFloat16>(value);
  } else if constexpr (std::is_same_v<T, double>) {
    static_cast<double*>(data)[i] = value;
  } else {
    if (dtype == DType::int64) static_cast<int64_t*>(data)[i] = value;
    else if (dtype == DType::int32) static_cast<int32_t*>(data)[i] = narrow<int32_t>(value);
    else if (dtype == DType::uint8) static_cast<uint8_t*>(data)[i] = narrow<uint8_t>(value);
    else static_cast<bool*>(data)[i] = value != 0;
  }
}

// Any dtype may be the target.
template <class T>
LENODE_HD void store_as(void* data, DType dtype, int64_t i, T value) {
  switch (dtype) {
    case DType::float32: static_cast<float*>(data)[i] = narrow<float>(value); return;
    case DType::float64: static_cast<double*>(data)[i] = narrow<double>(value); return;
    case DType::float16: static_cast<Half*>(data)[i] = narrow<Half>(value); return;
    case DType::bfloat16: static_cast<BFloat16*>(data)[i] = narrow<BFloat16>(value); return;
    case DType::int32: static_cast<int32_t*>(data)[i] = narrow<int32_t>(value); return;
    case DType::int64: static_cast<int64_t*>(data)[i] = narrow<int64_t>(value); return;
    case DType::uint8: static_cast<uint8_t*>(data)[i] = narrow<uint8_t>(value); return;
    case DType::boolean: static_cast<bool*>(data)[i] = narrow<bool>(value); return;
  }
}

// Index and label tensors: int64, int32 or uint8.
LENODE_HD int64_t load_index(const void* data, DType dtype, int64_t i) { return load_as<int64_t>(data, dtype, i); }

// An attribute in the compute type; an open limit of an integer clamp saturates.
template <class T>
T attribute_as(double value) {
  if constexpr (std::is_same_v<T, int64_t>) {
    if (value >= 0x1p63) return std::numeric_limits<int64_t>::max();
    if (value < -0x1p63) return std::numeric_limits<int64_t>::min();
    return value == value ? static_cast<int64_t>(value) : 0;
  } else {
    return static_cast<T>(value);
  }
}

// Calls f(S{}) for the storage type S of a floating dtype, or f(T{}) for its compute type.
template <class F>
void with_floating(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::float32: return f(float{});
    case DType::float64: return f(double{});
    case DType::float16: return f(Half{});
    case DType::bfloat16: return f(BFloat16{});
    default: fail(ErrorCode::invalid, std::string(op) + ": expected a floating dtype, came " + dtype_name(dtype));
  }
}
template <class F>
void with_compute(DType dtype, F&& f) {
  if (dtype == DType::float64) return f(double{});
  if (is_floating(dtype)) return f(float{});
  return f(int64_t{});
}

// An unsigned integer of `size` bytes, for kernels that only move values.
template <class F>
void with_unit(size_t size, F&& f) {
  switch (size) {
    case 1: return f(uint8_t{});
    case 2: return f(uint16_t{});
    case 4: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}

// 16 bytes that are loaded and stored as one.
template <class S, int V>
struct alignas(sizeof(S) * V) Pack {
  S value[V];
};
template <class S>
constexpr int kPackSize = 16 / static_cast<int>(sizeof(S));

inline bool is_aligned(const void* data, size_t bytes) { return reinterpret_cast<uintptr_t>(data) % bytes == 0; }

}  // namespace lenode::cuda
