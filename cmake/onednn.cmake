# SPDX-License-Identifier: Apache-2.0
# Finds oneDNN (2.6 or newer, or 3.x) and defines the imported target lenode::onednn. In order: ONEDNN_HOME (environment
# or -D), the system's, and a private copy of the distribution's packages under <build>/onednn.
# Sets ONEDNN_VERSION, ONEDNN_INCLUDE_DIR, ONEDNN_LIBRARY, ONEDNN_LIBRARY_DIR and ONEDNN_IS_PRIVATE.

lenode_option(ONEDNN_HOME "")
set(ONEDNN_MINIMUM 2.6)
set(onednn_private "${CMAKE_BINARY_DIR}/onednn")

# Looks in the system, or only under the folders given.
function(lenode_look_for_onednn)
  unset(include_dir CACHE)
  unset(library CACHE)
  if(ARGN)
    file(GLOB multiarch LIST_DIRECTORIES true ${ARGN}/lib/*-linux-*)
    find_path(include_dir oneapi/dnnl/dnnl.hpp PATHS ${ARGN} PATH_SUFFIXES include NO_DEFAULT_PATH)
    find_library(library dnnl PATHS ${ARGN} ${multiarch} PATH_SUFFIXES lib lib64 NO_DEFAULT_PATH)
  else()
    find_path(include_dir oneapi/dnnl/dnnl.hpp)
    find_library(library dnnl)
  endif()
  if(include_dir AND library)
    file(STRINGS "${include_dir}/oneapi/dnnl/dnnl_version.h" lines REGEX "define DNNL_VERSION_(MAJOR|MINOR|PATCH)")
    string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
    string(REPLACE ";" "." version "${numbers}")
    set(ONEDNN_VERSION "${version}" PARENT_SCOPE)
    set(ONEDNN_INCLUDE_DIR "${include_dir}" PARENT_SCOPE)
    set(ONEDNN_LIBRARY "${library}" PARENT_SCOPE)
    set(onednn_found TRUE PARENT_SCOPE)
  else()
    set(onednn_found FALSE PARENT_SCOPE)
  endif()
  unset(include_dir CACHE)
  unset(library CACHE)
endfunction()

# The command that installs oneDNN on this system.
function(lenode_onednn_remedy result)
  set(id "")
  if(EXISTS /etc/os-release)
    file(STRINGS /etc/os-release lines REGEX "^ID(_LIKE)?=")
    string(REGEX REPLACE "(ID_LIKE|ID)=|\"" "" id "${lines}")
  endif()
  if(APPLE)
    set(command "brew install onednn")
  elseif(id MATCHES "debian|ubuntu")
    set(command "sudo apt-get install libdnnl-dev")
  elseif(id MATCHES "fedora|rhel|centos")
    set(command "sudo dnf install oneDNN-devel")
  elseif(id MATCHES "arch")
    set(command "sudo pacman -S onednn")
  elseif(id MATCHES "suse")
    set(command "sudo zypper install onednn-devel")
  elseif(id MATCHES "alpine")
    set(command "sudo apk add onednn-dev")
  else()
    set(command "conda install -c conda-forge onednn")
  endif()
  set(${result} "${command}" PARENT_SCOPE)
endfunction()

set(ONEDNN_IS_PRIVATE FALSE)
if(ONEDNN_HOME)
  lenode_look_for_onednn("${ONEDNN_HOME}")
  if(NOT onednn_found)
    message(FATAL_ERROR "lenode: ONEDNN_HOME is ${ONEDNN_HOME}, but there is no include/oneapi/dnnl/dnnl.hpp with a "
                        "lib/libdnnl in it")
  endif()
else()
  lenode_look_for_onednn()
  if(onednn_found AND ONEDNN_VERSION VERSION_LESS ONEDNN_MINIMUM)
    message(STATUS "oneDNN ${ONEDNN_VERSION} of this system (${ONEDNN_LIBRARY}) is too old")
    set(onednn_found FALSE)
  endif()
  if(NOT onednn_found)
    if(NOT EXISTS "${onednn_private}/complete")
      message(STATUS "oneDNN: not installed; making a private copy in ${onednn_private}")
      execute_process(
        COMMAND sh "${CMAKE_CURRENT_LIST_DIR}/../scripts/provide-onednn.sh" "${onednn_private}"
        RESULT_VARIABLE status ERROR_VARIABLE output OUTPUT_VARIABLE output)
      lenode_onednn_remedy(remedy)
      if(status EQUAL 3)
        message(FATAL_ERROR "lenode: oneDNN (${ONEDNN_MINIMUM} or newer) is not installed. Install it with\n"
                            "  ${remedy}\n  or set ONEDNN_HOME to a folder that holds it.")
      elseif(NOT status EQUAL 0)
        message(FATAL_ERROR "lenode: oneDNN is not installed, and no private copy could be made:\n${output}\n"
                            "  Install it with\n  ${remedy}\n  or set ONEDNN_HOME to a folder that holds it.")
      endif()
    endif()
    lenode_look_for_onednn("${onednn_private}/usr")
    set(ONEDNN_IS_PRIVATE TRUE)
    if(NOT onednn_found)
      message(FATAL_ERROR "lenode: ${onednn_private} is damaged; delete it and build again")
    endif()
  endif()
endif()

if(ONEDNN_VERSION VERSION_LESS ONEDNN_MINIMUM)
  message(FATAL_ERROR "lenode: oneDNN ${ONEDNN_VERSION} (${ONEDNN_LIBRARY}) is too old: ${ONEDNN_MINIMUM} or newer is "
                      "needed. Set ONEDNN_HOME to a folder that holds a newer one.")
endif()
file(STRINGS "${ONEDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_config.h" onednn_runtime
     REGEX "define DNNL_CPU_THREADING_RUNTIME ")
if(NOT onednn_runtime MATCHES "RUNTIME_OMP")
  # It would bring a second thread pool into the process, which fights with ours for the cores.
  message(WARNING "lenode: ${ONEDNN_LIBRARY} was not built with OpenMP; CPU training will be slower than it could be")
endif()

get_filename_component(ONEDNN_LIBRARY_DIR "${ONEDNN_LIBRARY}" DIRECTORY)
add_library(lenode::onednn UNKNOWN IMPORTED)
set_target_properties(lenode::onednn PROPERTIES
  IMPORTED_LOCATION "${ONEDNN_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${ONEDNN_INCLUDE_DIR}")
message(STATUS "oneDNN ${ONEDNN_VERSION}: ${ONEDNN_LIBRARY}")
