// SPDX-License-Identifier: Apache-2.0
// Optimizer steps: one parallel region for a whole parameter group. The tensors' elements are cut into chunks, and a
// chunk's operands (parameter, states, gradient) are flat arrays, since they are dense and share their strides.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

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

double scalar_of(const TensorView& view, DType dtype, const char* message) {
  require(view.numel() == 1 && view.dtype == dtype, message);
  return dtype == DType::float64 ? *view.ptr<double>() : *view.ptr<float>();
}

// The gradient as the rule sees it: sign flipped to maximize, with L2 regularization.
template <class T>
LENODE_HD T regularized(T grad, T parameter, bool maximize, T weight_decay) {
  const T g = maximize ? -grad : grad;
  return weight_decay != T(0) ? g + weight_decay * parameter : g;
}

// As PyTorch's lerp, which is exact at both ends.
template <class T>
LENODE_HD T lerp(T from, T to, T weight) {
  return weight < T(0.5) ? from + weight * (to - from) : to - (to - from) * (T(1) - weight);
}

struct SgdRule {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize, first;

  template <class T>
  void operator()(T* const* arrays, int64_t n) const {
    const T rate = static_cast<T>(lr), decay = static_cast<T>(weight_decay), mu = static_cast<T>(momentum);
    const T fresh = static_cast<T>(1 - dampening);
    const bool up = maximize, start = first, ahead = nesterov;
    T* p = arrays[0];
    if (momentum == 0) {
      const T* grad = arrays[1];
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) p[i] -= rate * regularized(grad[i], p[i], up, decay);
      return;
    }
    T* buffer = arrays[1];
    const T* grad = arrays[2];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const T g = regularized(grad[i], p[i], up, decay);
      const T b = start ? g : mu * buffer[i] + fresh * g;
      buffer[i] = b;
      p[i] -= rate * (ahead ? g + mu * b : b);
    }
  }
};

struct AdamRule {
  double lr, beta1, beta2, eps, weight_decay, step;
  bool amsgrad, maximize, decoupled;

  template <class T>
  void operator()(T* const* arrays, int64_t n) const {
    const double correction1 = 1 - std::pow(beta1, step), correction2 = 1 - std::pow(beta2, step);
    const T step_size = static_cast<T>(lr / correction1), root = static_cast<T>(std::sqrt(correction2));
    const T weight1 = static_cast<T>(1 - beta1), keep2 = static_cast<T>(beta2), weight2 = static_cast<T>(1 - beta2);
    const T epsilon = static_cast<T>(eps), decay = static_cast<T>(decoupled ? 0 : weight_decay);
    const T shrink = static_cast<T>(decoupled ? 1 - lr * weight_decay : 1);
    const bool up = maximize, keep_largest = amsgrad;
    T *p = arrays[0], *average = arrays[1], *squares = arrays[2];
    T* largest = keep_largest ? arrays[3] : squares;
    const T* grad = arrays[keep_largest ? 4 : 3];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const T parameter = p[i] * shrink;
      const T g = regularized(grad[i], parameter, up, decay);
      const T m = lerp(average[i], g, weight1);
      const T v = squares[i] * keep2 + weight2 * g * g;
      average[i] = m;
      squares[i] = v;
      const T top = !keep_largest || !(largest[i] > v) ? v : largest[i];
      largest[i] = top;
      p[i] = parameter - step_size * (m / (functor::sqrt_(top) / root + epsilon));
    }
  }
};

struct RmspropRule {
  double lr, alpha, eps, weight_decay, momentum;
  bool centered, maximize;

  template <class T>
  void operator()(T* const* arrays, int64_t n) const {
    const T rate = static_cast<T>(lr), keep = static_cast<T>(alpha), weight = static_cast<T>(1 - alpha);
    const T epsilon = static_cast<T>(eps), decay = static_cast<T>(weight_decay), mu = static_cast<T>(momentum);
    const bool up = maximize, with_momentum = momentum > 0, with_mean = centered;
    T *p = arrays[0], *squares = arrays[1];
    // Absent states point at squares and are not touched.
    T* buffer = with_momentum ? arrays[2] : squares;
    T* mean = with_mean ? arrays[2 + with_momentum] : squares;
    const T* grad = arrays[2 + with_momentum + with_mean];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const T g = regularized(grad[i], p[i], up, decay);
      const T s = squares[i] * keep + weight * g * g;
      squares[i] = s;
      T variance = s;
      if (with_mean) {
        const T m = lerp(mean[i], g, weight);
        mean[i] = m;
        variance = s - m * m;
      }
      const T direction = g / (functor::sqrt_(variance) + epsilon);
      if (with_momentum) {
        const T b = mu * buffer[i] + direction;
        buffer[i] = b;
        p[i] -= rate * b;
      } else {
        p[i] -= rate * direction;
      }
    }
  }
};

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

void op_sgd_step(Context&, const Call& call) {
  namespace o = op::sgd_step;
  const double lr = scalar_of(call.in(o::in::lr), DType::float64, "sgd_step: expected lr as a float64 scalar");
  const SgdRule rule{lr,
                     call.f(o::attr::momentum),
                     call.f(o::attr::dampening),
                     call.f(o::attr::weight_decay),
                     call.i(o::attr::nesterov) != 0,
                     call.i(o::attr::maximize) != 0,
                     call.i(o::attr::first) != 0};
  Group(call, 1, 0, rule.momentum != 0 ? 1 : 0).update(rule);
}

void op_adam_step(Context&, const Call& call) {
  namespace o = op::adam_step;
  const double lr = scalar_of(call.in(o::in::lr), DType::float64, "adam_step: expected lr as a float64 scalar");
  const TensorView& step = call.out(o::out::step);
  const double count = scalar_of(step, DType::float32, "adam_step: expected step as a float32 scalar") + 1;
  const AdamRule rule{lr,
                      call.f(o::attr::beta1),
                      call.f(o::attr::beta2),
                      call.f(o::attr::eps),
                      call.f(o::attr::weight_decay),
                      count,
                      call.i(o::attr::amsgrad) != 0,
                      call.i(o::attr::maximize) != 0,
                      call.i(o::attr::decoupled) != 0};
  const Group group(call, 1, 1, rule.amsgrad ? 3 : 2);
  *step.ptr<float>() = static_cast<float>(count);
  group.update(rule);
}

void op_rmsprop_step(Context&, const Call& call) {
  namespace o = op::rmsprop_step;
  const double lr = scalar_of(call.in(o::in::lr), DType::float64, "rmsprop_step: expected lr as a float64 scalar");
  const RmspropRule rule{lr,
                         call.f(o::attr::alpha),
                         call.f(o::attr::eps),
                         call.f(o::attr::weight_decay),
                         call.f(o::attr::momentum),
                         call.i(o::attr::centered) != 0,
                         call.i(o::attr::maximize) != 0};
  Group(call, 1, 0, 1 + (rule.momentum > 0) + rule.centered).update(rule);
}

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

}  // namespace lenode::cpu
