// SPDX-License-Identifier: Apache-2.0
#include "cpu/lines.h"

#include <cstring>

namespace lenode::cpu {
namespace {

constexpr int64_t kBatch = 16;                // lines gathered together: 16 floats are a cache line
constexpr int64_t kDirectBatch = 64;          // nothing is gathered: only saves bookkeeping
constexpr int64_t kBatchBytes = 512 * 1024;   // unless they are too long for the cache
constexpr int64_t kAlignment = 64;

template <size_t Size>
void transpose_in(const char* row, char* lines, int64_t line_bytes, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(lines + i * line_bytes, row + i * Size, Size);
}
template <size_t Size>
void transpose_out(const char* lines, char* row, int64_t line_bytes, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(row + i * Size, lines + i * line_bytes, Size);
}

}  // namespace

int checked_dim(const char* name, const TensorView& x, int64_t dim) {
  const int64_t rank = std::max<int64_t>(1, x.rank);
  if (dim < -rank || dim >= rank) {
    fail(ErrorCode::invalid, std::string(name) + ": dimension " + std::to_string(dim) +
                                 " does not exist in a tensor of rank " + std::to_string(x.rank));
  }
  return static_cast<int>(dim < 0 ? dim + rank : dim);
}

TensorView at_least_1d(const TensorView& view) { return view.rank == 0 ? with_dim(view, 0, 1) : view; }

TensorView with_dim(const TensorView& view, int dim, int rank) {
  require(dim < rank && (view.rank == rank ? view.dims[dim] == 1 : view.rank + 1 == rank && rank <= kMaxRank),
          "lines: an operand lacks a dimension, or has one too many");
  if (view.rank == rank) return view;
  TensorView result = view;
  for (int i = view.rank; i > dim; --i) {
    result.dims[i] = view.dims[i - 1];
    result.strides[i] = view.strides[i - 1];
  }
  result.dims[dim] = 1;
  result.strides[dim] = 1;
  ++result.rank;
  return result;
}

Lines::Lines(std::initializer_list<LineOperand> operands, int dim) {
  const TensorView* views[kMaxOperands] = {};
  int64_t line_bytes = 0;
  bool all_direct = true;
  for (const LineOperand& operand : operands) {
    const TensorView& view = *operand.view;
    Access& access = operands_[count_];
    views[count_++] = &view;
    require(view.rank == views[0]->rank && dim < view.rank, "lines: operands of different ranks");
    for (int i = 0; i < view.rank; ++i)
      require(i == dim || view.dims[i] == views[0]->dims[i], "lines: operands of different shapes");
    access.view = &view;
    access.length = view.dims[dim];
    access.stride = view.strides[dim];
    access.output = operand.output;
    access.direct = is_native(view.dtype, operand.compute) && (access.stride == 1 || access.length <= 1);
    access.item = static_cast<int64_t>(compute_size(operand.compute));
    access.load = operand.output ? nullptr : load_function(view.dtype, operand.compute);
    access.store = operand.output ? store_function(operand.compute, view.dtype) : nullptr;
    if (!access.direct) line_bytes += access.length * access.item;
    all_direct = all_direct && access.direct;
  }
  for (int i = count_; i < kMaxOperands; ++i) views[i] = views[0];
  loop_ = make_loop({views[0], views[1], views[2], views[3], views[4]}, dim);

  batch_ = all_direct ? kDirectBatch : (line_bytes * kBatch <= kBatchBytes ? kBatch : 1);
  for (int i = 0; i < count_; ++i) {
    operands_[i].buffer = scratch_bytes_;
    if (operands_[i].direct) continue;
    const int64_t bytes = operands_[i].length * operands_[i].item * batch_;
    scratch_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
}

void Lines::gather(const Walker& walker, int64_t lines, char* scratch) const {
  for (int k = 0; k < count_; ++k) {
    const Access& access = operands_[k];
    if (access.direct || access.output) continue;
    const char* from = at(*access.view, walker.offset(k));
    const int64_t line_stride = loop_.inner_stride(k);
    const int64_t item = static_cast<int64_t>(item_size(access.view->dtype));
    const int64_t line_bytes = access.length * access.item;
    char* to = scratch + access.buffer;
    if (lines == 1 || access.stride <= line_stride) {
      for (int64_t line = 0; line < lines; ++line)
        access.load(from + line * line_stride * item, access.stride, to + line * line_bytes, access.length);
      continue;
    }
    alignas(kAlignment) char row[kBatch * 8];
    for (int64_t i = 0; i < access.length; ++i) {
      access.load(from + i * access.stride * item, line_stride, row, lines);
      if (access.item == 4) transpose_in<4>(row, to + i * 4, line_bytes, lines);
      else transpose_in<8>(row, to + i * 8, line_bytes, lines);
    }
  }
}

void Lines::scatter(const Walker& walker, int64_t lines, const char* scratch) const {
  for (int k = 0; k < count_; ++k) {
    const Access& access = operands_[k];
    if (access.direct || !access.output) continue;
    char* to = at_mutable(*access.view, walker.offset(k));
    const int64_t line_stride = loop_.inner_stride(k);
    const int64_t item = static_cast<int64_t>(item_size(access.view->dtype));
    const int64_t line_bytes = access.length * access.item;
    const char* from = scratch + access.buffer;
    if (lines == 1 || access.stride <= line_stride) {
      for (int64_t line = 0; line < lines; ++line)
        access.store(from + line * line_bytes, to + line * line_stride * item, access.stride, access.length);
      continue;
    }
    alignas(kAlignment) char row[kBatch * 8];
    for (int64_t i = 0; i < access.length; ++i) {
      if (access.item == 4) transpose_out<4>(from + i * 4, row, line_bytes, lines);
      else transpose_out<8>(from + i * 8, row, line_bytes, lines);
      access.store(row, to + i * access.stride * item, line_stride, lines);
    }
  }
}

void Lines::locate(const Walker& walker, int64_t line, char* scratch, void** pointers) const {
  for (int k = 0; k < count_; ++k) {
    const Access& access = operands_[k];
    pointers[k] = access.direct
                      ? at_mutable(*access.view, walker.offset(k) + line * loop_.inner_stride(k))
                      : scratch + access.buffer + line * access.length * access.item;
  }
}

}  // namespace lenode::cpu
