// SPDX-License-Identifier: Apache-2.0
// The CUDA library's side of core/backend.h. No exception leaves it: a code does, and the message waits in
// last_error().
#include "core/backend.h"

#include <cublasLt.h>
#include <cudnn.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/context.h"
#include "cuda/graph.h"
#include "cuda/staging.h"

namespace lenode::cuda {

namespace {

thread_local std::string error_message;

template <class Body>
int32_t guarded(Body body) noexcept {
  try {
    body();
    return static_cast<int32_t>(ErrorCode::ok);
  } catch (const Error& error) {
    error_message = error.what();
    return static_cast<int32_t>(error.code());
  } catch (const std::bad_alloc&) {
    error_message = "out of host memory";
    return static_cast<int32_t>(ErrorCode::out_of_memory);
  } catch (const std::exception& error) {
    error_message = error.what();
    return static_cast<int32_t>(ErrorCode::internal);
  } catch (...) {
    error_message = "unknown exception";
    return static_cast<int32_t>(ErrorCode::internal);
  }
}

Context& use(void* context) {
  auto& result = *static_cast<Context*>(context);
  LENODE_CUDA_CHECK(cudaSetDevice(result.device));
  return result;
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Why there is no device although the libraries are here.
std::string explain(cudaError_t status) {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const std::string code = " (CUDA error " + std::to_string(static_cast<int>(status)) + ": " +
                           cudaGetErrorString(status) + ")";
  if (status == cudaErrorStubLibrary)
    return "the libcuda.so.1 that was found is a stub of the CUDA toolkit, not an NVIDIA driver" + code;
  if (driver == 0)
    return "no NVIDIA driver was found: libcuda.so.1 cannot be opened; this library needs a driver for CUDA " +
           version_text(runtime) + code;
  if (status == cudaErrorInsufficientDriver)
    return "the NVIDIA driver is too old: it supports CUDA " + version_text(driver) +
           ", this library needs CUDA " + version_text(runtime) + code;
  if (status == cudaSuccess || status == cudaErrorNoDevice)
    return "the NVIDIA driver (CUDA " + version_text(driver) +
           ") reports no device; CUDA_VISIBLE_DEVICES may hide it" + code;
  return "the NVIDIA driver (CUDA " + version_text(driver) + ") cannot be used" + code;
}

const char* last_error() { return error_message.c_str(); }

// No device is an answer, not a failure; last_error() then says why.
int32_t device_count(int32_t* count) {
  return guarded([&] {
    *count = 0;
    error_message.clear();
    int found = 0;
    const cudaError_t status = cudaGetDeviceCount(&found);
    cudaGetLastError();
    if (status == cudaSuccess && found > 0)
      *count = found;
    else
      error_message = explain(status);
  });
}

int32_t device_properties(int32_t device, DeviceProperties* properties) {
  return guarded([&] {
    cudaDeviceProp found;
    LENODE_CUDA_CHECK(cudaGetDeviceProperties(&found, device));
    *properties = DeviceProperties{};
    static_assert(sizeof(properties->name) == sizeof(found.name), "both end in a zero");
    std::memcpy(properties->name, found.name, sizeof(found.name));
    properties->major = found.major;
    properties->minor = found.minor;
    properties->multiprocessors = found.multiProcessorCount;
    properties->total_memory = found.totalGlobalMem;
    int driver = 0, runtime = 0;
    LENODE_CUDA_CHECK(cudaDriverGetVersion(&driver));
    LENODE_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
    properties->driver_version = driver;
    properties->runtime_version = runtime;
    properties->dnn_version = static_cast<int32_t>(cudnnGetVersion());
    properties->blas_version = static_cast<int32_t>(cublasLtGetVersion());
  });
}

int32_t create_context(int32_t device, void** context) {
  return guarded([&] { *context = new Context(device); });
}

void destroy_context(void* context) {
  guarded([&] { delete static_cast<Context*>(context); });
}

int32_t allocate(void* context, size_t bytes, void** data) {
  return guarded([&] {
    use(context);
    *data = nullptr;
    const cudaError_t status = cudaMalloc(data, std::max<size_t>(bytes, 1));
    if (status == cudaSuccess) return;
    if (status != cudaErrorMemoryAllocation) fail_cuda(status, "cudaMalloc");
    cudaGetLastError();
    size_t available = 0, total = 0;
    cudaMemGetInfo(&available, &total);
    fail(ErrorCode::out_of_memory, "cudaMalloc of " + std::to_string(bytes) + " bytes failed; the device has " +
                                       std::to_string(available) + " of " + std::to_string(total) + " bytes free");
  });
}

void deallocate(void* context, void* data) {
  guarded([&] {
    use(context);
    LENODE_CUDA_CHECK(cudaFree(data));
  });
}

int32_t memory_info(void* context, uint64_t* available, uint64_t* total) {
  return guarded([&] {
    use(context);
    size_t free_bytes = 0, all_bytes = 0;
    LENODE_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &all_bytes));
    *available = free_bytes;
    *total = all_bytes;
  });
}

int32_t upload(void* context, void* target, const void* source, size_t bytes) {
  return guarded([&] {
    Context& c = use(context);
    c.staging->upload(target, source, bytes, c.stream);
  });
}

int32_t download(void* context, void* target, const void* source, size_t bytes) {
  return guarded([&] {
    Context& c = use(context);
    c.staging->download(target, source, bytes, c.stream);
    c.synchronize();
  });
}

int32_t run(void* context, const Call* call) {
  return guarded([&] {
    Context& c = use(context);
    c.reset_workspace();
    dispatch(c, *call);
    LENODE_LAUNCH_CHECK(op_info(call->op).name);
  });
}

int32_t synchronize(void* context, uint64_t* sequence) {
  return guarded([&] {
    *sequence = 0;
    use(context).synchronize(sequence);
  });
}

int32_t set_option(void* context, Option option, int64_t value) {
  return guarded([&] {
    Context& c = use(context);
    switch (option) {
      case Option::threads: return;  // of the CPU backend
      case Option::cudnn_benchmark: c.benchmark = value != 0; return;
      case Option::cudnn_deterministic: c.deterministic = value != 0; return;
      case Option::cudnn_allow_tf32: c.cudnn_tf32 = value != 0; return;
      case Option::matmul_allow_tf32: c.matmul_tf32 = value != 0; return;
    }
    fail(ErrorCode::invalid, "set_option: unknown option " + std::to_string(static_cast<int>(option)));
  });
}

int32_t copy_bytes(void* context, void* target, const void* source, size_t bytes) {
  return guarded([&] {
    if (bytes > 0)
      LENODE_CUDA_CHECK(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, use(context).stream));
  });
}

