// SPDX-License-Identifier: Apache-2.0
#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "cuda/check.h"

namespace lenode::cuda {

namespace {

constexpr size_t kAlignment = 256;
constexpr size_t round_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

StagingRing::StagingRing(size_t capacity) : capacity_(round_up(capacity)) {
  LENODE_CUDA_CHECK(cudaMallocHost(reinterpret_cast<void**>(&memory_), capacity_));
}

StagingRing::~StagingRing() {
  while (!pieces_.empty()) {
    cudaEventSynchronize(pieces_.front().done);
    cudaEventDestroy(pieces_.front().done);
    pieces_.pop_front();
  }
  for (const cudaEvent_t event : spare_events_) cudaEventDestroy(event);
  cudaFreeHost(memory_);
}

cudaEvent_t StagingRing::take_event() {
  cudaEvent_t event;
  if (spare_events_.empty()) {
    LENODE_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  } else {
    event = spare_events_.back();
    spare_events_.pop_back();
  }
  return event;
}

void StagingRing::release_oldest() {
  LENODE_CUDA_CHECK(cudaEventSynchronize(pieces_.front().done));
  spare_events_.push_back(pieces_.front().done);
  pieces_.pop_front();
}

void StagingRing::release_finished() {
  while (!pieces_.empty() && cudaEventQuery(pieces_.front().done) == cudaSuccess) release_oldest();
  cudaGetLastError();  // "not ready" counts as an error there
}

// The oldest piece is always the next one after head_, going round.
size_t StagingRing::reserve(size_t bytes) {
  release_finished();
  if (head_ + bytes > capacity_) {
    while (!pieces_.empty() && pieces_.front().begin >= head_) release_oldest();
    head_ = 0;
  }
  auto in_the_way = [&] {
    return !pieces_.empty() && pieces_.front().begin < head_ + bytes && head_ < pieces_.front().end;
  };
  while (in_the_way()) release_oldest();
  return head_;
}

uint64_t StagingRing::hold(size_t begin, size_t bytes, cudaStream_t stream) {
  const cudaEvent_t event = take_event();
  const cudaError_t status = cudaEventRecord(event, stream);
  if (status != cudaSuccess) {
    spare_events_.push_back(event);
    fail_cuda(status, "cudaEventRecord");
  }
  head_ = begin + round_up(bytes);
  pieces_.push_back({begin, head_, ++count_, event});
  return count_;
}

void StagingRing::upload(void* target, const void* source, size_t bytes, cudaStream_t stream) {
  const size_t chunk = capacity_ / 4;  // so that copying into one overlaps with sending another
  for (size_t done = 0; done < bytes; done += chunk) {
    const size_t part = std::min(chunk, bytes - done);
    const size_t begin = reserve(part);
    std::memcpy(memory_ + begin, static_cast<const char*>(source) + done, part);
    LENODE_CUDA_CHECK(cudaMemcpyAsync(static_cast<char*>(target) + done, memory_ + begin, part,
                                      cudaMemcpyHostToDevice, stream));
    hold(begin, part, stream);
  }
}

void StagingRing::download(void* target, const void* source, size_t bytes, cudaStream_t stream) {
  const size_t chunk = capacity_ / 4;
  struct Arriving {
    uint64_t number;
    size_t begin, offset, bytes;
  };
  std::deque<Arriving> arriving;
  auto collect = [&] {
    // One stream, in order: when this piece has arrived, so has everything older. It may have been released already.
    while (!pieces_.empty() && pieces_.front().number <= arriving.front().number) release_oldest();
    std::memcpy(static_cast<char*>(target) + arriving.front().offset, memory_ + arriving.front().begin,
                arriving.front().bytes);
    arriving.pop_front();
  };
  for (size_t done = 0; done < bytes; done += chunk) {
    const size_t part = std::min(chunk, bytes - done);
    if (arriving.size() == 2) collect();
    const size_t begin = reserve(part);
    LENODE_CUDA_CHECK(cudaMemcpyAsync(memory_ + begin, static_cast<const char*>(source) + done, part,
                                      cudaMemcpyDeviceToHost, stream));
    arriving.push_back({hold(begin, part, stream), begin, done, part});
  }
  while (!arriving.empty()) collect();
}

}  // namespace lenode::cuda
