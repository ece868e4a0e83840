// SPDX-License-Identifier: Apache-2.0
// The forward direction, and the gradient of the input, which is a forward convolution with the kernel turned round. With
// a stride, the gradient falls apart into as many convolutions as there are positions of a pixel within a step: every
// one has the taps that meet it.
#include "cpu/conv_tiles.h"

#include <vector>

#include "cpu/context.h"
#include "cpu/conv_tiles_detail.h"
#include "cpu/parallel.h"

namespace lenode::cpu {
namespace {

// ---- the problem ---------------------------------------------------------------------------------------------------------

// A kernel position that contributes to an output, and where it reads: at input position out * in_step + offset.
struct Tap {
  int64_t index, offset;
};

// One dimension: output position = out_step * j + phase, for j in [0, counts[phase]).
struct Axis {
  int64_t in_step = 1, out_step = 1;
  std::vector<std::vector<Tap>> taps;  // by phase
  std::vector<int64_t> counts;

  int64_t first_offset() const {
    int64_t least = 0;
    bool any = false;
    for (const auto& list : taps)
      for (const Tap& tap : list) least = any ? std::min(least, tap.offset) : tap.offset, any = true;
    return least;
  }
  int64_t last_offset() const {
    int64_t most = 0;
    bool any = false;
    for (const auto& list : taps)
      for (const Tap& tap : list) most = any ? std::max(most, tap.offset) : tap.offset, any = true;
    return most;
  }
};

Axis forward_axis(const ConvGeometry& g, int d) {
  Axis axis;
  axis.in_step = g.stride[d];
  axis.taps.resize(1);
  for (int64_t t = 0; t < g.kernel[d]; ++t) axis.taps[0].push_back({t, t * g.dilation[d] - g.padding[d]});
  axis.counts = {g.out[d]};
  return axis;
}

Axis backward_axis(const ConvGeometry& g, int d) {
  Axis axis;
  const int64_t stride = axis.out_step = g.stride[d];
  for (int64_t phase = 0; phase < std::min(stride, g.in[d]); ++phase) {
    std::vector<Tap> taps;
    for (int64_t t = g.kernel[d] - 1; t >= 0; --t) {  // in the order of growing offsets
      const int64_t distance = phase + g.padding[d] - t * g.dilation[d];
      if (distance % stride == 0) taps.push_back({t, distance / stride});
    }
    axis.taps.push_back(std::move(taps));
    axis.counts.push_back((g.in[d] - phase + stride - 1) / stride);
  }
  return axis;
}

struct Problem {
  Plane x, y;
  Axis h, w;
  int64_t images, groups, c, k;  // channels of x and y in one group
  const float* bias;
  bool relu;
};

// The runs of one pair of phases are in the order of the packed weights, and are gone through in stretches whose weights
// stay in the first-level cache.
constexpr int64_t kStretch = 256;

// ---- an item: a band of rows of one phase of one image, for some panels of output channels -----------------------------------

struct Band {
  int64_t image, phase, first, rows;
};

struct Shape {
  int64_t left, width;    // columns of the packed rows
  int64_t top, reach;     // rows above the first output's, and in all for one output row
  bool direct;            // x can be read as it lies
  int64_t row, pixel;     // strides of what is read
};

Shape shape_of(const Problem& p) {
  Shape s;
  s.left = p.w.first_offset();
  s.top = p.h.first_offset();
  const int64_t columns = *std::max_element(p.w.counts.begin(), p.w.counts.end());
  s.width = (columns - 1) * p.w.in_step + p.w.last_offset() - s.left + 1;
  s.reach = p.h.last_offset() - s.top + 1;
  const int64_t rows = *std::max_element(p.h.counts.begin(), p.h.counts.end());
  s.direct = s.left >= 0 && s.top >= 0 && s.left + s.width <= p.x.w &&
             (rows - 1) * p.h.in_step + p.h.last_offset() < p.x.h;
  s.pixel = s.direct ? p.x.pixel : p.c * p.groups;
  s.row = s.direct ? p.x.row : s.width * s.pixel;
  return s;
}

void make_runs(const Problem& p, const Shape& s, int64_t phase_h, int64_t phase_w, std::vector<Run>& runs) {
  runs.clear();
  const auto& columns = p.w.taps[phase_w];
  const auto add = [&](int64_t offset, int64_t length) {
    for_equal_parts(length, kStretch, [&](int64_t begin, int64_t count) { runs.push_back({offset + begin, count}); });
  };
  bool neighbours = s.pixel == p.c;
  for (size_t i = 1; i < columns.size(); ++i) neighbours = neighbours && columns[i].offset == columns[i - 1].offset + 1;
  for (const Tap& row : p.h.taps[phase_h]) {
    const int64_t offset = (row.offset - s.top) * s.row;
    if (neighbours && !columns.empty()) {
      add(offset + (columns[0].offset - s.left) * s.pixel, static_cast<int64_t>(columns.size()) * p.c);
    } else {
      for (const Tap& column : columns) add(offset + (column.offset - s.left) * s.pixel, p.c);
    }
  }
}

// Where the weights of a group, a pair of phases and a panel begin: [group][phase][phase][panel][tap][c][kPanel].
struct Weights {
  const float* data;
  std::vector<int64_t> phase_offset;  // in taps, by phase_h * phases_w + phase_w
  int64_t taps = 0, c, panels, phases_w;

