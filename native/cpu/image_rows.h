// SPDX-License-Identifier: Apache-2.0
// Tensors [N, C, spatial...] of one to three spatial dimensions seen as images made of rows of pixels.
#pragma once
#include <initializer_list>

#include "cpu/strided.h"

namespace lenode::cpu {

// Several tensors share a traversal: with channels innermost in all of them, images are the N samples and a pixel has
// C lanes; otherwise every plane is an image and a pixel has one lane.
struct ImageLayout {
  bool channels;
  int64_t images, lanes;
  ImageLayout(std::initializer_list<const TensorView*> views);
};

// A tensor under such a traversal.
class ImageRows {
 public:
  ImageRows(const TensorView& view, const ImageLayout& layout);

  int64_t row_offset(int64_t image, int64_t d, int64_t h) const {
    const int64_t n = channels_ ? image : image / c_, c = channels_ ? 0 : image % c_;
    return n * stride_n_ + c * stride_c_ + d * stride_[0] + h * stride_[1];
  }
  int64_t row_size() const { return row_size_; }
  int64_t step() const { return step_; }  // between the elements of a row
  DType dtype() const { return view_.dtype; }
  const char* row(int64_t image, int64_t d, int64_t h) const { return at(view_, row_offset(image, d, h)); }
  char* row_mutable(int64_t image, int64_t d, int64_t h) const { return at_mutable(view_, row_offset(image, d, h)); }

  template <class T>
  bool direct() const {
    return is_native(view_.dtype, compute_v<T>) && step_ == 1;
  }
  // Whether the rows of an image follow each other without a gap.
  bool packed() const { return packed_; }

 private:
  const TensorView& view_;
  bool channels_, packed_;
  int64_t c_, stride_n_, stride_c_, stride_[3], row_size_, step_;
};

// Contiguous rows of T: in place, or converted into `buffer`.
template <class T>
class RowReader {
 public:
  explicit RowReader(const ImageRows& images)
      : images_(images), direct_(images.direct<T>()), load_(load_function(images.dtype(), compute_v<T>)) {}
  bool direct() const { return direct_; }
  const T* read(int64_t image, int64_t d, int64_t h, T* buffer) const {
    const char* row = images_.row(image, d, h);
    if (direct_) return reinterpret_cast<const T*>(row);
    load_(row, images_.step(), buffer, images_.row_size());
    return buffer;
  }

 private:
  const ImageRows& images_;
  bool direct_;
  Load load_;
};

}  // namespace lenode::cpu
