// SPDX-License-Identifier: Apache-2.0
// Opening devices: each backend is a library that is loaded when asked for.
#include "addon/cpu_library.h"
#include "addon/environment.h"
#include "core/loader.h"

namespace lenode::addon {
namespace {

std::string string_argument(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok)
    fail(ErrorCode::invalid, "expected a string");
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

std::vector<std::string> strings_argument(napi_env env, napi_value value) {
  uint32_t length = 0;
  if (napi_get_array_length(env, value, &length) != napi_ok) fail(ErrorCode::invalid, "expected an array");
  std::vector<std::string> result;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value item = nullptr;
    napi_get_element(env, value, i, &item);
    result.push_back(string_argument(env, item));
  }
  return result;
}

const BackendApi& backend_of(Environment& environment, int32_t device_id) {
  if (device_id == kCpuDevice) return cpu_backend();
  if (!environment.cuda) fail(ErrorCode::invalid, "the CUDA library is not loaded");
  return *environment.cuda;
}

int32_t index_of(int32_t device_id) { return device_id == kCpuDevice ? 0 : device_id - 1; }

// openDevice(id): starts the device's stream.
napi_value open_device(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Environment& environment = Environment::of(env);
  const int32_t id = arguments.int32(0);
  if (id < 0 || id > 1024) fail(ErrorCode::invalid, "there is no device " + std::to_string(id));
  if (static_cast<size_t>(id) >= environment.devices.size()) environment.devices.resize(id + 1);
  if (!environment.devices[id])
    environment.devices[id] = std::make_unique<Device>(&backend_of(environment, id), index_of(id));
  return nullptr;
}

napi_value device_properties(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  const int32_t id = arguments.int32(0);
  const BackendApi& api = backend_of(Environment::of(env), id);
  DeviceProperties properties{};
  if (const int32_t status = api.device_properties(index_of(id), &properties))
    fail(static_cast<ErrorCode>(status), api.last_error());
  napi_value result = nullptr;
  napi_create_object(env, &result);
  set_property(env, result, "name", properties.name);
  set_property(env, result, "major", static_cast<double>(properties.major));
  set_property(env, result, "minor", static_cast<double>(properties.minor));
  set_property(env, result, "multiprocessors", static_cast<double>(properties.multiprocessors));
  set_property(env, result, "driverVersion", static_cast<double>(properties.driver_version));
  set_property(env, result, "runtimeVersion", static_cast<double>(properties.runtime_version));
  set_property(env, result, "dnnVersion", static_cast<double>(properties.dnn_version));
  set_property(env, result, "blasVersion", static_cast<double>(properties.blas_version));
  set_property(env, result, "totalMemory", static_cast<double>(properties.total_memory));
  set_property(env, result, "isa", properties.isa);
  return result;
}

napi_value set_option(napi_env env, napi_callback_info info) {
  Arguments<3> arguments(env, info);
  Environment::of(env)
      .device(arguments.int32(0))
      .stream.set_option(static_cast<Option>(arguments.int32(1)), static_cast<int64_t>(arguments.number(2)));
  return nullptr;
}

// loadCuda(preload, plugin): {failures: [{path, reason}], devices}
napi_value load_cuda(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  Environment& environment = Environment::of(env);
  const LoadReport report =
      load_backend(strings_argument(env, arguments.values[0]), string_argument(env, arguments.values[1]));
  napi_value result = nullptr, failures = nullptr;
  napi_create_object(env, &result);
  napi_create_array(env, &failures);
  uint32_t count = 0;
  auto add = [&](const std::string& path, const std::string& reason) {
    napi_value item = nullptr;
    napi_create_object(env, &item);
    set_property(env, item, "path", path.c_str());
    set_property(env, item, "reason", reason.c_str());
    napi_set_element(env, failures, count++, item);
  };
  for (const auto& failure : report.failures) add(failure.path, failure.reason);
  int32_t devices = 0;
  if (report.api) {
    environment.cuda = report.api;
    if (report.api->device_count(&devices) != 0 || devices == 0) {
      devices = 0;
      add("driver", report.api->last_error());
    }
  }
  napi_set_named_property(env, result, "failures", failures);
  set_property(env, result, "devices", static_cast<double>(devices));
  return result;
}

// libraryVersion(path, symbol): what the version function gives; -1 when it cannot be asked.
napi_value version_of_library(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  return make_number(env, static_cast<double>(library_version(string_argument(env, arguments.values[0]),
                                                              string_argument(env, arguments.values[1]))));
}

// canOpen(path): undefined, or why not.
napi_value can_open_library(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  std::string reason;
  if (can_open(string_argument(env, arguments.values[0]), &reason)) return nullptr;
  napi_value text = nullptr;
  napi_create_string_utf8(env, reason.c_str(), reason.size(), &text);
  return text;
}

}  // namespace

void export_devices(napi_env env, napi_value exports) {
  export_function(env, exports, "openDevice", guarded<open_device>);
  export_function(env, exports, "deviceProperties", guarded<device_properties>);
  export_function(env, exports, "setOption", guarded<set_option>);
  export_function(env, exports, "loadCuda", guarded<load_cuda>);
  export_function(env, exports, "libraryVersion", guarded<version_of_library>);
  export_function(env, exports, "canOpen", guarded<can_open_library>);
}

}  // namespace lenode::addon
