// SPDX-License-Identifier: Apache-2.0
// What this process may really use: a container's share, not the machine's.
#pragma once
#include <cstdint>

namespace lenode::cpu {

// LENODE_NUM_THREADS or OMP_NUM_THREADS if set, else the CPUs of the affinity mask within the cgroup's quota.
int default_threads();

struct MemoryState {
  uint64_t total;      // the smallest of the machine's memory and the limits of all enclosing cgroups
  uint64_t available;  // what can still be taken without swapping or being killed
};
MemoryState system_memory();

// LENODE_MEMORY_LIMIT (bytes; suffixes K, M and G are powers of 1024) for the backend's own allocations; 0: not set.
uint64_t memory_limit_setting();

}  // namespace lenode::cpu
