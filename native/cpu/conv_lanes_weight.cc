// SPDX-License-Identifier: Apache-2.0
// The gradient of the weights: every lane sums over its own images, the lanes are added up at the end.
#include <utility>

#include "cpu/context.h"
#include "cpu/conv_lanes.h"
#include "cpu/conv_lanes_detail.h"

namespace lenode::cpu {
namespace {

constexpr int kMaxInputs = 4, kMaxOutputs = 8;

// Adds, for `W` neighbouring kernel columns and `K` output channels, the products of a row of gradients and the row of
// inputs that a kernel row lies on. x: [column][channel], `step` vectors per output column; grad: `k_total` per column.
template <int K, int W>
void accumulate(const Lanes* x, int64_t c_total, int64_t step, const Lanes* grad, int64_t k_total, int64_t columns,
                Lanes* sums) {
  Lanes sum[W][K];
#pragma GCC unroll 24
  for (int i = 0; i < W * K; ++i) sum[i / K][i % K] = sums[i];
  for (int64_t col = 0; col < columns; ++col, x += step, grad += k_total) {
#pragma GCC unroll 8
    for (int w = 0; w < W; ++w) {
      const Lanes value = x[w * c_total];
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) sum[w][k] += value * grad[k];
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < W * K; ++i) sums[i] = sum[i / K][i % K];
}

using Accumulate = void (*)(const Lanes*, int64_t, int64_t, const Lanes*, int64_t, int64_t, Lanes*);

// A kernel for `k` output channels at a time; the largest that divides their number and fits the registers.
struct Choice {
  int64_t k = 0;
  Accumulate run = nullptr;
};

template <int W, int K>
void offer(int64_t outputs, Choice& choice) {
  if constexpr (W * K <= kAccumulators)
    if (outputs % K == 0) choice = {K, accumulate<K, W>};
}

template <int W, int... K>
Choice choose_from(int64_t outputs, std::integer_sequence<int, K...>) {
  Choice choice;
  (offer<W, K + 1>(outputs, choice), ...);
  return choice;
}

template <int W>
Choice choose_for_width(int64_t outputs) {
  return choose_from<W>(outputs, std::make_integer_sequence<int, kMaxOutputs>());
}

Choice choose(int64_t kernel_w, int64_t outputs) {
  switch (kernel_w) {
    case 3: return choose_for_width<3>(outputs);
    case 5: return choose_for_width<5>(outputs);
    case 7: return choose_for_width<7>(outputs);
    default: return {};
  }
}

float sum_of(const Lanes& lanes) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

}  // namespace

bool conv_backward_weight_lanes(Context& context, const ConvGeometry& g, const TensorView& grad_view,
                                const TensorView& x_view, const TensorView& d_weight, const TensorView& d_bias) {
  const Choice choice = choose(g.kernel[1], g.k);
  if (g.spatial != 2 || !g.even_padding || g.groups != 1 || g.dilation[0] != 1 || g.dilation[1] != 1 ||
      g.c > kMaxInputs || g.k > kMaxOutputs || !choice.run || !Images::fits(grad_view) || !Images::fits(x_view) ||
      !fills_lanes(g.n))
    return false;
  const Images grad(grad_view), x(x_view);
  const int64_t height = g.kernel[0], width = g.kernel[1], k_tiles = g.k / choice.k, tile_size = width * choice.k;
  const int64_t row_in = (g.in[1] + 2 * g.padding[1]) * g.c, row_grad = g.out[1] * g.k;
  const int64_t row_bytes = row_in * static_cast<int64_t>(sizeof(Lanes));
  if (!Bands::fit(height, g.stride[0], row_bytes)) return false;
  const Bands bands(g.n, g.out[0], height, g.stride[0], row_bytes);
  const int64_t rows_in = (bands.rows - 1) * g.stride[0] + height;
  // Sums: [channel][kernel row][tile of output channels][kernel column][output channel], then the bias.
  const int64_t n_sums = g.c * height * g.k * width + g.k, per_slot = n_sums + rows_in * row_in + row_grad;
  const int slots = static_cast<int>(std::min<int64_t>(thread_count(), bands.count()));
  Lanes* scratch = reinterpret_cast<Lanes*>(context.scratch.get(slots * per_slot * sizeof(Lanes)));

  parallel_slots(slots, bands.count(), [&](int slot, int64_t begin, int64_t end) {
    Lanes* const sums = scratch + slot * per_slot;
    Lanes* const bias_sums = sums + n_sums - g.k;
    Lanes* const packed = sums + n_sums;
    Lanes* const packed_grad = packed + rows_in * row_in;
    std::memset(sums, 0, n_sums * sizeof(Lanes));
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = item / bands.bands, first = item % bands.bands * bands.rows;
      const int64_t rows = std::min(bands.rows, g.out[0] - first);
      const int images = static_cast<int>(std::min<int64_t>(kLanes, g.n - block * kLanes));
      pack_padded(x, block, g.padding[1], g.padding[0], first * g.stride[0], (rows - 1) * g.stride[0] + height, packed);
      for (int64_t r = 0; r < rows; ++r) {
        pack_lanes(grad.data + block * kLanes * grad.image_stride + (first + r) * grad.row_stride, grad.image_stride,
                   images, row_grad, packed_grad);
        for (int64_t i = 0; i < row_grad; i += g.k)
          for (int64_t k = 0; k < g.k; ++k) bias_sums[k] += packed_grad[i + k];
        Lanes* tile = sums;
        for (int64_t c = 0; c < g.c; ++c)
          for (int64_t h = 0; h < height; ++h)
            for (int64_t t = 0; t < k_tiles; ++t, tile += tile_size)
              choice.run(packed + (r * g.stride[0] + h) * row_in + c, g.c, g.stride[1] * g.c,
                         packed_grad + t * choice.k, g.k, g.out[1], tile);
      }
    }
  });

  const auto total = [&](int64_t i) {
    float sum = 0;
    for (int slot = 0; slot < slots; ++slot) sum += sum_of(scratch[slot * per_slot + i]);
    return sum;
  };
  const auto& s = d_weight.strides;
  int64_t i = 0;
  for (int64_t c = 0; c < g.c; ++c)
    for (int64_t h = 0; h < height; ++h)
      for (int64_t k0 = 0; k0 < g.k; k0 += choice.k)
        for (int64_t w = 0; w < width; ++w)
          for (int64_t k = k0; k < k0 + choice.k; ++k)
            d_weight.ptr<float>()[k * s[0] + c * s[1] + h * s[2] + w * s[3]] = total(i++);
  if (d_bias.present())
    for (int64_t k = 0; k < g.k; ++k) d_bias.ptr<float>()[k * d_bias.strides[0]] = total(i + k);
  return true;
}

}  // namespace lenode::cpu
