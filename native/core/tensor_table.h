// SPDX-License-Identifier: Apache-2.0
// Every tensor of one JavaScript environment: an int32 handle names a view of a reference-counted storage.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "core/allocator.h"
#include "core/stream.h"
#include "core/tensor_view.h"

namespace lenode {

struct Device {
  Device(const BackendApi* backend, int32_t index)
      : api(backend), stream(backend, index), allocator(backend, stream.context(), [this] { stream.wait(); }) {}
  ~Device() { stream.stop(); }

  const BackendApi* api;
  Stream stream;
  Allocator allocator;
  uint64_t bytes_since_sweep = 0;
  uint64_t reserved_at_full_sweep = 0;  // bytes
};

struct Storage {
  void* data;
  size_t capacity;
  size_t bytes;  // what was asked for; the capacity is rounded up
  Device* device;
  int32_t references;
  uint64_t id;   // never reused, unlike the address: what a recorded step, and a fault, know a storage by

  // Of the arena of a recorded step: what JavaScript may look at, which are storages of their own to a fault.
  struct Part {
    int64_t offset, bytes;
    uint64_t id;
  };
  std::vector<Part> parts = {};
};

// Where in the sweep's lists a handle stands; see addon/memory.cc.
struct TensorEntry {
  TensorView view;
  Storage* storage = nullptr;  // null: a free slot
  void* weak = nullptr;        // napi_ref to the JavaScript tensor
  int32_t device_id = 0;
  int32_t argument = -1;       // while a step is recorded: which of its arguments this is a view of
  uint32_t generation = 0;
};

class TensorTable {
 public:
  // Fresh memory for a dense or padded shape; throws Error(out_of_memory).
  int32_t create(Device& device, int32_t device_id, const TensorView& shape);
  // Another shape over the same storage, `offset` elements from the start of the view `base`.
  int32_t alias(int32_t base, int64_t offset, const TensorView& shape);
  TensorEntry& get(int32_t handle);  // throws Error(disposed)
  TensorEntry* find(int32_t handle); // nullptr when the handle is no longer alive
  void release(int32_t handle);
  // References beside those of handles; release() of the last one gives the memory back.
  static void retain(Storage& storage) { ++storage.references; }
  static void release(Storage& storage);
  // Makes an entry a view of another storage, `offset` bytes from its start.
  void rebase(TensorEntry& entry, Storage& storage, int64_t offset);
  size_t live() const { return live_; }
  uint64_t storages() const { return storages_; }  // made so far: the largest id
  // Gives everything back; handles are dead afterwards.
  void clear();

  template <class Visit>
  void for_each(Visit visit) {
    for (auto& entry : entries_)
      if (entry.storage) visit(entry);
  }

 private:
  static constexpr int32_t kIndexBits = 20;
  static constexpr int32_t kGenerationBits = 11;

  int32_t insert(Storage* storage, int32_t device_id, const TensorView& view);

  std::vector<TensorEntry> entries_;
  std::vector<int32_t> free_;
  size_t live_ = 0;
  uint64_t storages_ = 0;
};

}  // namespace lenode
