// SPDX-License-Identifier: Apache-2.0
// A recorded step: prepared calls whose operands lie in an arena, in tensors that existed before, or in arguments
// that are given anew for each run. Made on JavaScript's thread by a Recorder, run on the stream's thread alone.
#pragma once
#include <cstdint>
#include <vector>

#include "core/runner.h"

namespace lenode {

// An operand that lies in an argument: what it is part of, and its address unless the argument has a slot, follow that.
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
    std::vector<TensorView> operands;  // the arguments, then the results
    std::vector<double> attrs;         // attributes that differ from the run before: call, count, values...
  };

  // Runs all calls in order. `settings` is a number that changes with the backend's options.
  void run(Runner& runner, const Run& run, uint64_t settings);
  // Gives back what the backend holds.
  void drop(const BackendApi& api, void* context);

  std::vector<GraphArgument> arguments;
  std::vector<GraphResult> results;
  std::vector<Call> calls;  // their operands and attributes lie in the next two
  std::vector<TensorView> views;
  std::vector<double> attrs;
  std::vector<ArgumentUse> uses;
  std::vector<uint64_t> made;  // storages that each run writes before it reads them

 private:
  // Calls that become one graph of the backend. Those whose attributes change from run to run stay calls, in segments
  // of their own.
  struct Segment {
    size_t begin, end;
    void* graph = nullptr;
  };
  enum class Stage { rehearse, record, recorded, plain };

  bool take_attributes(const std::vector<double>& changes);
  bool take_arguments(Runner& runner, const Run& run);
  void give_results(Runner& runner, const Run& run);
  void run_calls(Runner& runner, size_t begin, size_t end);
  bool record(const BackendApi& api, void* context);
  void run_recorded(Runner& runner);
  void fail(Runner& runner, const Run& run, int32_t status);
  bool touches_a_carrier(const Faults& faults) const;

  std::vector<bool> varies_;  // by call; empty until one does
  std::vector<Segment> segments_;
  Stage stage_ = Stage::rehearse;
  uint64_t settings_ = 0;
};

}  // namespace lenode
