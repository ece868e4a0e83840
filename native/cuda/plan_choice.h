// SPDX-License-Identifier: Apache-2.0
// How the ops that cuDNN can do describe their operands, and find the fastest of several ways to do the same work.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>

#include "cuda/check.h"
#include "cuda/context.h"
#include "cuda/cudnn_graph.h"
#include "cuda/plan_cache.h"

namespace lenode::cuda {

constexpr size_t kCachedPlans = 512;

// cuDNN knows no fewer than two spatial dimensions: those that lack have size 1 and come first.
TensorView with_two_spatial(const TensorView& view);

// The alignment of all operands together, in bytes, at most 16.
int32_t alignment_of(std::initializer_list<const TensorView*> views);

// Whether `view` is dense in a layout. Where dimensions have size 1, it may be in both.
bool has_layout(const TensorView& view, Layout layout);

// Larger workspaces buy little speed, and scratch memory stays with the context.
int64_t workspace_limit(const Context& context);

// Times each of `count` ways to do the same work, which leave the operands as one execution would, and returns the
// fastest one's number, the first one's if none can run. It waits for the stream.
int fastest(Context& context, int count, const std::function<void(int)>& run);

// ---- own kernels or cuDNN -----------------------------------------------------------------------------------------

// The work of a call, by own kernels if `plan` is null.
using Work = std::function<void(const Call& call, const ExecutionPlan* plan, void* workspace)>;

// How a problem is solved, and tried out: `trial` makes the call that is timed, which is the real one, or has other
// outputs where the op changes what it also reads.
struct Alternative {
  std::function<Graph()> make_graph;
  std::function<Call()> trial;
  Work work;
};

// The plan that does the work of an op faster than own kernels, or null: none does, or cuDNN has none. It waits for
// the stream, and takes back all scratch memory of the op.
std::shared_ptr<ExecutionPlan> faster_than_own(Context& context, const Alternative& alternative,
                                               const PlanRules& rules);

// Own kernels may differ from cuDNN in the last bits, so that which of them runs must not depend on a measurement
// where results are to be reproducible.
inline bool may_choose(const Context& context) { return context.benchmark && !context.deterministic; }

// How the problems of an op are done that own kernels can do and cuDNN, too. Problem says all that a plan depends on.
template <class Problem>
class Choices {
 public:
  explicit Choices(Context& context)
      : context_(context),
        cache_(kCachedPlans, [&context] { LENODE_CUDA_CHECK(cudaStreamSynchronize(context.stream)); }) {}

  // Does the work of `call` in the way that is kept for the problem, or is found now. While work is recorded nothing
  // can be timed: what the rehearsal has not met is done by own kernels.
  void run(const Problem& problem, const PlanRules& rules, const Call& call, const Alternative& alternative) {
    const std::shared_ptr<ExecutionPlan>* known = cache_.find(problem);
    if (!known && !context_.capturing())
      known = &cache_.insert(problem, faster_than_own(context_, alternative, rules));
    const std::shared_ptr<ExecutionPlan> plan = known ? *known : nullptr;
    if (!plan) return alternative.work(call, nullptr, nullptr);
    context_.keep(plan);
    void* workspace = plan->workspace ? context_.workspace(static_cast<size_t>(plan->workspace)) : nullptr;
    alternative.work(call, plan.get(), workspace);
  }

 private:
  Context& context_;
  // Shared with graphs that were recorded with a plan. Null: own kernels.
  PlanCache<Problem, std::shared_ptr<ExecutionPlan>> cache_;
};

}  // namespace lenode::cuda
