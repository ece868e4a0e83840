// SPDX-License-Identifier: Apache-2.0
#include "cuda/graph.h"

#include <string>
#include <utility>

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/context.h"

namespace lenode::cuda {

Capture::Capture(size_t workspace_bytes) : size_(workspace_bytes) {
  if (size_ > 0) LENODE_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&memory_), size_));
}

Capture::~Capture() {
  if (executable) cudaGraphExecDestroy(executable);
  cudaFree(memory_);
}

void* Capture::workspace(size_t bytes) {
  if (used_ + bytes > size_)
    fail(ErrorCode::backend, "recording asks for " + std::to_string(used_ + bytes) +
                                 " bytes of scratch, the rehearsal took " + std::to_string(size_));
  void* result = memory_ + used_;
  used_ += bytes;
  return result;
}

void begin_capture(Context& context) {
  LENODE_CHECK(!context.capturing(), "work is being recorded already");
  auto capture = std::make_shared<Capture>(context.rehearsed_request());
  // Thread-local: JavaScript's thread goes on to ask the device for memory, which a global capture would forbid.
  LENODE_CUDA_CHECK(cudaStreamBeginCapture(context.stream, cudaStreamCaptureModeThreadLocal));
  context.begin_capture(std::move(capture));
}

Capture* end_capture(Context& context) {
  const std::shared_ptr<Capture> capture = context.end_capture();
  LENODE_CHECK(capture != nullptr, "no work is being recorded");
  cudaGraph_t graph = nullptr;
  LENODE_CUDA_CHECK(cudaStreamEndCapture(context.stream, &graph));
  LENODE_CHECK(graph != nullptr, "nothing was recorded");
  const cudaError_t status = cudaGraphInstantiate(&capture->executable, graph, 0);
  cudaGraphDestroy(graph);
  if (status != cudaSuccess) fail_cuda(status, "cudaGraphInstantiate");
  return context.own(capture);
}

}  // namespace lenode::cuda
