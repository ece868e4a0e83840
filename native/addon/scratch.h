// SPDX-License-Identifier: Apache-2.0
// Reading the Float64Array that calls share with TypeScript, and the status that they return.
#pragma once
#include <algorithm>

#include "addon/environment.h"

namespace lenode::addon {

// Of a value within 2^53; std::floor would be a call.
inline bool is_whole(double value) { return static_cast<double>(static_cast<int64_t>(value)) == value; }

class Reader {
 public:
  explicit Reader(const Environment& environment)
      : next_(environment.scratch), end_(environment.scratch + environment.scratch_length) {}
  double take() {
    if (next_ == end_) fail(ErrorCode::internal, "a native call is longer than its buffer");
    return *next_++;
  }
  int64_t take_integer() {
    const double value = take();
    if (!(value >= -kLargest && value <= kLargest && is_whole(value)))
      fail(ErrorCode::invalid, "a size, stride or offset must be an integer below 2^53");
    return static_cast<int64_t>(value);
  }
  int32_t take_handle() {
    const double value = take();
    if (!(value >= -2 && value <= INT32_MAX && is_whole(value)))
      fail(ErrorCode::invalid, "a tensor's handle is damaged");
    return static_cast<int32_t>(value);
  }
  int32_t take_count(int32_t limit) {
    const double value = take();
    if (!(value >= 0 && value <= limit && is_whole(value)))
      fail(ErrorCode::internal, "a native call's header is damaged");
    return static_cast<int32_t>(value);
  }
  const double* take_block(int32_t count) {
    if (end_ - next_ < count) fail(ErrorCode::internal, "a native call is longer than its buffer");
    const double* block = next_;
    next_ += count;
    return block;
  }
  // dtype, rank, dims, strides
  TensorView take_shape() {
    TensorView view;
    view.dtype = static_cast<DType>(take_count(kDTypeCount - 1));
    view.rank = take_count(kMaxRank);
    for (int i = 0; i < view.rank; ++i) {
      view.dims[i] = take_integer();
      if (view.dims[i] < 0) fail(ErrorCode::invalid, "a size must not be negative");
    }
    for (int i = 0; i < view.rank; ++i) {
      view.strides[i] = take_integer();
      if (view.strides[i] < 0) fail(ErrorCode::invalid, "a stride must not be negative");
    }
    // Also of what repeats its elements: loops count them.
    int64_t numel = 1;
    for (int i = 0; i < view.rank; ++i)
      if (view.dims[i] == 0) return view;
    for (int i = 0; i < view.rank; ++i)
      if (__builtin_mul_overflow(numel, view.dims[i], &numel) || numel > static_cast<int64_t>(kLargest))
        fail(ErrorCode::invalid, "a tensor must have fewer than 2^53 elements");
    return view;
  }

 private:
  static constexpr double kLargest = 9007199254740991;

  const double* next_;
  const double* end_;
};

// Dead tensors may be what more memory is taken from the device for.
inline bool has_grown(Device& device) {
  constexpr uint64_t kLittle = uint64_t{32} << 20;
  const uint64_t now = device.allocator.stats().reserved;
  const uint64_t before = device.reserved_at_full_sweep = std::min(device.reserved_at_full_sweep, now);
  return now > before + std::max(kLittle, before / 16);
}

inline bool wants_sweep(const Environment& environment, const Device& device) {
  constexpr size_t kManyHandles = 16384;
  return device.bytes_since_sweep > environment.budget || environment.young.size() > kManyHandles;
}

constexpr int32_t kSweepWanted = 1;
constexpr int32_t kFaultUntold = 2;    // a sweep may tell whether anybody can still read it
constexpr int32_t kFullSweepWanted = 4;
constexpr int32_t kFaultClaimed = 8;   // this call is to throw it

inline int32_t sweep_status(const Environment& environment, Device& device) {
  return has_grown(device) ? kFullSweepWanted : wants_sweep(environment, device) ? kSweepWanted : 0;
}

inline int32_t fault_status(Environment& environment, Device& device, const Call& call) {
  Faults& faults = device.stream.faults();
  if (faults.abandoned() && (environment.claimed = faults.claim(call))) return kFaultClaimed;
  return faults.untold() ? kFaultUntold : 0;
}

// `touched`: the operands of what has been enqueued.
inline napi_value status_of(napi_env env, Environment& environment, Device& device, const Call& touched) {
  int32_t status = sweep_status(environment, device);
  if (device.stream.faults().untold()) status |= fault_status(environment, device, touched);
  napi_value result = nullptr;
  napi_create_int32(env, status, &result);
  return result;
}

}  // namespace lenode::addon