  Weights(const Problem& p) : data(nullptr), c(p.c), panels(panels_of(p.k)), phases_w(p.w.taps.size()) {
    for (const auto& rows : p.h.taps)
      for (const auto& columns : p.w.taps) {
        phase_offset.push_back(taps);
        taps += static_cast<int64_t>(rows.size() * columns.size());
      }
  }
  int64_t size() const { return taps * panels * c * kPanel; }  // of one group
  int64_t offset(const Problem& p, int64_t group, int64_t phase_h, int64_t phase_w, int64_t panel) const {
    const int64_t here = static_cast<int64_t>(p.h.taps[phase_h].size() * p.w.taps[phase_w].size());
    return group * size() + (phase_offset[phase_h * phases_w + phase_w] * panels + panel * here) * c * kPanel;
  }
};

// weight(k, r, s, c) is at k * stride_k + r * stride_r + s * stride_s + c * stride_c; k is the panels' channel.
void pack_weights(const Problem& p, const Weights& layout, const float* weight, int64_t stride_group, int64_t stride_k,
                  int64_t stride_c, int64_t stride_r, int64_t stride_s, float* packed) {
  const int64_t phases_h = p.h.taps.size(), phases_w = p.w.taps.size();
  const int64_t jobs = p.groups * phases_h * phases_w * layout.panels;
  parallel_chunks(jobs, p.c * kPanel * layout.taps / (phases_h * phases_w) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t panel = job % layout.panels, phase_w = job / layout.panels % phases_w;
      const int64_t phase_h = job / (layout.panels * phases_w) % phases_h, group = job / (layout.panels * phases_w * phases_h);
      const int64_t k0 = panel * kPanel, valid = std::min<int64_t>(kPanel, p.k - k0);
      float* to = packed + layout.offset(p, group, phase_h, phase_w, panel);
      for (const Tap& row : p.h.taps[phase_h])
        for (const Tap& column : p.w.taps[phase_w]) {
          const float* from = weight + group * stride_group + k0 * stride_k + row.index * stride_r + column.index * stride_s;
          if (valid < kPanel) std::memset(to, 0, p.c * kPanel * sizeof(float));
          if (stride_k == 1) {
            for (int64_t c = 0; c < p.c; ++c) std::memcpy(to + c * kPanel, from + c * stride_c, valid * sizeof(float));
          } else {
            constexpr int64_t kBlock = 16;  // both sides of the transposition stay in the cache
            for (int64_t c0 = 0; c0 < p.c; c0 += kBlock)
              for (int64_t k = 0; k < valid; ++k)
                for (int64_t c = c0; c < std::min(c0 + kBlock, p.c); ++c) to[c * kPanel + k] = from[k * stride_k + c * stride_c];
          }
          to += p.c * kPanel;
        }
    }
  });
}

