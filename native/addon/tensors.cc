// SPDX-License-Identifier: Apache-2.0
// The hot path: run() and view(). Their arguments lie in one Float64Array that both sides keep, so that a call
// converts no JavaScript value but the fresh tensors' own objects. Layouts are those of lib/native/run.ts.
#include <cmath>
#include <cstring>

#include "addon/environment.h"

namespace lenode::addon {
namespace {

constexpr int kMaxFresh = 8;
constexpr double kAbsent = -1;
constexpr double kFresh = -2;

class Reader {
 public:
  explicit Reader(const Environment& environment)
      : next_(environment.scratch), end_(environment.scratch + environment.scratch_length) {}
  double take() {
    if (next_ == end_) fail(ErrorCode::internal, "a native call is longer than its buffer");
    return *next_++;
  }
  int64_t take_integer() { return static_cast<int64_t>(take()); }
  int32_t take_count(int32_t limit) {
    const double value = take();
    if (!(value >= 0 && value <= limit)) fail(ErrorCode::internal, "a native call's header is damaged");
    return static_cast<int32_t>(value);
  }
  const double* take_block(int32_t count) {
    if (end_ - next_ < count) fail(ErrorCode::internal, "a native call is longer than its buffer");
    const double* block = next_;
    next_ += count;
    return block;
  }
  // dtype, rank, dims, strides
  TensorView take_shape() {
    TensorView view;
    view.dtype = static_cast<DType>(take_count(kDTypeCount - 1));
    view.rank = take_count(kMaxRank);
    for (int i = 0; i < view.rank; ++i) {
      view.dims[i] = take_integer();
      if (view.dims[i] < 0) fail(ErrorCode::invalid, "a size must not be negative");
    }
    for (int i = 0; i < view.rank; ++i) {
      view.strides[i] = take_integer();
      if (view.strides[i] < 0) fail(ErrorCode::invalid, "a stride must not be negative");
    }
    return view;
  }

 private:
  const double* next_;
  const double* end_;
};

bool wants_sweep(const Environment& environment, const Device& device) {
  constexpr size_t kManyHandles = 100000;
  return device.bytes_since_sweep > environment.budget || environment.young.size() > kManyHandles;
}

constexpr int32_t kSweepWanted = 1;
constexpr int32_t kStreamFailed = 2;

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
  call.n_inputs = reader.take_count(1 << 20);
  call.n_outputs = reader.take_count(1 << 20);
  call.n_attrs = reader.take_count(1 << 16);

  constexpr int kInline = 16;
  TensorView inline_views[kInline];
  std::vector<TensorView> more_views;
  TensorView* views = inline_views;
  if (call.n_inputs + call.n_outputs > kInline) {
    more_views.resize(call.n_inputs + call.n_outputs);
    views = more_views.data();
  }
  auto existing = [&](double handle) -> const TensorView& {
    TensorEntry& entry = environment.table.get(static_cast<int32_t>(handle));
    if (entry.device_id != device_id) fail(ErrorCode::invalid, "tensors lie on different devices");
    return entry.view;
  };
  for (int i = 0; i < call.n_inputs; ++i) {
    const double handle = reader.take();
    views[i] = handle == kAbsent ? TensorView{} : existing(handle);
  }
  int32_t fresh[kMaxFresh];
  int n_fresh = 0;
  try {
    for (int i = 0; i < call.n_outputs; ++i) {
      TensorView& view = views[call.n_inputs + i];
      const double handle = reader.take();
      if (handle == kFresh) {
        if (n_fresh == kMaxFresh || static_cast<size_t>(n_fresh) >= arguments.count)
          fail(ErrorCode::internal, "a fresh output lacks its object");
        const int32_t created = environment.table.create(device, device_id, reader.take_shape());
        fresh[n_fresh++] = created;
        view = environment.table.get(created).view;
      } else {
        view = handle == kAbsent ? TensorView{} : existing(handle);
      }
    }
    call.inputs = views;
    call.outputs = views + call.n_inputs;
    call.attrs = reader.take_block(call.n_attrs);
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
  environment.scratch[0] = static_cast<double>(device.stream.run(call));
  for (int i = 0; i < n_fresh; ++i) environment.scratch[1 + i] = fresh[i];
  const int32_t status =
      (wants_sweep(environment, device) ? kSweepWanted : 0) | (device.stream.failed() ? kStreamFailed : 0);
  napi_value result;
  napi_create_int32(env, status, &result);
  return result;
}

// view(object): scratch holds base handle, offset, dtype, rank, dims, strides. Returns the handle.
napi_value view(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  Reader reader(environment);
  const auto base = static_cast<int32_t>(reader.take());
  const int64_t offset = reader.take_integer();
  const int32_t handle = environment.table.alias(base, offset, reader.take_shape());
  environment.track(env, handle, arguments.values[0]);
  napi_value result;
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
  environment.track(env, handle, arguments.values[0]);
  environment.scratch[0] = wants_sweep(environment, environment.device(device_id)) ? kSweepWanted : 0;
  napi_value result;
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
  export_function(env, exports, "attach", guarded<attach>);
}

}  // namespace lenode::addon
