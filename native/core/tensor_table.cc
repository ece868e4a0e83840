// SPDX-License-Identifier: Apache-2.0
#include "core/tensor_table.h"

#include <utility>

#include "core/error.h"

namespace lenode {
namespace {

// Beyond this, sizes and offsets are no longer exact in a double, nor bytes in 64 bits.
constexpr int64_t kMaxExtent = int64_t{1} << 53;

// Elements from the first to the last that a view touches; 0 for an empty one.
int64_t extent(const TensorView& view) {
  int64_t last = 0;
  bool too_large = false;
  for (int i = 0; i < view.rank; ++i) {
    if (view.dims[i] == 0) return 0;
    int64_t step;
    too_large |= __builtin_mul_overflow(view.dims[i] - 1, view.strides[i], &step) ||
                 __builtin_add_overflow(last, step, &last) || last >= kMaxExtent;
  }
  if (too_large) fail(ErrorCode::invalid, "a tensor must not span 2^53 elements or more");
  return last + 1;
}

}  // namespace

int32_t TensorTable::create(Device& device, int32_t device_id, const TensorView& shape) {
  const int64_t elements = extent(shape);
  if (elements < shape.numel()) fail(ErrorCode::invalid, "a tensor with memory of its own must not repeat elements");
  const size_t bytes = static_cast<size_t>(elements) * item_size(shape.dtype);
  size_t capacity = 0;
  void* data = device.allocator.allocate(bytes, &capacity);
  device.bytes_since_sweep += capacity;
  TensorView view = shape;
  view.data = data;
  view.storage = ++storages_;
  view.whole = true;
  view.kept = false;
  return insert(new Storage{data, capacity, bytes, &device, 0, storages_}, device_id, view);
}

int32_t TensorTable::alias(int32_t base, int64_t offset, const TensorView& shape) {
  TensorEntry& entry = get(base);
  Storage& storage = *entry.storage;
  auto* const first = static_cast<uint8_t*>(storage.data);
  // None of this overflows: offsets and extents are below 2^53 elements.
  const int64_t start = (static_cast<uint8_t*>(entry.view.data) - first) +
                        offset * static_cast<int64_t>(item_size(entry.view.dtype));
  const int64_t elements = extent(shape), item = static_cast<int64_t>(item_size(shape.dtype));
  const int64_t bytes = elements * item;
  if (start < 0 || start + bytes > static_cast<int64_t>(storage.bytes) || start % item != 0)
    fail(ErrorCode::invalid, "view: the shape reaches outside the tensor's memory");
  TensorView view = shape;
  view.data = first + start;
  view.storage = entry.view.storage;
  view.kept = entry.view.kept;
  int64_t all = static_cast<int64_t>(storage.bytes);
  for (const Storage::Part& part : storage.parts) {
    if (start < part.offset || start >= part.offset + part.bytes) continue;
    view.storage = part.id;
    all = part.bytes;
  }
  view.whole = bytes == all && elements == shape.numel();
  const int32_t argument = entry.argument;
  const int32_t handle = insert(&storage, entry.device_id, view);
  get(handle).argument = argument;
  return handle;
}

int32_t TensorTable::insert(Storage* storage, int32_t device_id, const TensorView& view) {
  int32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else {
    index = static_cast<int32_t>(entries_.size());
    if (index >= (1 << kIndexBits)) {
      retain(*storage);
      release(*storage);
      fail(ErrorCode::out_of_memory, "more than " + std::to_string(1 << kIndexBits) + " tensors are alive");
    }
    entries_.emplace_back();
  }
  TensorEntry& entry = entries_[index];
  entry.view = view;
  entry.storage = storage;
  entry.device_id = device_id;
  entry.argument = -1;
  entry.weak = nullptr;
  retain(*storage);
  ++live_;
  return index | static_cast<int32_t>(entry.generation << kIndexBits);
}

TensorEntry* TensorTable::find(int32_t handle) {
  if (handle < 0) return nullptr;
  const uint32_t index = static_cast<uint32_t>(handle) & ((1u << kIndexBits) - 1);
  const uint32_t generation = static_cast<uint32_t>(handle) >> kIndexBits;
  if (index >= entries_.size()) return nullptr;
  TensorEntry& entry = entries_[index];
  return entry.storage && entry.generation == generation ? &entry : nullptr;
}

TensorEntry& TensorTable::get(int32_t handle) {
  TensorEntry* entry = find(handle);
  if (!entry) fail(ErrorCode::disposed, "a tensor was used after it was disposed");
  return *entry;
}

void TensorTable::release(int32_t handle) {
  TensorEntry* entry = find(handle);
  if (!entry) return;
  Storage* storage = entry->storage;
  entry->storage = nullptr;
  entry->weak = nullptr;
  entry->generation = (entry->generation + 1) & ((1u << kGenerationBits) - 1);
  free_.push_back(static_cast<int32_t>(entry - entries_.data()));
  --live_;
  release(*storage);
}

void TensorTable::clear() {
  for (TensorEntry& entry : entries_)
    if (entry.storage) release(*std::exchange(entry.storage, nullptr));
  entries_.clear();
  free_.clear();
  live_ = 0;
}

void TensorTable::release(Storage& storage) {
  if (--storage.references > 0) return;
  storage.device->allocator.release(storage.data, storage.capacity);
  delete &storage;
}

void TensorTable::rebase(TensorEntry& entry, Storage& storage, int64_t offset) {
  Storage& old = *entry.storage;
  retain(storage);
  entry.storage = &storage;
  entry.view.data = static_cast<uint8_t*>(storage.data) + offset;
  release(old);
}

}  // namespace lenode