// What a thread needs for one item.
struct Workspace {
  std::vector<Run> runs;
  std::vector<int32_t> offsets;
  std::vector<float*> outputs;
  alignas(64) float bias[kPanel];
};

void run_band(const Problem& p, const Shape& s, const Weights& weights, const Band& band, int64_t panel_begin,
              int64_t panel_end, float* packed, Workspace& work) {
  const float* x = p.x.data + band.image * p.x.image + (band.first * p.h.in_step + s.top) * p.x.row + s.left * p.x.pixel;
  if (!s.direct) {
    const int64_t rows = (band.rows - 1) * p.h.in_step + s.reach;
    pack_rows(p.x, band.image, band.first * p.h.in_step + s.top, rows, {s.left, s.width, 1, 0, s.pixel, s.pixel}, packed);
    x = packed;
  }
  for (size_t phase_w = 0; phase_w < p.w.taps.size(); ++phase_w) {
    make_runs(p, s, band.phase, phase_w, work.runs);
    const int64_t columns = p.w.counts[phase_w], pixels = band.rows * columns;
    work.offsets.resize(pixels);
    work.outputs.resize(pixels);
    float* const y = p.y.data + band.image * p.y.image;
    for (int64_t r = 0, i = 0; r < band.rows; ++r) {
      const int64_t out_row = (band.first + r) * p.h.out_step + band.phase;
      for (int64_t col = 0; col < columns; ++col, ++i) {
        work.offsets[i] = static_cast<int32_t>(r * p.h.in_step * s.row + col * p.w.in_step * s.pixel);
        work.outputs[i] = y + out_row * p.y.row + (col * p.w.out_step + static_cast<int64_t>(phase_w)) * p.y.pixel;
      }
    }
    for (int64_t group = 0; group < p.groups; ++group)
      for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const int64_t k0 = panel * kPanel, channel = group * p.k + k0;
        const int valid = static_cast<int>(std::min<int64_t>(kPanel, p.k - k0));
        const float* bias = nullptr;
        if (p.bias) {
          std::memset(work.bias, 0, sizeof work.bias);
          std::memcpy(work.bias, p.bias + channel, valid * sizeof(float));
          bias = work.bias;
        }
        const float* w = weights.data + weights.offset(p, group, band.phase, phase_w, panel);
        // Without a tap there is one empty stretch: the bias, or zeros.
        const Run* const end = work.runs.data() + work.runs.size();
        Stretch stretch{work.runs.data(), work.runs.data(), w, true, false};
        do {
          int64_t length = 0;
          while (stretch.end != end && (length == 0 || length + stretch.end->length <= kStretch)) length += stretch.end++->length;
          stretch.last = stretch.end == end;
          for_equal_parts(pixels, kTileRows, [&](int64_t begin, int64_t rows) {
            float* outputs[kTileRows];
            for (int64_t j = 0; j < rows; ++j) outputs[j] = work.outputs[begin + j] + channel;
            tile_of(rows)(x + group * p.c, work.offsets.data() + begin, stretch, bias, outputs, p.relu, valid);
          });
          stretch = {stretch.end, stretch.end, stretch.weights + length * kPanel, false, false};
        } while (stretch.begin != end);
      }
  }
}

