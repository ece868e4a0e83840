// SPDX-License-Identifier: Apache-2.0
#include "core/op.h"

namespace lenode {

const OpInfo& op_info(OpId id) {
  static const OpInfo table[] = {
#define LENODE_OP(name, inputs, outputs, attrs, devices) {#name, #inputs, #outputs, #attrs, devices},
#include "core/ops.def"
  };
  return table[static_cast<int>(id)];
}

}  // namespace lenode
