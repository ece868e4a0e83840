# SPDX-License-Identifier: Apache-2.0
# The CPU kernels' -march, and which instruction sets it lets the compiler use: native/cpu/isa.cc compares them with the
# CPU that the addon is loaded on. Sets LENODE_MARCH_FLAGS and writes <build>/generated/lenode_isa.h.

# As in -march; x86-64-v3 for a portable build.
lenode_option(LENODE_MARCH native)

include(CheckCXXCompilerFlag)
string(MAKE_C_IDENTIFIER "LENODE_MARCH_${LENODE_MARCH}_WORKS" march_works)
check_cxx_compiler_flag("-march=${LENODE_MARCH}" ${march_works})
if(${march_works})
  set(LENODE_MARCH_FLAGS "-march=${LENODE_MARCH}")
elseif(LENODE_MARCH STREQUAL "native")
  set(LENODE_MARCH_FLAGS "")
else()
  message(FATAL_ERROR "lenode: ${CMAKE_CXX_COMPILER} does not know -march=${LENODE_MARCH}")
endif()
execute_process(
  COMMAND ${CMAKE_CXX_COMPILER} ${LENODE_MARCH_FLAGS} -dM -E -x c++ /dev/null
  OUTPUT_VARIABLE macros RESULT_VARIABLE status ERROR_QUIET)
set(list "// Made by cmake/isa.cmake: the instruction sets that the CPU kernels may use.\n")
if(status EQUAL 0)
  # The names are those that __builtin_cpu_supports of both gcc and clang knows.
  foreach(name sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma bmi bmi2 avx512f avx512vl avx512bw avx512dq avx512cd
               avx512ifma avx512vbmi avx512vbmi2 avx512vnni avx512bitalg avx512vpopcntdq avx512bf16)
    string(TOUPPER "__${name}__" macro)
    string(REPLACE "." "_" macro "${macro}")
    if(macros MATCHES "#define ${macro} ")
      string(APPEND list "LENODE_ISA(\"${name}\")\n")
    endif()
  endforeach()
endif()
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/generated")
file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/generated/lenode_isa.h" CONTENT "${list}")
