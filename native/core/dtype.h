// SPDX-License-Identifier: Apache-2.0
// Element types. The numbers are part of the border with TypeScript (lib/tensor/dtype.ts).
#pragma once
#include <cstddef>
#include <cstdint>

namespace lenode {

enum class DType : int32_t {
  float32 = 0,
  float64 = 1,
  float16 = 2,
  bfloat16 = 3,
  int32 = 4,
  int64 = 5,
  uint8 = 6,
  boolean = 7,
};
constexpr int kDTypeCount = 8;

constexpr size_t item_size(DType dtype) {
  switch (dtype) {
    case DType::float64:
    case DType::int64: return 8;
    case DType::float32:
    case DType::int32: return 4;
    case DType::float16:
    case DType::bfloat16: return 2;
    case DType::uint8:
    case DType::boolean: return 1;
  }
  return 0;
}

constexpr const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::float32: return "float32";
    case DType::float64: return "float64";
    case DType::float16: return "float16";
    case DType::bfloat16: return "bfloat16";
    case DType::int32: return "int32";
    case DType::int64: return "int64";
    case DType::uint8: return "uint8";
    case DType::boolean: return "bool";
  }
  return "?";
}

constexpr bool is_half(DType dtype) { return dtype == DType::float16 || dtype == DType::bfloat16; }
// Whether the gradient of what has dtype `own` may be kept as `result`: as it is, or as a half type's unrounded sums.
constexpr bool holds_gradient(DType result, DType own) {
  return result == own || (is_half(own) && result == DType::float32);
}
constexpr bool is_floating(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::float16 ||
         dtype == DType::bfloat16;
}

}  // namespace lenode
