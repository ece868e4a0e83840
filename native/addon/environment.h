// SPDX-License-Identifier: Apache-2.0
// Everything the addon keeps for one JavaScript environment (the main thread, or one worker): nothing is global,
// so any number of workers can load the addon and be terminated at any time.
#pragma once
#include <napi.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "core/recorder.h"
#include "core/tensor_table.h"

namespace lenode::addon {

// Device 0 is the CPU, 1 + i is CUDA device i.
constexpr int32_t kCpuDevice = 0;

// Promises that a stream's thread will settle. The stream's thread only queues them; JavaScript's thread resolves
// them, and the process stays alive while any is pending.
class Completions {
 public:
  void open(napi_env env);
  void close();  // no promise is settled after this
  // Returns the promise; `start` receives the function that the stream's thread must call once.
  // It is rejected with what the function is given, if anything, of which `faults` is then told.
  napi_value promise(napi_env env, napi_value keep_alive, Faults& faults, const std::function<void(Done)>& start);

 private:
  struct Pending {
    napi_deferred deferred;
    napi_ref keep_alive;  // the typed array that is being filled
    Faults& faults;
    FaultPtr fault;
  };
  static void drain(napi_env env, napi_value, void* context, void*);

  napi_threadsafe_function wake_ = nullptr;
  std::mutex mutex_;
  std::deque<Pending*> done_;
  std::unordered_map<Pending*, std::unique_ptr<Pending>> pending_;  // of JavaScript's thread
};

// A recorded step that JavaScript holds.
struct RecordedStep {
  std::shared_ptr<Graph> graph;
  int32_t device_id;
  std::vector<Storage*> held;  // one reference of each
};

struct Environment {
  explicit Environment(napi_env owner);
  ~Environment();

  Device& device(int32_t id);       // throws Error when it was never opened
  void track(napi_env env, int32_t handle, napi_value object);
  void untrack(napi_env env, TensorEntry& entry);
  // Asks a device that has found a fault what can still be read, after a sweep.
  void forget_faults();

  static Environment& of(napi_env env);

  napi_env env;
  // Order matters: the devices' threads end before the table and the promises they refer to go.
  std::unique_ptr<Completions> completions;
  TensorTable table;
  std::vector<std::unique_ptr<Device>> devices;
  const BackendApi* cuda = nullptr;

  FaultPtr claimed;                 // what the call that has just returned is to throw

  std::unique_ptr<Recorder> recorder;
  bool recording = false;           // false also while the recorder is paused
  std::unordered_map<int32_t, RecordedStep> steps;
  int32_t steps_made = 0;

  double* scratch = nullptr;        // arguments of run() and view(), results of both
  size_t scratch_length = 0;
  napi_ref scratch_ref = nullptr;

  // Handles whose JavaScript tensors are watched, by the number of sweeps they have survived.
  std::vector<int32_t> young, middle, old;
  uint64_t sweeps = 0;
  uint64_t least_live = ~uint64_t{0};  // bytes after the most thorough sweep since the last full one
  uint64_t budget;                  // bytes of new tensors after which run() asks for a sweep
};

// A fault as JavaScript's error, with its `nativeCode` and `sequence`.
napi_value fault_error(napi_env env, const Fault& fault);

// Turns a C++ exception into a pending JavaScript exception that carries the ErrorCode as `nativeCode`.
void throw_to_javascript(napi_env env, ErrorCode code, const char* message);

template <napi_value (*Function)(napi_env, napi_callback_info)>
napi_value guarded(napi_env env, napi_callback_info info) {
  try {
    return Function(env, info);
  } catch (const Error& error) {
    throw_to_javascript(env, error.code(), error.what());
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::exception& error) {
    throw_to_javascript(env, ErrorCode::internal, error.what());
  }
  return nullptr;
}

// The arguments of a call, decoded with the checks that keep a wrong argument from crashing the process.
template <size_t N>
struct Arguments {
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  }
  int32_t int32(size_t i) const {
    int32_t value = 0;
    if (i >= count || napi_get_value_int32(env_, values[i], &value) != napi_ok)
      fail(ErrorCode::invalid, "argument " + std::to_string(i) + " of a native call must be an integer");
    return value;
  }
  double number(size_t i) const {
    double value = 0;
    if (i >= count || napi_get_value_double(env_, values[i], &value) != napi_ok)
      fail(ErrorCode::invalid, "argument " + std::to_string(i) + " of a native call must be a number");
    return value;
  }
  void typed_array(size_t i, void** data, size_t* bytes) const;

  napi_value values[N];
  size_t count = N;

 private:
  napi_env env_;
};

void typed_array_bytes(napi_env env, napi_value value, void** data, size_t* bytes);

template <size_t N>
void Arguments<N>::typed_array(size_t i, void** data, size_t* bytes) const {
  if (i >= count) fail(ErrorCode::invalid, "a native call lacks its typed array");
  typed_array_bytes(env_, values[i], data, bytes);
}

// Each file of this folder adds its functions to the exports.
void export_tensors(napi_env env, napi_value exports);
void export_transfer(napi_env env, napi_value exports);
void export_memory(napi_env env, napi_value exports);
void export_recording(napi_env env, napi_value exports);
void export_devices(napi_env env, napi_value exports);
void export_function(napi_env env, napi_value exports, const char* name, napi_callback function);

napi_value make_number(napi_env env, double value);
void set_property(napi_env env, napi_value object, const char* name, double value);
void set_property(napi_env env, napi_value object, const char* name, const char* value);

}  // namespace lenode::addon
