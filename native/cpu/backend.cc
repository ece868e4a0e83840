// SPDX-License-Identifier: Apache-2.0
// The CPU library's side of core/backend.h. Compiled without -march: see isa.cc.
#include "core/backend.h"

#include <omp.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>
#include <string>

#include "core/error.h"
#include "cpu/context.h"
#include "cpu/dispatch.h"
#include "cpu/isa.h"
#include "cpu/limits.h"

namespace lenode {
namespace cpu {
namespace {

thread_local std::string error_message;

int32_t failed(ErrorCode code, const char* op, const char* what) {
  try {
    error_message = op ? std::string(op) + ": " + what : std::string(what);
  } catch (...) {
    error_message.clear();
  }
  return static_cast<int32_t>(code);
}

// Calls `body`; whatever it throws becomes a code, and a message that names `op` if the exception does not.
template <class Body>
int32_t guarded(const char* op, Body&& body) {
  try {
    body();
    return static_cast<int32_t>(ErrorCode::ok);
  } catch (const Error& error) {
    return failed(error.code(), nullptr, error.what());
  } catch (const dnnl::error& error) {
    const bool memory = error.status == dnnl_out_of_memory;
    const std::string what = std::string("oneDNN: ") + error.what() + " (status " + std::to_string(error.status) + ")";
    return failed(memory ? ErrorCode::out_of_memory : ErrorCode::backend, op, what.c_str());
  } catch (const std::bad_alloc&) {
    return failed(ErrorCode::out_of_memory, op, "out of memory");
  } catch (const std::exception& error) {
    return failed(ErrorCode::internal, op, error.what());
  } catch (...) {
    return failed(ErrorCode::internal, op, "an unknown exception");
  }
}

Context& as_context(void* context) { return *static_cast<Context*>(context); }

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

const char* last_error() { return error_message.c_str(); }

int32_t device_count(int32_t* count) {
  *count = 1;
  return 0;
}

int32_t device_properties(int32_t, DeviceProperties* properties) {
  return guarded(nullptr, [&] {
    *properties = DeviceProperties{};
    std::snprintf(properties->name, sizeof properties->name, "%s", cpu_name().c_str());
    std::snprintf(properties->isa, sizeof properties->isa, "%s", dnnl_isa_name());
    const dnnl_version_t* version = dnnl_version();
    properties->multiprocessors = default_threads();
    properties->dnn_version = version->major * 10000 + version->minor * 100 + version->patch;
    properties->runtime_version = properties->dnn_version;
    properties->total_memory = memory_state().total;
  });
}

int32_t create_context(int32_t device, void** context) {
  return guarded(nullptr, [&] {
    if (device != 0) fail(ErrorCode::invalid, "cpu: there is one device, 0; asked for " + std::to_string(device));
    const char* missing = missing_instruction_sets();
    if (*missing)
      fail(ErrorCode::unsupported, std::string("cpu: lenode was built for a CPU with ") + missing +
                                       ", which this one lacks (built with LENODE_MARCH=" LENODE_MARCH
                                       "). Build it again here: npm rebuild lenode");
    auto created = std::make_unique<Context>();
    created->threads = default_threads();
    *context = created.release();
  });
}

void destroy_context(void* context) { delete static_cast<Context*>(context); }

int32_t allocate(void*, size_t bytes, void** data) {
  return guarded(nullptr, [&] { *data = allocate_memory(bytes); });
}

void deallocate(void*, void* data) { release_memory(data); }

int32_t memory_info(void*, uint64_t* available, uint64_t* total) {
  return guarded(nullptr, [&] {
    const MemoryState state = memory_state();
    *available = state.available;
    *total = state.total;
  });
}

int32_t copy_bytes(void*, void* target, const void* source, size_t bytes) {
  if (bytes) std::memcpy(target, source, bytes);
  return 0;
}

int32_t run(void* context, const Call* call) {
  const int index = static_cast<int>(call->op);
  const char* name = index >= 0 && index < kOpCount ? op_info(call->op).name : "?";
  return guarded(name, [&] {
    Context& mine = as_context(context);
    // OpenMP keeps this number per thread, and both our loops and oneDNN read it.
    if (omp_get_max_threads() != mine.threads) omp_set_num_threads(mine.threads);
    dispatch(mine, *call);
  });
}

int32_t synchronize(void*, uint64_t*) { return 0; }  // run() has finished when it returns

int32_t set_option(void* context, Option option, int64_t value) {
  return guarded(nullptr, [&] {
    if (option != Option::threads) return;  // the others are CUDA's
    if (value < 1 || value > 1024)
      fail(ErrorCode::invalid, "cpu: threads must be 1 to 1024, not " + std::to_string(value));
    Context& mine = as_context(context);
    mine.threads = static_cast<int>(value);
    mine.plans.clear();  // a oneDNN primitive is made for a number of threads
  });
}

const BackendApi kApi = {
    kBackendVersion,   "cpu",
    last_error,        device_count,
    device_properties, create_context,
    destroy_context,   allocate,
    deallocate,        memory_info,
    copy_bytes,        copy_bytes,
    run,               synchronize,
    set_option,        copy_bytes,
    nullptr,
    nullptr,           nullptr,  // a recorded step is run call by call: there is nothing to gain
    nullptr,           nullptr,
    nullptr,
};

}  // namespace
}  // namespace cpu
}  // namespace lenode

extern "C" __attribute__((visibility("default"))) const lenode::BackendApi* lenode_backend() {
  return &lenode::cpu::kApi;
}
