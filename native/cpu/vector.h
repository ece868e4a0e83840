// SPDX-License-Identifier: Apache-2.0
// Vectors of the compiler's own kind, for loops that must keep their state in registers. They are passed by reference,
// so that no call depends on the instruction set.
#pragma once

namespace lenode::cpu {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T, int L>
struct Vector {
  typedef T type __attribute__((vector_size(sizeof(T) * L)));
};
template <class T, int L>
using VectorOf = typename Vector<T, L>::type;

template <class V, class T>
inline __attribute__((always_inline)) void load_vector(V& v, const T* from) {
  __builtin_memcpy(&v, from, sizeof(V));
}
template <class V, class T>
inline __attribute__((always_inline)) void store_vector(T* to, const V& v) {
  __builtin_memcpy(to, &v, sizeof(V));
}

}  // namespace lenode::cpu
