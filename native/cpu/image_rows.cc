// SPDX-License-Identifier: Apache-2.0
#include "cpu/image_rows.h"

namespace lenode::cpu {

ImageLayout::ImageLayout(std::initializer_list<const TensorView*> views) {
  const int64_t n = (*views.begin())->dims[0], c = (*views.begin())->dims[1];
  channels = c > 1;
  for (const TensorView* view : views) {
    const int last = view->rank - 1;
    channels = channels && view->strides[1] == 1 && (view->dims[last] == 1 || view->strides[last] == c);
  }
  images = channels ? n : n * c;
  lanes = channels ? c : 1;
}

ImageRows::ImageRows(const TensorView& view, const ImageLayout& layout)
    : view_(view), channels_(layout.channels), c_(view.dims[1]), stride_n_(view.strides[0]),
      stride_c_(view.strides[1]) {
  const int spatial = view.rank - 2;
  int64_t dims[3];
  for (int i = 0; i < 3; ++i) {
    const int own = i - (3 - spatial);
    dims[i] = own < 0 ? 1 : view.dims[2 + own];
    stride_[i] = own < 0 || dims[i] == 1 ? 0 : view.strides[2 + own];
  }
  row_size_ = dims[2] * layout.lanes;
  step_ = channels_ || dims[2] == 1 ? 1 : stride_[2];
  packed_ = step_ == 1 && (dims[1] == 1 || stride_[1] == row_size_) &&
            (dims[0] == 1 || stride_[0] == row_size_ * dims[1]);
}

}  // namespace lenode::cpu
