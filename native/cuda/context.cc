// SPDX-License-Identifier: Apache-2.0
#include "cuda/context.h"

#include <cublasLt.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/cublas_check.h"
#include "cuda/cudnn_graph.h"
#include "cuda/graph.h"
#include "cuda/staging.h"

namespace lenode::cuda {

namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kSmallestBlock = size_t{1} << 20;
constexpr size_t kStagingBytes = size_t{32} << 20;
constexpr size_t kErrorBytes = 4 * sizeof(int64_t);

int attribute(cudaDeviceAttr name, int device) {
  int value = 0;
  LENODE_CUDA_CHECK(cudaDeviceGetAttribute(&value, name, device));
  return value;
}

}  // namespace

Context::Context(int device_index) : device(device_index) {
  try {
    LENODE_CUDA_CHECK(cudaSetDevice(device));
    major = attribute(cudaDevAttrComputeCapabilityMajor, device);
    minor = attribute(cudaDevAttrComputeCapabilityMinor, device);
    multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device);
    max_threads_per_multiprocessor = attribute(cudaDevAttrMaxThreadsPerMultiProcessor, device);
    max_shared_memory = static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlock, device));
    max_shared_memory_optin = static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
    size_t available = 0;
    LENODE_CUDA_CHECK(cudaMemGetInfo(&available, &total_memory));
    LENODE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    LENODE_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&error_slot_), kErrorBytes));
    LENODE_CUDA_CHECK(cudaMallocHost(reinterpret_cast<void**>(&error_mirror_), kErrorBytes));
    LENODE_CUDA_CHECK(cudaMemsetAsync(error_slot_, 0, kErrorBytes, stream));
    staging = std::make_unique<StagingRing>(kStagingBytes);
  } catch (...) {
    release();
    throw;
  }
}

Context::~Context() { release(); }

// Failures are ignored here: there is nobody left to tell, and a device that broke fails every call.
void Context::release() noexcept {
  cudaSetDevice(device);
  if (stream) cudaStreamSynchronize(stream);
  capture_.reset();
  graphs_.clear();
  conv_plans.reset();
  matmul_plans.reset();
  norm_plans.reset();
  pool_plans.reset();
  staging.reset();
  if (dnn_) cudnnDestroy(dnn_);
  if (blas_) cublasLtDestroy(blas_);
  for (const Block& block : blocks_) cudaFree(block.data);
  blocks_.clear();
  cudaFree(error_slot_);
  cudaFreeHost(error_mirror_);
  if (stream) cudaStreamDestroy(stream);
  cudaGetLastError();
}

void* Context::workspace(size_t bytes) {
  bytes = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  if (capture_) return capture_->workspace(bytes);
  if (blocks_.empty() || used_ + bytes > blocks_.back().size) {
    const size_t size = std::max(bytes, kSmallestBlock);
    void* data = nullptr;
    LENODE_CUDA_CHECK(cudaMalloc(&data, size));
    blocks_.push_back({static_cast<char*>(data), size});
    used_ = 0;
  }
  void* result = blocks_.back().data + used_;
  used_ += bytes;
  requested_ += bytes;
  largest_request_ = std::max(largest_request_, requested_);
  return result;
}

void Context::reset_workspace() {
  if (capture_) return capture_->reset_workspace();
  const size_t total = requested_;
  used_ = requested_ = 0;
  if (blocks_.size() <= 1) return;
  // The last op may still be using them.
  LENODE_CUDA_CHECK(cudaStreamSynchronize(stream));
  for (const Block& block : blocks_) cudaFree(block.data);
  blocks_.clear();
  void* data = nullptr;
  if (cudaMalloc(&data, total) == cudaSuccess)
    blocks_.push_back({static_cast<char*>(data), total});
  else
    cudaGetLastError();  // the next request asks for what it needs itself
}

void Context::begin_capture(std::shared_ptr<Capture> capture) {
  capture_ = std::move(capture);
  guard_flag_ = &capture_->reports;
}

std::shared_ptr<Capture> Context::end_capture() {
  guard_flag_ = &guard_used_;
  return std::exchange(capture_, nullptr);
}

void Context::keep(std::shared_ptr<void> plan) {
  if (capture_) capture_->plans.push_back(std::move(plan));
}

Capture* Context::own(std::shared_ptr<Capture> graph) {
  graphs_.push_back(std::move(graph));
  return graphs_.back().get();
}

void Context::destroy(Capture* graph) {
  graphs_.erase(std::remove_if(graphs_.begin(), graphs_.end(), [&](const auto& owned) { return owned.get() == graph; }),
                graphs_.end());
}

cudnnContext* Context::dnn() {
  if (!dnn_) {
    LENODE_CUDNN_CHECK(cudnnCreate(&dnn_));
    LENODE_CUDNN_CHECK(cudnnSetStream(dnn_, stream));
  }
  return dnn_;
}

cublasLtContext* Context::blas() {
  if (!blas_) LENODE_CUBLAS_CHECK(cublasLtCreate(&blas_));
  return blas_;
}

void Context::synchronize(uint64_t* sequence) {
  if (guard_used_)
    LENODE_CUDA_CHECK(cudaMemcpyAsync(error_mirror_, error_slot_, kErrorBytes, cudaMemcpyDeviceToHost, stream));
  LENODE_CUDA_CHECK(cudaStreamSynchronize(stream));
  if (!guard_used_) return;
  guard_used_ = false;
  if (error_mirror_[0] == 0) return;
  LENODE_CUDA_CHECK(cudaMemsetAsync(error_slot_, 0, kErrorBytes, stream));
  if (sequence) *sequence = static_cast<uint64_t>(error_mirror_[1]);
  const int64_t op = error_mirror_[0] - 1;
  const char* name = op >= 0 && op < kOpCount ? op_info(static_cast<OpId>(op)).name : "?";
  fail(ErrorCode::index, std::string(name) + ": index " + std::to_string(error_mirror_[2]) + " at position " +
                             std::to_string(error_mirror_[3]) + " is out of range");
}

}  // namespace lenode::cuda
