// SPDX-License-Identifier: Apache-2.0
// Activations as the kernels of conv_tiles.h read them: planes, and padded rows packed from them.
#pragma once
#include <algorithm>
#include <cstring>

#include "cpu/conv_geometry.h"
#include "cpu/register_tile.h"

namespace lenode::cpu {

// Two-dimensional activations whose channels are neighbours in memory.
struct Plane {
  float* data;
  int64_t h, w;
  int64_t image, row, pixel;  // strides

  explicit Plane(const TensorView& v)
      : data(v.ptr<float>()), h(v.dims[2]), w(v.dims[3]), image(v.strides[0]), row(v.strides[2]), pixel(v.strides[3]) {}

  static bool fits(const TensorView& v) {
    return v.dtype == DType::float32 && v.rank == 4 && (v.dims[1] == 1 || v.strides[1] == 1);
  }
};

// A window of an image: `width` columns, `step` apart, beginning at column `left`; some of the channels. A packed pixel
// takes `stride` numbers.
struct Columns {
  int64_t left, width, step;
  int64_t channel, channels, stride;
};

// Rows [first, first + rows) of a window, with zeros outside of the image, as [row][column][channel].
inline void pack_rows(const Plane& x, int64_t image, int64_t first, int64_t rows, const Columns& c, float* packed) {
  const int64_t begin = std::clamp<int64_t>((-c.left + c.step - 1) / c.step, 0, c.width),
                end = std::clamp<int64_t>((x.w - c.left + c.step - 1) / c.step, begin, c.width);
  const int64_t step = x.pixel * c.step;
  const float* data = x.data + image * x.image + c.left * x.pixel + c.channel;
  for (int64_t r = first; r < first + rows; ++r, packed += c.width * c.stride) {
    if (r < 0 || r >= x.h) {
      std::memset(packed, 0, c.width * c.stride * sizeof(float));
      continue;
    }
    std::memset(packed, 0, begin * c.stride * sizeof(float));
    const float* row = data + r * x.row;
    if (step == c.channels && c.stride == c.channels) {
      std::memcpy(packed + begin * step, row + begin * step, (end - begin) * step * sizeof(float));
    } else if (c.channels == 1) {
      for (int64_t col = begin; col < end; ++col) packed[col * c.stride] = row[col * step];
    } else {
      for (int64_t col = begin; col < end; ++col)
        std::memcpy(packed + col * c.stride, row + col * step, c.channels * sizeof(float));
    }
    std::memset(packed + end * c.stride, 0, (c.width - end) * c.stride * sizeof(float));
  }
}

}  // namespace lenode::cpu
