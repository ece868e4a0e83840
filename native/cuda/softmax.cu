// SPDX-License-Identifier: Apache-2.0
#include "cuda/handlers.h"
#include "cuda/softmax.cuh"

namespace lenode::cuda {
namespace {

struct LineOperand {
  void* data;
  DType dtype;
  int64_t step;
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    softmax_kernel(LineOperand x, LineOperand y, Indexer<2> indexer, int64_t lines, int64_t length, bool lanes_along_x,
                   bool log) {
  __shared__ Exponentials<T> shared[kThreads];
  const LineThread thread(lanes_along_x);
  const SumExponentials<T> op;
  int64_t at[2] = {};
  Exponentials<T> acc = op.identity();
  if (thread.line < lines) {
    indexer.offsets(thread.line, at);
    for (int64_t i = thread.lane; i < length; i += thread.lanes)
      op.add(acc, load_as<T>(x.data, x.dtype, at[0] + i * x.step));
  }
  acc = thread.reduce(op, acc, shared);
  if (thread.line >= lines) return;
  const T log_sum = functor::log_(acc.sum), scale = T(1) / acc.sum;
  for (int64_t i = thread.lane; i < length; i += thread.lanes) {
    const T shifted = load_as<T>(x.data, x.dtype, at[0] + i * x.step) - acc.max;
    store_same<T>(y.data, y.dtype, at[1] + i * y.step, log ? shifted - log_sum : functor::exp_(shifted) * scale);
  }
}

template <class T>
struct Total {
  using Acc = T;
  __device__ T merge(T a, T b) const { return a + b; }
};

// softmax: y * (grad - sum(grad * y)); log_softmax: grad - exp(y) * sum(grad).
template <class T>
__global__ void __launch_bounds__(kThreads)
    softmax_backward_kernel(LineOperand d_x, LineOperand grad, LineOperand y, Indexer<3> indexer, int64_t lines,
                            int64_t length, bool lanes_along_x, bool log) {
  __shared__ T shared[kThreads];
  const LineThread thread(lanes_along_x);
  int64_t at[3] = {};
  T sum = T(0);
  if (thread.line < lines) {
    indexer.offsets(thread.line, at);
    for (int64_t i = thread.lane; i < length; i += thread.lanes) {
      const T g = load_as<T>(grad.data, grad.dtype, at[1] + i * grad.step);
      sum += log ? g : g * load_as<T>(y.data, y.dtype, at[2] + i * y.step);
    }
  }
  sum = thread.reduce(Total<T>{}, sum, shared);
  if (thread.line >= lines) return;
  for (int64_t i = thread.lane; i < length; i += thread.lanes) {
    const T g = load_as<T>(grad.data, grad.dtype, at[1] + i * grad.step);
    const T v = load_as<T>(y.data, y.dtype, at[2] + i * y.step);
    store_same<T>(d_x.data, d_x.dtype, at[0] + i * d_x.step, log ? g - functor::exp_(v) * sum : v * (g - sum));
  }
}

void run_softmax(Context& context, const Call& call, bool log) {
  const TensorView &x = call.in(0), &y = call.out(0);
  const Lines<2> lines = lines_of<2>({&x, &y}, static_cast<int>(call.i(0)));
  const int64_t count = lines.layout.numel();
  if (count == 0 || lines.length == 0) return;
  const LineGrid grid = line_grid(lines, context.multiprocessors);
  const LineOperand from{x.data, x.dtype, lines.step[0]}, to{y.data, y.dtype, lines.step[1]};
  const auto kernel = x.dtype == DType::float64 ? softmax_kernel<double> : softmax_kernel<float>;
  launch(context, kernel, grid.grid, grid.block, 0, from, to, lines.layout.indexer(), count, lines.length,
         grid.lanes_along_x, log);
}

void run_softmax_backward(Context& context, const Call& call, bool log) {
  const TensorView &grad = call.in(0), &y = call.in(1), &d_x = call.out(0);
  const Lines<3> lines = lines_of<3>({&d_x, &grad, &y}, static_cast<int>(call.i(0)));
  const int64_t count = lines.layout.numel();
  if (count == 0 || lines.length == 0) return;
  const LineGrid grid = line_grid(lines, context.multiprocessors);
  const LineOperand to{d_x.data, d_x.dtype, lines.step[0]}, g{grad.data, grad.dtype, lines.step[1]},
      saved{y.data, y.dtype, lines.step[2]};
  const auto kernel = d_x.dtype == DType::float64 ? softmax_backward_kernel<double> : softmax_backward_kernel<float>;
  launch(context, kernel, grid.grid, grid.block, 0, to, g, saved, lines.layout.indexer(), count, lines.length,
         grid.lanes_along_x, log);
}

}  // namespace

void op_softmax(Context& context, const Call& call) { run_softmax(context, call, false); }
void op_log_softmax(Context& context, const Call& call) { run_softmax(context, call, true); }
void op_softmax_backward(Context& context, const Call& call) { run_softmax_backward(context, call, false); }
void op_log_softmax_backward(Context& context, const Call& call) { run_softmax_backward(context, call, true); }

}  // namespace lenode::cuda
