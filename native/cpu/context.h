// SPDX-License-Identifier: Apache-2.0
// What one stream of the CPU backend owns. Used on the stream's thread alone.
#pragma once
#include "cpu/dnnl_plan.h"
#include "cpu/memory.h"

namespace lenode::cpu {

constexpr int kStagingSlots = 4;

struct Context {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  int threads = 1;
  Scratch scratch;                 // of the oneDNN plan or kernel that is running
  Scratch weights_scratch;         // weights in the order of a kernel of our own
  Scratch staging[kStagingSlots];  // stand-ins for operands, see staging.h
  PlanCache plans;
};

}  // namespace lenode::cpu
