// SPDX-License-Identifier: Apache-2.0
#include "addon/cpu_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "core/error.h"
#include "core/loader.h"

namespace lenode::addon {
namespace {

// How often a thread of libgomp looks whether the others are ready before it sleeps: 20 to 50 us, about what waking it
// costs. Its own default is 300 times that, which is harmless on an idle machine; where other programs want the cores too, a
// thread that spins takes the time of the very one that it waits for.
constexpr const char* kSpins = "1000";

// A variable that libgomp reads once, when it is opened; what the user says counts.
class SpinSetting {
 public:
  SpinSetting() : ours_(!std::getenv(kName) && !std::getenv("OMP_WAIT_POLICY")) {
    if (ours_) setenv(kName, kSpins, 0);
  }
  // Not for the programs that this one starts.
  ~SpinSetting() {
    if (ours_) unsetenv(kName);
  }

 private:
  static constexpr const char* kName = "GOMP_SPINCOUNT";
  bool ours_;
};

std::string path_beside_addon(const char* name) {
  Dl_info here{};
  if (!dladdr(reinterpret_cast<const void*>(&cpu_backend), &here) || !here.dli_fname) return name;
  const std::string addon = here.dli_fname;
  return addon.substr(0, addon.rfind('/') + 1) + name;
}

const BackendApi* open() {
  const SpinSetting setting;
  const LoadReport report = load_backend({}, path_beside_addon("liblenode_cpu.so"));
  if (!report.api)
    fail(ErrorCode::unsupported, "cpu: " + report.failures.front().path + " cannot be used: " +
                                     report.failures.front().reason + ". Build it again: npm rebuild lenode");
  return report.api;
}

}  // namespace

const BackendApi& cpu_backend() {
  static const BackendApi* const api = open();  // one thread at a time, and again after a failure
  return *api;
}

}  // namespace lenode::addon
