// SPDX-License-Identifier: Apache-2.0
// The forward direction, and the gradient of the input as a forward convolution with the kernel turned round.
#include "cpu/conv_lanes.h"

#include "cpu/context.h"
#include "cpu/conv_lanes_detail.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kMaxOutputs = 8;  // output channels; oneDNN's vectors hold 16

// y = x * weights + bias, all in lanes. weights: [kernel row][kernel column][input channel][output channel].
struct Problem {
  Images x, y;
  int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
  const float* weights;
  const float* bias;  // or null
  bool relu;

  int64_t padded_width() const { return (x.w + 2 * pad_w) * x.c; }
};

// How many columns of K channels one tile computes. Between two columns the window moves by `step` vectors.
template <int K>
constexpr int kColumns = kAccumulators / K;

// The kernel positions along one dimension that meet data, not padding, for outputs [first, first + count).
struct Taps {
  int64_t begin, end;

  Taps(int64_t first, int64_t count, int64_t stride, int64_t padding, int64_t kernel, int64_t size)
      : begin(std::max<int64_t>(0, padding - (first + count - 1) * stride)),
        end(std::min(kernel, padding + size - first * stride)) {}
};

// x: the window's first element; rows and columns of the kernel outside `rows` and `columns` meet zeros alone.
template <int K>
void tile(const Problem& p, const Lanes* x, int64_t step, Taps rows, Taps columns, Lanes* y) {
  constexpr int n = kColumns<K>;
  Lanes sum[n][K];
#pragma GCC unroll 24
  for (int i = 0; i < n * K; ++i) sum[i / K][i % K] = Lanes{} + (p.bias ? p.bias[i % K] : 0.0f);
  const int64_t taps = p.kernel_w * p.x.c, width = p.padded_width();
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* weight = p.weights + (row * taps + columns.begin * p.x.c) * K;
    for (int64_t tap = columns.begin * p.x.c; tap < columns.end * p.x.c; ++tap, weight += K) {
#pragma GCC unroll 24
      for (int j = 0; j < n; ++j) {
        const Lanes value = x[row * width + tap + j * step];
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k) sum[j][k] += value * weight[k];
      }
    }
  }
  const Lanes zero{};
#pragma GCC unroll 24
  for (int i = 0; i < n * K; ++i) {
    const Lanes value = sum[i / K][i % K];
    y[i] = p.relu ? (value < zero ? zero : value) : value;
  }
}

template <int K>
void run(Context& context, const Problem& p) {
  const int64_t width = p.padded_width();
  const Bands bands(p.y.n, p.y.h, p.kernel_h, p.stride_h, width * sizeof(Lanes));
  const int64_t rows_in = (bands.rows - 1) * p.stride_h + p.kernel_h;
  const int64_t per_slot = rows_in * width + p.y.w * K;
  const int slots = static_cast<int>(std::min<int64_t>(thread_count(), bands.count()));
  Lanes* scratch = reinterpret_cast<Lanes*>(context.scratch.get(slots * per_slot * sizeof(Lanes)));
  parallel_slots(slots, bands.count(), [&](int slot, int64_t begin, int64_t end) {
    Lanes* const x = scratch + slot * per_slot;
    Lanes* const row = x + rows_in * width;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = item / bands.bands, first = item % bands.bands * bands.rows;
      const int64_t rows = std::min(bands.rows, p.y.h - first);
      const int images = static_cast<int>(std::min<int64_t>(kLanes, p.y.n - block * kLanes));
      pack_padded(p.x, block, p.pad_w, p.pad_h, first * p.stride_h, (rows - 1) * p.stride_h + p.kernel_h, x);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t step = p.stride_w * p.x.c;
        const Taps taps_h(first + r, 1, p.stride_h, p.pad_h, p.kernel_h, p.x.h);
        for (int64_t col = 0; col < p.y.w; col += kColumns<K>) {
          // The last tile moves back over columns that are done rather than beyond the row.
          const int64_t at = std::min(col, p.y.w - kColumns<K>);
          const Taps taps_w(at, kColumns<K>, p.stride_w, p.pad_w, p.kernel_w, p.x.w);
          tile<K>(p, x + r * p.stride_h * width + at * step, step, taps_h, taps_w, row + at * K);
        }
        float* out = p.y.data + block * kLanes * p.y.image_stride + (first + r) * p.y.row_stride;
        unpack_lanes(row, out, p.y.image_stride, images, p.y.w * K);
      }
    }
  });
}

