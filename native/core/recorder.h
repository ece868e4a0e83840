// SPDX-License-Identifier: Apache-2.0
// Listens while a step runs, call by call, and makes a Graph of it. Operands are remembered by storage, not by address:
// the allocator gives one address to many storages.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/arena.h"
#include "core/graph.h"
#include "core/tensor_table.h"

namespace lenode {

class Recorder {
 public:
  Recorder(TensorTable& table, Device& device, int32_t device_id)
      : table_(table), device_(device), device_id_(device_id), first_sequence_(device.stream.sequence()) {}
  ~Recorder();  // lets go of everything that no graph has taken over
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  int32_t device_id() const { return device_id_; }

  // What the step is called with: the tensor and its views are known as argument `index` from here on.
  void add_argument(TensorEntry& entry);
  // A storage that the step makes; all others existed before or were made beside it.
  void made(const Storage& storage);
  // A call of the step that was put into the stream; `handles` of its inputs, then of its outputs, -1 for absent ones.
  void append(const Call& call, uint64_t sequence, const int32_t* handles);
  // The step has ended; what `handle` names now is one of its results.
  void add_result(int32_t handle);

  // Places what the step made; returns the bytes of the arena. What JavaScript still holds, results and gradients, has
  // a place to itself until the end of the step. Marks of arguments end here.
  size_t plan();

  // Moves what JavaScript holds into the arena, with its values, and returns the step. Its calls are numbered from
  // `sequence_base`, each as far as it was from the beginning of the recording. `held` receives the storages that the
  // graph needs, one reference of each.
  std::shared_ptr<Graph> finish(Storage& arena, uint64_t sequence_base, std::vector<Storage*>& held);

 private:
  struct Place {
    uint64_t storage = 0;  // 0: absent
    int32_t argument = -1;
    int64_t offset = 0;    // bytes from the start of the storage, or of the argument
  };
  struct Recorded {
    OpId op;
    int32_t n_inputs, n_outputs, n_attrs;
    uint64_t sequence;
  };

  Place place_of(const TensorEntry& entry, const TensorView& view, bool output);
  // Calls are counted from 1, so that a last use of 0 says: never.
  int64_t position() const { return std::max<int64_t>(1, static_cast<int64_t>(calls_.size())); }
  void touch(ArenaItem& item);
  void unmark();

  TensorTable& table_;
  Device& device_;
  int32_t device_id_;
  uint64_t first_sequence_;
  std::vector<Recorded> calls_;
  std::vector<TensorView> views_;
  std::vector<Place> places_;  // of the views
  std::vector<double> attrs_;
  std::vector<GraphArgument> arguments_;
  std::vector<void*> argument_data_;
  std::vector<ArenaItem> slots_;  // of the arguments; bytes are 0 where operands are rebound
  std::vector<GraphResult> results_;
  std::vector<Place> result_places_;
  std::unordered_map<uint64_t, ArenaItem> made_;
  std::unordered_map<uint64_t, Storage*> existing_;
};

}  // namespace lenode
