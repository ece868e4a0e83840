// SPDX-License-Identifier: Apache-2.0
// What a backend sees of a tensor: a pointer into device memory, an element type and a strided shape.
#pragma once
#include <cstdint>

#include "core/dtype.h"

namespace lenode {

constexpr int kMaxRank = 8;

struct TensorView {
  void* data = nullptr;
  DType dtype = DType::float32;
  int32_t rank = -1;  // -1: an optional operand that was not given
  int64_t dims[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};  // in elements; 0 repeats, negative never occurs
  // What core/faults.h needs to know: whose memory it is, whether it is all of it, and whether it is a value that lasts,
  // such as a parameter: one that stays as it was where its update cannot be made.
  uint64_t storage = 0;
  bool whole = false;
  bool kept = false;

  bool present() const { return rank >= 0; }

  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }

  // Row-major with no gaps. Dimensions of size 1 may have any stride, and what is empty all of them.
  bool contiguous() const {
    int64_t expected = 1;
    for (int i = rank - 1; i >= 0; --i) {
      if (dims[i] == 1) continue;
      if (strides[i] != expected) return numel() == 0;
      expected *= dims[i];
    }
    return true;
  }

  // N, spatial..., C in memory while the logical order stays N, C, spatial... (rank 3 to 5).
  bool channels_last() const {
    if (rank < 3 || rank > 5) return false;
    int64_t expected = 1;
    auto step = [&](int i) {
      if (dims[i] != 1 && strides[i] != expected) return false;
      expected *= dims[i];
      return true;
    };
    if (!step(1)) return false;
    for (int i = rank - 1; i >= 2; --i)
      if (!step(i)) return false;
    return step(0);
  }

  template <class T>
  T* ptr() const {
    return static_cast<T*>(data);
  }
};

inline bool same_shape(const TensorView& a, const TensorView& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i)
    if (a.dims[i] != b.dims[i]) return false;
  return true;
}

}  // namespace lenode
