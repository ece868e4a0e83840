// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/backend.h"

namespace lenode {

const BackendApi* cpu_backend();

}  // namespace lenode
