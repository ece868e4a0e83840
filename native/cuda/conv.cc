// SPDX-License-Identifier: Apache-2.0
// conv, conv_backward_input and conv_backward_weight through cuDNN plans.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "cuda/compose.h"
#include "cuda/context.h"
#include "cuda/cudnn_conv.h"
#include "cuda/handlers.h"
#include "cuda/plan_choice.h"

namespace lenode::cuda {

namespace {

constexpr int kBenchmarkedPlans = 8;

// How a problem is executed: the layout that its operands are brought into and the plans for it.
struct ConvPlan {
  Layout layout = Layout::channels_last;
  bool fused = false;
  std::vector<ExecutionPlan> candidates;  // more than one only until they have been timed

  int64_t workspace() const {
    int64_t most = 0;
    for (const ExecutionPlan& candidate : candidates) most = std::max(most, candidate.workspace);
    return most;
  }
};

}  // namespace

struct ConvPlans {
  explicit ConvPlans(Context& context)
      : cache(kCachedPlans, [&context] { LENODE_CUDA_CHECK(cudaStreamSynchronize(context.stream)); }) {}
  // Shared with graphs that were recorded with a plan: its kernels may have been compiled for it alone.
  PlanCache<ConvProblem, std::shared_ptr<ConvPlan>> cache;
};

namespace {

// x, w, y in the roles of the forward convolution, whatever is being computed.
struct Operands {
  TensorView x, w, y, bias;
};

void describe_operand(const TensorView& view, ConvOperand* operand) {
  std::copy_n(view.dims, view.rank, operand->dims);
  std::copy_n(view.strides, view.rank, operand->strides);
}

ConvProblem make_problem(const Context& context, const Call& call, ConvolutionKind kind, const Operands& operands,
                         bool relu) {
  using attr = op::conv::attr;
  const bool one_spatial = call.in(0).rank == 3;
  ConvProblem problem;
  std::memset(&problem, 0, sizeof(problem));
  problem.kind = kind;
  problem.dtype = operands.x.dtype;
  problem.spatial = operands.x.rank - 2;
  problem.has_bias = operands.bias.present();
  problem.has_relu = relu;
  problem.alignment = alignment_of({&operands.x, &operands.w, &operands.y, &operands.bias});
  problem.deterministic = context.deterministic;
  problem.allow_tf32 = context.cudnn_tf32;
  problem.benchmark = context.benchmark;
  describe_operand(operands.x, &problem.x);
  describe_operand(operands.w, &problem.w);
  describe_operand(operands.y, &problem.y);
  for (int i = 0; i < problem.spatial; ++i) {
    const int source = one_spatial ? i - 1 : i;
    problem.stride[i] = source < 0 ? 1 : call.i(attr::stride0 + source);
    problem.padding[i] = source < 0 ? 0 : call.i(attr::padding0 + source);
    problem.dilation[i] = source < 0 ? 1 : call.i(attr::dilation0 + source);
  }
  if (!complete_padding(&problem))
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": the spatial sizes do not fit the window");
  return problem;
}

// The layout in which the fewest bytes have to be copied comes first.
std::array<Layout, 2> preferred_layouts(const Operands& operands) {
  auto cost = [&](Layout layout) {
    int64_t bytes = 0;
    for (const TensorView* view : {&operands.x, &operands.w, &operands.y})
      if (!has_layout(*view, layout)) bytes += view->numel();
    return bytes;
  };
  if (cost(Layout::channels_last) <= cost(Layout::channels_first))
    return {Layout::channels_last, Layout::channels_first};
  return {Layout::channels_first, Layout::channels_last};
}

const char* operation_name(ConvolutionKind kind) {
  switch (kind) {
    case ConvolutionKind::forward: return "conv";
    case ConvolutionKind::backward_input: return "conv_backward_input";
    case ConvolutionKind::backward_weight: return "conv_backward_weight";
  }
  return "?";
}

std::string shape_text(const int64_t* dims, int rank) {
  std::string text = "[";
  for (int i = 0; i < rank; ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

ConvPlan make_plan(Context& context, const ConvProblem& problem, const Operands& operands, int64_t workspace_limit) {
  PlanTarget target;
  target.handle = context.dnn();
  const PlanRules rules = conv_rules(problem, workspace_limit);
  const bool benchmark = problem.benchmark && !context.capturing();
  const int wanted = benchmark ? kBenchmarkedPlans : 1;
  std::string failure;
  for (const bool fused : {true, false}) {
    if (fused && !problem.has_epilogue()) continue;
    for (const Layout layout : preferred_layouts(operands)) {
      try {
        const Graph graph = make_conv_graph(problem, layout, fused, target.handle);
        ConvPlan plan;
        plan.layout = layout;
        plan.fused = fused;
        plan.candidates = first_plans(graph, target, rules, wanted, &failure);
        if (!plan.candidates.empty()) return plan;
      } catch (const Error& error) {  // this graph is not supported; another one may be
        failure = error.what();
      }
    }
  }
  fail(ErrorCode::unsupported, std::string(operation_name(problem.kind)) + ": cuDNN has no engine for input " +
                                   shape_text(problem.x.dims, problem.rank()) + " and weight " +
                                   shape_text(problem.w.dims, problem.rank()) + " of " + dtype_name(problem.dtype) +
                                   ": " + failure);
}

// A dense view of scratch memory with the shape of `view`.
TensorView scratch_like(Context& context, const TensorView& view, Layout layout) {
  TensorView result = view;
  layout_strides(layout, view.rank, view.dims, result.strides);
  result.data = context.workspace(static_cast<size_t>(view.numel()) * item_size(view.dtype));
  return result;
}

// Keeps the fastest candidate, found on the real operands.
void keep_fastest(Context& context, ConvPlan& plan, const Bindings& bindings, void* workspace) {
  const int best = fastest(context, static_cast<int>(plan.candidates.size()), [&](int i) {
    execute(context.dnn(), plan.candidates[i], bindings, workspace);
  });
  ExecutionPlan chosen = std::move(plan.candidates[best]);
  plan.candidates.clear();
  plan.candidates.push_back(std::move(chosen));
}

void execute_plan(Context& context, const Call& call, const ConvProblem& problem, ConvPlan& plan,
                  const Operands& operands) {
  Operands dense = operands;
  TensorView Operands::*const result = problem.kind == ConvolutionKind::forward          ? &Operands::y
                                       : problem.kind == ConvolutionKind::backward_input ? &Operands::x
                                                                                         : &Operands::w;
  for (TensorView Operands::*const member : {&Operands::x, &Operands::w, &Operands::y}) {
    const TensorView& given = operands.*member;
    if (has_layout(given, plan.layout)) continue;
    dense.*member = scratch_like(context, given, plan.layout);
    if (member != result) copy(context, call, given, dense.*member);
  }

  Bindings bindings;
  bindings.bind(kConvX, dense.x.data);
  bindings.bind(kConvW, dense.w.data);
  bindings.bind(kConvY, dense.y.data);
  if (plan.fused) {
    // The fused graph always adds a bias: a ReLU alone would only fit engines that compile at run time.
    TensorView bias = operands.bias;
    if (!bias.present() || (bias.dims[0] > 1 && bias.strides[0] != 1)) {
      const size_t bytes = static_cast<size_t>(problem.y.dims[1]) * item_size(problem.dtype);
      void* scratch = context.workspace(bytes);
      if (bias.present()) {
        TensorView packed = bias;
        packed.data = scratch;
        packed.strides[0] = 1;
        copy(context, call, bias, packed);
      } else {
        LENODE_CUDA_CHECK(cudaMemsetAsync(scratch, 0, bytes, context.stream));
      }
      bias.data = scratch;
    }
    bindings.bind(kConvBias, bias.data);
  }

  const int64_t scratch = plan.workspace();
  void* workspace = scratch ? context.workspace(static_cast<size_t>(scratch)) : nullptr;
  if (plan.candidates.size() > 1) keep_fastest(context, plan, bindings, workspace);
  execute(context.dnn(), plan.candidates.front(), bindings, workspace);

  const TensorView &computed = dense.*result, &wanted = operands.*result;
  if (computed.data != wanted.data) copy(context, call, computed, wanted);
  if (!plan.fused && problem.has_bias) add_bias_in_place(context, call, operands.y, operands.bias, 1);
  if (!plan.fused && problem.has_relu) relu_in_place(context, call, operands.y);
}

void run_convolution(Context& context, const Call& call, ConvolutionKind kind, const TensorView& x,
                     const TensorView& w, const TensorView& y, const TensorView& bias, bool relu) {
  const Operands operands{with_two_spatial(x), with_two_spatial(w), with_two_spatial(y), bias};
  const ConvProblem problem = make_problem(context, call, kind, operands, relu);
  if (!context.conv_plans) context.conv_plans = std::make_shared<ConvPlans>(context);
  auto& cache = context.conv_plans->cache;
  int64_t limit = workspace_limit(context);
  const std::shared_ptr<ConvPlan>* known = cache.find(problem);
  if (!known)
    known = &cache.insert(problem, std::make_shared<ConvPlan>(make_plan(context, problem, operands, limit)));
  std::shared_ptr<ConvPlan> plan = *known;
  while (true) {
    context.keep(plan);
    try {
      return execute_plan(context, call, problem, *plan, operands);
    } catch (const Error& error) {
      // The device is full: an engine that needs less scratch may still fit.
      if (error.code() != ErrorCode::out_of_memory || plan->workspace() == 0) throw;
      limit = plan->workspace() / 2;
      std::shared_ptr<ConvPlan> smaller;
      try {
        smaller = std::make_shared<ConvPlan>(make_plan(context, problem, operands, limit));
      } catch (const Error&) {
        throw error;
      }
      plan = cache.insert(problem, std::move(smaller));
      context.reset_workspace();
    }
  }
}

}  // namespace

void op_conv(Context& context, const Call& call) {
  using namespace op::conv;
  const TensorView &x = call.in(in::x), &w = call.in(in::weight), &bias = call.in(in::bias_opt);
  const TensorView& y = call.out(out::y);
  const bool relu = call.f(attr::relu) != 0;
  if (y.numel() == 0) return;
  if (x.numel() == 0 || w.numel() == 0) {  // a sum of nothing
    fill(context, call, y, 0);
    if (bias.present()) add_bias_in_place(context, call, y, bias, 1);
    if (relu) relu_in_place(context, call, y);
    return;
  }
  run_convolution(context, call, ConvolutionKind::forward, x, w, y, bias, relu);
}

void op_conv_backward_input(Context& context, const Call& call) {
  using namespace op::conv_backward_input;
  const TensorView &grad = call.in(in::grad), &w = call.in(in::weight), &d_x = call.out(out::d_x);
  if (d_x.numel() == 0) return;
  if (grad.numel() == 0 || w.numel() == 0) return fill(context, call, d_x, 0);
  run_convolution(context, call, ConvolutionKind::backward_input, d_x, w, grad, TensorView{}, false);
}

void op_conv_backward_weight(Context& context, const Call& call) {
  using namespace op::conv_backward_weight;
  const TensorView &grad = call.in(in::grad), &x = call.in(in::x);
  const TensorView &d_w = call.out(out::d_weight), &d_bias = call.out(out::d_bias_opt);
  if (d_bias.present() && d_bias.numel() > 0) {
    if (grad.numel() == 0)
      fill(context, call, d_bias, 0);
    else
      sum_to(context, call, grad, 1, d_bias);
  }
  if (d_w.numel() == 0) return;
  if (grad.numel() == 0 || x.numel() == 0) return fill(context, call, d_w, 0);
  run_convolution(context, call, ConvolutionKind::backward_weight, x, d_w, grad, TensorView{}, false);
}

}  // namespace lenode::cuda
