// SPDX-License-Identifier: Apache-2.0
// An output tile of 2 x 2 pixels comes from an input tile of 4 x 4: both are transformed to 16 positions, at each of which
// the convolution is a product of matrices, [tiles, C] times [C, K]. The gradients are the transposed transformations:
//   y  = A^T [(G w G^T) * (B^T x B)] A        d_w = G^T [(B^T x B) * (A d_y A^T)] G
// and the gradient of the input is a convolution with the kernel turned round.
#include "cpu/conv_winograd.h"

#include <vector>

#include "cpu/context.h"
#include "cpu/conv_tiles_detail.h"
#include "cpu/parallel.h"

namespace lenode::cpu {
namespace {

constexpr int kPositions = 16;
constexpr int64_t kMinChannels = 32;  // with fewer, the transformations cost what the products save

// ---- the transformations, of one vector of channels -----------------------------------------------------------------------

// B^T d B
inline __attribute__((always_inline)) void transform_input(Vec (&d)[4][4]) {
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const Vec d0 = d[0][j], d1 = d[1][j], d2 = d[2][j], d3 = d[3][j];
    d[0][j] = d0 - d2, d[1][j] = d1 + d2, d[2][j] = d2 - d1, d[3][j] = d1 - d3;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vec d0 = d[i][0], d1 = d[i][1], d2 = d[i][2], d3 = d[i][3];
    d[i][0] = d0 - d2, d[i][1] = d1 + d2, d[i][2] = d2 - d1, d[i][3] = d1 - d3;
  }
}

// A^T m A, in the corner of m
inline __attribute__((always_inline)) void transform_output(Vec (&m)[4][4]) {
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const Vec m0 = m[0][j], m1 = m[1][j], m2 = m[2][j], m3 = m[3][j];
    m[0][j] = m0 + m1 + m2, m[1][j] = m1 - m2 - m3;
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Vec m0 = m[i][0], m1 = m[i][1], m2 = m[i][2], m3 = m[i][3];
    m[i][0] = m0 + m1 + m2, m[i][1] = m1 - m2 - m3;
  }
}

// A d A^T, of the corner of d
inline __attribute__((always_inline)) void transform_gradient(Vec (&d)[4][4]) {
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) {
    const Vec d0 = d[0][j], d1 = d[1][j];
    d[1][j] = d0 + d1, d[2][j] = d0 - d1, d[3][j] = -d1;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vec d0 = d[i][0], d1 = d[i][1];
    d[i][1] = d0 + d1, d[i][2] = d0 - d1, d[i][3] = -d1;
  }
}

// G w G^T of 9 numbers or vectors
template <class T>
inline __attribute__((always_inline)) void transform_weight(const T (&w)[3][3], T (&u)[4][4]) {
  T rows[4][3];
#pragma GCC unroll 3
  for (int j = 0; j < 3; ++j) {
    const T sum = (w[0][j] + w[2][j]) * 0.5f, middle = w[1][j] * 0.5f;
    rows[0][j] = w[0][j], rows[1][j] = sum + middle, rows[2][j] = sum - middle, rows[3][j] = w[2][j];
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const T sum = (rows[i][0] + rows[i][2]) * 0.5f, middle = rows[i][1] * 0.5f;
    u[i][0] = rows[i][0], u[i][1] = sum + middle, u[i][2] = sum - middle, u[i][3] = rows[i][2];
  }
}

// G^T m G
inline __attribute__((always_inline)) void transform_weight_gradient(const Vec (&m)[4][4], Vec (&w)[3][3]) {
  Vec rows[3][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const Vec sum = (m[1][j] + m[2][j]) * 0.5f, difference = (m[1][j] - m[2][j]) * 0.5f;
    rows[0][j] = m[0][j] + sum, rows[1][j] = difference, rows[2][j] = sum + m[3][j];
  }
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i) {
    const Vec sum = (rows[i][1] + rows[i][2]) * 0.5f, difference = (rows[i][1] - rows[i][2]) * 0.5f;
    w[i][0] = rows[i][0] + sum, w[i][1] = difference, w[i][2] = sum + rows[i][3];
  }
}

