// SPDX-License-Identifier: Apache-2.0
// Optimizer steps: one parallel region for a whole parameter group. The tensors' elements are cut into chunks, and a
// chunk's operands (parameter, states, gradient) are flat arrays, since they are dense and share their strides.
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/update_rules.h"
#include "cpu/handlers.h"
#include "cpu/parallel.h"
#include "cpu/strided.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kChunk = 8192;  // elements of one task
constexpr int64_t kBlock = 1024;  // elements converted at a time
constexpr int kMaxArrays = 5;     // parameter, three states, gradient

struct Chunk {
  int64_t tensor, begin, end;
};

std::vector<Chunk> chunks_of(const std::vector<int64_t>& sizes) {
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < sizes.size(); ++i)
    for (int64_t begin = 0; begin < sizes[i]; begin += kChunk)
      chunks.push_back({static_cast<int64_t>(i), begin, std::min(sizes[i], begin + kChunk)});
  return chunks;
}

// tensor(i, a): array a of parameter i; the last `read_only` arrays are not written.
class Group {
 public:
  // n parameters with their states from call.out(first_output), gradients from call.in(first_input).
  Group(const Call& call, int first_input, int first_output, int states)
      : call_(call), first_input_(first_input), first_output_(first_output), arrays_(states + 2) {
    n_ = call.n_inputs - first_input;
    const char* name = op_info(call.op).name;
    if (n_ < 0 || call.n_outputs - first_output != n_ * (states + 1)) {
      fail(ErrorCode::invalid, std::string(name) + ": expected " + std::to_string(states) +
                                   " states and one gradient for each parameter");
    }
    for (int i = 0; i < n_; ++i) {
      const TensorView& parameter = tensor(i, 0);
      for (int a = 0; a < arrays_; ++a) {
        const TensorView& other = tensor(i, a);
        bool same = same_shape(parameter, other) && parameter.dtype == other.dtype && is_floating(other.dtype);
        for (int d = 0; same && d < parameter.rank; ++d)
          same = parameter.dims[d] == 1 || parameter.strides[d] == other.strides[d];
        if (!same || !(other.contiguous() || is_dense(other)))
          fail(ErrorCode::invalid, std::string(name) + ": parameter " + std::to_string(i) +
                                       ", its states and its gradient must be dense, with one layout and dtype");
      }
    }
  }

  const TensorView& tensor(int64_t i, int array) const {
    if (array == arrays_ - 1) return call_.in(first_input_ + static_cast<int>(i));
    return call_.out(first_output_ + array * n_ + static_cast<int>(i));
  }

  // rule(arrays, n) updates n elements; it is called with arrays of float or double.
  template <class Rule>
  void update(const Rule& rule) const {
    std::vector<int64_t> sizes;
    for (int i = 0; i < n_; ++i) sizes.push_back(tensor(i, 0).numel());
    const std::vector<Chunk> chunks = chunks_of(sizes);
    int64_t total = 0;
    for (int64_t size : sizes) total += size;
    const int64_t count = static_cast<int64_t>(chunks.size());
    parallel_chunks(count, count ? 2 * total / count : 0, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        if (tensor(chunks[k].tensor, 0).dtype == DType::float64) update_chunk<double>(chunks[k], rule);
        else update_chunk<float>(chunks[k], rule);
      }
    });
  }

 private:
  template <class T, class Rule>
  void update_chunk(const Chunk& chunk, const Rule& rule) const {
    const DType dtype = tensor(chunk.tensor, 0).dtype;
    T* arrays[kMaxArrays];
    if (is_native(dtype, compute_v<T>)) {
      for (int a = 0; a < arrays_; ++a) arrays[a] = tensor(chunk.tensor, a).template ptr<T>() + chunk.begin;
      rule(arrays, chunk.end - chunk.begin);
      return;
    }
    alignas(64) T blocks[kMaxArrays][kBlock];
    const Load load = load_function(dtype, compute_v<T>);
    const Store store = store_function(compute_v<T>, dtype);
    for (int64_t first = chunk.begin; first < chunk.end; first += kBlock) {
      const int64_t n = std::min(kBlock, chunk.end - first);
      for (int a = 0; a < arrays_; ++a) {
        arrays[a] = blocks[a];
        load(at(tensor(chunk.tensor, a), first), 1, blocks[a], n);
      }
      rule(arrays, n);
      for (int a = 0; a + 1 < arrays_; ++a) store(blocks[a], at_mutable(tensor(chunk.tensor, a), first), 1, n);
    }
  }

  const Call& call_;
  int first_input_, first_output_, arrays_, n_;
};

