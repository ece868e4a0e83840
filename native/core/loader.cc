// SPDX-License-Identifier: Apache-2.0
#include "core/loader.h"

#include <dlfcn.h>

namespace lenode {
namespace {

void* open_library(const std::string& path, std::string* reason) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* error = dlerror();
    *reason = error ? error : "it could not be opened";
  }
  return library;
}

}  // namespace

LoadReport load_backend(const std::vector<std::string>& preload, const std::string& plugin) {
  LoadReport report;
  std::string reason;
  for (const std::string& path : preload) {
    if (!open_library(path, &reason)) {
      report.failures.push_back({path, reason});
      return report;
    }
  }
  void* library = open_library(plugin, &reason);
  if (!library) {
    report.failures.push_back({plugin, reason});
    return report;
  }
  const auto entry = reinterpret_cast<BackendEntry>(dlsym(library, kBackendEntryName));
  if (!entry) {
    report.failures.push_back({plugin, "it is no backend of lenode: it exports no lenode_backend"});
    return report;
  }
  const BackendApi* api = entry();
  if (api->version != kBackendVersion) {
    report.failures.push_back({plugin, "it was built for version " + std::to_string(api->version) +
                                           " of the backend interface, this addon needs version " +
                                           std::to_string(kBackendVersion) + ": rebuild both"});
    return report;
  }
  report.api = api;
  return report;
}

int64_t library_version(const std::string& path, const std::string& symbol) {
  std::string reason;
  void* library = open_library(path, &reason);
  void* function = library ? dlsym(library, symbol.c_str()) : nullptr;
  if (!function) return -1;
  if (symbol == "cuDriverGetVersion" || symbol == "cudaRuntimeGetVersion") {
    int version = -1;
    return reinterpret_cast<int (*)(int*)>(function)(&version) == 0 ? version : -1;
  }
  return static_cast<int64_t>(reinterpret_cast<size_t (*)()>(function)());
}

bool can_open(const std::string& path, std::string* reason) { return open_library(path, reason) != nullptr; }

}  // namespace lenode
