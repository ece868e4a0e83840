// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/backend.h"

namespace lenode::addon {

// The CPU backend, opened at first use from the library beside the addon. Throws Error when it cannot be opened.
const BackendApi& cpu_backend();

}  // namespace lenode::addon
