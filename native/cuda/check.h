// SPDX-License-Identifier: Apache-2.0
// CUDA runtime calls that fail become lenode::Error with the failing call quoted.
#pragma once
#include <cuda_runtime_api.h>

#include <string>

#include "core/error.h"

namespace lenode::cuda {

[[noreturn]] inline void fail_cuda(cudaError_t status, const char* call) {
  cudaGetLastError();  // an error that is not sticky must not come back from the next call
  const ErrorCode code = status == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::backend;
  fail(code, std::string(call) + ": " + cudaGetErrorString(status) + " (CUDA error " +
                 std::to_string(static_cast<int>(status)) + ")");
}

}  // namespace lenode::cuda

#define LENODE_CUDA_CHECK(call)                                                     \
  do {                                                                              \
    const cudaError_t lenode_status_ = (call);                                      \
    if (lenode_status_ != cudaSuccess) ::lenode::cuda::fail_cuda(lenode_status_, #call); \
  } while (0)

// After a kernel launch: reports a bad launch configuration under the kernel's name.
#define LENODE_LAUNCH_CHECK(kernel)                                                 \
  do {                                                                              \
    const cudaError_t lenode_status_ = cudaGetLastError();                          \
    if (lenode_status_ != cudaSuccess) ::lenode::cuda::fail_cuda(lenode_status_, kernel); \
  } while (0)