// One element. Its own function, so that the loop around it sees no local arrays and is vectorised.
template <class Rule, unsigned kPresent, class T, size_t... K>
LENODE_HD void update_element(const Rule& rule, const typename Rule::Step& step, T& parameter, T grad, [[maybe_unused]] T* const* states,
                              [[maybe_unused]] int64_t i, std::index_sequence<K...>) {
  T state[Rule::kStates + 1] = {(kPresent >> K & 1 ? states[K][i] : T(0))...};
  rule.template apply<kPresent>(step, parameter, grad, state);
  ((kPresent >> K & 1 ? void(states[K][i] = state[K]) : void()), ...);
}

// arrays: parameter, the states that are present, gradient.
template <unsigned kPresent, class Rule, class T, size_t... K>
void update_arrays(const Rule& shared, const typename Rule::Step& shared_step, T* const* arrays, int64_t n,
                   std::index_sequence<K...> states) {
  // Copies, since the arrays' elements have the type of the members.
  const Rule rule = shared;
  const typename Rule::Step step = shared_step;
  T* const state[] = {arrays[1 + __builtin_popcount(kPresent & ((1u << K) - 1))]..., nullptr};
  T* const parameter = arrays[0];
  const T* const grad = arrays[1 + __builtin_popcount(kPresent)];
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) update_element<Rule, kPresent>(rule, step, parameter[i], grad[i], state, i, states);
}

template <template <class> class Rule, unsigned kPresent>
void run_present(const Call& call, double lr, const float* scalars) {
  constexpr std::make_index_sequence<Rule<float>::kStates> states{};
  const Rule<float> single(call);
  const Rule<double> twice(call);
  const auto single_step = single.step(lr, scalars);
  const auto twice_step = twice.step(lr, scalars);
  Group(call, rule::kGradients, Rule<float>::kScalars, __builtin_popcount(kPresent)).update([&](auto* const* arrays, int64_t n) {
    if constexpr (std::is_same_v<decltype(arrays), float* const*>)
      update_arrays<kPresent>(single, single_step, arrays, n, states);
    else update_arrays<kPresent>(twice, twice_step, arrays, n, states);
  });
}

// Whether the step is left out, which only the call before it may have decided.
bool is_left_out(const Call& call) {
  const TensorView& found_inf = call.in(rule::kFoundInf);
  if (!found_inf.present()) return false;
  if (found_inf.numel() != 1 || found_inf.dtype != DType::float32)
    fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected found_inf as a float32 scalar");
  return *found_inf.ptr<float>() != 0;
}

template <template <class> class Rule, unsigned... kPresent>
void run_step(const Call& call, rule::Sets<kPresent...>) {
  constexpr int kScalars = Rule<float>::kScalars;
  const std::string name = op_info(call.op).name;
  const TensorView& rate = call.in(rule::kRate);
  if (rate.numel() != 1 || rate.dtype != DType::float64)
    fail(ErrorCode::invalid, name + ": expected lr as a float64 scalar");
  float scalars[kScalars + 1] = {};
  for (int i = 0; i < kScalars; ++i) {
    const TensorView& scalar = call.out(i);
    if (scalar.numel() != 1 || scalar.dtype != DType::float32)
      fail(ErrorCode::invalid, name + ": expected float32 scalars before the list");
    scalars[i] = *scalar.ptr<float>();
  }
  const double lr = *rate.ptr<double>();
  const unsigned present = Rule<float>::present(call);
  ((present == kPresent ? run_present<Rule, kPresent>(call, lr, scalars) : void()), ...);
  Rule<double>(call).advance(lr, scalars);
  for (int i = 0; i < kScalars; ++i) *call.out(i).ptr<float>() = scalars[i];
}

// ---- norms ----------------------------------------------------
enum class Norm { zero, one, two, general, largest, smallest };

Norm norm_kind(double p) {
  if (std::isinf(p)) return p > 0 ? Norm::largest : Norm::smallest;
  return p == 0 ? Norm::zero : p == 1 ? Norm::one : p == 2 ? Norm::two : Norm::general;
}

// Folds n elements into a partial norm: a sum of powers, or an extreme in which NaN wins.
template <class T>
double fold_norm(double start, const T* x, int64_t n, Norm kind, double p) {
  double sum = 0;
  if (kind == Norm::two) {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  } else if (kind == Norm::one) {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += functor::abs_(x[i]);
  } else if (kind == Norm::zero) {
    for (int64_t i = 0; i < n; ++i) sum += x[i] != T(0);
  } else if (kind == Norm::general) {
    for (int64_t i = 0; i < n; ++i) sum += std::pow(std::fabs(static_cast<double>(x[i])), p);
  } else {
    const bool up = kind == Norm::largest;
    for (int64_t i = 0; i < n; ++i) {
      const double a = functor::abs_(x[i]);
      if (a != a || (up ? a > start : a < start)) start = a;
    }
    return start;
  }
  return start + sum;
}

