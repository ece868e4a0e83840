// SPDX-License-Identifier: Apache-2.0
// Values into and out of device memory.
#include <cstring>
#include <utility>

#include "addon/environment.h"

namespace lenode::addon {
namespace {

size_t bytes_of(const TensorView& view) { return static_cast<size_t>(view.numel()) * item_size(view.dtype); }

TensorEntry& contiguous_entry(Environment& environment, int32_t handle, size_t bytes) {
  TensorEntry& entry = environment.table.get(handle);
  if (!entry.view.contiguous()) fail(ErrorCode::internal, "values are copied from and to contiguous tensors only");
  if (bytes_of(entry.view) != bytes) fail(ErrorCode::invalid, "the typed array's size differs from the tensor's");
  return entry;
}

// What a replay would not do again.
void refuse_while_recording(const Environment& environment, const char* what) {
  if (environment.recording) fail(ErrorCode::capture, std::string(what) + " inside a step that is captured");
}

// upload(handle, typedArray): the array may be changed as soon as this returns.
napi_value upload(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  Environment& environment = Environment::of(env);
  refuse_while_recording(environment, "values cannot be taken from JavaScript");
  void* data = nullptr;
  size_t bytes = 0;
  arguments.typed_array(1, &data, &bytes);
  TensorEntry& entry = contiguous_entry(environment, arguments.int32(0), bytes);
  if (bytes == 0) return nullptr;
  std::unique_ptr<uint8_t[]> copy(new uint8_t[bytes]);
  std::memcpy(copy.get(), data, bytes);
  environment.device(entry.device_id).stream.upload(entry.view, std::move(copy), bytes);
  return nullptr;
}

// download(handle, typedArray): a promise, fulfilled when the values are in the array; rejected with the fault of what the
// tensor was to be computed from.
napi_value download(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  Environment& environment = Environment::of(env);
  refuse_while_recording(environment, "values cannot be read");
  void* data = nullptr;
  size_t bytes = 0;
  arguments.typed_array(1, &data, &bytes);
  const TensorEntry& entry = contiguous_entry(environment, arguments.int32(0), bytes);
  Stream& stream = environment.device(entry.device_id).stream;
  return environment.completions->promise(env, arguments.values[1], stream.faults(), [&](Done done) {
    stream.download(data, entry.view, bytes, std::move(done));
  });
}

// downloadSync(handle, typedArray): blocks. Throws such a fault.
napi_value download_sync(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  Environment& environment = Environment::of(env);
  refuse_while_recording(environment, "values cannot be read");
  void* data = nullptr;
  size_t bytes = 0;
  arguments.typed_array(1, &data, &bytes);
  const TensorEntry& entry = contiguous_entry(environment, arguments.int32(0), bytes);
  Stream& stream = environment.device(entry.device_id).stream;
  FaultPtr fault;
  stream.download(data, entry.view, bytes, [&](const FaultPtr& found) { fault = found; });
  stream.wait();
  if (fault) {
    stream.faults().tell(*fault);
    napi_throw(env, fault_error(env, *fault));
  }
  return nullptr;
}

// fence(device): a promise, fulfilled when everything enqueued so far has finished.
napi_value fence(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  Stream& stream = environment.device(arguments.int32(0)).stream;
  return environment.completions->promise(env, nullptr, stream.faults(),
                                          [&](Done done) { stream.fence(std::move(done)); });
}

// wait(device): blocks until everything enqueued so far has finished.
napi_value wait(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment::of(env).device(arguments.int32(0)).stream.wait();
  return nullptr;
}

// hold(): the process is about to end. See Stream::hold().
napi_value hold(napi_env env, napi_callback_info) {
  for (auto& device : Environment::of(env).devices)
    if (device) device->stream.hold();
  return nullptr;
}

// takeError(device): the first fault that nobody has been told of, or undefined.
napi_value take_error(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Faults& faults = Environment::of(env).device(arguments.int32(0)).stream.faults();
  const FaultPtr fault = faults.untold() ? faults.take() : nullptr;
  return fault ? fault_error(env, *fault) : nullptr;
}

// takeClaimed(): the fault that the last run() or replay() is to throw.
napi_value take_claimed(napi_env env, napi_callback_info) {
  const FaultPtr fault = std::exchange(Environment::of(env).claimed, nullptr);
  return fault ? fault_error(env, *fault) : nullptr;
}

}  // namespace

void export_transfer(napi_env env, napi_value exports) {
  export_function(env, exports, "upload", guarded<upload>);
  export_function(env, exports, "download", guarded<download>);
  export_function(env, exports, "downloadSync", guarded<download_sync>);
  export_function(env, exports, "fence", guarded<fence>);
  export_function(env, exports, "wait", guarded<wait>);
  export_function(env, exports, "hold", guarded<hold>);
  export_function(env, exports, "takeError", guarded<take_error>);
  export_function(env, exports, "takeClaimed", guarded<take_claimed>);
}

}  // namespace lenode::addon
