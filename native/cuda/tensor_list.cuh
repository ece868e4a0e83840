// SPDX-License-Identifier: Apache-2.0
// Kernels over many tensors in few launches: a chunk of the list travels in the kernel's parameters, each tensor
// split into runs that one block takes.
#pragma once
#include <vector>

#include "cuda/convert.cuh"
#include "cuda/launch.cuh"
#include "cuda/strided.cuh"

namespace lenode::cuda {

constexpr int kChunkTensors = 96;
constexpr int64_t kRun = 2048;  // elements
constexpr int64_t kChunkBlocks = int64_t{1} << 30;
constexpr int kRunPack = 4;

// `kLists` parallel lists; a list may be absent as a whole (null pointers).
template <int kLists>
struct TensorChunk {
  void* data[kLists][kChunkTensors];
  int64_t size[kChunkTensors];
  uint32_t first_block[kChunkTensors + 1];  // of each tensor; then the number of blocks
  bool aligned[kChunkTensors];              // packs of kRunPack elements are, in every list
  int32_t tensors;

  // The tensor that a block works on.
  LENODE_HD int tensor_of(uint32_t block) const {
    int low = 0, high = tensors - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (first_block[middle] <= block) low = middle;
      else high = middle - 1;
    }
    return low;
  }
};

// One tensor of each list, of equal size.
template <int kLists>
struct TensorGroup {
  void* data[kLists];
  int64_t size;
};

constexpr DType kFloatingDTypes[] = {DType::float32, DType::float64, DType::float16, DType::bfloat16};

// The tensors of one dtype, as a single list.
inline std::vector<TensorGroup<1>> groups_of_one(const Call& call, const TensorView* tensors, int n, DType dtype) {
  std::vector<TensorGroup<1>> groups;
  for (int i = 0; i < n; ++i) {
    if (tensors[i].dtype != dtype) continue;
    if (!is_dense(tensors[i]))
      fail(ErrorCode::invalid, std::string(op_info(call.op).name) + ": expected dense tensors");
    groups.push_back({{tensors[i].data}, tensors[i].numel()});
  }
  return groups;
}

// Calls f(chunk, first_block) for the groups in order; first_block counts the blocks of earlier chunks.
template <int kLists, class F>
void for_chunks(const std::vector<TensorGroup<kLists>>& groups, size_t item, F&& f) {
  TensorChunk<kLists> chunk{};
  int64_t blocks = 0, first = 0;
  const auto flush = [&] {
    if (chunk.tensors == 0) return;
    chunk.first_block[chunk.tensors] = static_cast<uint32_t>(blocks);
    f(static_cast<const TensorChunk<kLists>&>(chunk), first);
    first += blocks;
    blocks = 0;
    chunk = {};
  };
  for (const TensorGroup<kLists>& group : groups) {
    if (group.size == 0) continue;
    const int64_t runs = ceil_divide(group.size, kRun);
    LENODE_CHECK(runs <= kChunkBlocks, "a tensor is too large for one kernel");
    if (chunk.tensors == kChunkTensors || blocks + runs > kChunkBlocks) flush();
    const int t = chunk.tensors++;
    chunk.size[t] = group.size;
    chunk.first_block[t] = static_cast<uint32_t>(blocks);
    chunk.aligned[t] = true;
    for (int l = 0; l < kLists; ++l) {
      chunk.data[l][t] = group.data[l];
      chunk.aligned[t] = chunk.aligned[t] && is_aligned(group.data[l], kRunPack * item);
    }
    blocks += runs;
  }
  flush();
}

// The elements of one run, kRunPack neighbours at a time: body(offset, count) with count < kRunPack only where the
// tensor ends or is not aligned.
template <int kLists, class Body>
__device__ void for_run(const TensorChunk<kLists>& chunk, int tensor, Body&& body) {
  const int64_t begin = (blockIdx.x - chunk.first_block[tensor]) * kRun;
  const int64_t end = begin + kRun < chunk.size[tensor] ? begin + kRun : chunk.size[tensor];
  const int width = chunk.aligned[tensor] ? kRunPack : 1;
  for (int64_t at = begin + threadIdx.x * width; at < end; at += kThreads * width)
    body(at, end - at < width ? static_cast<int>(end - at) : width);
}

template <class S, class T>
__device__ __forceinline__ void load_run(const S* data, int count, T (&value)[kRunPack]) {
  if (count == kRunPack) {
    const Pack<S, kRunPack> pack = *reinterpret_cast<const Pack<S, kRunPack>*>(data);
#pragma unroll
    for (int v = 0; v < kRunPack; ++v) value[v] = widen(pack.value[v]);
  } else {
#pragma unroll
    for (int v = 0; v < kRunPack; ++v) value[v] = v < count ? widen(data[v]) : T(0);
  }
}
template <class S, class T>
__device__ __forceinline__ void store_run(S* data, int count, const T (&value)[kRunPack]) {
  Pack<S, kRunPack> pack;
#pragma unroll
  for (int v = 0; v < kRunPack; ++v) pack.value[v] = narrow<S>(value[v]);
  if (count == kRunPack) {
    *reinterpret_cast<Pack<S, kRunPack>*>(data) = pack;
  } else {
#pragma unroll
    for (int v = 0; v < kRunPack; ++v)
      if (v < count) data[v] = pack.value[v];
  }
}

}  // namespace lenode::cuda
