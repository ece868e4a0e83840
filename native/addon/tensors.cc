// SPDX-License-Identifier: Apache-2.0
// The hot path: run() and view(). Their arguments lie in one Float64Array that both sides keep, so that a call
// converts no JavaScript value but the fresh tensors' own objects. Layouts are those of lib/native/run.ts.
#include "addon/environment.h"
#include "addon/scratch.h"

namespace lenode::addon {
namespace {

constexpr int kMaxFresh = 8;
constexpr int32_t kAbsent = -1;
constexpr int32_t kFresh = -2;

// run(fresh0, fresh1, ...): one object per fresh output, in order. Their handles come back in scratch[1...], the
// call's sequence number in scratch[0], and the bits above as the return value.
napi_value run(napi_env env, napi_callback_info info) {
  Arguments<kMaxFresh> arguments(env, info);
  Environment& environment = Environment::of(env);
  Reader reader(environment);

  Call call;
  call.op = static_cast<OpId>(reader.take_count(kOpCount - 1));
  const int32_t device_id = reader.take_count(1 << 16);
  Device& device = environment.device(device_id);
  if (environment.recording && environment.recorder->device_id() != device_id)
    fail(ErrorCode::capture, "a step that is captured runs on one device");
  call.n_inputs = reader.take_count(1 << 20);
  call.n_outputs = reader.take_count(1 << 20);
  call.n_attrs = reader.take_count(1 << 16);

  const Arity& arity = arity_of(call.op);
  if (!arity.inputs.takes(call.n_inputs) || !arity.outputs.takes(call.n_outputs) || arity.attrs != call.n_attrs)
    fail(ErrorCode::internal, std::string(op_info(call.op).name) + ": a native call has too many or too few operands");
  const auto check_absent = [&](const Arity::List& list, int32_t i) {
    if (!list.may_lack(i)) fail(ErrorCode::internal, std::string(op_info(call.op).name) + ": an operand is missing");
  };

  constexpr int kInline = 16;
  TensorView inline_views[kInline];
  int32_t inline_handles[kInline];
  std::vector<TensorView> more_views;
  std::vector<int32_t> more_handles;
  TensorView* views = inline_views;
  int32_t* handles = inline_handles;
  if (call.n_inputs + call.n_outputs > kInline) {
    more_views.resize(call.n_inputs + call.n_outputs);
    more_handles.resize(call.n_inputs + call.n_outputs);
    views = more_views.data();
    handles = more_handles.data();
  }
  auto existing = [&](int32_t handle) -> const TensorView& {
    TensorEntry& entry = environment.table.get(handle);
    if (entry.device_id != device_id) fail(ErrorCode::invalid, "tensors lie on different devices");
    return entry.view;
  };
  for (int i = 0; i < call.n_inputs; ++i) {
    handles[i] = reader.take_handle();
    if (handles[i] == kAbsent) check_absent(arity.inputs, i);
    else views[i] = existing(handles[i]);
  }
  int32_t fresh[kMaxFresh];
  int n_fresh = 0;
  const double made = static_cast<double>(environment.table.storages());
  try {
    for (int i = 0; i < call.n_outputs; ++i) {
      TensorView& view = views[call.n_inputs + i];
      int32_t& handle = handles[call.n_inputs + i];
      handle = reader.take_handle();
      if (handle == kFresh) {
        if (n_fresh == kMaxFresh || static_cast<size_t>(n_fresh) >= arguments.count)
          fail(ErrorCode::internal, "a fresh output lacks its object");
        const int32_t created = environment.table.create(device, device_id, reader.take_shape());
        handle = fresh[n_fresh++] = created;
        view = environment.table.get(created).view;
      } else if (handle == kAbsent) {
        check_absent(arity.outputs, i);
      } else {
        view = existing(handle);
      }
    }
    call.inputs = views;
    call.outputs = views + call.n_inputs;
    call.attrs = reader.take_block(call.n_attrs);
    if (call.op == OpId::begin_update) call.attrs = &made;
    if (broadcasts(call.op))
      for (int i = 0; i < call.n_inputs; ++i) views[i] = broadcast_view(views[i], call.out(0));
    for (int i = 0; i < n_fresh; ++i) environment.track(env, fresh[i], arguments.values[i]);
  } catch (...) {
    for (int i = 0; i < n_fresh; ++i) {
      environment.untrack(env, environment.table.get(fresh[i]));
      environment.table.release(fresh[i]);
    }
    throw;
  }
  const uint64_t sequence = device.stream.run(call);
  if (environment.recording) {
    for (int i = 0; i < n_fresh; ++i) environment.recorder->made(*environment.table.get(fresh[i]).storage);
    environment.recorder->append(call, sequence, handles);
  }
  environment.scratch[0] = static_cast<double>(sequence);
  for (int i = 0; i < n_fresh; ++i) environment.scratch[1 + i] = fresh[i];
  return status_of(env, environment, device, call);
}

// view(object): scratch holds base handle, offset, dtype, rank, dims, strides. Returns the handle.
napi_value view(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  Reader reader(environment);
  const int32_t base = reader.take_handle();
  const int64_t offset = reader.take_integer();
  const int32_t handle = environment.table.alias(base, offset, reader.take_shape());
  environment.track(env, handle, arguments.values[0]);
  napi_value result = nullptr;
  napi_create_int32(env, handle, &result);
  return result;
}

// allocate(object, device): scratch holds dtype, rank, dims, strides, and then whether a sweep is wanted. Returns the
// handle of unset memory.
napi_value allocate(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  Environment& environment = Environment::of(env);
  const int32_t device_id = arguments.int32(1);
  const int32_t handle = environment.table.create(environment.device(device_id), device_id,
                                                  Reader(environment).take_shape());
  if (environment.recording) environment.recorder->made(*environment.table.get(handle).storage);
  environment.track(env, handle, arguments.values[0]);
  environment.scratch[0] = sweep_status(environment, environment.device(device_id));
  napi_value result = nullptr;
  napi_create_int32(env, handle, &result);
  return result;
}

// release(handle): the memory may be reused by whatever is enqueued next.
napi_value release(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  const int32_t handle = arguments.int32(0);
  if (TensorEntry* entry = environment.table.find(handle)) {
    environment.untrack(env, *entry);
    environment.table.release(handle);
  }
  return nullptr;
}

// keep(handle): its value lasts: it stays as it was where an update of it cannot be made (core/faults.h).
napi_value keep(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment::of(env).table.get(arguments.int32(0)).view.kept = true;
  return nullptr;
}

// attach(scratch): the Float64Array that run() and view() read.
napi_value attach(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  void* data = nullptr;
  size_t bytes = 0;
  arguments.typed_array(0, &data, &bytes);
  if (environment.scratch_ref) napi_delete_reference(env, environment.scratch_ref);
  napi_create_reference(env, arguments.values[0], 1, &environment.scratch_ref);
  environment.scratch = static_cast<double*>(data);
  environment.scratch_length = bytes / sizeof(double);
  return nullptr;
}

}  // namespace

void export_tensors(napi_env env, napi_value exports) {
  export_function(env, exports, "run", guarded<run>);
  export_function(env, exports, "view", guarded<view>);
  export_function(env, exports, "allocate", guarded<allocate>);
  export_function(env, exports, "release", guarded<release>);
  export_function(env, exports, "keep", guarded<keep>);
  export_function(env, exports, "attach", guarded<attach>);
}

}  // namespace lenode::addon
