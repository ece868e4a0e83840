// SPDX-License-Identifier: Apache-2.0
// batch_norm and batch_norm_backward: by own kernels, or by cuDNN where it was found faster. Both save the mean and
// 1 / sqrt(variance + eps), so that the directions choose independently. Own kernels always do what cuDNN cannot:
//   - given statistics (inference): cuDNN knows batch normalisation only with those of the batch;
//   - a gradient through relu: its graphs multiply by the mask, which makes infinite gradients NaN where they are
//     masked out, and no engine selects instead;
//   - a residual without relu, and float64: there is no engine;
//   - no weight or bias, or one that is not float32: cuDNN requires them.
// The running statistics are own kernels' in any case: whether cuDNN's variance is the unbiased one is undocumented.
#include <algorithm>
#include <cstring>
#include <utility>

#include "cuda/cudnn_norm.h"
#include "cuda/handlers.h"
#include "cuda/own_kernels.h"
#include "cuda/plan_choice.h"

namespace lenode::cuda {

struct NormPlans : Choices<NormProblem> {
  using Choices::Choices;
};

namespace {

bool dense_float_vector(const TensorView& view, int64_t channels) {
  return view.rank == 1 && view.dims[0] == channels && view.dtype == DType::float32 && view.contiguous();
}

bool laid_out_as(const TensorView& x, const TensorView& view, Layout layout) {
  return same_shape(x, view) && view.dtype == x.dtype && has_layout(view, layout);
}

// False where own kernels are needed, which also report operands that do not fit.
bool describe(std::initializer_list<const TensorView*> elements, std::initializer_list<const TensorView*> vectors,
              NormProblem* problem) {
  const TensorView& x = **elements.begin();
  if (x.rank < 2 || x.rank > kMaxGraphRank || x.numel() == 0) return false;
  const TensorView wide = with_two_spatial(x);
  problem->layout = wide.channels_last() ? Layout::channels_last : Layout::channels_first;
  for (const TensorView* view : elements)
    if (!laid_out_as(x, *view, x.rank > 2 ? problem->layout : Layout::channels_first)) return false;
  for (const TensorView* view : vectors)
    if (!dense_float_vector(*view, x.dims[1])) return false;
  problem->dtype = x.dtype;
  problem->rank = wide.rank;
  problem->alignment = std::min(alignment_of(elements), alignment_of(vectors));
  std::copy_n(wide.dims, wide.rank, problem->dims);
  return true;
}

void choose(Context& context, const NormProblem& problem, const Call& call, std::function<Call()> trial, Work work) {
  if (!context.norm_plans) context.norm_plans = std::make_shared<NormPlans>(context);
  context.norm_plans->run(
      problem, unrounded(problem.dtype, workspace_limit(context)), call,
      {[&] { return make_norm_graph(problem, context.dnn()); }, std::move(trial), std::move(work)});
}

// `call` with its running statistics in scratch, so that the real ones are updated once. What they hold is no matter.
Call with_other_statistics(Context& context, const Call& call, TensorView* outputs) {
  using out = op::batch_norm::out;
  Call result = call;
  result.outputs = outputs;
  std::copy_n(call.outputs, call.n_outputs, outputs);
  for (const int i : {out::running_mean_opt, out::running_var_opt, out::batches_opt}) {
    TensorView& view = outputs[i];
    if (i >= call.n_outputs || !view.present()) continue;
    view.data = context.workspace(static_cast<size_t>(view.numel()) * item_size(view.dtype));
    std::fill_n(view.strides, view.rank, 1);
  }
  return result;
}

}  // namespace

void op_batch_norm(Context& context, const Call& call) {
  using namespace op::batch_norm;
  const TensorView &x = call.in(in::x), &weight = call.in(in::weight_opt), &bias = call.in(in::bias_opt);
  const TensorView &residual = call.in(in::residual_opt), &y = call.out(out::y);
  const TensorView &mean = call.out(out::mean), &inv_std = call.out(out::inv_std);
  NormProblem problem;
  std::memset(&problem, 0, sizeof(problem));
  problem.has_residual = residual.present();
  problem.has_relu = call.i(attr::relu) != 0;
  if (!may_choose(context) || (problem.has_residual && !problem.has_relu) ||
      !describe({&x, &y, residual.present() ? &residual : &x}, {&weight, &bias, &mean, &inv_std}, &problem))
    return own::batch_norm(context, call);

  const auto work = [&](const Call& to_do, const ExecutionPlan* plan, void* workspace) {
    if (!plan) return own::batch_norm(context, to_do);
    const float epsilon = static_cast<float>(call.f(attr::eps));
    Bindings bindings;
    bindings.bind(kNormX, x.data);
    bindings.bind(kNormMean, mean.data);
    bindings.bind(kNormInvStd, inv_std.data);
    bindings.bind(kNormScale, weight.data);
    bindings.bind(kNormBias, bias.data);
    bindings.bind(kNormEpsilon, &epsilon);
    bindings.bind(kNormY, y.data);
    if (residual.present()) bindings.bind(kNormResidual, residual.data);
    execute(context.dnn(), *plan, bindings, workspace);
    own::update_running_statistics(context, to_do);
  };
  TensorView outputs[out::count_];
  choose(context, problem, call, [&] { return with_other_statistics(context, call, outputs); }, work);
}

void op_batch_norm_backward(Context& context, const Call& call) {
  using namespace op::batch_norm_backward;
  const TensorView &grad = call.in(in::grad), &x = call.in(in::x), &weight = call.in(in::weight_opt);
  const TensorView &mean = call.in(in::mean), &inv_std = call.in(in::inv_std);
  const TensorView &d_x = call.out(out::d_x_opt), &d_weight = call.out(out::d_weight_opt);
  const TensorView& d_bias = call.out(out::d_bias_opt);
  NormProblem problem;
  std::memset(&problem, 0, sizeof(problem));
  problem.backward = 1;
  const bool plain = call.i(attr::training) != 0 && call.i(attr::relu) == 0 && !call.out(out::d_residual_opt).present();
  if (!may_choose(context) || !plain ||
      !describe({&x, &grad, &d_x}, {&weight, &mean, &inv_std, &d_weight, &d_bias}, &problem))
    return own::batch_norm_backward(context, call);

  const auto work = [&](const Call& to_do, const ExecutionPlan* plan, void* workspace) {
    if (!plan) return own::batch_norm_backward(context, to_do);
    Bindings bindings;
    bindings.bind(kNormX, x.data);
    bindings.bind(kNormMean, mean.data);
    bindings.bind(kNormInvStd, inv_std.data);
    bindings.bind(kNormScale, weight.data);
    bindings.bind(kNormGrad, grad.data);
    bindings.bind(kNormDX, d_x.data);
    bindings.bind(kNormDScale, d_weight.data);
    bindings.bind(kNormDBias, d_bias.data);
    execute(context.dnn(), *plan, bindings, workspace);
  };
  choose(context, problem, call, [&] { return call; }, work);
}

}  // namespace lenode::cuda
