// SPDX-License-Identifier: Apache-2.0
#include "core/graph.h"

#include <algorithm>

namespace lenode {

// Says whether a call began to vary.
bool Graph::take_attributes(const std::vector<double>& changes) {
  bool more_vary = false;
  for (size_t at = 0; at + 2 <= changes.size();) {
    const auto index = static_cast<size_t>(changes[at]);
    const auto count = static_cast<size_t>(changes[at + 1]);
    const Call& call = calls[index];
    double* target = attrs.data() + (call.attrs - attrs.data());
    for (size_t i = 0; i < count; ++i) target[i] = changes[at + 2 + i];
    at += 2 + count;
    if (varies_.empty()) varies_.resize(calls.size());
    more_vary |= !varies_[index];
    varies_[index] = true;
  }
  return more_vary;
}

void Graph::run_calls(Runner& runner, size_t begin, size_t end) {
  for (size_t i = begin; i < end && !runner.stopping.load(std::memory_order_relaxed); ++i) runner.run(calls[i]);
}

// Makes the segments and their graphs; says whether all could be made.
bool Graph::record(const BackendApi& api, void* context) {
  const auto varies = [&](size_t i) { return !varies_.empty() && varies_[i]; };
  for (size_t begin = 0; begin < calls.size();) {
    size_t end = begin + 1;
    while (end < calls.size() && varies(end) == varies(begin)) ++end;
    Segment segment{begin, end};
    if (!varies(begin)) {
      if (api.begin_graph(context)) return false;
      int32_t failed = 0;
      for (size_t i = begin; i < end && !failed; ++i) failed = api.run(context, &calls[i]);
      if (api.end_graph(context, &segment.graph) || failed) {
        if (segment.graph) api.destroy_graph(context, segment.graph);
        return false;
      }
    }
    segments_.push_back(segment);
    begin = end;
  }
  return true;
}

void Graph::run_recorded(Runner& runner) {
  for (const Segment& segment : segments_) {
    if (!segment.graph) {
      run_calls(runner, segment.begin, segment.end);
      continue;
    }
    if (const int32_t status = runner.api->launch_graph(runner.context, segment.graph)) {
      const std::vector<Call> lost(calls.begin() + segment.begin, calls.begin() + segment.end);
      runner.fail(status, 0, &lost);
    } else {
      runner.launched(calls.data() + segment.begin, segment.end - segment.begin);
    }
  }
}

// A launch cannot leave out a part of itself.
bool Graph::touches_a_carrier(const Faults& faults) const {
  return faults.any() && std::any_of(views.begin(), views.end(), [&](const TensorView& view) {
           return view.present() && faults.carried_by(view.storage) != nullptr;
         });
}

void Graph::drop(const BackendApi& api, void* context) {
  for (const Segment& segment : segments_)
    if (segment.graph) api.destroy_graph(context, segment.graph);
  segments_.clear();
  stage_ = Stage::rehearse;
}

bool Graph::take_arguments(Runner& runner, const Run& run) {
  for (const ArgumentUse& use : uses) {
    TensorView& view = views[use.view];
    const TensorView& given = run.operands[use.argument];
    view.storage = given.storage;
    view.kept = given.kept;
    if (!arguments[use.argument].slot) view.data = static_cast<uint8_t*>(given.data) + use.offset;
  }
  for (size_t i = 0; i < arguments.size(); ++i)
    if (arguments[i].slot)
      if (const int32_t status =
              runner.api->copy(runner.context, arguments[i].slot, run.operands[i].data, arguments[i].bytes)) {
        fail(runner, run, status);
        return false;
      }
  return true;
}

void Graph::give_results(Runner& runner, const Run& run) {
  for (size_t i = 0; i < results.size(); ++i) {
    const GraphResult& result = results[i];
    const TensorView& target = run.operands[arguments.size() + i];
    const void* source = result.shape.data;
    uint64_t storage = result.shape.storage;
    if (result.argument >= 0) {
      const TensorView& given = run.operands[result.argument];
      void* slot = arguments[result.argument].slot;
      source = static_cast<uint8_t*>(slot ? slot : given.data) + result.offset;
      storage = given.storage;
    }
    FaultPtr fault = runner.faults.any() ? runner.faults.carried_by(storage) : nullptr;
    if (!fault)
      if (const int32_t status = runner.api->copy(runner.context, target.data, source, result.bytes))
        fault = runner.fail(status, 0);
    if (fault) runner.faults.carry(target.storage, fault);
  }
  for (size_t i = 0; i < arguments.size(); ++i)
    if (arguments[i].slot && arguments[i].written)
      if (const int32_t status =
              runner.api->copy(runner.context, run.operands[i].data, arguments[i].slot, arguments[i].bytes))
        runner.faults.carry(run.operands[i].storage, runner.fail(status, 0));
}

// The run has not taken place.
void Graph::fail(Runner& runner, const Run& run, int32_t status) {
  const FaultPtr fault = runner.fail(status, 0, &calls);
  for (size_t i = arguments.size(); i < run.operands.size(); ++i) runner.faults.carry(run.operands[i].storage, fault);
}

void Graph::run(Runner& runner, const Run& run, uint64_t settings) {
  const BackendApi& api = *runner.api;
  const bool more_vary = take_attributes(run.attrs);
  if (runner.faults.any())
    for (const uint64_t storage : made) runner.faults.heal(storage);
  if (!take_arguments(runner, run)) return;
  if (!api.begin_graph) {
    run_calls(runner, 0, calls.size());
    return give_results(runner, run);
  }
  if (more_vary || settings != settings_) drop(api, runner.context);
  settings_ = settings;
  if (stage_ == Stage::record) {
    const bool recorded = record(api, runner.context);
    if (!recorded) drop(api, runner.context);
    stage_ = recorded ? Stage::recorded : Stage::plain;
  }
  if (stage_ == Stage::recorded && !touches_a_carrier(runner.faults)) {
    run_recorded(runner);
  } else {
    if (stage_ == Stage::rehearse) {
      if (const int32_t status = api.rehearse_graph(runner.context)) return fail(runner, run, status);
      stage_ = Stage::record;
    }
    run_calls(runner, 0, calls.size());
  }
  give_results(runner, run);
}

}  // namespace lenode
