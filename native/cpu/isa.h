// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lenode::cpu {

// The instruction sets that the kernels were compiled for and this CPU lacks, separated by blanks; "" if none.
const char* missing_instruction_sets();

}  // namespace lenode::cpu