// ---- tiles ------------------------------------------------------------------------------------------------------------------

struct Grid {
  int64_t rows, columns, total;

  Grid(int64_t images, int64_t h, int64_t w) : rows((h + 1) / 2), columns((w + 1) / 2), total(images * rows * columns) {}

  // Calls body(i, image, y, x) for `count` tiles from `begin`: the tile's first pixel in the output.
  template <class Body>
  void for_each(int64_t begin, int64_t count, Body&& body) const {
    int64_t image = begin / (rows * columns), row = begin / columns % rows, column = begin % columns;
    for (int64_t i = 0; i < count; ++i) {
      body(i, image, 2 * row, 2 * column);
      if (++column < columns) continue;
      column = 0;
      if (++row < rows) continue;
      row = 0;
      ++image;
    }
  }
};

// The pixels of an n x n tile that begins at (y, x), those outside of the image read as zeros.
template <int N>
inline void pixels_of(const Plane& plane, int64_t image, int64_t y, int64_t x, const float* zeros, const float* (&pixels)[N][N]) {
  const float* base = plane.data + image * plane.image;
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < N; ++j) {
      const bool inside = y + i >= 0 && y + i < plane.h && x + j >= 0 && x + j < plane.w;
      pixels[i][j] = inside ? base + (y + i) * plane.row + (x + j) * plane.pixel : zeros;
    }
}

// Numbers between two positions: not a multiple of 4096 bytes, or else all positions would meet in one set of the cache.
inline int64_t position_stride(int64_t tiles, int64_t channels) { return tiles * channels + 16; }

// to: [position][tile][channel]
void input_tiles(const Plane& x, const Grid& grid, int64_t channels, int64_t padding_h, int64_t padding_w, int64_t begin,
                 int64_t count, int64_t stride, const float* zeros, float* to) {
  grid.for_each(begin, count, [&](int64_t t, int64_t image, int64_t top, int64_t left) {
    const float* pixels[4][4];
    pixels_of<4>(x, image, top - padding_h, left - padding_w, zeros, pixels);
    float* out = to + t * channels;
    for (int64_t c = 0; c < channels; c += kVector) {
      Vec d[4][4];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) load_vector(d[i / 4][i % 4], pixels[i / 4][i % 4] + c);
      transform_input(d);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) store_vector(out + i * stride + c, d[i / 4][i % 4]);
    }
  });
}

// ---- forward, and the gradient of the input ----------------------------------------------------------------------------------

struct Problem {
  Plane x, y;
  int64_t images, c, k, padding_h, padding_w;
  const float* bias;
  bool relu;
};

void output_tiles(const Problem& p, const Grid& grid, int64_t begin, int64_t count, int64_t width, int64_t stride,
                  const float* from) {
  grid.for_each(begin, count, [&](int64_t t, int64_t image, int64_t top, int64_t left) {
    const float* in = from + t * width;
    float* out = p.y.data + image * p.y.image + top * p.y.row + left * p.y.pixel;
    const bool second_row = top + 1 < p.y.h, second_column = left + 1 < p.y.w;
    for (int64_t k = 0; k < p.k; k += kVector) {
      Vec m[4][4];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) load_vector(m[i / 4][i % 4], in + i * stride + k);
      transform_output(m);
      Vec bias{};
      if (p.bias) load_vector(bias, p.bias + k);
      const auto store = [&](int i, int j) __attribute__((always_inline)) {
        const Vec zero{}, value = m[i][j] + bias;
        store_vector(out + i * p.y.row + j * p.y.pixel + k, p.relu ? (value < zero ? zero : value) : value);  // NaN passes
      };
      store(0, 0);
      if (second_column) store(0, 1);
      if (second_row) {
        store(1, 0);
        if (second_column) store(1, 1);
      }
    }
  });
}

