// SPDX-License-Identifier: Apache-2.0
// Scratch arrays that begin with a line of the cache: a vector that lies in two lines costs twice as much.
#pragma once
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>

namespace lenode::cpu {

constexpr std::size_t kCacheLine = 64;

struct FreeAligned {
  void operator()(void* data) const { ::operator delete(data, std::align_val_t{kCacheLine}); }
};
template <class T>
using AlignedArray = std::unique_ptr<T[], FreeAligned>;

// Not initialised.
template <class T>
AlignedArray<T> aligned_array(int64_t n) {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kCacheLine);
  return AlignedArray<T>(static_cast<T*>(::operator new(static_cast<std::size_t>(n) * sizeof(T), std::align_val_t{kCacheLine})));
}

}  // namespace lenode::cpu
