// SPDX-License-Identifier: Apache-2.0
// Random tensors: the bits of every element follow from the generator's state and the element's place in memory, so
// neither the number of threads nor the device changes them.
#include "cpu/simd_math.h"

#include "core/philox.h"
#include "cpu/handlers.h"
#include "cpu/parallel.h"
#include "cpu/strided.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kBlock = 1024;  // elements made at a time; four to a Philox block
constexpr int64_t kCost = 8;

// The generator's {seed, offset} as it was before the call, which takes ceil(n / 4) blocks.
struct State {
  uint64_t seed, offset;
  State(const TensorView& state, int64_t n) {
    require(state.dtype == DType::int64 && state.numel() == 2 && (state.rank != 1 || state.strides[0] == 1),
            "random: expected a state of two int64");
    int64_t* words = state.ptr<int64_t>();
    seed = static_cast<uint64_t>(words[0]);
    offset = static_cast<uint64_t>(words[1]);
    words[1] = static_cast<int64_t>(offset + static_cast<uint64_t>((n + 3) / 4));
  }
};

void philox_bits(const State& state, int64_t first, uint32_t* bits) {
  const uint64_t block = state.offset + static_cast<uint64_t>(first / 4);
#pragma omp simd
  for (int64_t i = 0; i < kBlock / 4; ++i) {
    const PhiloxBlock lanes = philox(state.seed, block + static_cast<uint64_t>(i));
    bits[4 * i] = lanes.lane[0];
    bits[4 * i + 1] = lanes.lane[1];
    bits[4 * i + 2] = lanes.lane[2];
    bits[4 * i + 3] = lanes.lane[3];
  }
}

// body(bits, first, n) for all elements in memory order.
template <class Body>
void for_random_blocks(int64_t numel, const State& state, Body&& body) {
  const int64_t blocks = (numel + kBlock - 1) / kBlock;
  parallel_chunks(blocks, kBlock * kCost, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t bits[kBlock];
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlock;
      philox_bits(state, first, bits);
      body(static_cast<const uint32_t*>(bits), first, std::min(kBlock, numel - first));
    }
  });
}

// y = make(bits, values, n), block by block, in y's compute type T.
template <class T, class Make>
void generate(const char* name, const TensorView& y, const TensorView& state_view, Make&& make) {
  if (!is_dense(y)) fail(ErrorCode::invalid, std::string(name) + ": expected a dense output");
  const State state(state_view, y.numel());
  const bool native = is_native(y.dtype, compute_v<T>);
  const Store store = store_function(compute_v<T>, y.dtype);
  for_random_blocks(y.numel(), state, [&](const uint32_t* bits, int64_t first, int64_t n) {
    alignas(64) T block[kBlock];
    T* values = native ? y.ptr<T>() + first : block;
    make(bits, values, n);
    if (!native) store(block, at_mutable(y, first), 1, n);
  });
}

int significant_bits(DType dtype) {
  if (dtype == DType::float16) return 11;
  return dtype == DType::bfloat16 ? 8 : 24;
}

// As philox_normal() for both elements of each pair. Sine and cosine in one loop would become a call of sincosf, which
// has no vector version.
template <class T>
void make_normal(const uint32_t* bits, T* values, int64_t n, T mean, T std) {
  alignas(64) float normal[kBlock], radius[kBlock / 2], angle[kBlock / 2];
#pragma omp simd
  for (int64_t i = 0; i < kBlock / 2; ++i) {
    const float u = (static_cast<float>(bits[2 * i] >> 8) + 1.0f) * 0x1p-24f;
    radius[i] = ::sqrtf(-2.0f * ::logf(u));
    angle[i] = 6.2831853071795865f * philox_uniform(bits[2 * i + 1]);
  }
#pragma omp simd
  for (int64_t i = 0; i < kBlock / 2; ++i) normal[2 * i] = radius[i] * ::cosf(angle[i]);
#pragma omp simd
  for (int64_t i = 0; i < kBlock / 2; ++i) normal[2 * i + 1] = radius[i] * ::sinf(angle[i]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) values[i] = mean + std * static_cast<T>(normal[i]);
}

struct DropoutParams {
  double scale;
  static double scale_of(double p) { return p < 1 ? 1 / (1 - p) : 0; }
};

bool same_layout(const TensorView& a, const TensorView& b) {
  if (!same_shape(a, b)) return false;
  for (int i = 0; i < a.rank; ++i)
    if (a.dims[i] != 1 && a.strides[i] != b.strides[i]) return false;
  return true;
}

