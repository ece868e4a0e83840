// SPDX-License-Identifier: Apache-2.0
// The gradient of the weights: sums over pixels of input times gradient. A tile holds kTileRows numbers of the flattened
// window by kPanel output channels; both operands are packed for a block of pixels at a time, so that a tile reads
// neighbouring memory and adds up for long before it is written.
#include <vector>

#include "cpu/context.h"
#include "cpu/conv_tiles.h"
#include "cpu/conv_tiles_detail.h"
#include "cpu/parallel.h"

namespace lenode::cpu {
namespace {

// A block of pixels: whole rows of one image.
constexpr int64_t kPixels = 192;
// Channels of either side that one task handles: what it packs per block stays in the second-level cache. A kernel of one
// column does less with what is packed, so it is given more.
int64_t task_channels(const ConvGeometry& g) { return g.kernel[1] == 1 ? 128 : 64; }

struct Problem {
  Plane grad, x;
  const ConvGeometry& g;
  int64_t c, k;           // channels of one group
  int64_t panels;
  int64_t rows, blocks;   // output rows of a block, and blocks of an image
  int64_t width;          // columns of a packed row
  int64_t step;           // input columns from one of them to the next
};

// A part of the result: some panels of output channels, some input channels and some kernel rows, in one group.
struct Task {
  int64_t group, panel, panels, channel, channels, row, rows;

