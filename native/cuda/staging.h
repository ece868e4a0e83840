// SPDX-License-Identifier: Apache-2.0
// A ring of pinned host memory through which pageable memory travels to and from the device.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace lenode::cuda {

class StagingRing {
 public:
  explicit StagingRing(size_t capacity);
  ~StagingRing();
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;

  // `source` may be reused when this returns; the copies are in the stream.
  void upload(void* target, const void* source, size_t bytes, cudaStream_t stream);
  // Returns when `target` holds the data.
  void download(void* target, const void* source, size_t bytes, cudaStream_t stream);

 private:
  struct Piece {
    size_t begin, end;
    uint64_t number;
    cudaEvent_t done;
  };
  // Room for `bytes`, waiting for the oldest copies if the ring is full.
  size_t reserve(size_t bytes);
  // Records that the stream uses [begin, begin + bytes) until it gets here; returns the piece's number.
  uint64_t hold(size_t begin, size_t bytes, cudaStream_t stream);
  void release_oldest();
  void release_finished();
  cudaEvent_t take_event();

  char* memory_ = nullptr;
  size_t capacity_;
  size_t head_ = 0;           // where the next piece goes
  uint64_t count_ = 0;        // pieces so far
  std::deque<Piece> pieces_;  // oldest first
  std::vector<cudaEvent_t> spare_events_;
};

}  // namespace lenode::cuda