bool may_report(void* context) { return static_cast<Context*>(context)->may_report(); }

int32_t rehearse_graph(void* context) {
  return guarded([&] { use(context).begin_rehearsal(); });
}

int32_t begin_graph(void* context) {
  return guarded([&] { begin_capture(use(context)); });
}

int32_t end_graph(void* context, void** graph) {
  return guarded([&] { *graph = end_capture(use(context)); });
}

int32_t launch_graph(void* context, void* graph) {
  return guarded([&] {
    Context& c = use(context);
    auto& capture = *static_cast<Capture*>(graph);
    if (capture.reports) c.expect_reports();
    LENODE_CUDA_CHECK(cudaGraphLaunch(capture.executable, c.stream));
  });
}

void destroy_graph(void* context, void* graph) {
  guarded([&] {
    Context& c = use(context);
    LENODE_CUDA_CHECK(cudaStreamSynchronize(c.stream));  // the scratch and plans of its last launch are in use
    c.destroy(static_cast<Capture*>(graph));
  });
}

const BackendApi kApi = {
    kBackendVersion, "cuda",     &last_error,  &device_count, &device_properties, &create_context, &destroy_context,
    &allocate,       &deallocate, &memory_info, &upload,       &download,          &run,            &synchronize,
    &set_option,     &copy_bytes, &may_report, &rehearse_graph, &begin_graph, &end_graph,        &launch_graph,   &destroy_graph,
};

}  // namespace

}  // namespace lenode::cuda

extern "C" __attribute__((visibility("default"))) const lenode::BackendApi* lenode_backend() {
  return &lenode::cuda::kApi;
}
