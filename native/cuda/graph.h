// SPDX-License-Identifier: Apache-2.0
// Work of a stream that was recorded once and is launched as a whole.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace lenode::cuda {

struct Context;

// Recorded work refers to scratch memory and to cuDNN's plans by address: both are its own, so that what the stream
// does besides can neither move nor evict them.
class Capture {
 public:
  explicit Capture(size_t workspace_bytes);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  // As the context's; but memory cannot be asked of the device while work is recorded, so that more than the rehearsal
  // took is an error.
  void* workspace(size_t bytes);
  void reset_workspace() { used_ = 0; }

  cudaGraphExec_t executable = nullptr;
  bool reports = false;  // a kernel in it may report a bad index
  std::vector<std::shared_ptr<void>> plans;

 private:
  char* memory_ = nullptr;
  size_t size_;
  size_t used_ = 0;
};

// From here on handlers launch nothing: what they would have launched is recorded.
void begin_capture(Context& context);
// Ends it; returns the graph, which the context owns. Throws when something in between could not be recorded.
Capture* end_capture(Context& context);

}  // namespace lenode::cuda
