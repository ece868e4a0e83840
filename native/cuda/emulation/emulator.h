// SPDX-License-Identifier: Apache-2.0
// Enough of CUDA C++ to run the kernels on the host. A block's threads are fibers that run one at a time and switch
// only at barriers and shuffles, blocks run one after another. A barrier that some threads never reach, a shuffle
// from a lane outside its mask and a bad launch shape abort; memory is guarded by the caller (harness.py).
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <functional>

#undef __shared__
#define __shared__ static  // one block at a time
#undef __launch_bounds__
#define __launch_bounds__(...)
#undef __grid_constant__
#define __grid_constant__

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace lenode::emulation {

// EMULATION_ORDER=reversed or =random changes the order in which threads run between barriers, to expose races.
void run(dim3 grid, dim3 block, const std::function<void()>& thread);
void block_barrier();
void warp_barrier(unsigned mask);
[[noreturn]] void fault(const char* what);

int lane();
uint64_t* exchange();  // the warp's 32 slots; another set on each call

template <class T, class Source>
T shuffle(unsigned mask, T value, Source source) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t* slots = exchange();
  const int self = lane(), from = source(self);
  if (!(mask >> self & 1) || !(mask >> from & 1)) fault("a shuffle with a lane outside the mask");
  std::memcpy(&slots[self], &value, sizeof(T));
  warp_barrier(mask);
  std::memcpy(&value, &slots[from], sizeof(T));
  return value;
}

}  // namespace lenode::emulation

inline void __syncthreads() { lenode::emulation::block_barrier(); }

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
  return lenode::emulation::shuffle(mask, value, [=](int lane) {
    return lane >= static_cast<int>(distance) ? lane - static_cast<int>(distance) : lane;
  });
}

template <class T>
T atomicAdd(T* target, T value) {
  const T old = *target;
  *target = old + value;
  return old;
}
template <class T>
T atomicCAS(T* target, T expected, T value) {
  const T old = *target;
  if (old == expected) *target = value;
  return old;
}

inline float __int_as_float(int bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline double __longlong_as_double(long long bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