void run(Context& context, const Problem& p, const Weights& weights) {
  const Shape s = shape_of(p);
  // Rows of a band: its packed input takes no more than half of a second-level cache, and every thread gets some items.
  constexpr int64_t kBandBytes = 192 << 10;
  const int64_t longest = *std::max_element(p.h.counts.begin(), p.h.counts.end());
  const int64_t row_bytes = std::max<int64_t>(1, s.width * s.pixel * static_cast<int64_t>(sizeof(float)));
  const int64_t cached = (kBandBytes / row_bytes - s.reach) / p.h.in_step + 1;
  const int threads = thread_count();
  const int64_t shares = (4 * threads + p.images - 1) / p.images;
  const int64_t height = std::clamp<int64_t>(std::min(cached, (longest + shares - 1) / shares), std::min<int64_t>(4, longest), longest);
  std::vector<Band> bands;
  for (int64_t image = 0; image < p.images; ++image)
    for (size_t phase = 0; phase < p.h.taps.size(); ++phase)
      for (int64_t first = 0; first < p.h.counts[phase]; first += height)
        bands.push_back({image, static_cast<int64_t>(phase), first, std::min(height, p.h.counts[phase] - first)});
  // Few bands: the panels of output channels are shared out too.
  const int64_t count = bands.size(), panels = weights.panels;
  const int64_t splits = std::min(panels, count >= 2 * threads ? 1 : (2 * threads + count - 1) / count);
  const int64_t per_slot = s.direct ? 0 : ((height - 1) * p.h.in_step + s.reach) * s.row;
  const int64_t items = count * splits;
  const int slots = static_cast<int>(std::min<int64_t>(threads, items));
  float* scratch = per_slot ? reinterpret_cast<float*>(context.scratch.get(slots * per_slot * sizeof(float))) : nullptr;
  parallel_slots(slots, items, [&](int slot, int64_t begin, int64_t end) {
    Workspace work;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t split = item % splits;
      run_band(p, s, weights, bands[item / splits], panels * split / splits, panels * (split + 1) / splits,
               scratch ? scratch + slot * per_slot : nullptr, work);
    }
  });
}

bool fits(const ConvGeometry& g, const TensorView& x, const TensorView& y) {
  const int64_t limit = int64_t{1} << 31;
  return g.spatial == 2 && Plane::fits(x) && Plane::fits(y) && x.strides[0] < limit && y.strides[0] < limit;
}

}  // namespace

bool conv_tiles(Context& context, const ConvGeometry& g, const TensorView& x, const TensorView& weight,
                const TensorView& y, const TensorView& bias, bool relu) {
  if (!fits(g, x, y) || g.k / g.groups < kVector) return false;
  const Problem p{Plane(x), Plane(y), forward_axis(g, 0), forward_axis(g, 1), g.n, g.groups, g.c / g.groups,
                  g.k / g.groups, bias.present() ? bias.ptr<float>() : nullptr, relu};
  Weights weights(p);
  float* packed = reinterpret_cast<float*>(context.weights_scratch.get(weights.size() * g.groups * sizeof(float)));
  pack_weights(p, weights, weight.ptr<float>(), p.k * weight.strides[0], weight.strides[0], weight.strides[1],
               weight.strides[2], weight.strides[3], packed);
  weights.data = packed;
  run(context, p, weights);
  return true;
}

bool conv_backward_input_tiles(Context& context, const ConvGeometry& g, const TensorView& grad,
                               const TensorView& weight, const TensorView& d_x, const TensorView&) {
  if (!fits(g, grad, d_x) || g.c / g.groups < kVector) return false;
  const Problem p{Plane(grad), Plane(d_x), backward_axis(g, 0), backward_axis(g, 1), g.n, g.groups, g.k / g.groups,
                  g.c / g.groups, nullptr, false};
  Weights weights(p);
  float* packed = reinterpret_cast<float*>(context.weights_scratch.get(weights.size() * g.groups * sizeof(float)));
  pack_weights(p, weights, weight.ptr<float>(), p.c * weight.strides[0], weight.strides[1], weight.strides[0],
               weight.strides[2], weight.strides[3], packed);
  weights.data = packed;
  run(context, p, weights);
  return true;
}

}  // namespace lenode::cpu
