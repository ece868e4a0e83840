// SPDX-License-Identifier: Apache-2.0
// Compiled without -march, as everything that runs before this check: an illegal instruction would kill Node.
#include "cpu/isa.h"

#include <cstring>

namespace lenode::cpu {

const char* missing_instruction_sets() {
  static char missing[256];
  missing[0] = '\0';
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
#define LENODE_ISA(name)                                                                       \
  if (!__builtin_cpu_supports(name) && std::strlen(missing) + sizeof name + 1 < sizeof missing) { \
    if (missing[0]) std::strcat(missing, " ");                                                 \
    std::strcat(missing, name);                                                                \
  }
#include "lenode_isa.h"
#undef LENODE_ISA
#endif
  return missing;
}

}  // namespace lenode::cpu
