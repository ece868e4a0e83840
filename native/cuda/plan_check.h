// SPDX-License-Identifier: Apache-2.0
// The report of plan_check, and the families of graphs in it. Each plans what the backend would execute: combinations
// that it leaves to own kernels, because cuDNN has no engine for them, are not there.
#pragma once
#include <functional>

#include "cuda/cudnn_graph.h"

namespace lenode::cuda {

constexpr DType kFloatingTypes[] = {DType::float32, DType::float16, DType::bfloat16, DType::float64};
constexpr Layout kLayouts[] = {Layout::channels_last, Layout::channels_first};

class Report {
 public:
  explicit Report(const Descriptor& properties);

  // One row.
  void check(const char* shape, const char* graph, const char* dtype, Layout layout,
             const std::function<Graph()>& build, const PlanRules& rules);

  // Prints the totals; the program's exit status.
  int finish() const;

 private:
  PlanTarget target_;
  int total_ = 0, failed_ = 0;
};

void check_convolutions(Report& report);
void check_norms(Report& report);
void check_pools(Report& report);

}  // namespace lenode::cuda
