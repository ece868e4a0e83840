// SPDX-License-Identifier: Apache-2.0
// cuBLASLt calls that fail become lenode::Error with the failing call quoted.
#pragma once
#include <cublasLt.h>

#include <string>

#include "core/error.h"

namespace lenode::cuda {

[[noreturn]] inline void fail_cublas(cublasStatus_t status, const char* call) {
  const ErrorCode code = status == CUBLAS_STATUS_ALLOC_FAILED    ? ErrorCode::out_of_memory
                         : status == CUBLAS_STATUS_NOT_SUPPORTED ? ErrorCode::unsupported
                                                                 : ErrorCode::backend;
  fail(code, std::string(call) + ": " + cublasLtGetStatusString(status));
}

}  // namespace lenode::cuda

#define LENODE_CUBLAS_CHECK(call)                                                               \
  do {                                                                                          \
    const cublasStatus_t lenode_status_ = (call);                                               \
    if (lenode_status_ != CUBLAS_STATUS_SUCCESS) ::lenode::cuda::fail_cublas(lenode_status_, #call); \
  } while (0)
