// SPDX-License-Identifier: Apache-2.0
// max_pool, avg_pool and avg_pool_backward: by own kernels, or by cuDNN where it was found faster and its windows mean
// the same. Maxima with positions are own kernels': cuDNN's are offsets within a window in its own format, ours flat
// positions in the plane, which max_pool_backward reads. cuDNN has neither dilation nor a divisor of one's own.
#include <algorithm>
#include <cstring>

#include "cuda/cudnn_pool.h"
#include "cuda/handlers.h"
#include "cuda/own_kernels.h"
#include "cuda/plan_choice.h"

namespace lenode::cuda {

struct PoolPlans : Choices<PoolProblem> {
  using Choices::Choices;
};

namespace {

// `x` and `y` are the forward pass's, or tensors of their shapes. The attributes begin with the kernel, stride and
// padding of each dimension. False where own kernels are needed, which also report operands that do not fit.
bool describe(const Call& call, PoolKind kind, const TensorView& x, const TensorView& y, bool count_padding,
              PoolProblem* problem) {
  if (x.rank < 3 || x.rank > kMaxGraphRank || y.rank != x.rank || x.numel() == 0 || y.numel() == 0) return false;
  if (x.dims[0] != y.dims[0] || x.dims[1] != y.dims[1] || x.dtype != y.dtype) return false;
  const TensorView wide_x = with_two_spatial(x), wide_y = with_two_spatial(y);
  std::memset(problem, 0, sizeof(*problem));
  problem->kind = kind;
  problem->dtype = x.dtype;
  problem->layout = has_layout(x, Layout::channels_last) && has_layout(y, Layout::channels_last)
                        ? Layout::channels_last
                        : Layout::channels_first;
  if (!has_layout(x, problem->layout) || !has_layout(y, problem->layout)) return false;
  problem->spatial = wide_x.rank - 2;
  problem->alignment = alignment_of({&x, &y});
  problem->count_padding = count_padding;
  std::copy_n(wide_x.dims, wide_x.rank, problem->x);
  std::copy_n(wide_y.dims, wide_y.rank, problem->y);
  const int added = wide_x.rank - x.rank;
  for (int i = 0; i < problem->spatial; ++i) {
    const auto attribute = [&](int group, int64_t rest) { return i < added ? rest : call.i(3 * group + i - added); };
    problem->window[i] = attribute(0, 1);
    problem->stride[i] = attribute(1, 1);
    problem->padding[i] = attribute(2, 0);
  }
  return complete_windows(problem);
}

void choose(Context& context, const PoolProblem& problem, const TensorView& x, const TensorView& y, const Call& call,
            void (*own_kernels)(Context&, const Call&)) {
  if (!context.pool_plans) context.pool_plans = std::make_shared<PoolPlans>(context);
  const auto work = [&](const Call& to_do, const ExecutionPlan* plan, void* workspace) {
    if (!plan) return own_kernels(context, to_do);
    Bindings bindings;
    bindings.bind(kPoolX, x.data);
    bindings.bind(kPoolY, y.data);
    execute(context.dnn(), *plan, bindings, workspace);
  };
  context.pool_plans->run(
      problem, unrounded(problem.dtype, workspace_limit(context)), call,
      {[&] { return make_pool_graph(problem, context.dnn()); }, [&] { return call; }, work});
}

template <class Attribute>
void average(Context& context, const Call& call, PoolKind kind, const TensorView& x, const TensorView& y,
             void (*own_kernels)(Context&, const Call&)) {
  PoolProblem problem;
  if (may_choose(context) && call.f(Attribute::divisor) == 0 &&
      describe(call, kind, x, y, call.i(Attribute::count_include_pad) != 0, &problem))
    return choose(context, problem, x, y, call, own_kernels);
  own_kernels(context, call);
}

}  // namespace

void op_max_pool(Context& context, const Call& call) {
  using namespace op::max_pool;
  const TensorView &x = call.in(in::x), &y = call.out(out::y);
  PoolProblem problem;
  bool plain = may_choose(context) && !call.out(out::indices_opt).present();
  for (int i = 0; i < x.rank - 2; ++i) plain = plain && call.i(attr::dilation0 + i) == 1;
  if (plain && describe(call, PoolKind::maximum, x, y, false, &problem))
    return choose(context, problem, x, y, call, own::max_pool);
  own::max_pool(context, call);
}

void op_avg_pool(Context& context, const Call& call) {
  using namespace op::avg_pool;
  average<attr>(context, call, PoolKind::average, call.in(in::x), call.out(out::y), own::avg_pool);
}

void op_avg_pool_backward(Context& context, const Call& call) {
  using namespace op::avg_pool_backward;
  average<attr>(context, call, PoolKind::average_backward, call.out(out::d_x), call.in(in::grad),
                own::avg_pool_backward);
}

}  // namespace lenode::cuda
