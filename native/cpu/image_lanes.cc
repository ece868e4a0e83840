// SPDX-License-Identifier: Apache-2.0
#include "cpu/image_lanes.h"

#include <algorithm>
#include <utility>

namespace lenode::cpu {
namespace {

// Exchanges the blocks of size D across the diagonal between rows a and b, which are D apart. Each P is a position in
// the result.
template <int D, int... P>
inline __attribute__((always_inline)) void exchange(Lanes& a, Lanes& b, std::integer_sequence<int, P...>) {
#if defined(__clang__)
  const Lanes upper = __builtin_shufflevector(a, b, (P & D ? kLanes + P - D : P)...);
  const Lanes lower = __builtin_shufflevector(a, b, (P & D ? kLanes + P : P + D)...);
#else
  using Index = int __attribute__((vector_size(kLanes * sizeof(int))));
  const Lanes upper = __builtin_shuffle(a, b, Index{(P & D ? kLanes + P - D : P)...});
  const Lanes lower = __builtin_shuffle(a, b, Index{(P & D ? kLanes + P : P + D)...});
#endif
  a = upper;
  b = lower;
}

// Transposes a square of lanes in place: log2(kLanes) rounds.
template <int D = 1>
inline __attribute__((always_inline)) void transpose(Lanes (&m)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i)
    if (!(i & D)) exchange<D>(m[i], m[i + D], std::make_integer_sequence<int, kLanes>());
  if constexpr (2 * D < kLanes) transpose<2 * D>(m);
}

}  // namespace

// In both directions the last square moves back over elements that are done rather than beyond the end.
void pack_lanes(const float* data, int64_t stride, int images, int64_t length, Lanes* packed) {
  if (images == kLanes && length >= kLanes) {
    for (int64_t next = 0; next < length; next += kLanes) {
      const int64_t j = std::min(next, length - kLanes);
      Lanes m[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) m[i] = *reinterpret_cast<const UnalignedLanes*>(data + i * stride + j);
      transpose(m);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) packed[j + i] = m[i];
    }
    return;
  }
  for (int64_t j = 0; j < length; ++j) {
    Lanes v{};
    for (int i = 0; i < images; ++i) v[i] = data[i * stride + j];
    packed[j] = v;
  }
}

void unpack_lanes(const Lanes* packed, float* data, int64_t stride, int images, int64_t length) {
  if (images == kLanes && length >= kLanes) {
    for (int64_t next = 0; next < length; next += kLanes) {
      const int64_t j = std::min(next, length - kLanes);
      Lanes m[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) m[i] = packed[j + i];
      transpose(m);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) *reinterpret_cast<UnalignedLanes*>(data + i * stride + j) = m[i];
    }
    return;
  }
  for (int64_t j = 0; j < length; ++j)
    for (int i = 0; i < images; ++i) data[i * stride + j] = packed[j][i];
}

}  // namespace lenode::cpu
