// SPDX-License-Identifier: Apache-2.0
// A caching allocator for one device, used on the JavaScript thread alone. It is stream-ordered: a block that is
// given back may be handed out again at once, because whoever uses it next is queued behind its last user.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "core/backend.h"

namespace lenode {

struct MemoryStats {
  uint64_t allocated = 0;       // bytes that tensors hold, rounded up to block sizes
  uint64_t peak_allocated = 0;
  uint64_t reserved = 0;        // bytes taken from the device: allocated plus cached
  uint64_t peak_reserved = 0;
  uint64_t allocations = 0;     // requests so far
  uint64_t device_allocations = 0;  // requests that the cache could not serve
};

class Allocator {
 public:
  // `drain` waits until the device's queue is empty: only then may cached blocks go back to the device.
  Allocator(const BackendApi* api, void* context, std::function<void()> drain)
      : api_(api), context_(context), drain_(std::move(drain)) {}
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // The block's size is rounded up; `capacity` receives it and must be passed to release(). Throws
  // Error(out_of_memory) after having tried again with an emptied cache.
  void* allocate(size_t bytes, size_t* capacity);
  void release(void* data, size_t capacity);
  void empty_cache();
  void reset_peak();
  const MemoryStats& stats() const { return stats_; }

 private:
  void trim(uint64_t keep);

  const BackendApi* api_;
  void* context_;
  std::function<void()> drain_;
  std::unordered_map<size_t, std::vector<void*>> free_;  // by capacity; the last one freed is the warmest
  MemoryStats stats_;
};

}  // namespace lenode
