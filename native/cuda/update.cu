// SPDX-License-Identifier: Apache-2.0
// Optimizer steps over a whole parameter group. core/update_rules.h says what happens to one element; the learning rate
// and the scalars of the step are read on the device, so a captured step follows them, and so is whether the step is
// left out: for a gradient that is infinite or NaN, or while a fault is unseen (backend.h, may_report).
#include "core/update_rules.h"
#include "cuda/handlers.h"
#include "cuda/tensor_list.cuh"

namespace lenode::cuda {
namespace {

// The scalars of a rule; addresses on the device.
template <class Rule>
struct Scalars {
  const double* lr;
  const float* found_inf;  // may be null
  const int64_t* report;   // not 0: a bad index was found, and what depends on it is not known on the device
  float* values[Rule::kScalars + 1];

  __device__ bool is_left_out() const { return *report != 0 || (found_inf && *found_inf != 0); }

  __device__ void load(float (&to)[Rule::kScalars + 1]) const {
    for (int k = 0; k < Rule::kScalars; ++k) to[k] = *values[k];
  }
};

// T: the compute type; S: the storage. Lists: parameter, gradient, then the states.
template <class Rule, unsigned kPresent, class T, class S>
__global__ void __launch_bounds__(kThreads)
    update_kernel(const Rule rule, const Scalars<Rule> scalars,
                  const __grid_constant__ TensorChunk<Rule::kStates + 2> chunk) {
  if (scalars.is_left_out()) return;
  constexpr int kStates = Rule::kStates, kSlots = kStates > 0 ? kStates : 1;
  __shared__ typename Rule::Step shared;
  if (threadIdx.x == 0) {
    float values[Rule::kScalars + 1];
    scalars.load(values);
    // Not in float64, which most devices are slow at.
    shared = rule.step(static_cast<T>(*scalars.lr), values);
  }
  __syncthreads();
  const typename Rule::Step step = shared;
  const int t = chunk.tensor_of(blockIdx.x);
  for_run(chunk, t, [&](int64_t at, int count) {
    T parameter[kRunPack], gradient[kRunPack], state[kSlots][kRunPack];
    S* const parameters = static_cast<S*>(chunk.data[0][t]) + at;
    load_run(parameters, count, parameter);
    load_run(static_cast<const S*>(chunk.data[1][t]) + at, count, gradient);
#pragma unroll
    for (int k = 0; k < kStates; ++k) {
      if (kPresent >> k & 1) {
        load_run(static_cast<const S*>(chunk.data[2 + k][t]) + at, count, state[k]);
      } else {
#pragma unroll
        for (int v = 0; v < kRunPack; ++v) state[k][v] = T(0);
      }
    }
#pragma unroll
    for (int v = 0; v < kRunPack; ++v) {
      T states[kSlots];
#pragma unroll
      for (int k = 0; k < kStates; ++k) states[k] = state[k][v];
      rule.template apply<kPresent>(step, parameter[v], gradient[v], states);
#pragma unroll
      for (int k = 0; k < kStates; ++k) state[k][v] = states[k];
    }
    store_run(parameters, count, parameter);
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      if (kPresent >> k & 1) store_run(static_cast<S*>(chunk.data[2 + k][t]) + at, count, state[k]);
  });
}

template <class Rule>
__global__ void advance_kernel(const Rule rule, const Scalars<Rule> scalars) {
  if (scalars.is_left_out()) return;
  float values[Rule::kScalars + 1];
  scalars.load(values);
  rule.advance(*scalars.lr, values);
  for (int k = 0; k < Rule::kScalars; ++k) *scalars.values[k] = values[k];
}

// The call's tensors of one dtype as parallel lists. tensors_list begins at output `first` and holds the states that
// are present after the parameters.
template <int kLists>
std::vector<TensorGroup<kLists>> groups_of(const Call& call, DType dtype, int first, unsigned present) {
  const int n = call.n_inputs - rule::kGradients;
  LENODE_CHECK(call.n_outputs - first == n * (1 + __builtin_popcount(present)),
               std::string(op_info(call.op).name) + ": the lists' lengths differ");
  std::vector<TensorGroup<kLists>> groups;
  for (int i = 0; i < n; ++i) {
    const TensorView& parameter = call.out(first + i);
    if (parameter.dtype != dtype) continue;
    TensorGroup<kLists> group{};
    group.size = parameter.numel();
    group.data[0] = parameter.data;
    const auto take = [&](int list, const TensorView& view) {
      if (view.dtype != dtype || !same_dense<2>({&parameter, &view}))
        fail(ErrorCode::invalid, std::string(op_info(call.op).name) +
                                     ": expected dense gradients and states with their parameter's dtype and strides");
      group.data[list] = view.data;
    };
    take(1, call.in(rule::kGradients + i));
    int block = 1;
    for (int k = 0; k + 2 < kLists; ++k)
      if (present >> k & 1) take(2 + k, call.out(first + n * block++ + i));
    groups.push_back(group);
  }
  return groups;
}

template <class Rule>
Scalars<Rule> scalars_of(const Context& context, const Call& call) {
  const std::string name = op_info(call.op).name;
  const TensorView &rate = call.in(rule::kRate), &found_inf = call.in(rule::kFoundInf);
  if (rate.dtype != DType::float64) fail(ErrorCode::invalid, name + ": expected a float64 learning rate");
  if (found_inf.present() && found_inf.dtype != DType::float32)
    fail(ErrorCode::invalid, name + ": expected found_inf as a float32 scalar");
  Scalars<Rule> scalars{rate.ptr<const double>(), found_inf.ptr<const float>(), context.report(), {}};
  for (int k = 0; k < Rule::kScalars; ++k) {
    if (call.out(k).dtype != DType::float32) fail(ErrorCode::invalid, name + ": expected float32 scalars before the list");
    scalars.values[k] = call.out(k).ptr<float>();
  }
  return scalars;
}

template <template <class> class Rule, unsigned kPresent>
void run_present(Context& context, const Call& call) {
  constexpr int kLists = Rule<float>::kStates + 2;
  for (DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16}) {
    const auto groups = groups_of<kLists>(call, dtype, Rule<float>::kScalars, kPresent);
    with_floating(dtype, "update", [&](auto storage) {
      using S = decltype(storage);
      using T = compute_t<S>;
      const Rule<T> rule(call);
      const auto scalars = scalars_of<Rule<T>>(context, call);
      for_chunks<kLists>(groups, sizeof(S), [&](const TensorChunk<kLists>& chunk, int64_t) {
        launch(context, update_kernel<Rule<T>, kPresent, T, S>, chunk.first_block[chunk.tensors], kThreads, 0, rule,
               scalars, chunk);
      });
    });
  }
}

template <template <class> class Rule, unsigned... kPresent>
void run_step(Context& context, const Call& call, rule::Sets<kPresent...>) {
  const unsigned present = Rule<float>::present(call);
  ((present == kPresent ? run_present<Rule, kPresent>(context, call) : void()), ...);
  if constexpr (Rule<float>::kScalars > 0)
    launch(context, advance_kernel<Rule<float>>, 1, 1, 0, Rule<float>(call), scalars_of<Rule<float>>(context, call));
}

}  // namespace

#define LENODE_OP(name, inputs, outputs, attrs, devices)
#define LENODE_STEP(name, outputs, attrs)                                       \
  void op_##name(Context& context, const Call& call) {                          \
    run_step<rule::name>(context, call, typename rule::name<float>::Present{}); \
  }
#include "core/ops.def"

// What they mean is core/faults.h's affair.
void op_begin_update(Context&, const Call&) {}
void op_end_update(Context&, const Call&) {}

}  // namespace lenode::cuda