// to: [position][panel][c][kPanel]. weight(k, c, r, s) is at k * stride_k + c * stride_c + r * stride_r + s * stride_s.
void pack_weights(const float* weight, int64_t k, int64_t c, int64_t stride_k, int64_t stride_c, int64_t stride_r,
                  int64_t stride_s, bool turned, float* to) {
  const int64_t panels = panels_of(k), position = panels * c * kPanel;
  parallel_chunks(panels * c, kPanel * 32, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t panel = job / c, channel = job % c;
      const int64_t k0 = panel * kPanel, valid = std::min<int64_t>(kPanel, k - k0);
      float taps[9][kPanel] = {};
      for (int tap = 0; tap < 9; ++tap) {
        const int at = turned ? 8 - tap : tap;
        const float* from = weight + k0 * stride_k + channel * stride_c + at / 3 * stride_r + at % 3 * stride_s;
        for (int64_t i = 0; i < valid; ++i) taps[tap][i] = from[i * stride_k];
      }
      float* out = to + job * kPanel;
      for (int half = 0; half < 2; ++half) {
        Vec w[3][3], u[4][4];
        for (int tap = 0; tap < 9; ++tap) load_vector(w[tap / 3][tap % 3], taps[tap] + half * kVector);
        transform_weight(w, u);
        for (int i = 0; i < kPositions; ++i) store_vector(out + i * position + half * kVector, u[i / 4][i % 4]);
      }
    }
  });
}

// y [rows, panels * kPanel] = x [rows, c] times the panels.
void multiply(const float* x, int64_t rows, int64_t c, const float* weights, int64_t panels, const int32_t* offsets, float* y) {
  constexpr int64_t kStretch = 512;  // whose weights stay in the first-level cache
  const int64_t width = panels * kPanel;
  for (int64_t panel = 0; panel < panels; ++panel)
    for (int64_t at = 0; at < c; at += kStretch) {
      const Run run{at, std::min(kStretch, c - at)};
      const Stretch stretch{&run, &run + 1, weights + (panel * c + at) * kPanel, at == 0, false};
      for_equal_parts(rows, kTileRows, [&](int64_t begin, int64_t count) {
        float* outputs[kTileRows];
        for (int64_t j = 0; j < count; ++j) outputs[j] = y + (begin + j) * width + panel * kPanel;
        tile_of(count)(x, offsets + begin, stretch, nullptr, outputs, false, kPanel);
      });
    }
}

// How many tiles are transformed and multiplied at a time, so that both sides stay in the second-level cache; but with many
// channels it is the weights' traffic that counts, which takes many tiles.
int64_t block_tiles(int64_t total, int64_t channels, int threads) {
  constexpr int64_t kBytes = 640 << 10, kLeast = 48;
  const int64_t cached = std::max(kLeast, kBytes / (kPositions * static_cast<int64_t>(sizeof(float)) * channels));
  const int64_t share = (total + threads - 1) / threads, blocks = (share + cached - 1) / cached;
  return (share + blocks - 1) / blocks;
}

