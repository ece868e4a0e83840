// SPDX-License-Identifier: Apache-2.0
// Runs calls on the stream's thread, and keeps the consequences of those that fail away from all others.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "core/backend.h"
#include "core/faults.h"

namespace lenode {

class Runner {
 public:
  explicit Runner(const BackendApi* backend) : api(backend) {}

  void run(const Call& call);
  // A failure of work that is no single call. `left`: the calls that should have been made by it.
  FaultPtr fail(int32_t status, uint64_t sequence, const std::vector<Call>* left = nullptr);
  // Recorded calls that have been launched as a whole.
  void launched(const Call* calls, size_t count);
  // Waits for the device, and finds the faults that it has found.
  void synchronize();

  const BackendApi* api;
  void* context = nullptr;
  Faults faults;
  std::atomic<bool> stopping{false};  // nobody will look at what is still to be computed

 private:
  struct Entry {
    Call call;
    std::vector<TensorView> operands;
    double made;
  };
  void note(const Call& call);
  void found_late(int32_t status, uint64_t sequence);

  std::vector<Entry> journal_;  // calls since the first with which the device may still find fault
};

}  // namespace lenode
