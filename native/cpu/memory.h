// SPDX-License-Identifier: Apache-2.0
// Aligned memory that is refused, with an Error, before the machine or the container runs out of it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu/limits.h"

namespace lenode::cpu {

void* allocate_memory(size_t bytes);  // throws Error(out_of_memory)
void release_memory(void* data);
MemoryState memory_state();           // as seen by allocate_memory: with LENODE_MEMORY_LIMIT

// A buffer that grows to what the largest call needs; its content is lost when it grows.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() { release_memory(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  char* get(size_t bytes) {
    if (bytes > size_) grow(bytes);
    return data_;
  }

 private:
  void grow(size_t bytes) {
    release_memory(data_);
    data_ = nullptr;
    size_ = 0;
    data_ = static_cast<char*>(allocate_memory(bytes));
    size_ = bytes;
  }

  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lenode::cpu
