// SPDX-License-Identifier: Apache-2.0
// Work along one dimension: a line is one position of all other dimensions, and a block takes a few lines with
// several lanes each, laid out like a reduction so that neighbouring threads touch neighbouring memory.
#pragma once
#include "cuda/reduce.cuh"

namespace lenode::cuda {

// N operands of one shape, less dimension `dim`, along which operand j steps by step[j].
template <int N>
struct Lines {
  Layout<N> layout;
  int64_t length = 1;
  int64_t step[N] = {};
};

template <int N>
Lines<N> lines_of(const TensorView* const (&views)[N], int dim) {
  Lines<N> lines;
  for (int d = views[0]->rank - 1; d >= 0; --d) {
    int64_t steps[N];
    for (int j = 0; j < N; ++j) steps[j] = views[j]->present() ? views[j]->strides[d] : 0;
    if (d == dim) {
      lines.length = views[0]->dims[d];
      std::copy(steps, steps + N, lines.step);
    } else {
      lines.layout.add(views[0]->dims[d], steps);
    }
  }
  lines.layout.coalesce();
  return lines;
}

// Which line a thread works on, and its place among the line's threads.
struct LineThread {
  int64_t line;
  int lane, lanes, stride;  // stride: distance between the lanes of one line in the block

  __device__ explicit LineThread(bool lanes_along_x) {
    line = static_cast<int64_t>(blockIdx.x) * (lanes_along_x ? blockDim.y : blockDim.x) +
           (lanes_along_x ? threadIdx.y : threadIdx.x);
    lane = lanes_along_x ? threadIdx.x : threadIdx.y;
    lanes = lanes_along_x ? blockDim.x : blockDim.y;
    stride = lanes_along_x ? 1 : blockDim.x;
  }

  // The merged accumulator, for every lane of the line. All threads of the block take part.
  template <class Op>
  __device__ typename Op::Acc reduce(const Op& op, typename Op::Acc acc, typename Op::Acc* shared) const {
    reduce_block(op, acc, shared, lane, lanes, stride);
    return shared[threadIdx.y * blockDim.x + threadIdx.x - lane * stride];
  }
};

// The launch shape; lanes run along x where the first operand's memory runs along the lines.
struct LineGrid {
  bool lanes_along_x;
  dim3 grid, block;
};

template <int N>
LineGrid line_grid(const Lines<N>& lines, int multiprocessors) {
  const bool across = smallest_stride(lines.layout.strides[0], lines.layout.rank) < lines.step[0];
  const ReduceGrid shape = reduce_grid(lines.layout.numel(), lines.length, across, multiprocessors);
  return {!across, dim3(shape.grid.x), shape.block};
}

}  // namespace lenode::cuda
