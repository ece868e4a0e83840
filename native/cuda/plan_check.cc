// SPDX-License-Identifier: Apache-2.0
// Plans lenode's cuDNN graphs on the properties of a device that need not be there:
//   plan_check DEVICE_PROPERTIES.json
// prints one row for each graph and fails if one of them finds no engine. It shows that descriptors, layouts and
// dtypes are what cuDNN accepts; it does not execute anything.
#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "cuda/cudnn_conv.h"

using namespace lenode;
using namespace lenode::cuda;

namespace {

struct ConvShape {
  const char* name;
  std::vector<int64_t> x, w;  // NC..., KC...; one spatial dimension is written as two, of which the first is 1
  int64_t stride, padding, dilation;
  int64_t more = 0;  // zeros behind, beyond those before
};

const ConvShape kShapes[] = {
    {"LeNet C1 5x5", {64, 1, 28, 28}, {6, 1, 5, 5}, 1, 2, 1},
    {"LeNet C3 5x5", {64, 6, 14, 14}, {16, 6, 5, 5}, 1, 0, 1},
    {"3x3 32>64", {100, 32, 14, 14}, {64, 32, 3, 3}, 1, 1, 1},
    {"7x7 /2 3>64", {32, 3, 224, 224}, {64, 3, 7, 7}, 2, 3, 1},
    {"1x1 /2 256>512", {32, 256, 56, 56}, {512, 256, 1, 1}, 2, 0, 1},
    {"3x3 dilated", {8, 64, 28, 28}, {64, 64, 3, 3}, 1, 2, 2},
    {"3x3 groups 4", {8, 64, 28, 28}, {128, 16, 3, 3}, 1, 1, 1},
    {"3x3 depthwise", {8, 64, 28, 28}, {64, 1, 3, 3}, 1, 1, 1},
    {"1-D k5", {16, 24, 1, 200}, {48, 24, 1, 5}, 1, 0, 1},
    {"3-D 3x3x3", {2, 16, 8, 28, 28}, {32, 16, 3, 3, 3}, 1, 1, 1},
    {"3-D 3x3x3 /2", {2, 32, 8, 28, 28}, {64, 32, 3, 3, 3}, 2, 1, 1},
    {"2x2 /2 transposed", {16, 64, 56, 56}, {128, 64, 2, 2}, 2, 0, 1},
    {"4x4 /2 transposed", {16, 3, 64, 64}, {64, 3, 4, 4}, 2, 1, 1},
    {"SAME 3x3 /2", {32, 32, 112, 112}, {64, 32, 3, 3}, 2, 0, 1, 1},
    {"SAME 2x2", {32, 16, 28, 28}, {32, 16, 2, 2}, 1, 0, 1, 1},
    {"SAME depthw. /2", {32, 32, 112, 112}, {32, 1, 3, 3}, 2, 0, 1, 1},
};

struct Operation {
  const char* name;
  ConvolutionKind kind;
  bool bias, relu;
};

const Operation kOperations[] = {
    {"conv", ConvolutionKind::forward, false, false},
    {"conv + bias", ConvolutionKind::forward, true, false},
    {"conv + bias + relu", ConvolutionKind::forward, true, true},
    {"conv_backward_input", ConvolutionKind::backward_input, false, false},
    {"conv_backward_weight", ConvolutionKind::backward_weight, false, false},
};

ConvProblem make_problem(const ConvShape& shape, ConvolutionKind kind, DType dtype, bool tf32) {
  ConvProblem problem;
  std::memset(&problem, 0, sizeof(problem));
  problem.kind = kind;
  problem.dtype = dtype;
  problem.spatial = static_cast<int32_t>(shape.x.size()) - 2;
  problem.alignment = 16;
  problem.allow_tf32 = tf32;
  for (int i = 0; i < problem.spatial; ++i) {
    const bool unit = shape.x[i + 2] == 1 && shape.w[i + 2] == 1;
    problem.stride[i] = unit ? 1 : shape.stride;
    problem.padding[i] = unit ? 0 : shape.padding;
    problem.dilation[i] = unit ? 1 : shape.dilation;
    problem.y.dims[i + 2] = (shape.x[i + 2] + 2 * problem.padding[i] + shape.more -
                             (problem.dilation[i] * (shape.w[i + 2] - 1) + 1)) / problem.stride[i] + 1;
  }
  std::copy(shape.x.begin(), shape.x.end(), problem.x.dims);
  std::copy(shape.w.begin(), shape.w.end(), problem.w.dims);
  problem.y.dims[0] = shape.x[0];
  problem.y.dims[1] = shape.w[0];
  if (!complete_padding(&problem)) fail(ErrorCode::invalid, std::string(shape.name) + ": no padding fits");
  return problem;
}

// One row of the report.
class Report {
 public:
  explicit Report(const Descriptor& properties) {
    target_.properties = &properties;
    std::printf("%-16s %-22s %-9s %-6s %7s  %12s\n", "shape", "graph", "dtype", "layout", "engines", "workspace");
  }

  void check(const char* name, const char* operation, const char* dtype, const char* layout,
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
    std::printf("%-16s %-22s %-9s %-6s %7d  ", name, operation, dtype, layout, engines);
    if (planned)
      std::printf("%12lld  %.2f s\n", static_cast<long long>(plan.workspace), seconds);
    else
      std::printf("NO PLAN: %s\n", failure.c_str());
    std::fflush(stdout);
    ++total_;
    if (!planned) ++failed_;
  }

  int finish() const {
    std::printf("%d graphs, %d without a plan\n", total_, failed_);
    return failed_ == 0 ? 0 : 1;
  }

 private:
  PlanTarget target_;
  int total_ = 0, failed_ = 0;
};

// cuDNN opens libcuda.so.1 by name; where there is no driver, a stub that is already loaded under that name will do.
void provide_driver() {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) return;
  std::string path(4096, '\0');
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length > 0 ? static_cast<size_t>(length) : 0);
  path = path.substr(0, path.rfind('/') + 1) + "driver_stub/libcuda.so.1";
  if (!dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
    std::fprintf(stderr, "plan_check: neither a driver nor its stub: %s\n", dlerror());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: plan_check DEVICE_PROPERTIES.json\n");
    return 2;
  }
  try {
    provide_driver();
    std::ifstream file(argv[1]);
    if (!file) fail(ErrorCode::invalid, std::string("cannot read ") + argv[1]);
    std::stringstream json;
    json << file.rdbuf();
    const Descriptor properties = device_properties_from_json(json.str());
    Report report(properties);
    for (const ConvShape& shape : kShapes)
      for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16, DType::float64})
        for (const Layout layout : {Layout::channels_last, Layout::channels_first})
          for (const Operation& operation : kOperations)
            for (const bool tf32 : {true, false}) {
              if (!tf32 && dtype != DType::float32) continue;
              ConvProblem problem = make_problem(shape, operation.kind, dtype, tf32);
              problem.has_bias = operation.bias;
              problem.has_relu = operation.relu;
              report.check(shape.name, operation.name, tf32 && dtype == DType::float32 ? "tf32" : dtype_name(dtype),
                           layout == Layout::channels_last ? "NHWC" : "NCHW",
                           [&] { return make_conv_graph(problem, layout, problem.has_epilogue(), nullptr); },
                           conv_rules(problem, INT64_MAX));
            }
    return report.finish();
  } catch (const Error& error) {
    std::fprintf(stderr, "plan_check: %s\n", error.what());
    return 1;
  }
}
