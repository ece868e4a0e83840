// SPDX-License-Identifier: Apache-2.0
// A bounded map from a plain key struct, compared and hashed as bytes, to a plan; the least recently used goes first.
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <list>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace lenode::cuda {

template <class Key, class Plan>
class PlanCache {
  static_assert(std::is_trivially_copyable_v<Key> && sizeof(Key) % 8 == 0, "keys are hashed in words of 8 bytes");

 public:
  // `before_eviction` runs before a plan is destroyed, which the device may still be executing.
  explicit PlanCache(size_t capacity, std::function<void()> before_eviction = {})
      : capacity_(capacity), before_eviction_(std::move(before_eviction)) {}

  Plan* find(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  // Replaces a plan that is already there.
  Plan& insert(const Key& key, Plan plan) {
    erase(key);
    if (entries_.size() >= capacity_) erase(Key(entries_.back().first));
    entries_.emplace_front(key, std::move(plan));
    index_.emplace(key, entries_.begin());
    return entries_.front().second;
  }

  void erase(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    if (before_eviction_) before_eviction_();
    entries_.erase(found->second);
    index_.erase(found);
  }

  size_t size() const { return entries_.size(); }

 private:
  struct Hash {
    size_t operator()(const Key& key) const {
      uint64_t words[sizeof(Key) / 8];
      std::memcpy(words, &key, sizeof(Key));
      uint64_t hash = 0x9E3779B97F4A7C15ull;
      for (const uint64_t word : words) {
        hash = (hash ^ word) * 0xD6E8FEB86659FD93ull;
        hash ^= hash >> 32;
      }
      return static_cast<size_t>(hash);
    }
  };
  struct Equal {
    bool operator()(const Key& a, const Key& b) const { return std::memcmp(&a, &b, sizeof(Key)) == 0; }
  };
  using Entry = std::pair<const Key, Plan>;

  size_t capacity_;
  std::function<void()> before_eviction_;
  std::list<Entry> entries_;
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash, Equal> index_;
};

}  // namespace lenode::cuda
