// SPDX-License-Identifier: Apache-2.0
// OpenMP helpers. The number of threads is OpenMP's own setting of the calling (stream) thread, because oneDNN reads
// the same one: whoever changes Context's `threads` calls set_thread_count() on the stream thread.
#pragma once
#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "cpu/aligned.h"

namespace lenode::cpu {

inline int thread_count() { return omp_get_max_threads(); }
inline void set_thread_count(int threads) { omp_set_num_threads(std::max(1, threads)); }

// One thread for what its scope runs, oneDNN included, if `alone`.
class OneThread {
 public:
  explicit OneThread(bool alone) : threads_(alone ? thread_count() : 0) {
    if (threads_) set_thread_count(1);
  }
  ~OneThread() {
    if (threads_) set_thread_count(threads_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int threads_;
};

// Below this much work (about one simple operation each) a parallel region costs more than it saves.
constexpr int64_t kGrain = 32768;

// Multiply-adds of a product or a convolution that take the time of one simple operation.
constexpr int64_t kAtOnce = 8;
// Whether a second thread would cost more than it saves. Where other programs want the cores it costs far more: both wait
// for the one that comes late.
inline bool is_small_product(int64_t multiply_adds) { return multiply_adds < kAtOnce * kGrain; }

// How many threads are worth starting for `items` independent items of `work` each.
inline int useful_threads(int64_t items, int64_t work) {
  const int threads = thread_count();
  if (threads <= 1 || items <= 1) return 1;
  const int64_t total = items * std::max<int64_t>(1, work);
  return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>({threads, items, total / kGrain})));
}

// body(slot, begin, end) for `slots` nearly equal parts of [0, items), at once. The parts depend on `slots` alone,
// so that partial results kept per slot combine in a fixed order. The body must not throw.
template <class Body>
void parallel_slots(int slots, int64_t items, Body&& body) {
  if (slots <= 1) {
    body(0, int64_t{0}, items);
    return;
  }
#pragma omp parallel for num_threads(slots) schedule(static, 1)
  for (int slot = 0; slot < slots; ++slot) body(slot, items * slot / slots, items * (slot + 1) / slots);
}

// body(begin, end) over [0, items), each of `work` simple operations.
template <class Body>
void parallel_chunks(int64_t items, int64_t work, Body&& body) {
  if (items <= 0) return;
  parallel_slots(useful_threads(items, work), items, [&](int, int64_t begin, int64_t end) { body(begin, end); });
}

// Scratch memory of T for each slot of a parallel region, made before it since nothing in it may throw.
template <class T>
class SlotBuffers {
 public:
  SlotBuffers(int slots, int64_t size) : size_(whole_lines(size)), data_(aligned_array<T>(slots * size_)) {}
  T* operator[](int slot) const { return data_.get() + slot * size_; }

 private:
  // No two slots share a line.
  static int64_t whole_lines(int64_t size) {
    constexpr int64_t kInLine = sizeof(T) < kCacheLine ? kCacheLine / sizeof(T) : 1;
    return (size + kInLine - 1) / kInLine * kInLine;
  }

  int64_t size_;
  AlignedArray<T> data_;
};

}  // namespace lenode::cpu
