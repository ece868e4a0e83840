// SPDX-License-Identifier: Apache-2.0
#include "core/allocator.h"

#include <algorithm>

#include "core/error.h"

namespace lenode {
namespace {

// Eight sizes per power of two: at most 1/8 of a block is unused, and the activations of batches that differ
// little in size share blocks.
size_t round_up(size_t bytes) {
  constexpr size_t kSmallest = 64;
  if (bytes <= kSmallest) return kSmallest;
  size_t power = kSmallest;
  while (power * 2 < bytes) power *= 2;
  const size_t step = std::max<size_t>(power / 8, 64);
  return (bytes + step - 1) / step * step;
}

// Blocks of sizes that a program no longer asks for pile up in the cache. Up to this much (or as much as the
// tensors hold, if that is more) is left alone.
constexpr uint64_t kCacheSlack = uint64_t{1} << 30;

// The address sanitizer sees the end and the death of a tensor only if each has a block of its own size, freed at once.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kExact = true;
#else
constexpr bool kExact = false;
#endif

}  // namespace

Allocator::~Allocator() {
  for (auto& [capacity, blocks] : free_)
    for (void* data : blocks) api_->deallocate(context_, data);
}

void* Allocator::allocate(size_t bytes, size_t* capacity) {
  if (bytes > (size_t{1} << 46))
    fail(ErrorCode::out_of_memory, "tried to allocate " + std::to_string(bytes) + " bytes");
  const size_t size = kExact ? std::max<size_t>(bytes, 1) : round_up(bytes);
  *capacity = size;
  ++stats_.allocations;
  void* data = nullptr;
  auto cached = free_.find(size);
  if (cached != free_.end() && !cached->second.empty()) {
    data = cached->second.back();
    cached->second.pop_back();
  } else {
    int32_t status = api_->allocate(context_, size, &data);
    if (status == static_cast<int32_t>(ErrorCode::out_of_memory) && stats_.reserved > stats_.allocated) {
      empty_cache();
      status = api_->allocate(context_, size, &data);
    }
    if (status != 0) fail(static_cast<ErrorCode>(status), api_->last_error());
    ++stats_.device_allocations;
    stats_.reserved += size;
    stats_.peak_reserved = std::max(stats_.peak_reserved, stats_.reserved);
  }
  stats_.allocated += size;
  stats_.peak_allocated = std::max(stats_.peak_allocated, stats_.allocated);
  return data;
}

void Allocator::release(void* data, size_t capacity) {
  free_[capacity].push_back(data);
  stats_.allocated -= capacity;
  if (kExact) return trim(0);
  const uint64_t cached = stats_.reserved - stats_.allocated;
  if (cached > kCacheSlack + stats_.allocated) trim((kCacheSlack + stats_.allocated) / 2);
}

void Allocator::trim(uint64_t keep) {
  drain_();
  for (auto entry = free_.begin(); entry != free_.end();) {
    auto& blocks = entry->second;
    while (!blocks.empty() && stats_.reserved - stats_.allocated > keep) {
      api_->deallocate(context_, blocks.back());
      blocks.pop_back();
      stats_.reserved -= entry->first;
    }
    entry = blocks.empty() ? free_.erase(entry) : std::next(entry);
  }
}

void Allocator::empty_cache() { trim(0); }

void Allocator::reset_peak() {
  stats_.peak_allocated = stats_.allocated;
  stats_.peak_reserved = stats_.reserved;
}

}  // namespace lenode
