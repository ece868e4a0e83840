// SPDX-License-Identifier: Apache-2.0
#include "cuda/plan_choice.h"

#include <algorithm>
#include <string>
#include <vector>

namespace lenode::cuda {

namespace {

constexpr int kTimedRuns = 3;
// Most plans of these graphs are compiled when they are made, which takes some tenths of a second each.
constexpr int kAlternativePlans = 2;
constexpr int64_t kWorkspaceLimit = int64_t{1} << 31;
constexpr int64_t kWorkspaceShare = 8;  // nor more than this part of the device's memory

struct Event {
  Event() { LENODE_CUDA_CHECK(cudaEventCreate(&raw)); }
  ~Event() { cudaEventDestroy(raw); }
  cudaEvent_t raw = nullptr;
};

}  // namespace

TensorView with_two_spatial(const TensorView& view) {
  TensorView result = view;
  if (!view.present()) return result;
  while (result.rank < 4) {
    for (int i = result.rank; i > 2; --i) {
      result.dims[i] = result.dims[i - 1];
      result.strides[i] = result.strides[i - 1];
    }
    result.strides[2] = result.rank > 2 ? result.dims[3] * result.strides[3] : 1;
    result.dims[2] = 1;
    ++result.rank;
  }
  return result;
}

int32_t alignment_of(std::initializer_list<const TensorView*> views) {
  uintptr_t bits = 16;
  for (const TensorView* view : views)
    if (view->present()) bits |= reinterpret_cast<uintptr_t>(view->data);
  return static_cast<int32_t>(bits & (~bits + 1));
}

bool has_layout(const TensorView& view, Layout layout) {
  return layout == Layout::channels_last ? view.channels_last() : view.contiguous();
}

int64_t workspace_limit(const Context& context) {
  return std::min(kWorkspaceLimit, static_cast<int64_t>(context.total_memory) / kWorkspaceShare);
}

int fastest(Context& context, int count, const std::function<void(int)>& run) {
  Event begin, end;
  int best = 0;
  float best_time = -1;
  for (int i = 0; i < count; ++i) {
    try {
      run(i);
      LENODE_CUDA_CHECK(cudaEventRecord(begin.raw, context.stream));
      for (int again = 0; again < kTimedRuns; ++again) run(i);
      LENODE_CUDA_CHECK(cudaEventRecord(end.raw, context.stream));
      LENODE_CUDA_CHECK(cudaEventSynchronize(end.raw));
      float time = 0;
      LENODE_CUDA_CHECK(cudaEventElapsedTime(&time, begin.raw, end.raw));
      if (best_time < 0 || time < best_time) {
        best = i;
        best_time = time;
      }
    } catch (const Error&) {  // it cannot run after all
    }
  }
  return best;
}

std::shared_ptr<ExecutionPlan> faster_than_own(Context& context, const Alternative& alternative,
                                               const PlanRules& rules) {
  std::vector<ExecutionPlan> plans;
  int best = 0;
  try {
    PlanTarget target;
    target.handle = context.dnn();
    std::string failure;
    plans = first_plans(alternative.make_graph(), target, rules, kAlternativePlans, &failure);
    if (plans.empty()) return nullptr;
    int64_t most = 0;
    for (const ExecutionPlan& plan : plans) most = std::max(most, plan.workspace);
    void* workspace = most ? context.workspace(static_cast<size_t>(most)) : nullptr;
    const Call trial = alternative.trial();
    best = fastest(context, 1 + static_cast<int>(plans.size()),
                   [&](int i) { alternative.work(trial, i == 0 ? nullptr : &plans[i - 1], workspace); });
  } catch (const Error&) {  // cuDNN does not know the graph, or there is no memory for it
  }
  context.reset_workspace();  // the trials are over
  return best == 0 ? nullptr : std::make_shared<ExecutionPlan>(std::move(plans[best - 1]));
}

}  // namespace lenode::cuda