  // Of a packed pixel: an odd number of cache lines, or else the pixels of a block would share a few of the cache's
  // sets. The few channels of an image stay together, so that a tile can go from one column of the kernel to the next.
  int64_t stride() const { return channels % 16 == 0 ? channels + 16 : channels; }
};

struct Slot {
  float* x;
  float* grad;
  std::vector<int32_t> offsets;
};

// Packs the gradients of a block by panels: [panel][pixel][kPanel]; adds them up for the bias if that is asked for.
void pack_grad(const Problem& p, const Task& t, int64_t image, int64_t first, int64_t rows, float* packed, float* bias) {
  const int64_t columns = p.g.out[1], pixels = rows * columns;
  for (int64_t panel = 0; panel < t.panels; ++panel) {
    const int64_t k0 = (t.panel + panel) * kPanel, valid = std::min<int64_t>(kPanel, p.k - k0);
    float* to = packed + panel * pixels * kPanel;
    const float* image_data = p.grad.data + image * p.grad.image + t.group * p.k + k0;
    float total[kPanel] = {};
    for (int64_t r = 0; r < rows; ++r) {
      const float* from = image_data + (first + r) * p.grad.row;
      for (int64_t col = 0; col < columns; ++col, from += p.grad.pixel, to += kPanel) {
        if (valid == kPanel) {
          std::memcpy(to, from, kPanel * sizeof(float));
        } else {
          std::memset(to, 0, kPanel * sizeof(float));
          std::memcpy(to, from, valid * sizeof(float));
        }
        if (bias)
          for (int i = 0; i < kPanel; ++i) total[i] += to[i];
      }
    }
    if (bias)
      for (int64_t i = 0; i < valid; ++i) bias[t.group * p.k + k0 + i] += total[i];
  }
}

// sums: [kernel row][panel][kernel column][channel of the task][kPanel]
void run_task(const Problem& p, const Task& t, Slot& slot, float* sums, float* bias) {
  const ConvGeometry& g = p.g;
  const int64_t window = g.kernel[1] * t.channels, pixel = t.stride();
  std::memset(sums, 0, t.rows * t.panels * window * kPanel * sizeof(float));
  const int64_t top = t.row * g.dilation[0] - g.padding[0], reach = (t.rows - 1) * g.dilation[0];
  const Columns columns{-g.padding[1], p.width, p.step, t.group * p.c + t.channel, t.channels, pixel};
  for (int64_t image = 0; image < g.n; ++image)
    for (int64_t block = 0; block < p.blocks; ++block) {
      const int64_t first = block * p.rows, rows = std::min(p.rows, g.out[0] - first), pixels = rows * g.out[1];
      pack_grad(p, t, image, first, rows, slot.grad, bias);
      pack_rows(p.x, image, first * g.stride[0] + top, (rows - 1) * g.stride[0] + reach + 1, columns, slot.x);
      slot.offsets.resize(pixels);
      for (int64_t r = 0, i = 0; r < rows; ++r)
        for (int64_t col = 0; col < g.out[1]; ++col, ++i)
          slot.offsets[i] = static_cast<int32_t>((r * g.stride[0] * p.width + col * g.stride[1] / p.step) * pixel);
      const auto sweep = [&](const float* x, float* to, int64_t length) {
        for (int64_t panel = 0; panel < t.panels; ++panel)
          for_equal_parts(length, kTileRows, [&](int64_t begin, int64_t count) {
            accumulate_of(count)(x + begin, slot.offsets.data(), pixels, slot.grad + panel * pixels * kPanel,
                                 to + (panel * window + begin) * kPanel);
          });
      };
      for (int64_t row = 0; row < t.rows; ++row) {
        const float* x = slot.x + row * g.dilation[0] * p.width * pixel;
        float* to = sums + row * t.panels * window * kPanel;
        if (g.dilation[1] == 1 && pixel == t.channels) {
          sweep(x, to, window);
        } else {
          for (int64_t s = 0; s < g.kernel[1]; ++s) sweep(x + s * g.dilation[1] * pixel, to + s * t.channels * kPanel, t.channels);
        }
      }
    }
}

void write_result(const Problem& p, const Task& t, const float* sums, const TensorView& d_weight) {
  const int64_t window = p.g.kernel[1] * t.channels;
  for (int64_t row = 0; row < t.rows; ++row)
    for (int64_t panel = 0; panel < t.panels; ++panel, sums += window * kPanel) {
      const int64_t k0 = (t.panel + panel) * kPanel, valid = std::min<int64_t>(kPanel, p.k - k0);
      for (int64_t k = 0; k < valid; ++k) {
        float* to = d_weight.ptr<float>() + (t.group * p.k + k0 + k) * d_weight.strides[0] + t.channel * d_weight.strides[1] +
                    (t.row + row) * d_weight.strides[2];
        const float* from = sums + k;
        for (int64_t s = 0; s < p.g.kernel[1]; ++s)
          for (int64_t c = 0; c < t.channels; ++c, from += kPanel) to[s * d_weight.strides[3] + c * d_weight.strides[1]] = *from;
      }
    }
}

// Large enough that packing costs little, small enough that a task's sums and blocks stay in the second-level cache and
// that every thread has as much to do.
std::vector<Task> make_tasks(const Problem& p, int threads) {
  const ConvGeometry& g = p.g;
  constexpr int64_t kSums = 40 << 10;
  const int64_t channels = std::min(p.c, task_channels(g));
  int64_t panels = std::min<int64_t>(p.panels, std::max<int64_t>(1, task_channels(g) / kPanel));
  const int64_t rows = std::clamp<int64_t>(kSums / (panels * kPanel * g.kernel[1] * channels), 1, g.kernel[0]);
  const auto parts = [](int64_t length, int64_t limit) { return (length + limit - 1) / limit; };
  const auto count = [&] { return g.groups * parts(g.kernel[0], rows) * parts(p.c, channels) * parts(p.panels, panels); };
  while (panels > 1 && count() < 4 * threads && count() % threads) panels = (panels + 1) / 2;
  std::vector<Task> tasks;
  for (int64_t group = 0; group < g.groups; ++group)
    for_equal_parts(g.kernel[0], rows, [&](int64_t row, int64_t n_rows) {
      for_equal_parts(p.c, channels, [&](int64_t channel, int64_t n_channels) {
        for_equal_parts(p.panels, panels, [&](int64_t panel, int64_t n_panels) {
          tasks.push_back({group, panel, n_panels, channel, n_channels, row, n_rows});
        });
      });
    });
  return tasks;
}

}  // namespace

bool conv_backward_weight_tiles(Context& context, const ConvGeometry& g, const TensorView& grad, const TensorView& x,
                                const TensorView& d_weight, const TensorView& d_bias) {
  if (g.spatial != 2 || !Plane::fits(grad) || !Plane::fits(x) || g.k / g.groups < kVector) return false;
  Problem p{Plane(grad), Plane(x), g, g.c / g.groups, g.k / g.groups, panels_of(g.k / g.groups), 0, 0, 0, 1};
  p.rows = std::clamp<int64_t>(kPixels / g.out[1], 1, g.out[0]);
  p.blocks = (g.out[0] + p.rows - 1) / p.rows;
  p.step = g.kernel[1] == 1 ? g.stride[1] : 1;
  p.width = (g.out[1] - 1) * g.stride[1] / p.step + (g.kernel[1] - 1) * g.dilation[1] + 1;
  const std::vector<Task> tasks = make_tasks(p, thread_count());
  Task most{};  // of everything, which is the first task's or near it
  for (const Task& t : tasks) {
    most.channels = std::max(most.channels, t.channels + 16);
    most.panels = std::max(most.panels, t.panels);
    most.rows = std::max(most.rows, t.rows);
  }
  const int64_t rows_in = (p.rows - 1) * g.stride[0] + (most.rows - 1) * g.dilation[0] + 1;
  const int64_t x_size = rows_in * p.width * most.channels, grad_size = p.rows * g.out[1] * most.panels * kPanel,
                sum_size = most.rows * most.panels * g.kernel[1] * most.channels * kPanel;
  if (x_size >= int64_t{1} << 31) return false;
  const int64_t per_slot = (x_size + 15) / 16 * 16 + grad_size + sum_size;
  const int slots = static_cast<int>(std::min<int64_t>(thread_count(), tasks.size()));
  float* scratch = reinterpret_cast<float*>(context.scratch.get(slots * per_slot * sizeof(float)));
  float* bias = d_bias.present() ? d_bias.ptr<float>() : nullptr;
  if (bias) std::memset(bias, 0, g.k * sizeof(float));
  parallel_slots(slots, tasks.size(), [&](int slot_number, int64_t begin, int64_t end) {
    Slot slot;
    slot.x = scratch + slot_number * per_slot;
    slot.grad = slot.x + (x_size + 15) / 16 * 16;
    float* sums = slot.grad + grad_size;
    for (int64_t i = begin; i < end; ++i) {
      const Task& t = tasks[i];
      run_task(p, t, slot, sums, t.row == 0 && t.channel == 0 ? bias : nullptr);
      write_result(p, t, sums, d_weight);
    }
  });
  return true;
}

}  // namespace lenode::cpu
