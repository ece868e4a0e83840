// SPDX-License-Identifier: Apache-2.0
#include "addon/environment.h"

namespace lenode::addon {
namespace {
constexpr uint64_t kFirstBudget = uint64_t{32} << 20;
}

Environment::Environment(napi_env owner)
    : env(owner), completions(std::make_unique<Completions>()), budget(kFirstBudget) {
  completions->open(env);
}

Environment::~Environment() {
  for (auto& device : devices)
    if (device) device->stream.stop();
  recorder.reset();
  for (auto& [number, step] : steps)
    for (Storage* storage : step.held) TensorTable::release(*storage);
  steps.clear();
  table.clear();
  devices.clear();
  completions->close();
}

void Environment::forget_faults() {
  std::unordered_set<uint64_t> live;
  for (auto& device : devices) {
    if (!device || !device->stream.faults().untold()) continue;
    if (live.empty()) table.for_each([&](const TensorEntry& entry) { live.insert(entry.view.storage); });
    device->stream.forget_all_but(live);
  }
}

Environment& Environment::of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  if (!data) fail(ErrorCode::internal, "the environment is being torn down");
  return *static_cast<Environment*>(data);
}

Device& Environment::device(int32_t id) {
  if (id < 0 || id >= static_cast<int32_t>(devices.size()) || !devices[id])
    fail(ErrorCode::invalid, "device " + std::to_string(id) + " is not open");
  return *devices[id];
}

void Environment::track(napi_env env, int32_t handle, napi_value object) {
  napi_ref weak = nullptr;
  if (napi_create_reference(env, object, 0, &weak) != napi_ok)
    fail(ErrorCode::invalid, "a tensor's handle must be owned by an object");
  table.get(handle).weak = weak;
  young.push_back(handle);
}

void Environment::untrack(napi_env env, TensorEntry& entry) {
  if (entry.weak) napi_delete_reference(env, static_cast<napi_ref>(entry.weak));
  entry.weak = nullptr;
}

namespace {
napi_value make_error(napi_env env, ErrorCode code, const char* message) {
  napi_value text = nullptr, error = nullptr;
  napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text);
  napi_create_error(env, nullptr, text, &error);
  set_property(env, error, "nativeCode", static_cast<double>(code));
  return error;
}
}  // namespace

napi_value fault_error(napi_env env, const Fault& fault) {
  const napi_value error = make_error(env, fault.code, fault.message.c_str());
  set_property(env, error, "sequence", static_cast<double>(fault.sequence));
  return error;
}

void throw_to_javascript(napi_env env, ErrorCode code, const char* message) {
  napi_throw(env, make_error(env, code, message));
}

void typed_array_bytes(napi_env env, napi_value value, void** data, size_t* bytes) {
  napi_typedarray_type type;
  size_t length = 0;
  if (napi_get_typedarray_info(env, value, &type, &length, data, nullptr, nullptr) != napi_ok)
    fail(ErrorCode::invalid, "expected a typed array");
  size_t item = 1;
  switch (type) {
    case napi_int16_array:
    case napi_uint16_array: item = 2; break;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array: item = 4; break;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array: item = 8; break;
    default: break;
  }
  *bytes = length * item;
}

void Completions::open(napi_env env) {
  napi_value name = nullptr;
  napi_create_string_utf8(env, "lenode", NAPI_AUTO_LENGTH, &name);
  napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, drain, &wake_);
  napi_unref_threadsafe_function(env, wake_);
}

void Completions::close() {
  if (wake_) napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  wake_ = nullptr;
  pending_.clear();
}

napi_value Completions::promise(napi_env env, napi_value keep_alive, Faults& faults,
                                const std::function<void(Done)>& start) {
  auto owned = std::unique_ptr<Pending>(new Pending{nullptr, nullptr, faults, nullptr});
  Pending* const pending = owned.get();
  napi_value promise = nullptr;
  // Not in a worker that is being terminated: nobody is left to wait.
  if (napi_create_promise(env, &pending->deferred, &promise) != napi_ok) return nullptr;
  if (keep_alive) napi_create_reference(env, keep_alive, 1, &pending->keep_alive);
  if (pending_.empty()) napi_ref_threadsafe_function(env, wake_);
  pending_.emplace(pending, std::move(owned));
  start([this, pending](const FaultPtr& fault) {
    {
      std::lock_guard lock(mutex_);
      pending->fault = fault;
      done_.push_back(pending);
    }
    napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
  });
  return promise;
}

void Completions::drain(napi_env env, napi_value, void* context, void*) {
  if (!env) return;  // the environment is going away
  auto* self = static_cast<Completions*>(context);
  while (true) {
    Pending* pending;
    {
      std::lock_guard lock(self->mutex_);
      if (self->done_.empty()) return;
      pending = self->done_.front();
      self->done_.pop_front();
    }
    if (pending->keep_alive) napi_delete_reference(env, pending->keep_alive);
    if (pending->fault) {
      pending->faults.tell(*pending->fault);
      napi_reject_deferred(env, pending->deferred, fault_error(env, *pending->fault));
    } else {
      napi_value undefined = nullptr;
      napi_get_undefined(env, &undefined);
      napi_resolve_deferred(env, pending->deferred, undefined);
    }
    self->pending_.erase(pending);
    if (self->pending_.empty()) napi_unref_threadsafe_function(env, self->wake_);
  }
}

void export_function(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
  napi_set_named_property(env, exports, name, value);
}

napi_value make_number(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

void set_property(napi_env env, napi_value object, const char* name, double value) {
  napi_set_named_property(env, object, name, make_number(env, value));
}

void set_property(napi_env env, napi_value object, const char* name, const char* value) {
  napi_value text = nullptr;
  napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &text);
  napi_set_named_property(env, object, name, text);
}

}  // namespace lenode::addon
