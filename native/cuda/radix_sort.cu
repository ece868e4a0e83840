// SPDX-License-Identifier: Apache-2.0
#include "cuda/radix_sort.h"

#include <cub/device/device_radix_sort.cuh>

#include "cuda/check.h"

namespace lenode::cuda {

void radix_sort(Context& context, SortBuffers& buffers, int64_t count, int bits) {
  cub::DoubleBuffer<uint64_t> keys(buffers.keys, buffers.other_keys);
  cub::DoubleBuffer<int64_t> values(buffers.values, buffers.other_values);
  size_t bytes = 0;
  LENODE_CUDA_CHECK(cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, values, count, 0, bits, context.stream));
  void* scratch = context.workspace(bytes);
  LENODE_CUDA_CHECK(cub::DeviceRadixSort::SortPairs(scratch, bytes, keys, values, count, 0, bits, context.stream));
  buffers = {keys.Current(), keys.Alternate(), values.Current(), values.Alternate()};
}

}  // namespace lenode::cuda
