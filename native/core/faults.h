// SPDX-License-Identifier: Apache-2.0
// What has failed while the queue ran, and what must not be computed from it.
//
// A storage that a failed call should have written carries the fault, and so does what should have been computed from
// it: such calls are left out. A read of a carrier gives the fault; everything else goes on. Values that last
// (parameters, what optimizers remember, running statistics, the state of generators) never carry one: where their update
// is left out they stay as they were. A storage carries a fault until a call has overwritten all of it, or nobody has it.
//
// A fault that nobody has been told of when its last carrier is gone is abandoned: the next call that touches a value
// whose update was left out for it, or any call if there is none, throws it.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "core/op.h"

namespace lenode {

struct Fault {
  ErrorCode code = ErrorCode::ok;
  std::string message;
  uint64_t sequence = 0;  // of the call that failed; 0 if it was none
  std::vector<uint64_t> operands;  // storages that it read

  // Guarded by the Faults they belong to.
  bool abandoned = false;
  std::vector<uint64_t> left_out;  // storages that lack an update for it
};
using FaultPtr = std::shared_ptr<Fault>;

class Faults {
 public:
  // ---- on the stream's thread -----------------------------------------------------------------------------------------
  // Nothing below needs to be called unless there is something.
  bool any() const { return !carriers_.empty() || update_; }

  // Whether a call may run. Where it may not, what it should have written has been dealt with.
  bool admit(const Call& call);
  // It has run: what it has overwritten carries nothing any more.
  void ran(const Call& call);
  // It has not, or in vain.
  void leave(const Call& call, const FaultPtr& fault);
  // Updates that were left out although their operands carry nothing.
  void leave_out(const Call& call, const FaultPtr& fault);

  FaultPtr add(int32_t code, std::string message, uint64_t sequence);
  // The fault of a call. A backward pass that finds the bad index of the forward pass again has that one's fault: whoever
  // is told of it has been told all.
  FaultPtr add(int32_t code, std::string message, const Call& call);
  FaultPtr carried_by(uint64_t storage) const;
  void carry(uint64_t storage, const FaultPtr& fault);
  void heal(uint64_t storage) { carriers_.erase(storage); }
  // `live`: the storages that something can still be read from.
  void forget_all_but(const std::unordered_set<uint64_t>& live);

  // ---- on JavaScript's thread -----------------------------------------------------------------------------------------
  // Whether there are faults that nobody has been told of, and abandoned ones among them.
  bool untold() const { return untold_count_.load(std::memory_order_acquire) > 0; }
  bool abandoned() const { return abandoned_count_.load(std::memory_order_acquire) > 0; }
  void tell(const Fault& fault);
  // The first one that nobody has been told of, who now is; null if there is none.
  FaultPtr take();
  // An abandoned one that a call with these operands is to throw.
  FaultPtr claim(const Call& call);

 private:
  bool lasts(const Call& call, int output) const;
  void remove(size_t index);

  std::unordered_map<uint64_t, FaultPtr> carriers_;
  FaultPtr update_;               // between begin_update and end_update: why the update is left out
  uint64_t update_made_ = 0;      // the number of storages when it began

  std::mutex mutex_;
  std::vector<FaultPtr> untold_;
  std::atomic<size_t> untold_count_{0}, abandoned_count_{0};
};

}  // namespace lenode
