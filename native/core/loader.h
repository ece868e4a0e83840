// SPDX-License-Identifier: Apache-2.0
// Opening libraries at run time: a device backend with what it needs, and looking at libraries for diagnostics.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/backend.h"

namespace lenode {

struct LoadFailure {
  std::string path;
  std::string reason;
};

struct LoadReport {
  const BackendApi* api = nullptr;  // null: it could not be loaded, and `failures` says why
  std::vector<LoadFailure> failures;
};

// Opens the `preload` libraries in order, each by its full path, then the backend library. The order matters: cuDNN
// aborts the process when it cannot find cublasLt, so a library that fails ends the loading. Nothing is unloaded.
LoadReport load_backend(const std::vector<std::string>& preload, const std::string& plugin);

// What the library's version function returns (as `size_t f()`, or as `int f(int*)` for the CUDA driver and runtime
// functions); -1 when the library or the function is missing.
int64_t library_version(const std::string& path, const std::string& symbol);

bool can_open(const std::string& path, std::string* reason);

}  // namespace lenode