template <class T>
void dropout(const Call& call) {
  namespace o = op::dropout;
  const TensorView &x = call.in(o::in::x), &y = call.out(o::out::y), &mask = call.out(o::out::mask);
  const float p = static_cast<float>(call.f(o::attr::p));
  const T scale = static_cast<T>(DropoutParams::scale_of(call.f(o::attr::p)));
  require(same_layout(x, y) && same_layout(y, mask) && is_dense(y) && mask.dtype == DType::boolean,
          "dropout: expected dense tensors of equal strides");
  const State state(call.out(o::out::state), y.numel());
  const bool native = is_native(x.dtype, compute_v<T>) && x.dtype == y.dtype;
  const Load load = load_function(x.dtype, compute_v<T>);
  const Store store = store_function(compute_v<T>, y.dtype);
  for_random_blocks(y.numel(), state, [&](const uint32_t* bits, int64_t first, int64_t n) {
    alignas(64) T block[kBlock];
    uint8_t* kept = mask.ptr<uint8_t>() + first;
    if (!native) load(at(x, first), 1, block, n);
    const T* from = native ? x.ptr<const T>() + first : block;
    T* to = native ? y.ptr<T>() + first : block;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const bool keep = philox_uniform(bits[i]) >= p;
      kept[i] = keep;
      to[i] = keep ? from[i] * scale : T(0);
    }
    if (!native) store(block, at_mutable(y, first), 1, n);
  });
}

template <class T>
void dropout_backward_kernel(void* to, const void* const* from, int64_t n, const void* params) {
  const T* grad = static_cast<const T*>(from[0]);
  const T* kept = static_cast<const T*>(from[1]);
  const T scale = static_cast<T>(static_cast<const DropoutParams*>(params)->scale);
  T* d_x = static_cast<T*>(to);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) d_x[i] = kept[i] != T(0) ? grad[i] * scale : T(0);
}

}  // namespace

void op_rand(Context&, const Call& call) {
  namespace o = op::rand;
  const TensorView& y = call.out(o::out::y);
  const int precision = significant_bits(y.dtype);
  with_float_compute(y.dtype, [&](auto t) {
    using T = decltype(t);
    const T low = static_cast<T>(call.f(o::attr::low)), high = static_cast<T>(call.f(o::attr::high));
    generate<T>("rand", y, call.out(o::out::state), [=](const uint32_t* bits, T* values, int64_t n) {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) values[i] = philox_uniform_in(bits[i], low, high, precision);
    });
  });
}

void op_randn(Context&, const Call& call) {
  namespace o = op::randn;
  with_float_compute(call.out(o::out::y).dtype, [&](auto t) {
    using T = decltype(t);
    const T mean = static_cast<T>(call.f(o::attr::mean)), std = static_cast<T>(call.f(o::attr::std));
    generate<T>("randn", call.out(o::out::y), call.out(o::out::state),
                [=](const uint32_t* bits, T* values, int64_t n) { make_normal(bits, values, n, mean, std); });
  });
}

void op_randint(Context&, const Call& call) {
  namespace o = op::randint;
  const int64_t low = call.i(o::attr::low), high = call.i(o::attr::high);
  with_compute(call.out(o::out::y).dtype, [&](auto t) {
    using T = decltype(t);
    generate<T>("randint", call.out(o::out::y), call.out(o::out::state),
                [=](const uint32_t* bits, T* values, int64_t n) {
                  for (int64_t i = 0; i < n; ++i) values[i] = static_cast<T>(philox_integer(bits[i], low, high));
                });
  });
}

void op_dropout(Context&, const Call& call) {
  with_float_compute(call.in(op::dropout::in::x).dtype, [&](auto t) { dropout<decltype(t)>(call); });
}

void op_dropout_backward(Context&, const Call& call) {
  namespace o = op::dropout_backward;
  const DropoutParams params{DropoutParams::scale_of(call.f(o::attr::p))};
  with_float_compute(call.out(o::out::d_x).dtype, [&](auto t) {
    using T = decltype(t);
    run_blocks(call.out(o::out::d_x), {{&call.in(o::in::grad)}, {&call.in(o::in::mask)}}, compute_v<T>, compute_v<T>,
               dropout_backward_kernel<T>, &params, 2);
  });
}

}  // namespace lenode::cpu