void run(Context& context, const Problem& p, const float* weights) {
  const Grid grid(p.images, p.y.h, p.y.w);
  const int threads = thread_count();
  const int64_t panels = panels_of(p.k), width = panels * kPanel, tiles = block_tiles(grid.total, p.c + width, threads);
  const int64_t blocks = (grid.total + tiles - 1) / tiles;
  const int64_t stride_x = position_stride(tiles, p.c), stride_y = position_stride(tiles, width);
  const int64_t per_slot = kPositions * (stride_x + stride_y);
  const int slots = static_cast<int>(std::min<int64_t>(threads, blocks));
  float* scratch = reinterpret_cast<float*>(context.scratch.get((slots * per_slot + p.c) * sizeof(float)));
  float* zeros = scratch + slots * per_slot;
  std::memset(zeros, 0, p.c * sizeof(float));
  std::vector<int32_t> offsets(tiles);
  for (int64_t t = 0; t < tiles; ++t) offsets[t] = static_cast<int32_t>(t * p.c);
  parallel_slots(slots, blocks, [&](int slot, int64_t begin, int64_t end) {
    float *x = scratch + slot * per_slot, *y = x + kPositions * stride_x;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * tiles, count = std::min(tiles, grid.total - first);
      input_tiles(p.x, grid, p.c, p.padding_h, p.padding_w, first, count, stride_x, zeros, x);
      for (int i = 0; i < kPositions; ++i)
        multiply(x + i * stride_x, count, p.c, weights + i * p.c * width, panels, offsets.data(), y + i * stride_y);
      output_tiles(p, grid, first, count, width, stride_y, y);
    }
  });
}

bool suits(const ConvGeometry& g, const TensorView& x, const TensorView& y) {
  if (g.spatial != 2 || g.groups != 1 || !Plane::fits(x) || !Plane::fits(y)) return false;
  for (int d = 0; d < 2; ++d)
    if (g.kernel[d] != 3 || g.stride[d] != 1 || g.dilation[d] != 1 || g.padding[d] > 2 || g.out[d] < 4) return false;
  return g.c >= kMinChannels && g.k >= kMinChannels && g.c % kVector == 0 && g.k % kVector == 0;
}

float* weight_scratch(Context& context, int64_t c, int64_t k) {
  return reinterpret_cast<float*>(context.weights_scratch.get(kPositions * c * panels_of(k) * kPanel * sizeof(float)));
}

}  // namespace

bool conv_winograd(Context& context, const ConvGeometry& g, const TensorView& x, const TensorView& weight,
                   const TensorView& y, const TensorView& bias, bool relu) {
  if (!suits(g, x, y)) return false;
  const Problem p{Plane(x), Plane(y), g.n, g.c, g.k, g.padding[0], g.padding[1],
                  bias.present() ? bias.ptr<float>() : nullptr, relu};
  float* packed = weight_scratch(context, g.c, g.k);
  pack_weights(weight.ptr<float>(), g.k, g.c, weight.strides[0], weight.strides[1], weight.strides[2], weight.strides[3],
               false, packed);
  run(context, p, packed);
  return true;
}

bool conv_backward_input_winograd(Context& context, const ConvGeometry& g, const TensorView& grad,
                                  const TensorView& weight, const TensorView& d_x, const TensorView&) {
  if (!suits(g, d_x, grad)) return false;
  const Problem p{Plane(grad), Plane(d_x), g.n, g.k, g.c, 2 - g.padding[0], 2 - g.padding[1], nullptr, false};
  float* packed = weight_scratch(context, g.k, g.c);
  pack_weights(weight.ptr<float>(), g.c, g.k, weight.strides[1], weight.strides[0], weight.strides[2], weight.strides[3],
               true, packed);
  run(context, p, packed);
  return true;
}

// ---- the gradient of the weights -----------------------------------------------------------------------------------------------

namespace {

// What one thread, or all of them together, transform before it is multiplied.
struct WeightProblem {
  Plane x, grad;
  Grid grid;
  int64_t c, k, padding_h, padding_w, panels, width;
  int64_t tiles;  // of a block
  int64_t stride_x, stride_grad;
  const float* zeros;
  std::vector<int32_t> offsets;

  WeightProblem(const ConvGeometry& g, const TensorView& x_view, const TensorView& grad_view)
      : x(x_view), grad(grad_view), grid(g.n, g.out[0], g.out[1]), c(g.c), k(g.k), padding_h(g.padding[0]),
        padding_w(g.padding[1]), panels(panels_of(g.k)), width(panels * kPanel) {}

