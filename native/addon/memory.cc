// SPDX-License-Identifier: Apache-2.0
// Freeing what JavaScript has forgotten. V8 runs no finalizer inside a synchronous loop, so the native memory of
// dead tensors would pile up there. Instead every tensor is watched by a weak reference; past a budget of new
// bytes TypeScript forces a minor collection and calls sweep(), which frees the tensors whose references are empty.
#include <algorithm>

#include "addon/environment.h"

namespace lenode::addon {
namespace {

constexpr uint64_t kMinBudget = uint64_t{32} << 20;
constexpr uint64_t kMiddleEvery = 8;  // sweeps between looks at tensors that have survived one, or more
constexpr uint64_t kOldEvery = 64;

// Frees the dead of `list` and moves the living to `survivors`.
void sweep_list(napi_env env, Environment& environment, std::vector<int32_t>& list, std::vector<int32_t>& survivors) {
  std::vector<int32_t> handles;
  handles.swap(list);
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  size_t in_scope = 0;
  for (const int32_t handle : handles) {
    TensorEntry* entry = environment.table.find(handle);
    if (!entry) continue;  // released before
    napi_value object = nullptr;
    napi_get_reference_value(env, static_cast<napi_ref>(entry->weak), &object);
    if (object) {
      survivors.push_back(handle);
      if (++in_scope == 1024) {  // keeps the scope, and with it the living objects' handles, small
        napi_close_handle_scope(env, scope);
        napi_open_handle_scope(env, &scope);
        in_scope = 0;
      }
    } else {
      environment.untrack(env, *entry);
      environment.table.release(handle);
    }
  }
  napi_close_handle_scope(env, scope);
}

// sweep(full): returns the bytes that live tensors hold on all devices.
napi_value sweep(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  const bool full = arguments.int32(0) != 0;
  ++environment.sweeps;
  if (full || environment.sweeps % kOldEvery == 0)
    sweep_list(env, environment, environment.old, environment.old);
  if (full || environment.sweeps % kMiddleEvery == 0)
    sweep_list(env, environment, environment.middle, environment.old);
  sweep_list(env, environment, environment.young, environment.middle);
  environment.forget_faults();
  uint64_t live = 0;
  for (auto& device : environment.devices) {
    if (!device) continue;
    device->bytes_since_sweep = 0;
    if (full) device->reserved_at_full_sweep = device->allocator.stats().reserved;
    live += device->allocator.stats().allocated;
  }
  // A budget below the live set would sweep again and again for little. What lives beyond the least seen since the last
  // full sweep is mostly dead tensors whose objects have grown old: it is taken off, so that the peak stays where it is.
  environment.least_live = full ? live : std::min(environment.least_live, live);
  const uint64_t budget = std::max(kMinBudget, environment.least_live);
  environment.budget = budget - std::min(live - environment.least_live, budget / 2);
  return make_number(env, static_cast<double>(live));
}

// memoryStats(device)
napi_value memory_stats(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  const MemoryStats& stats = environment.device(arguments.int32(0)).allocator.stats();
  napi_value result = nullptr;
  napi_create_object(env, &result);
  set_property(env, result, "allocatedBytes", static_cast<double>(stats.allocated));
  set_property(env, result, "peakAllocatedBytes", static_cast<double>(stats.peak_allocated));
  set_property(env, result, "reservedBytes", static_cast<double>(stats.reserved));
  set_property(env, result, "peakReservedBytes", static_cast<double>(stats.peak_reserved));
  set_property(env, result, "allocations", static_cast<double>(stats.allocations));
  set_property(env, result, "deviceAllocations", static_cast<double>(stats.device_allocations));
  set_property(env, result, "tensors", static_cast<double>(environment.table.live()));
  set_property(env, result, "sweeps", static_cast<double>(environment.sweeps));
  return result;
}

napi_value empty_cache(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment::of(env).device(arguments.int32(0)).allocator.empty_cache();
  return nullptr;
}

napi_value reset_peak(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment::of(env).device(arguments.int32(0)).allocator.reset_peak();
  return nullptr;
}

// largest(device, count): [{dtype, shape, bytes, references}] of the storages that hold most.
napi_value largest(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  Environment& environment = Environment::of(env);
  const int32_t device_id = arguments.int32(0);
  const auto count = static_cast<size_t>(std::max(0, arguments.int32(1)));
  std::vector<const TensorEntry*> owners;
  environment.table.for_each([&](const TensorEntry& entry) {
    if (entry.device_id == device_id && entry.view.data == entry.storage->data) owners.push_back(&entry);
  });
  std::sort(owners.begin(), owners.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return a->storage->capacity > b->storage->capacity;
  });
  if (owners.size() > count) owners.resize(count);
  napi_value result = nullptr;
  napi_create_array_with_length(env, owners.size(), &result);
  for (size_t i = 0; i < owners.size(); ++i) {
    const TensorView& view = owners[i]->view;
    napi_value item = nullptr, shape = nullptr;
    napi_create_object(env, &item);
    napi_create_array_with_length(env, view.rank, &shape);
    for (int d = 0; d < view.rank; ++d)
      napi_set_element(env, shape, d, make_number(env, static_cast<double>(view.dims[d])));
    set_property(env, item, "dtype", dtype_name(view.dtype));
    set_property(env, item, "bytes", static_cast<double>(owners[i]->storage->capacity));
    napi_set_named_property(env, item, "shape", shape);
    napi_set_element(env, result, i, item);
  }
  return result;
}

}  // namespace

void export_memory(napi_env env, napi_value exports) {
  export_function(env, exports, "sweep", guarded<sweep>);
  export_function(env, exports, "memoryStats", guarded<memory_stats>);
  export_function(env, exports, "emptyCache", guarded<empty_cache>);
  export_function(env, exports, "resetPeak", guarded<reset_peak>);
  export_function(env, exports, "largest", guarded<largest>);
}

}  // namespace lenode::addon
