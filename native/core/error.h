// SPDX-License-Identifier: Apache-2.0
// Errors inside native code are C++ exceptions; at a library border they become a code and a message.
#pragma once
#include <stdexcept>
#include <string>
#include <utility>

namespace lenode {

// The numbers are part of the border with TypeScript (lib/native/errors.ts).
enum class ErrorCode : int32_t {
  ok = 0,
  internal = 1,       // a broken invariant of lenode itself
  invalid = 2,        // an argument that no check in TypeScript caught
  out_of_memory = 3,
  index = 4,          // a value in a tensor (label, index) is out of range
  unsupported = 5,    // the library has no implementation for this combination
  backend = 6,        // a call into oneDNN, cuDNN, cuBLAS or CUDA failed
  disposed = 7,       // a handle that is no longer alive
  capture = 8,        // something that a step which is being recorded must not do
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string message)
      : std::runtime_error(std::move(message)), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

[[noreturn]] inline void fail(ErrorCode code, std::string message) {
  throw Error(code, std::move(message));
}

}  // namespace lenode

// A broken invariant, with the expression that broke.
#define LENODE_CHECK(condition, message)                                                       \
  do {                                                                                         \
    if (!(condition))                                                                          \
      ::lenode::fail(::lenode::ErrorCode::internal, std::string(message) + " (" #condition ")"); \
  } while (0)
