// SPDX-License-Identifier: Apache-2.0
// What the forward and the weight-gradient kernels of conv_lanes.h share.
#pragma once
#include <algorithm>
#include <cstring>

#include "cpu/conv_geometry.h"
#include "cpu/image_lanes.h"
#include "cpu/parallel.h"

namespace lenode::cpu {

// A channels-last batch of images: rows are contiguous, images and rows may have gaps between them.
struct Images {
  float* data;
  int64_t n, c, h, w;
  int64_t image_stride, row_stride;

  explicit Images(const TensorView& v)
      : data(v.ptr<float>()), n(v.dims[0]), c(v.dims[1]), h(v.dims[2]), w(v.dims[3]), image_stride(v.strides[0]),
        row_stride(v.strides[2]) {}

  static bool fits(const TensorView& v) {
    return v.dtype == DType::float32 && v.rank == 4 && (v.dims[1] == 1 || v.strides[1] == 1) &&
           (v.dims[3] == 1 || v.strides[3] == v.dims[1]);
  }
};

// The work, cut into blocks of images and bands of output rows.
struct Bands {
  int64_t blocks, bands, rows;  // rows of a band, the last may have fewer

  // `row_bytes`: a packed input row. Four bands for each thread keep the threads' shares nearly equal, and a band's
  // input has to stay in the second-level cache.
  Bands(int64_t images, int64_t out_rows, int64_t kernel, int64_t stride, int64_t row_bytes)
      : blocks((images + kLanes - 1) / kLanes) {
    const int64_t wanted = (4 * thread_count() + blocks - 1) / blocks;
    const int64_t cached = (kBandBytes / row_bytes - kernel) / stride + 1;
    rows = std::max<int64_t>(std::min<int64_t>(kMinRows, out_rows), std::min((out_rows + wanted - 1) / wanted, cached));
    bands = (out_rows + rows - 1) / rows;
  }
  int64_t count() const { return blocks * bands; }

  // Whether bands of a useful height fit the cache.
  static bool fit(int64_t kernel, int64_t stride, int64_t row_bytes) {
    return row_bytes * (kernel + (kMinRows - 1) * stride) <= kBandBytes;
  }

 private:
  static constexpr int64_t kBandBytes = 512 << 10;
  static constexpr int64_t kMinRows = 4;
};

// Lanes that hold images: below three quarters a vector across channels is no worse.
inline bool fills_lanes(int64_t images) {
  const int64_t lanes = (images + kLanes - 1) / kLanes * kLanes;
  return images * 4 >= lanes * 3;
}

// Rows [first, first + rows) of the zero-padded images of a block, packed as [row][padded column][channel].
inline void pack_padded(const Images& x, int64_t block, int64_t pad_w, int64_t pad_h, int64_t first, int64_t rows,
                        Lanes* packed) {
  const int images = static_cast<int>(std::min<int64_t>(kLanes, x.n - block * kLanes));
  const int64_t border = pad_w * x.c, length = x.w * x.c, width = length + 2 * border;
  const float* data = x.data + block * kLanes * x.image_stride;
  for (int64_t r = 0; r < rows; ++r, packed += width) {
    const int64_t row = first + r - pad_h;
    if (row < 0 || row >= x.h) {
      std::memset(packed, 0, width * sizeof(Lanes));
      continue;
    }
    std::memset(packed, 0, border * sizeof(Lanes));
    pack_lanes(data + row * x.row_stride, x.image_stride, images, length, packed + border);
    std::memset(packed + border + length, 0, border * sizeof(Lanes));
  }
}

}  // namespace lenode::cpu