  int64_t tile_bytes() const { return kPositions * static_cast<int64_t>(sizeof(float)) * (c + width); }
  int64_t block_size() const { return kPositions * (stride_x + stride_grad); }
  int64_t sums_size() const { return kPositions * c * width; }  // [position][panel][c][kPanel]
  int64_t jobs() const { return kPositions * panels; }

  // Blocks of equal size, of `most` tiles or fewer, out of `total`.
  void divide(int64_t total, int64_t most) {
    const int64_t blocks = (total + most - 1) / most;
    tiles = (total + blocks - 1) / blocks;
    stride_x = position_stride(tiles, c);
    stride_grad = position_stride(tiles, width);
    offsets.resize(tiles);
    for (int64_t t = 0; t < tiles; ++t) offsets[t] = static_cast<int32_t>(t * c);
  }

  // Tiles [t0, t0 + count) of a block that begins with tile `first`. to: [position][panel][tile][kPanel]; channels beyond k
  // are zeros. Adds to `bias` what the position in the middle holds: the sum of a tile's pixels.
  void gradient_tiles(int64_t first, int64_t t0, int64_t count, float* to, float* bias) const {
    for (int64_t panel = 0; panel < panels; ++panel) {
      Vec sums[2] = {};
      grid.for_each(first + t0, count, [&](int64_t t, int64_t image, int64_t top, int64_t left) {
        const float* pixels[2][2];
        pixels_of<2>(grad, image, top, left, zeros, pixels);
        for (int half = 0; half < 2; ++half) {
          const int64_t channel = panel * kPanel + half * kVector;
          Vec d[4][4];
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) load_vector(d[j / 2][j % 2], (channel < k ? pixels[j / 2][j % 2] : zeros) + channel);
          transform_gradient(d);
          sums[half] += d[1][1];
          float* out = to + (panel * tiles + t0 + t) * kPanel + half * kVector;
#pragma GCC unroll 16
          for (int j = 0; j < 16; ++j) store_vector(out + j * stride_grad, d[j / 4][j % 4]);
        }
      });
      for (int half = 0; half < 2; ++half) {
        float* total = bias + panel * kPanel + half * kVector;
        Vec before;
        load_vector(before, total);
        store_vector(total, before + sums[half]);
      }
    }
  }

  void transform(int64_t first, int64_t t0, int64_t count, float* block, float* bias) const {
    input_tiles(x, grid, c, padding_h, padding_w, first + t0, count, stride_x, zeros, block + t0 * c);
    gradient_tiles(first, t0, count, block + kPositions * stride_x, bias);
  }

  // Adds up the products of `count` transformed tiles, at some of the positions and panels.
  void accumulate(int64_t begin, int64_t end, int64_t count, const float* block, float* sums) const {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t position = job / panels, panel = job % panels;
      const float* from = block + kPositions * stride_x + position * stride_grad + panel * tiles * kPanel;
      float* to = sums + job * c * kPanel;
      for_equal_parts(c, kTileRows, [&](int64_t channel, int64_t rows) {
        accumulate_of(rows)(block + position * stride_x + channel, offsets.data(), count, from, to + channel * kPanel);
      });
    }
  }
};

// The sums of `copies` parts, transformed.
void store_weight_gradient(const WeightProblem& p, const float* sums, int copies, const TensorView& d_weight) {
  parallel_chunks(p.panels * p.c, 32 * kPanel, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t panel = job / p.c, c = job % p.c;
      for (int half = 0; half < 2; ++half) {
        const int64_t k = panel * kPanel + half * kVector;
        if (k >= p.k) break;
        Vec m[4][4] = {}, w[3][3];
        for (int copy = 0; copy < copies; ++copy)
          for (int i = 0; i < kPositions; ++i) {
            Vec part;
            load_vector(part, sums + copy * p.sums_size() + ((i * p.panels + panel) * p.c + c) * kPanel + half * kVector);
            m[i / 4][i % 4] += part;
          }
        transform_weight_gradient(m, w);
        float* to = d_weight.ptr<float>() + k * d_weight.strides[0] + c * d_weight.strides[1];
        for (int tap = 0; tap < 9; ++tap)
          for (int i = 0; i < kVector; ++i)
            to[i * d_weight.strides[0] + tap / 3 * d_weight.strides[2] + tap % 3 * d_weight.strides[3]] = w[tap / 3][tap % 3][i];
      }
    }
  });
}

}  // namespace

