// SPDX-License-Identifier: Apache-2.0
#include "core/graph.h"

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

int32_t Graph::run_calls(const BackendApi& api, void* context, size_t begin, size_t end, uint64_t* sequence) {
  for (size_t i = begin; i < end; ++i)
    if (const int32_t status = api.run(context, &calls[i])) {
      *sequence = calls[i].sequence;
      return status;
    }
  return 0;
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
      uint64_t sequence = 0;
      const int32_t failed = run_calls(api, context, begin, end, &sequence);
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

int32_t Graph::run_recorded(const BackendApi& api, void* context, uint64_t* sequence) {
  for (const Segment& segment : segments_) {
    const int32_t status = segment.graph ? api.launch_graph(context, segment.graph)
                                         : run_calls(api, context, segment.begin, segment.end, sequence);
    if (status) return status;
  }
  return 0;
}

void Graph::drop(const BackendApi& api, void* context) {
  for (const Segment& segment : segments_)
    if (segment.graph) api.destroy_graph(context, segment.graph);
  segments_.clear();
  stage_ = Stage::rehearse;
}

int32_t Graph::run(const BackendApi& api, void* context, const Run& run, uint64_t settings, uint64_t* sequence) {
  void* const* given = run.pointers.data();
  const bool more_vary = take_attributes(run.attrs);
  for (const ArgumentUse& use : uses)
    if (!arguments[use.argument].slot)
      views[use.view].data = static_cast<uint8_t*>(given[use.argument]) + use.offset;
  for (size_t i = 0; i < arguments.size(); ++i)
    if (arguments[i].slot)
      if (const int32_t status = api.copy(context, arguments[i].slot, given[i], arguments[i].bytes)) return status;

  int32_t status = 0;
  if (!api.begin_graph) {
    status = run_calls(api, context, 0, calls.size(), sequence);
  } else {
    if (more_vary || settings != settings_) drop(api, context);
    settings_ = settings;
    if (stage_ == Stage::record) {
      const bool made = record(api, context);
      if (!made) drop(api, context);
      stage_ = made ? Stage::recorded : Stage::plain;
    }
    if (stage_ == Stage::rehearse) {
      if (const int32_t failed = api.rehearse_graph(context)) return failed;
      stage_ = Stage::record;
      status = run_calls(api, context, 0, calls.size(), sequence);
    } else if (stage_ == Stage::recorded) {
      status = run_recorded(api, context, sequence);
    } else {
      status = run_calls(api, context, 0, calls.size(), sequence);
    }
  }
  if (status) return status;

  for (size_t i = 0; i < results.size(); ++i) {
    const GraphResult& result = results[i];
    const void* source = result.shape.data;
    if (result.argument >= 0) {
      void* slot = arguments[result.argument].slot;
      source = static_cast<uint8_t*>(slot ? slot : given[result.argument]) + result.offset;
    }
    if (const int32_t failed = api.copy(context, given[arguments.size() + i], source, result.bytes)) return failed;
  }
  for (size_t i = 0; i < arguments.size(); ++i)
    if (arguments[i].slot && arguments[i].written)
      if (const int32_t failed = api.copy(context, given[i], arguments[i].slot, arguments[i].bytes)) return failed;
  return 0;
}

}  // namespace lenode
