// SPDX-License-Identifier: Apache-2.0
#include "cpu/memory.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "core/error.h"

#if defined(__APPLE__)
#include <malloc/malloc.h>
#define malloc_usable_size malloc_size
#else
#include <malloc.h>
#include <sys/mman.h>
#endif

namespace lenode::cpu {
namespace {

constexpr size_t kAlignment = 64;           // a cache line and a 512-bit vector
constexpr size_t kHugePage = size_t{2} << 20;
constexpr uint64_t kSlack = uint64_t{64} << 20;  // given out at most before the limits are read again

std::atomic<uint64_t> allocated{0};  // bytes that this library holds, all contexts together
std::atomic<int64_t> budget{0};      // bytes that may be given out before the limits are read again
std::mutex budget_mutex;

std::string in_megabytes(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / (1024 * 1024));
  return text;
}

// Takes `bytes` from the budget, or throws. Reading the limits costs tens of microseconds, so small allocations
// share one reading.
void reserve(size_t bytes) {
  const int64_t wanted = static_cast<int64_t>(std::min<size_t>(bytes, INT64_MAX / 2));
  if (budget.fetch_sub(wanted) >= wanted) return;
  budget.fetch_add(wanted);
  std::lock_guard<std::mutex> lock(budget_mutex);
  const MemoryState state = memory_state();
  if (bytes > state.available)
    fail(ErrorCode::out_of_memory, "out of memory: " + in_megabytes(bytes) + " asked for, " +
                                       in_megabytes(state.available) + " of " + in_megabytes(state.total) +
                                       " left");
  budget.store(static_cast<int64_t>(std::min<uint64_t>((state.available - bytes) / 4, kSlack)));
}

}  // namespace

MemoryState memory_state() {
  MemoryState state = system_memory();
  const uint64_t mine = allocated.load();
  static const uint64_t setting = memory_limit_setting();
  if (setting) state.total = std::min(state.total, setting);
  // Memory that was given out but not touched yet is not in the system's figures: never promise it twice.
  state.available = std::min(state.available, state.total > mine ? state.total - mine : 0);
  return state;
}

void* allocate_memory(size_t bytes) {
  bytes = std::max<size_t>(bytes, 1);
  reserve(bytes);
  const bool huge = bytes >= 2 * kHugePage;
  void* data = nullptr;
  if (posix_memalign(&data, huge ? kHugePage : kAlignment, bytes) != 0)
    fail(ErrorCode::out_of_memory, "out of memory: the system refused " + in_megabytes(bytes));
#if defined(MADV_HUGEPAGE)
  if (huge) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  allocated.fetch_add(malloc_usable_size(data));
  return data;
}

void release_memory(void* data) {
  if (!data) return;
  allocated.fetch_sub(malloc_usable_size(data));
  std::free(data);
}

}  // namespace lenode::cpu
