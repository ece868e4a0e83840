// SPDX-License-Identifier: Apache-2.0
// The op table as C++: ids, names, operand positions and the call that a backend receives.
#pragma once
#include <cstdint>

#include "core/tensor_view.h"

namespace lenode {

enum class OpId : int32_t {
#define LENODE_OP(name, inputs, outputs, attrs, devices) name,
#include "core/ops.def"
  count_
};
constexpr int kOpCount = static_cast<int>(OpId::count_);

// op::conv::in::weight, op::conv::out::y, op::conv::attr::groups: positions in a Call.
namespace op {
#define LENODE_LIST(...) __VA_ARGS__ __VA_OPT__(, )
#define LENODE_OP(name, inputs, outputs, attrs, devices)    \
  namespace name {                                          \
  struct in {                                               \
    enum : int { LENODE_LIST inputs count_ };               \
  };                                                        \
  struct out {                                              \
    enum : int { LENODE_LIST outputs count_ };              \
  };                                                        \
  struct attr {                                             \
    enum : int { LENODE_LIST attrs count_ };                \
  };                                                        \
  }
#include "core/ops.def"
#undef LENODE_LIST
}  // namespace op

constexpr uint32_t kDeviceCpu = 1;
constexpr uint32_t kDeviceCuda = 2;

struct OpInfo {
  const char* name;
  const char* inputs;   // "(x, weight, bias_opt)" as written in the table
  const char* outputs;
  const char* attrs;
  uint32_t devices;     // kDeviceCpu | kDeviceCuda
};

const OpInfo& op_info(OpId id);

// How many operands a call has, and which of them it must have.
struct Arity {
  struct List {
    int32_t count = 0;        // of those with names of their own
    bool more = false;        // any number after those
    uint32_t optional = 0;    // bits of those that may be absent

    bool takes(int32_t n) const { return more ? n >= count : n == count; }
    bool may_lack(int32_t i) const { return i < count && (optional >> i & 1) != 0; }
  };
  List inputs, outputs;
  int32_t attrs = 0;
};
const Arity& arity_of(OpId id);

// What becomes of an output's old value.
enum class OutputRole : uint8_t {
  updated,      // it may be part of the result
  overwritten,  // it is not
  lasting,      // it is a parameter, or what an optimizer or a layer remembers: the call takes it one step further
  generator,    // it is the state of a random generator
};
OutputRole output_role(OpId id, int output);

// Whether the op's inputs are broadcast to its first output before it runs: the pointwise ops of several operands,
// where and copy.
bool broadcasts(OpId id);

// `view` as if it had the shape of `target`, by NumPy's rules: strides of 0 where it is repeated.
TensorView broadcast_view(const TensorView& view, const TensorView& target);

// One prepared call. The arrays live until run() returns.
struct Call {
  OpId op = OpId::count_;
  int32_t n_inputs = 0;
  int32_t n_outputs = 0;
  int32_t n_attrs = 0;
  const TensorView* inputs = nullptr;
  const TensorView* outputs = nullptr;
  const double* attrs = nullptr;
  uint64_t sequence = 0;  // grows by one per call of a stream; names the call in asynchronous errors

  const TensorView& in(int i) const {
    static const TensorView absent;
    return i < n_inputs ? inputs[i] : absent;
  }
  const TensorView& out(int i) const {
    static const TensorView absent;
    return i < n_outputs ? outputs[i] : absent;
  }
  double f(int i) const { return attrs[i]; }
  // 0 for what is no integer of 64 bits.
  int64_t i(int i) const {
    const double value = attrs[i];
    return value > -9.2e18 && value < 9.2e18 ? static_cast<int64_t>(value) : 0;
  }
};

}  // namespace lenode
