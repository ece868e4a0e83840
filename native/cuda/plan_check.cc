// SPDX-License-Identifier: Apache-2.0
// Plans lenode's cuDNN graphs on the properties of a device that need not be there:
//   plan_check DEVICE_PROPERTIES.json
// prints one row for each graph and fails if one of them finds no engine. It shows that descriptors, layouts and
// dtypes are what cuDNN accepts, and that engines which are compiled when they are planned can be; it does not execute
// anything.
#include "cuda/plan_check.h"

#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

namespace lenode::cuda {

Report::Report(const Descriptor& properties) {
  target_.properties = &properties;
  std::printf("%-16s %-23s %-9s %-6s %7s  %12s\n", "shape", "graph", "dtype", "layout", "engines", "workspace");
}

void Report::check(const char* shape, const char* graph_name, const char* dtype, Layout layout,
                   const std::function<Graph()>& build, const PlanRules& rules) {
  const auto start = std::chrono::steady_clock::now();
  int engines = 0;
  bool planned = false;
  ExecutionPlan plan;
  std::string failure;
  try {
    const Graph graph = build();
    EngineList list(graph, target_);
    engines = list.size();
    planned = list.next(rules, &plan);
    failure = list.last_failure();
  } catch (const Error& error) {
    failure = error.what();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%-16s %-23s %-9s %-6s %7d  ", shape, graph_name, dtype,
              layout == Layout::channels_last ? "NHWC" : "NCHW", engines);
  if (planned)
    std::printf("%12lld  %.2f s\n", static_cast<long long>(plan.workspace), seconds);
  else
    std::printf("NO PLAN: %s\n", failure.c_str());
  std::fflush(stdout);
  ++total_;
  if (!planned) ++failed_;
}

int Report::finish() const {
  std::printf("%d graphs, %d without a plan\n", total_, failed_);
  return failed_ == 0 ? 0 : 1;
}

namespace {

// cuDNN opens libcuda.so.1 by name, and finds the stub under that name if it is loaded already. It is the stub even
// where there is a driver: that would not load compiled code without a device.
void provide_driver() {
  std::string path(4096, '\0');
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length > 0 ? static_cast<size_t>(length) : 0);
  path = path.substr(0, path.rfind('/') + 1) + "driver_stub/libcuda.so.1";
  if (!dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
    std::fprintf(stderr, "plan_check: there is no driver's stub: %s\n", dlerror());
}

int run(const char* device) {
  provide_driver();
  std::ifstream file(device);
  if (!file) fail(ErrorCode::invalid, std::string("cannot read ") + device);
  std::stringstream json;
  json << file.rdbuf();
  const Descriptor properties = device_properties_from_json(json.str());
  Report report(properties);
  check_convolutions(report);
  check_norms(report);
  check_pools(report);
  return report.finish();
}

}  // namespace

}  // namespace lenode::cuda

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: plan_check DEVICE_PROPERTIES.json\n");
    return 2;
  }
  try {
    return lenode::cuda::run(argv[1]);
  } catch (const lenode::Error& error) {
    std::fprintf(stderr, "plan_check: %s\n", error.what());
    return 1;
  }
}