bool run_any(Context& context, const Problem& p) {
  if (!Bands::fit(p.kernel_h, p.stride_h, p.padded_width() * sizeof(Lanes))) return false;
  switch (p.y.c) {
    case 1: return run<1>(context, p), true;
    case 2: return run<2>(context, p), true;
    case 3: return run<3>(context, p), true;
    case 4: return run<4>(context, p), true;
    case 5: return run<5>(context, p), true;
    case 6: return run<6>(context, p), true;
    case 7: return run<7>(context, p), true;
    case 8: return run<8>(context, p), true;
    default: return false;
  }
}

bool suits(const ConvGeometry& g, const TensorView& in, const TensorView& out) {
  return g.spatial == 2 && g.even_padding && g.groups == 1 && g.dilation[0] == 1 && g.dilation[1] == 1 &&
         Images::fits(in) && Images::fits(out) && out.dims[1] <= kMaxOutputs &&
         out.dims[3] >= kAccumulators / out.dims[1] && fills_lanes(g.n);
}

// weight[k][c][row][col] through its strides, in the order that tile() reads.
template <class Index>
float* pack_weights(Context& context, const TensorView& weight, int64_t inputs, int64_t outputs, Index&& index) {
  const int64_t height = weight.dims[2], width = weight.dims[3];
  float* packed = reinterpret_cast<float*>(context.weights_scratch.get(weight.numel() * sizeof(float)));
  float* next = packed;
  for (int64_t row = 0; row < height; ++row)
    for (int64_t col = 0; col < width; ++col)
      for (int64_t in = 0; in < inputs; ++in)
        for (int64_t out = 0; out < outputs; ++out) *next++ = weight.ptr<float>()[index(row, col, in, out)];
  return packed;
}

}  // namespace

bool conv_lanes(Context& context, const ConvGeometry& g, const TensorView& x, const TensorView& weight,
                const TensorView& y, const TensorView& bias, bool relu) {
  if (!suits(g, x, y)) return false;
  const auto& s = weight.strides;
  const float* weights = pack_weights(context, weight, g.c, g.k, [&](int64_t row, int64_t col, int64_t c, int64_t k) {
    return k * s[0] + c * s[1] + row * s[2] + col * s[3];
  });
  return run_any(context, {Images(x), Images(y), g.kernel[0], g.kernel[1], g.stride[0], g.stride[1], g.padding[0],
                           g.padding[1], weights, bias.present() ? bias.ptr<float>() : nullptr, relu});
}

bool conv_backward_input_lanes(Context& context, const ConvGeometry& g, const TensorView& grad,
                               const TensorView& weight, const TensorView& d_x, const TensorView&) {
  const int64_t pad_h = g.kernel[0] - 1 - g.padding[0], pad_w = g.kernel[1] - 1 - g.padding[1];
  if (!suits(g, grad, d_x) || g.stride[0] != 1 || g.stride[1] != 1 || pad_h < 0 || pad_w < 0) return false;
  const auto& s = weight.strides;
  const float* weights = pack_weights(context, weight, g.k, g.c, [&](int64_t row, int64_t col, int64_t k, int64_t c) {
    return k * s[0] + c * s[1] + (g.kernel[0] - 1 - row) * s[2] + (g.kernel[1] - 1 - col) * s[3];
  });
  return run_any(context, {Images(grad), Images(d_x), g.kernel[0], g.kernel[1], 1, 1, pad_h, pad_w, weights, nullptr,
                           false});
}

}  // namespace lenode::cpu
