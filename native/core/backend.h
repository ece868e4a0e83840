// SPDX-License-Identifier: Apache-2.0
// The border between the addon and a device library: a versioned C struct of function pointers. No C++
// exception crosses it: every function that can fail returns an ErrorCode, and last_error() of the same
// thread then holds the message.
//
// Threads: allocate, deallocate and memory_info are called on the JavaScript thread; everything else that
// takes a context is called on that context's stream thread alone, in order.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/op.h"

namespace lenode {

constexpr uint32_t kBackendVersion = 3;

struct DeviceProperties {
  char name[256];
  int32_t major, minor;       // compute capability; 0 for a CPU
  int32_t multiprocessors;    // or threads that a CPU stream uses
  int32_t driver_version;     // CUDA driver, as cudaDriverGetVersion gives it; 0 for a CPU
  int32_t runtime_version;    // CUDA runtime, or oneDNN as major*10000 + minor*100 + patch
  int32_t dnn_version;        // cuDNN (cudnnGetVersion) or oneDNN as above
  int32_t blas_version;       // cuBLAS; 0 for a CPU
  uint64_t total_memory;      // bytes
  char isa[64];               // instruction set that oneDNN uses; empty for a GPU
};

// Switches with PyTorch's names; set through set_option.
enum class Option : int32_t {
  threads = 0,                // CPU threads of this context's kernels
  cudnn_benchmark = 1,
  cudnn_deterministic = 2,
  cudnn_allow_tf32 = 3,       // default 1, as in PyTorch
  matmul_allow_tf32 = 4,      // default 0, as in PyTorch
};

struct BackendApi {
  uint32_t version;           // kBackendVersion
  const char* name;           // "cpu" or "cuda"
  const char* (*last_error)();
  int32_t (*device_count)(int32_t* count);
  int32_t (*device_properties)(int32_t device, DeviceProperties* properties);
  int32_t (*create_context)(int32_t device, void** context);
  void (*destroy_context)(void* context);
  int32_t (*allocate)(void* context, size_t bytes, void** data);
  void (*deallocate)(void* context, void* data);
  int32_t (*memory_info)(void* context, uint64_t* available, uint64_t* total);
  // Enqueue a copy into device memory; `source` may be reused as soon as this returns.
  int32_t (*upload)(void* context, void* target, const void* source, size_t bytes);
  // Copy out of device memory; waits for the data.
  int32_t (*download)(void* context, void* target, const void* source, size_t bytes);
  int32_t (*run)(void* context, const Call* call);
  // Wait until everything enqueued has finished. An error that a kernel found in tensor values (a label
  // out of range) comes back here on a GPU and from run() on a CPU; `sequence` names the call.
  int32_t (*synchronize)(void* context, uint64_t* sequence);
  int32_t (*set_option)(void* context, Option option, int64_t value);
  // Enqueue a copy within device memory.
  int32_t (*copy)(void* context, void* target, const void* source, size_t bytes);
  // Whether synchronize() may yet find fault with something that was enqueued. Until it has, the device makes no update
  // after that (the rows of LENODE_STEP). Null: run() finds everything.
  bool (*may_report)(void* context);

  // Recorded work; all null in a backend whose run() has nothing to gain. First rehearse_graph(), run() for each call
  // and then begin_graph(), the same calls in the same order, end_graph(): between the last two nothing runs, and what
  // would have run becomes a graph that launch_graph() runs as a whole. Where begin_graph(), a call or end_graph()
  // fails, the work was not recorded: *graph stays null, and the calls can be run as before.
  int32_t (*rehearse_graph)(void* context);
  int32_t (*begin_graph)(void* context);
  int32_t (*end_graph)(void* context, void** graph);
  int32_t (*launch_graph)(void* context, void* graph);
  void (*destroy_graph)(void* context, void* graph);  // waits until it is no longer running
};

// The one symbol of a backend library.
using BackendEntry = const BackendApi* (*)();
constexpr const char* kBackendEntryName = "lenode_backend";

}  // namespace lenode
