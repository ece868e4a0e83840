// SPDX-License-Identifier: Apache-2.0
// Optimizer steps over a whole parameter group. A rule says what happens to one element; the learning rate and the
// step count are read on the device, so a captured step follows both.
#include "cuda/handlers.h"
#include "cuda/tensor_list.cuh"

namespace lenode::cuda {
namespace {

// Every rule's lists: parameter, gradient, then its states.
template <class T>
struct Sgd {
  using Compute = T;
  static constexpr int kLists = 3;  // momentum buffer
  const double* lr;
  T momentum, dampening, weight_decay;
  bool nesterov, maximize, first;

  struct Step {
    T lr;
  };
  __device__ Step step() const { return {static_cast<T>(*lr)}; }

  __device__ void apply(const Step& s, T& parameter, T gradient, T (&state)[1]) const {
    T g = maximize ? -gradient : gradient;
    if (weight_decay != T(0)) g += weight_decay * parameter;
    if (momentum != T(0)) {
      state[0] = first ? g : momentum * state[0] + (T(1) - dampening) * g;
      g = nesterov ? g + momentum * state[0] : state[0];
    }
    parameter -= s.lr * g;
  }
};

template <class T>
struct Adam {
  using Compute = T;
  static constexpr int kLists = 5;  // exp_avg, exp_avg_sq, max_exp_avg_sq
  const double* lr;
  const float* steps;
  T log_beta1, log_beta2;
  T mean_share, square_keep, square_share;  // 1 - beta1, beta2, 1 - beta2
  T eps, weight_decay;
  bool amsgrad, maximize, decoupled;

  struct Step {
    T decay, size, root;
  };
  // expm1 keeps 1 - beta^n exact without float64, which most devices are slow at.
  __device__ Step step() const {
    const T n = static_cast<T>(*steps) + T(1), rate = static_cast<T>(*lr);
    return {T(1) - rate * weight_decay, rate / -functor::expm1_(n * log_beta1),
            functor::sqrt_(-functor::expm1_(n * log_beta2))};
  }

  __device__ void apply(const Step& s, T& parameter, T gradient, T (&state)[3]) const {
    T g = maximize ? -gradient : gradient;
    if (decoupled) parameter *= s.decay;
    else if (weight_decay != T(0)) g += weight_decay * parameter;
    state[0] += (g - state[0]) * mean_share;
    state[1] = square_keep * state[1] + square_share * g * g;
    T square = state[1];
    if (amsgrad) square = state[2] = functor::maximum::apply(state[2], state[1], Params<T>{});
    parameter -= s.size * state[0] / (functor::sqrt_(square) / s.root + eps);
  }
};

template <class T>
struct RmsProp {
  using Compute = T;
  static constexpr int kLists = 5;  // square_avg, momentum buffer, grad_avg
  const double* lr;
  T keep, share;  // alpha, 1 - alpha
  T eps, weight_decay, momentum;
  bool centered, maximize;

  struct Step {
    T lr;
  };
  __device__ Step step() const { return {static_cast<T>(*lr)}; }

  __device__ void apply(const Step& s, T& parameter, T gradient, T (&state)[3]) const {
    T g = maximize ? -gradient : gradient;
    if (weight_decay != T(0)) g += weight_decay * parameter;
    state[0] = keep * state[0] + share * g * g;
    T square = state[0];
    if (centered) {
      state[2] += (g - state[2]) * share;
      square -= state[2] * state[2];
    }
    const T scaled = g / (functor::sqrt_(square) + eps);
    if (momentum > T(0)) {
      state[1] = momentum * state[1] + scaled;
      parameter -= s.lr * state[1];
    } else {
      parameter -= s.lr * scaled;
    }
  }
};

template <class Rule, class S>
__global__ void __launch_bounds__(kThreads)
    update_kernel(const Rule rule, const __grid_constant__ TensorChunk<Rule::kLists> chunk) {
  using T = typename Rule::Compute;
  constexpr int kStates = Rule::kLists - 2;
  __shared__ typename Rule::Step shared;
  if (threadIdx.x == 0) shared = rule.step();
  __syncthreads();
  const typename Rule::Step step = shared;
  const int t = chunk.tensor_of(blockIdx.x);
  for_run(chunk, t, [&](int64_t at, int count) {
    T parameter[kRunPack], gradient[kRunPack], state[kStates][kRunPack];
    S* const parameters = static_cast<S*>(chunk.data[0][t]) + at;
    load_run(parameters, count, parameter);
    load_run(static_cast<const S*>(chunk.data[1][t]) + at, count, gradient);
#pragma unroll
    for (int k = 0; k < kStates; ++k) {
      if (chunk.data[2 + k][t] != nullptr) {
        load_run(static_cast<const S*>(chunk.data[2 + k][t]) + at, count, state[k]);
      } else {
#pragma unroll
        for (int v = 0; v < kRunPack; ++v) state[k][v] = T(0);
      }
    }
#pragma unroll
    for (int v = 0; v < kRunPack; ++v) {
      T states[kStates];
#pragma unroll
      for (int k = 0; k < kStates; ++k) states[k] = state[k][v];
      rule.apply(step, parameter[v], gradient[v], states);
#pragma unroll
      for (int k = 0; k < kStates; ++k) state[k][v] = states[k];
    }
    store_run(parameters, count, parameter);
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      if (chunk.data[2 + k][t] != nullptr) store_run(static_cast<S*>(chunk.data[2 + k][t]) + at, count, state[k]);
  });
}

__global__ void count_step_kernel(float* steps) { *steps += 1.0f; }

// The call's tensors as parallel lists for one dtype. `states` names the lists that tensors_list holds after the
// parameters, by their position among the rule's states.
template <int kLists>
std::vector<TensorGroup<kLists>> groups_of(const Call& call, DType dtype, int first_tensor,
                                           std::initializer_list<int> states) {
  const int n = call.n_inputs - 1;
  LENODE_CHECK(call.n_outputs - first_tensor == n * static_cast<int>(1 + states.size()),
               std::string(op_info(call.op).name) + ": the lists' lengths differ");
  std::vector<TensorGroup<kLists>> groups;
  for (int i = 0; i < n; ++i) {
    const TensorView& parameter = call.out(first_tensor + i);
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
    take(1, call.in(1 + i));
    int block = 1;
    for (int state : states) take(2 + state, call.out(first_tensor + n * block++ + i));
    groups.push_back(group);
  }
  return groups;
}

// make(T{}) gives the rule in its compute type.
template <template <class> class Rule, class Make>
void run_rule(Context& context, const Call& call, int first_tensor, std::initializer_list<int> states, Make&& make) {
  const TensorView& lr = call.in(0);
  if (lr.dtype != DType::float64)
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected a float64 learning rate");
  for (DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16}) {
    constexpr int kLists = Rule<float>::kLists;
    const auto groups = groups_of<kLists>(call, dtype, first_tensor, states);
    with_floating(dtype, "update", [&](auto storage) {
      using S = decltype(storage);
      using T = compute_t<S>;
      const Rule<T> rule = make(T{});
      for_chunks<kLists>(groups, sizeof(S), [&](const TensorChunk<kLists>& chunk, int64_t) {
        launch(context, update_kernel<Rule<T>, S>, chunk.first_block[chunk.tensors], kThreads, 0, rule, chunk);
      });
    });
  }
}

}  // namespace

