// SPDX-License-Identifier: Apache-2.0
// Everything a CUDA handler needs besides its operands: the stream, library handles, scratch memory and the slot
// through which kernels report a bad index.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/op.h"

struct cudnnContext;
struct cublasLtContext;

namespace lenode::cuda {

struct ConvPlans;    // conv.cc
struct MatmulPlans;  // matmul.cc
struct NormPlans;    // batch_norm.cc
struct PoolPlans;    // pool.cc
class StagingRing;   // staging.h
class Capture;       // graph.h

// Passed by value to kernels that read indices. The first bad one of a stream is kept until the host looks.
struct IndexGuard {
  int64_t* slot;      // {1 + op id or 0, sequence, value, position}
  int64_t op;
  int64_t sequence;

#ifdef __CUDACC__
  // `position` is the flat row-major position of the bad value in its index tensor.
  __device__ void report(int64_t value, int64_t position) const {
    if (atomicCAS(reinterpret_cast<unsigned long long*>(slot), 0ULL, static_cast<unsigned long long>(1 + op)) != 0)
      return;
    slot[1] = sequence;
    slot[2] = value;
    slot[3] = position;
  }
#endif
};

struct Context {
  explicit Context(int device_index);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  int device = 0;
  cudaStream_t stream = nullptr;
  int major = 0, minor = 0;             // compute capability
  int multiprocessors = 0;
  int max_threads_per_multiprocessor = 0;
  size_t max_shared_memory = 0;         // bytes per block without opting in
  size_t max_shared_memory_optin = 0;   // bytes per block after cudaFuncSetAttribute
  size_t total_memory = 0;

  bool benchmark = false;
  bool deterministic = false;
  bool cudnn_tf32 = true;
  bool matmul_tf32 = false;

  // Scratch of at least `bytes`, aligned to 256, valid until the handler that asked for it returns (a handler may
  // ask several times). The next op reuses it: stream order keeps them apart.
  void* workspace(size_t bytes);
  template <class T>
  T* workspace_of(int64_t count) {
    return static_cast<T*>(workspace(static_cast<size_t>(count) * sizeof(T)));
  }
  // Called before each op: gives the scratch back, and makes it one block if the last op had to extend it.
  void reset_workspace();
  // Between the two: the most scratch that one op has taken.
  void begin_rehearsal() { largest_request_ = 0; }
  size_t rehearsed_request() const { return largest_request_; }

  // Both are created by the first op that needs them.
  cudnnContext* dnn();
  cublasLtContext* blas();

  IndexGuard guard(const Call& call) {
    *guard_flag_ = true;
    return {error_slot_, static_cast<int64_t>(call.op), static_cast<int64_t>(call.sequence)};
  }
  // What a kernel reads to know whether there is a report that the host has not seen: its first number is then not 0.
  const int64_t* report() const { return error_slot_; }
  bool may_report() const { return guard_used_; }
  // Waits for the stream; throws ErrorCode::index if a kernel reported a bad index since the last time, after
  // setting *sequence (if given) to the call that found it.
  void synchronize(uint64_t* sequence = nullptr);

  // While work is recorded (graph.h), its scratch and its plans are the capture's, and nothing may wait.
  bool capturing() const { return capture_ != nullptr; }
  void begin_capture(std::shared_ptr<Capture> capture);
  std::shared_ptr<Capture> end_capture();
  // Keeps a plan alive for as long as what is being recorded, if anything is.
  void keep(std::shared_ptr<void> plan);
  // Recorded work, until it is destroyed or the context is.
  Capture* own(std::shared_ptr<Capture> graph);
  void destroy(Capture* graph);
  // Recorded work that may report a bad index is about to run.
  void expect_reports() { guard_used_ = true; }

  std::unique_ptr<StagingRing> staging;
  std::shared_ptr<ConvPlans> conv_plans;
  std::shared_ptr<MatmulPlans> matmul_plans;
  std::shared_ptr<NormPlans> norm_plans;
  std::shared_ptr<PoolPlans> pool_plans;

 private:
  struct Block {
    char* data;
    size_t size;
  };
  void release() noexcept;

  std::vector<Block> blocks_;  // the last one is being filled
  size_t used_ = 0;            // bytes of the last block
  size_t requested_ = 0;       // bytes that this op has taken
  size_t largest_request_ = 0;
  std::shared_ptr<Capture> capture_;
  std::vector<std::shared_ptr<Capture>> graphs_;
  cudnnContext* dnn_ = nullptr;
  cublasLtContext* blas_ = nullptr;
  int64_t* error_slot_ = nullptr;  // device memory
  int64_t* error_mirror_ = nullptr;  // pinned host memory
  bool guard_used_ = false;
  bool* guard_flag_ = &guard_used_;  // the capture's own while work is recorded
};

// Runs the handler of call.op (dispatch.cc).
void dispatch(Context& context, const Call& call);

}  // namespace lenode::cuda
