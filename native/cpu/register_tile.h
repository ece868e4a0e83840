// SPDX-License-Identifier: Apache-2.0
// The innermost loops of the convolutions: a block of sums that stays in registers, over operands packed in panels.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#include "cpu/vector.h"

namespace lenode::cpu {

// A tile has kTileRows x 2 vectors of sums; the other registers hold two vectors of one operand and one broadcast
// number of the other.
constexpr int kVector = kVectorBytes / static_cast<int>(sizeof(float));
constexpr int kPanel = 2 * kVector;
#if defined(__AVX512F__)
constexpr int kTileRows = 14;
#else
constexpr int kTileRows = 6;
#endif
using Vec = VectorOf<float, kVector>;

// A contiguous run of a pixel's window: its offset in the packed rows, and its length.
struct Run {
  int64_t offset, length;
};

// What of a window one pass over the tiles adds up.
struct Stretch {
  const Run* begin;
  const Run* end;
  const float* weights;
  bool first, last;
};

// y[j][0 .. kPanel) (+)= sums over a stretch of x[j][i] * weights[i][0 .. kPanel). x[j] is offsets[j] from x.
template <int R>
void tile(const float* x, const int32_t* offsets, const Stretch& stretch, const float* bias, float* const* y, bool relu,
          int valid) {
  Vec sum[R][2];
  if (stretch.first) {
    Vec low{}, high{};
    if (bias) load_vector(low, bias), load_vector(high, bias + kVector);
#pragma GCC unroll 16
    for (int j = 0; j < R; ++j) sum[j][0] = low, sum[j][1] = high;
  } else if (valid == kPanel) {
#pragma GCC unroll 16
    for (int j = 0; j < R; ++j) load_vector(sum[j][0], y[j]), load_vector(sum[j][1], y[j] + kVector);
  } else {
    for (int j = 0; j < R; ++j) {
      float row[kPanel] = {};
      std::memcpy(row, y[j], valid * sizeof(float));
      load_vector(sum[j][0], row), load_vector(sum[j][1], row + kVector);
    }
  }
  const float* weights = stretch.weights;
  for (const Run* run = stretch.begin; run != stretch.end; ++run) {
    const float* rows[R];
#pragma GCC unroll 16
    for (int j = 0; j < R; ++j) rows[j] = x + run->offset + offsets[j];
    for (int64_t i = 0; i < run->length; ++i, weights += kPanel) {
      Vec low, high;
      load_vector(low, weights), load_vector(high, weights + kVector);
#pragma GCC unroll 16
      for (int j = 0; j < R; ++j) {
        const float value = rows[j][i];
        sum[j][0] += low * value;
        sum[j][1] += high * value;
      }
    }
  }
  if (relu && stretch.last) {
    const Vec zero{};
#pragma GCC unroll 16
    for (int j = 0; j < R; ++j) {
      sum[j][0] = sum[j][0] < zero ? zero : sum[j][0];  // NaN passes
      sum[j][1] = sum[j][1] < zero ? zero : sum[j][1];
    }
  }
  if (valid == kPanel) {
#pragma GCC unroll 16
    for (int j = 0; j < R; ++j) store_vector(y[j], sum[j][0]), store_vector(y[j] + kVector, sum[j][1]);
  } else {
#pragma GCC unroll 16
    for (int j = 0; j < R; ++j) {
      float row[kPanel];
      store_vector(row, sum[j][0]), store_vector(row + kVector, sum[j][1]);
      std::memcpy(y[j], row, valid * sizeof(float));
    }
  }
}

using Tile = void (*)(const float*, const int32_t*, const Stretch&, const float*, float* const*, bool, int);

template <int... R>
inline Tile tile_of(int rows, std::integer_sequence<int, R...>) {
  static constexpr Tile tiles[] = {tile<R + 1>...};
  return tiles[rows - 1];
}

inline Tile tile_of(int64_t rows) {
  return tile_of(static_cast<int>(rows), std::make_integer_sequence<int, kTileRows>());
}

// sums[j][0 .. kPanel) += over pixels of x[offset of the pixel + j] * grad[pixel][0 .. kPanel).
template <int R>
void accumulate(const float* x, const int32_t* offsets, int64_t pixels, const float* grad, float* sums) {
  Vec sum[R][2];
#pragma GCC unroll 16
  for (int j = 0; j < R; ++j) load_vector(sum[j][0], sums + j * kPanel), load_vector(sum[j][1], sums + j * kPanel + kVector);
  for (int64_t i = 0; i < pixels; ++i) {
    Vec low, high;
    load_vector(low, grad + i * kPanel), load_vector(high, grad + i * kPanel + kVector);
    const float* window = x + offsets[i];
#pragma GCC unroll 16
    for (int j = 0; j < R; ++j) {
      const float value = window[j];
      sum[j][0] += low * value;
      sum[j][1] += high * value;
    }
  }
#pragma GCC unroll 16
  for (int j = 0; j < R; ++j) store_vector(sums + j * kPanel, sum[j][0]), store_vector(sums + j * kPanel + kVector, sum[j][1]);
}

using Accumulate = void (*)(const float*, const int32_t*, int64_t, const float*, float*);

template <int... R>
inline Accumulate accumulate_of(int rows, std::integer_sequence<int, R...>) {
  static constexpr Accumulate tiles[] = {accumulate<R + 1>...};
  return tiles[rows - 1];
}

inline Accumulate accumulate_of(int64_t rows) {
  return accumulate_of(static_cast<int>(rows), std::make_integer_sequence<int, kTileRows>());
}

// Cuts `length` into parts of at most `limit` that are as equal as can be: calls body(begin, count).
template <class Body>
inline void for_equal_parts(int64_t length, int64_t limit, Body&& body) {
  if (length <= 0) return;
  const int64_t parts = (length + limit - 1) / limit, size = length / parts, larger = length % parts;
  for (int64_t i = 0, begin = 0; i < parts; ++i) {
    const int64_t count = size + (i < larger);
    body(begin, count);
    begin += count;
  }
}

inline int64_t panels_of(int64_t channels) { return (channels + kPanel - 1) / kPanel; }

}  // namespace lenode::cpu