void op_sgd_step(Context& context, const Call& call) {
  namespace a = op::sgd_step;
  const auto make = [&](auto compute) {
    using T = decltype(compute);
    return Sgd<T>{call.in(0).ptr<const double>(),
                  static_cast<T>(call.f(a::attr::momentum)),
                  static_cast<T>(call.f(a::attr::dampening)),
                  static_cast<T>(call.f(a::attr::weight_decay)),
                  call.f(a::attr::nesterov) != 0,
                  call.f(a::attr::maximize) != 0,
                  call.f(a::attr::first) != 0};
  };
  if (call.f(a::attr::momentum) != 0) run_rule<Sgd>(context, call, 0, {0}, make);
  else run_rule<Sgd>(context, call, 0, {}, make);
}

void op_adam_step(Context& context, const Call& call) {
  namespace a = op::adam_step;
  const TensorView& step = call.out(0);
  if (step.dtype != DType::float32) fail(ErrorCode::invalid, "adam_step: expected a float32 step");
  const bool amsgrad = call.f(a::attr::amsgrad) != 0;
  const auto make = [&](auto compute) {
    using T = decltype(compute);
    return Adam<T>{call.in(0).ptr<const double>(),
                   step.ptr<const float>(),
                   static_cast<T>(std::log(call.f(a::attr::beta1))),
                   static_cast<T>(std::log(call.f(a::attr::beta2))),
                   static_cast<T>(1 - call.f(a::attr::beta1)),
                   static_cast<T>(call.f(a::attr::beta2)),
                   static_cast<T>(1 - call.f(a::attr::beta2)),
                   static_cast<T>(call.f(a::attr::eps)),
                   static_cast<T>(call.f(a::attr::weight_decay)),
                   amsgrad,
                   call.f(a::attr::maximize) != 0,
                   call.f(a::attr::decoupled) != 0};
  };
  if (amsgrad) run_rule<Adam>(context, call, 1, {0, 1, 2}, make);
  else run_rule<Adam>(context, call, 1, {0, 1}, make);
  launch(context, count_step_kernel, 1, 1, 0, step.ptr<float>());
}

void op_rmsprop_step(Context& context, const Call& call) {
  namespace a = op::rmsprop_step;
  const bool momentum = call.f(a::attr::momentum) > 0, centered = call.f(a::attr::centered) != 0;
  const auto make = [&](auto compute) {
    using T = decltype(compute);
    return RmsProp<T>{call.in(0).ptr<const double>(),
                      static_cast<T>(call.f(a::attr::alpha)),
                      static_cast<T>(1 - call.f(a::attr::alpha)),
                      static_cast<T>(call.f(a::attr::eps)),
                      static_cast<T>(call.f(a::attr::weight_decay)),
                      static_cast<T>(call.f(a::attr::momentum)),
                      centered,
                      call.f(a::attr::maximize) != 0};
  };
  if (momentum && centered) run_rule<RmsProp>(context, call, 0, {0, 1, 2}, make);
  else if (momentum) run_rule<RmsProp>(context, call, 0, {0, 1}, make);
  else if (centered) run_rule<RmsProp>(context, call, 0, {0, 2}, make);
  else run_rule<RmsProp>(context, call, 0, {0}, make);
}

}  // namespace lenode::cuda
