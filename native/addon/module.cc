// SPDX-License-Identifier: Apache-2.0
// The addon's entry: one Environment per JavaScript environment.
#include "addon/environment.h"

namespace lenode::addon {
namespace {

// Runs before the environment's own data goes: the streams' threads must end while it is still whole.
void clean_up(void* data) {
  auto* environment = static_cast<Environment*>(data);
  napi_set_instance_data(environment->env, nullptr, nullptr, nullptr);
  delete environment;
}

napi_value initialise(napi_env env, napi_value exports) {
  auto* environment = new Environment(env);
  napi_set_instance_data(env, environment, nullptr, nullptr);
  napi_add_env_cleanup_hook(env, clean_up, environment);
  export_tensors(env, exports);
  export_transfer(env, exports);
  export_memory(env, exports);
  export_recording(env, exports);
  export_devices(env, exports);
  return exports;
}

}  // namespace
}  // namespace lenode::addon

NAPI_MODULE_INIT() { return lenode::addon::initialise(env, exports); }