double chunk_norm(const TensorView& x, const StridedLoop& loop, const Chunk& chunk, double start, Norm kind, double p) {
  return with_float_compute(x.dtype, [&](auto t) {
    using T = decltype(t);
    const bool direct = is_native(x.dtype, compute_v<T>) && loop.inner_stride(0) == 1;
    const Load load = load_function(x.dtype, compute_v<T>);
    alignas(64) T block[kBlock];
    double result = start;
    for (Walker walker(loop, chunk.begin); walker.position() < chunk.end;) {
      int64_t n = std::min(walker.left_in_row(), chunk.end - walker.position());
      const T* row = x.ptr<const T>() + walker.offset(0);
      if (!direct) {
        n = std::min(kBlock, n);
        load(at(x, walker.offset(0)), loop.inner_stride(0), block, n);
        row = block;
      }
      result = fold_norm(result, row, n, kind, p);
      walker.advance(n);
    }
    return result;
  });
}

template <class T>
void scale_kernel(void* to, const void* const* from, int64_t n, const void* factor) {
  const T scale = static_cast<T>(*static_cast<const double*>(factor));
  const T* x = static_cast<const T*>(from[0]);
  T* y = static_cast<T*>(to);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale;
}

}  // namespace

#define LENODE_OP(name, inputs, outputs, attrs, devices)
#define LENODE_STEP(name, outputs, attrs)                                                      \
  void op_##name(Context&, const Call& call) {                                                 \
    if (!is_left_out(call)) run_step<rule::name>(call, typename rule::name<float>::Present{}); \
  }
#include "core/ops.def"

void op_total_norm(Context&, const Call& call) {
  const double p = call.f(op::total_norm::attr::p);
  const Norm kind = norm_kind(p);
  std::vector<StridedLoop> loops;
  std::vector<int64_t> sizes;
  for (int i = 0; i < call.n_inputs; ++i) {
    loops.push_back(make_loop({&call.in(i)}));
    sizes.push_back(loops.back().numel);
  }
  const std::vector<Chunk> chunks = chunks_of(sizes);
  const int64_t count = static_cast<int64_t>(chunks.size());
  const double start = kind == Norm::smallest && count > 0 ? std::numeric_limits<double>::infinity() : 0;
  // One partial for each chunk: the result does not depend on the number of threads.
  std::vector<double> partials(chunks.size());
  parallel_chunks(count, kChunk / 2, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const int tensor = static_cast<int>(chunks[k].tensor);
      partials[k] = chunk_norm(call.in(tensor), loops[tensor], chunks[k], start, kind, p);
    }
  });
  double norm = start;
  const bool extreme = kind == Norm::largest || kind == Norm::smallest;
  for (double partial : partials) norm = extreme ? fold_norm(norm, &partial, 1, kind, p) : norm + partial;
  if (kind == Norm::two) norm = std::sqrt(norm);
  if (kind == Norm::general) norm = std::pow(norm, 1 / p);
  const TensorView& y = call.out(op::total_norm::out::norm);
  require(y.numel() == 1, "total_norm: expected a scalar output");
  with_float_compute(y.dtype, [&](auto t) {
    const auto value = static_cast<decltype(t)>(norm);
    store_function(compute_v<decltype(t)>, y.dtype)(&value, y.data, 1, 1);
  });
}

void op_clip_scale(Context&, const Call& call) {
  const TensorView& norm = call.in(op::clip_scale::in::norm);
  require(norm.numel() == 1, "clip_scale: expected the norm as a scalar");
  double value;
  load_function(norm.dtype, Compute::float64)(norm.data, 1, &value, 1);
  const double scale = call.f(op::clip_scale::attr::max_norm) / (value + 1e-6);
  if (scale >= 1) return;  // not so for NaN, which spreads
  for (int i = 0; i < call.n_outputs; ++i) {
    const TensorView& x = call.out(i);
    with_float_compute(x.dtype, [&](auto t) {
      using T = decltype(t);
      run_blocks(x, {{&x}}, compute_v<T>, compute_v<T>, scale_kernel<T>, &scale);
    });
  }
}

// What they mean is core/faults.h's affair.
void op_begin_update(Context&, const Call&) {}
void op_end_update(Context&, const Call&) {}

}  // namespace lenode::cpu
