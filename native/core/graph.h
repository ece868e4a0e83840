// SPDX-License-Identifier: Apache-2.0
// A recorded step: prepared calls whose operands lie in an arena, in tensors that existed before, or in arguments
// that are given anew for each run. Made on JavaScript's thread by a Recorder, run on the stream's thread alone.
#pragma once
#include <cstdint>
#include <vector>

#include "core/backend.h"

namespace lenode {

// An operand that lies in an argument: its address follows the argument's.
struct ArgumentUse {
  size_t view;     // among the graph's views
  int32_t argument;
  int64_t offset;  // bytes
};

struct GraphArgument {
  TensorView shape;
  size_t bytes = 0;
  void* slot = nullptr;  // where recorded work expects it; null where operands are rebound instead
  bool written = false;
};

// Copied out after each run.
struct GraphResult {
  TensorView shape;        // `data` where the result lies, unless in an argument
  size_t bytes = 0;
  int32_t argument = -1;
  int64_t offset = 0;
};

class Graph {
 public:
  // What one run is given.
  struct Run {
    std::vector<void*> pointers;   // the arguments' data, then the results'
    std::vector<double> attrs;     // attributes that differ from the run before: call, count, values...
  };

  // Runs all calls in order. A call that fails ends the run, so that its consequences reach no parameter; *sequence
  // then names it. `settings` is a number that changes with the backend's options.
  int32_t run(const BackendApi& api, void* context, const Run& run, uint64_t settings, uint64_t* sequence);
  // Gives back what the backend holds.
  void drop(const BackendApi& api, void* context);

  std::vector<GraphArgument> arguments;
  std::vector<GraphResult> results;
  std::vector<Call> calls;  // their operands and attributes lie in the next two
  std::vector<TensorView> views;
  std::vector<double> attrs;
  std::vector<ArgumentUse> uses;

 private:
  // Calls that become one graph of the backend. Those whose attributes change from run to run stay calls, in segments
  // of their own.
  struct Segment {
    size_t begin, end;
    void* graph = nullptr;
  };
  enum class Stage { rehearse, record, recorded, plain };

  bool take_attributes(const std::vector<double>& changes);
  int32_t run_calls(const BackendApi& api, void* context, size_t begin, size_t end, uint64_t* sequence);
  bool record(const BackendApi& api, void* context);
  int32_t run_recorded(const BackendApi& api, void* context, uint64_t* sequence);

  std::vector<bool> varies_;  // by call; empty until one does
  std::vector<Segment> segments_;
  Stage stage_ = Stage::rehearse;
  uint64_t settings_ = 0;
};

}  // namespace lenode