// Where the sums are small, every thread has its own and does a share of the tiles from the pixels to the products, so that
// nothing goes from one core to another. Otherwise the threads transform tiles together and share out the products.
bool conv_backward_weight_winograd(Context& context, const ConvGeometry& g, const TensorView& grad_view,
                                   const TensorView& x_view, const TensorView& d_weight, const TensorView& d_bias) {
  if (!suits(g, x_view, grad_view)) return false;
  WeightProblem p(g, x_view, grad_view);
  constexpr int64_t kOwnSums = 1 << 20, kOwnBlock = 1 << 20, kSharedBlock = 4 << 20, kLeastTiles = 128;
  const int threads = useful_threads(p.grid.total, kPositions * (p.c + p.width));
  const bool own = p.sums_size() * static_cast<int64_t>(sizeof(float)) <= kOwnSums && p.grid.total >= threads * kLeastTiles;
  const int64_t share = own ? (p.grid.total + threads - 1) / threads : p.grid.total;
  // Few passes over the sums, with the transformed tiles in the second-level cache, or the last-level one.
  p.divide(share, std::max<int64_t>(kLeastTiles, (own ? kOwnBlock : kSharedBlock) / p.tile_bytes()));

  const int copies = own ? threads : 1;
  const int64_t longest = std::max(p.c, p.width), blocks_size = copies * p.block_size();
  float* blocks = reinterpret_cast<float*>(context.scratch.get((blocks_size + longest + threads * p.width) * sizeof(float)));
  float *zeros = blocks + blocks_size, *bias = zeros + longest;
  std::memset(zeros, 0, (longest + threads * p.width) * sizeof(float));
  p.zeros = zeros;
  float* sums = reinterpret_cast<float*>(context.weights_scratch.get(copies * p.sums_size() * sizeof(float)));
  if (own) {
    parallel_slots(threads, p.grid.total, [&](int slot, int64_t begin, int64_t end) {
      float *block = blocks + slot * p.block_size(), *own_sums = sums + slot * p.sums_size();
      std::memset(own_sums, 0, p.sums_size() * sizeof(float));
      for (int64_t first = begin; first < end; first += p.tiles) {
        const int64_t count = std::min(p.tiles, end - first);
        p.transform(first, 0, count, block, bias + slot * p.width);
        p.accumulate(0, p.jobs(), count, block, own_sums);
      }
    });
  } else {
    for (int64_t first = 0; first < p.grid.total; first += p.tiles) {
      const int64_t count = std::min(p.tiles, p.grid.total - first);
      parallel_slots(std::min<int64_t>(threads, count), count, [&](int slot, int64_t begin, int64_t end) {
        p.transform(first, begin, end - begin, blocks, bias + slot * p.width);
      });
      parallel_chunks(p.jobs(), p.c * kPanel * count, [&](int64_t begin, int64_t end) {
        if (first == 0) std::memset(sums + begin * p.c * kPanel, 0, (end - begin) * p.c * kPanel * sizeof(float));
        p.accumulate(begin, end, count, blocks, sums);
      });
    }
  }
  store_weight_gradient(p, sums, copies, d_weight);
  if (!d_bias.present()) return true;
  for (int64_t k = 0; k < p.k; ++k) {
    float total = 0;
    for (int slot = 0; slot < threads; ++slot) total += bias[slot * p.width + k];
    d_bias.ptr<float>()[k] = total;
  }
  return true;
}

}  // namespace lenode::cpu
