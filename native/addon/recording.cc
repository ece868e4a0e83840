// SPDX-License-Identifier: Apache-2.0
// Recording a step and replaying it; lib/native/recording.ts says in which order these are called.
#include "addon/environment.h"
#include "addon/scratch.h"

namespace lenode::addon {
namespace {

constexpr size_t kMaxResults = 64;
// Numbers of recorded calls: above those that a stream gives, and still exact in a double.
constexpr uint64_t kFirstSequence = uint64_t{1} << 52;
constexpr int kStepBits = 20;

Recorder& recorder_of(Environment& environment) {
  if (!environment.recorder) fail(ErrorCode::internal, "no step is being recorded");
  return *environment.recorder;
}

// beginRecording(device): scratch holds a count and the arguments' handles. Returns the sequence number so far.
napi_value begin_recording(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  if (environment.recorder) fail(ErrorCode::internal, "a step is being recorded already");
  const int32_t device_id = arguments.int32(0);
  Device& device = environment.device(device_id);
  environment.recorder = std::make_unique<Recorder>(environment.table, device, device_id);
  Reader reader(environment);
  try {
    for (int32_t count = reader.take_count(1 << 16); count > 0; --count) {
      TensorEntry& entry = environment.table.get(reader.take_handle());
      if (entry.device_id != device_id) fail(ErrorCode::capture, "the arguments lie on different devices");
      environment.recorder->add_argument(entry);
    }
  } catch (...) {
    environment.recorder.reset();
    throw;
  }
  environment.recording = true;
  return make_number(env, static_cast<double>(device.stream.sequence()));
}

// pauseRecording(pause): what runs meanwhile is no part of the step, and what it makes existed before it.
napi_value pause_recording(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  environment.recording = environment.recorder && arguments.int32(0) == 0;
  return nullptr;
}

// addResult(handle): after the step.
napi_value add_result(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  recorder_of(environment).add_result(arguments.int32(0));
  return nullptr;
}

// planRecording(): the bytes of the arena.
napi_value plan_recording(napi_env env, napi_callback_info) {
  Environment& environment = Environment::of(env);
  return make_number(env, static_cast<double>(recorder_of(environment).plan()));
}

// finishRecording(arena): the step's number, in return for the handle of an arena.
napi_value finish_recording(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  Recorder& recorder = recorder_of(environment);
  TensorEntry& arena = environment.table.get(arguments.int32(0));
  RecordedStep step;
  step.device_id = recorder.device_id();
  const int32_t number = ++environment.steps_made;
  step.graph = recorder.finish(*arena.storage, kFirstSequence + (static_cast<uint64_t>(number) << kStepBits), step.held);
  environment.steps.emplace(number, std::move(step));
  environment.recorder.reset();
  return make_number(env, number);
}

// abortRecording(): there will be no step. Does nothing when none is recorded.
napi_value abort_recording(napi_env env, napi_callback_info) {
  Environment& environment = Environment::of(env);
  environment.recording = false;
  environment.recorder.reset();
  return nullptr;
}

// offsetOf(handle, base): bytes from the start of the base's memory; -1 if the tensor shares other memory, -2 if it is gone.
napi_value offset_of(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  TensorTable& table = Environment::of(env).table;
  const TensorEntry* entry = table.find(arguments.int32(0));
  if (!entry) return make_number(env, -2);
  if (entry->storage != table.get(arguments.int32(1)).storage) return make_number(env, -1);
  const auto* start = static_cast<const uint8_t*>(entry->storage->data);
  return make_number(env, static_cast<double>(static_cast<const uint8_t*>(entry->view.data) - start));
}

// adopt(handle, source): the tensor shows the source's memory from now on, which must have its form.
napi_value adopt(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  TensorTable& table = Environment::of(env).table;
  TensorEntry& entry = table.get(arguments.int32(0));
  const TensorEntry& source = table.get(arguments.int32(1));
  if (entry.device_id != source.device_id || !same_shape(entry.view, source.view) || entry.view.dtype != source.view.dtype)
    fail(ErrorCode::internal, "a tensor can only adopt memory of its own form");
  const auto* start = static_cast<const uint8_t*>(source.storage->data);
  table.rebase(entry, *source.storage, static_cast<const uint8_t*>(source.view.data) - start);
  return nullptr;
}

void check_argument(const TensorView& expected, const TensorView& given) {
  bool same = same_shape(expected, given) && expected.dtype == given.dtype;
  for (int i = 0; same && i < given.rank; ++i) same = expected.strides[i] == given.strides[i];
  if (!same) fail(ErrorCode::internal, "an argument differs from the recorded one");
}

// Memory for a result of a step, which may repeat elements (an expanded tensor): bytes, seen as the result is.
int32_t result_memory(TensorTable& table, Device& device, int32_t device_id, const GraphResult& result) {
  TensorView bytes;
  bytes.dtype = DType::uint8;
  bytes.rank = 1;
  bytes.dims[0] = static_cast<int64_t>(result.bytes);
  bytes.strides[0] = 1;
  const int32_t whole = table.create(device, device_id, bytes);
  const int32_t handle = table.alias(whole, 0, result.shape);
  table.release(whole);
  return handle;
}

// replay(step, fresh0, ...): scratch holds the arguments' handles, then a count of numbers and as many that say which
// calls' attributes have changed (call, count, values...). One object for each result; their handles come back in
// scratch[0...]. Returns what run() does.
napi_value replay(napi_env env, napi_callback_info info) {
  Arguments<1 + kMaxResults> arguments(env, info);
  Environment& environment = Environment::of(env);
  const auto found = environment.steps.find(arguments.int32(0));
  if (found == environment.steps.end()) fail(ErrorCode::disposed, "a captured step was used after dispose()");
  const RecordedStep& step = found->second;
  const Graph& graph = *step.graph;
  Device& device = environment.device(step.device_id);
  if (arguments.count < 1 + graph.results.size()) fail(ErrorCode::internal, "a result lacks its object");

  Reader reader(environment);
  Graph::Run run;
  for (const GraphArgument& argument : graph.arguments) {
    const TensorEntry& entry = environment.table.get(reader.take_handle());
    if (entry.device_id != step.device_id) fail(ErrorCode::internal, "an argument lies on another device");
    check_argument(argument.shape, entry.view);
    run.operands.push_back(entry.view);
  }
  const int32_t changes = reader.take_count(1 << 16);
  const double* block = reader.take_block(changes);
  run.attrs.assign(block, block + changes);
  for (size_t at = 0; at < run.attrs.size(); at += 2 + static_cast<size_t>(run.attrs[at + 1])) {
    const double call = run.attrs[at];
    if (at + 2 > run.attrs.size() || !(call >= 0 && call < static_cast<double>(graph.calls.size())) ||
        run.attrs[at + 1] != graph.calls[static_cast<size_t>(call)].n_attrs ||
        at + 2 + static_cast<size_t>(run.attrs[at + 1]) > run.attrs.size())
      fail(ErrorCode::internal, "changed attributes are damaged");
  }

  std::vector<int32_t> fresh;
  try {
    for (const GraphResult& result : graph.results) {
      fresh.push_back(result_memory(environment.table, device, step.device_id, result));
      run.operands.push_back(environment.table.get(fresh.back()).view);
    }
    for (size_t i = 0; i < fresh.size(); ++i) environment.track(env, fresh[i], arguments.values[1 + i]);
  } catch (...) {
    for (const int32_t handle : fresh) {
      environment.untrack(env, environment.table.get(handle));
      environment.table.release(handle);
    }
    throw;
  }
  device.stream.replay(step.graph, std::move(run));
  for (size_t i = 0; i < fresh.size(); ++i) environment.scratch[i] = fresh[i];
  std::vector<TensorView> existing;
  if (device.stream.faults().abandoned())
    for (const Storage* storage : step.held) {
      TensorView& view = existing.emplace_back();
      view.rank = 0;
      view.storage = storage->id;
    }
  Call touched;
  touched.inputs = existing.data();
  touched.n_inputs = static_cast<int32_t>(existing.size());
  return status_of(env, environment, device, touched);
}

// releaseStep(step): frees what is not used elsewhere, behind its last replay.
napi_value release_step(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  const auto found = environment.steps.find(arguments.int32(0));
  if (found == environment.steps.end()) return nullptr;
  RecordedStep step = std::move(found->second);
  environment.steps.erase(found);
  environment.device(step.device_id).stream.retire(std::move(step.graph));
  for (Storage* storage : step.held) TensorTable::release(*storage);
  return nullptr;
}

}  // namespace

void export_recording(napi_env env, napi_value exports) {
  export_function(env, exports, "beginRecording", guarded<begin_recording>);
  export_function(env, exports, "pauseRecording", guarded<pause_recording>);
  export_function(env, exports, "addResult", guarded<add_result>);
  export_function(env, exports, "planRecording", guarded<plan_recording>);
  export_function(env, exports, "finishRecording", guarded<finish_recording>);
  export_function(env, exports, "abortRecording", guarded<abort_recording>);
  export_function(env, exports, "offsetOf", guarded<offset_of>);
  export_function(env, exports, "adopt", guarded<adopt>);
  export_function(env, exports, "replay", guarded<replay>);
  export_function(env, exports, "releaseStep", guarded<release_step>);
}

}  // namespace lenode::addon
