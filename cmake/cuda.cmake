# SPDX-License-Identifier: Apache-2.0
# Finds what the CUDA backend is built with: nvcc and its runtime, cuDNN 9, cuBLASLt. Sets LENODE_CUDA_FOUND and the
# imported targets lenode::cudnn and lenode::cublaslt, or says in one line what is missing (an error if LENODE_CUDA is
# `on`). Each library is looked for, in this order, in
#   CUDNN_HOME or CUDNN_PATH (cuDNN only), CUDA_PATH, CUDA_HOME, the folder of nvcc, the system,
#   NVIDIA's Python wheels in LENODE_CUDA_WHEELS, VIRTUAL_ENV and the site-packages of each python3 on PATH,
# all of them variables of the environment or of CMake.
set(LENODE_CUDA_FOUND FALSE)
set(LENODE_CUDA_ARCHITECTURES "$ENV{LENODE_CUDA_ARCHITECTURES}" CACHE STRING
    "GPU architectures to compile for, as in CMAKE_CUDA_ARCHITECTURES; empty: sm_75 to sm_120")
option(LENODE_CUDA_LINEINFO "Keep line numbers in the kernels, for profilers" OFF)

macro(lenode_cuda_missing text)
  if(LENODE_CUDA STREQUAL "on")
    message(FATAL_ERROR "lenode: LENODE_CUDA is on, but ${text}")
  endif()
  message(STATUS "lenode: building without the CUDA backend: ${text}")
  return()
endmacro()

# The value of a variable of CMake or of the environment.
function(lenode_setting name result)
  if(${name})
    set(${result} "${${name}}" PARENT_SCOPE)
  else()
    set(${result} "$ENV{${name}}" PARENT_SCOPE)
  endif()
endfunction()

# ---- nvcc -----------------------------------------------------------------------------------------------------------
lenode_setting(CUDA_PATH lenode_cuda_path)
lenode_setting(CUDA_HOME lenode_cuda_home)
unset(LENODE_NVCC CACHE)
if(CMAKE_CUDA_COMPILER)
  set(LENODE_NVCC "${CMAKE_CUDA_COMPILER}")
else()
  unset(CMAKE_CUDA_COMPILER CACHE)  # an earlier run may have noted that there is none
  find_program(LENODE_NVCC NAMES $ENV{CUDACXX} nvcc
    HINTS "${lenode_cuda_path}/bin" "${lenode_cuda_home}/bin" PATHS /usr/local/cuda/bin /opt/cuda/bin)
endif()
if(NOT LENODE_NVCC)
  lenode_cuda_missing("nvcc was not found; install the CUDA toolkit or set CUDA_PATH to its folder.")
endif()
execute_process(COMMAND "${LENODE_NVCC}" --version OUTPUT_VARIABLE lenode_nvcc_text ERROR_QUIET)
if(NOT lenode_nvcc_text MATCHES "release ([0-9]+)\\.([0-9]+)")
  lenode_cuda_missing("${LENODE_NVCC} does not run.")
endif()
set(lenode_cuda_major "${CMAKE_MATCH_1}")
set(lenode_nvcc_version "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}")
if(lenode_nvcc_version VERSION_LESS 12.0)
  lenode_cuda_missing("nvcc ${lenode_nvcc_version} is too old: CUDA 12 or newer is needed.")
endif()

# ---- cuDNN and cuBLASLt ---------------------------------------------------------------------------------------------
# Folders that hold include/ and lib/ or lib64/: NVIDIA's wheels have one for each package or one for all.
set(lenode_wheel_roots "")
set(lenode_site_folders "")
lenode_setting(LENODE_CUDA_WHEELS lenode_wheels)
list(APPEND lenode_site_folders ${lenode_wheels})
if(DEFINED ENV{VIRTUAL_ENV})
  file(GLOB lenode_found "$ENV{VIRTUAL_ENV}/lib/python3*/site-packages")
  list(APPEND lenode_site_folders ${lenode_found})
endif()
string(REPLACE ":" ";" lenode_path "$ENV{PATH}")
foreach(folder IN LISTS lenode_path)
  if(EXISTS "${folder}/python3")
    execute_process(COMMAND "${folder}/python3" -c "import sys; print(';'.join(p for p in sys.path if 'packages' in p))"
      OUTPUT_VARIABLE lenode_found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    list(APPEND lenode_site_folders ${lenode_found})
  endif()
endforeach()
list(REMOVE_DUPLICATES lenode_site_folders)
foreach(folder IN LISTS lenode_site_folders)
  file(GLOB lenode_found "${folder}/nvidia/*/include" "${folder}/*/include")
  foreach(include IN LISTS lenode_found)
    get_filename_component(root "${include}" DIRECTORY)
    list(APPEND lenode_wheel_roots "${root}")
  endforeach()
endforeach()

get_filename_component(lenode_nvcc_root "${LENODE_NVCC}" REALPATH)
get_filename_component(lenode_nvcc_root "${lenode_nvcc_root}" DIRECTORY)
get_filename_component(lenode_nvcc_root "${lenode_nvcc_root}" DIRECTORY)
lenode_setting(CUDNN_HOME lenode_cudnn_home)
if(NOT lenode_cudnn_home)
  lenode_setting(CUDNN_PATH lenode_cudnn_home)
endif()
set(lenode_toolkit_roots ${lenode_cuda_path} ${lenode_cuda_home} "${lenode_nvcc_root}"
    "${lenode_nvcc_root}/targets/x86_64-linux" "${lenode_nvcc_root}/targets/sbsa-linux")

# What the user names. As long as it does not change, or is no longer named, what was found once is kept: a build may
# configure again in an environment without these variables.
set(lenode_named "${lenode_cudnn_home}|${lenode_cuda_path}|${lenode_cuda_home}|${lenode_wheels}")
if(NOT lenode_named STREQUAL "|||" AND NOT lenode_named STREQUAL "${LENODE_CUDA_NAMED}")
  foreach(library CUDNN CUBLASLT NVRTC)
    unset(LENODE_${library}_INCLUDE CACHE)
    unset(LENODE_${library}_LIBRARY CACHE)
  endforeach()
  set(LENODE_CUDA_NAMED "${lenode_named}" CACHE INTERNAL "")
endif()

# The first root that holds both `header` and a file of the library; sets <prefix>_INCLUDE and <prefix>_LIBRARY.
function(lenode_find prefix header library)
  if(EXISTS "${${prefix}_LIBRARY}" AND EXISTS "${${prefix}_INCLUDE}/${header}")
    return()
  endif()
  unset(${prefix}_INCLUDE CACHE)
  unset(${prefix}_LIBRARY CACHE)
  set(arch "${CMAKE_SYSTEM_PROCESSOR}-linux-gnu")
  foreach(root IN LISTS ARGN)
    foreach(include include "include/${arch}")
      foreach(lib lib64 lib "lib/${arch}")
        if(EXISTS "${root}/${include}/${header}" AND EXISTS "${root}/${lib}/${library}")
          set(${prefix}_INCLUDE "${root}/${include}" CACHE INTERNAL "")
          set(${prefix}_LIBRARY "${root}/${lib}/${library}" CACHE INTERNAL "")
          return()
        endif()
      endforeach()
    endforeach()
  endforeach()
endfunction()

set(lenode_roots ${lenode_toolkit_roots} /usr /usr/local ${lenode_wheel_roots})
lenode_find(LENODE_CUDNN cudnn.h libcudnn.so.9 ${lenode_cudnn_home} ${lenode_roots})
if(NOT LENODE_CUDNN_LIBRARY)
  lenode_cuda_missing("cuDNN 9 (cudnn.h and libcudnn.so.9) was not found; install it, for instance with 'pip install nvidia-cudnn-cu${lenode_cuda_major}', or set CUDNN_HOME to its folder.")
endif()
lenode_find(LENODE_CUBLASLT cublasLt.h libcublasLt.so.${lenode_cuda_major} ${lenode_roots})
if(NOT LENODE_CUBLASLT_LIBRARY)
  lenode_cuda_missing("cuBLAS (cublasLt.h and libcublasLt.so.${lenode_cuda_major}) was not found; install the toolkit's cuBLAS or 'pip install nvidia-cublas' of CUDA ${lenode_cuda_major}, or set CUDA_PATH.")
endif()
# Not linked, but opened at run time where they are: cuDNN compiles some kernels with NVRTC.
get_filename_component(lenode_folder "${LENODE_CUBLASLT_LIBRARY}" DIRECTORY)
set(LENODE_CUBLAS_LIBRARY "")
if(EXISTS "${lenode_folder}/libcublas.so.${lenode_cuda_major}")
  set(LENODE_CUBLAS_LIBRARY "${lenode_folder}/libcublas.so.${lenode_cuda_major}")
endif()
lenode_find(LENODE_NVRTC nvrtc.h libnvrtc.so.${lenode_cuda_major} ${lenode_roots})

file(STRINGS "${LENODE_CUDNN_INCLUDE}/cudnn_version.h" lenode_lines REGEX "define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCHLEVEL ([0-9]+).*" "\\1.\\2.\\3" LENODE_CUDNN_VERSION
       "${lenode_lines}")
if(NOT LENODE_CUDNN_VERSION VERSION_GREATER_EQUAL 9.8)
  lenode_cuda_missing("cuDNN ${LENODE_CUDNN_VERSION} in ${LENODE_CUDNN_INCLUDE} is too old: 9.8 or newer is needed.")
endif()
file(STRINGS "${LENODE_CUBLASLT_INCLUDE}/cublas_api.h" lenode_lines REGEX "define CUBLAS_VER_(MAJOR|MINOR|PATCH) ")
string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3" LENODE_CUBLAS_VERSION
       "${lenode_lines}")

# ---- the language ---------------------------------------------------------------------------------------------------
if(LENODE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "${LENODE_CUDA_ARCHITECTURES}")
elseif(lenode_nvcc_version VERSION_LESS 12.8)
  set(CMAKE_CUDA_ARCHITECTURES "75-real;80-real;86-real;89-real;90")
else()
  # The last one is kept as PTX too, for GPUs to come.
  set(CMAKE_CUDA_ARCHITECTURES "75-real;80-real;86-real;89-real;90-real;100-real;120")
endif()
include(CheckLanguage)
set(ENV{CUDACXX} "${LENODE_NVCC}")
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  lenode_cuda_missing("nvcc ${lenode_nvcc_version} cannot compile with ${CMAKE_CXX_COMPILER}; set CUDAHOSTCXX to an older g++.")
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

function(lenode_import target include library)
  add_library(${target} UNKNOWN IMPORTED)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${library}")
  target_include_directories(${target} SYSTEM INTERFACE "${include}")
endfunction()
lenode_import(lenode::cudnn "${LENODE_CUDNN_INCLUDE}" "${LENODE_CUDNN_LIBRARY}")
lenode_import(lenode::cublaslt "${LENODE_CUBLASLT_INCLUDE}" "${LENODE_CUBLASLT_LIBRARY}")
set(LENODE_CUDA_FOUND TRUE)
message(STATUS "lenode: CUDA ${CUDAToolkit_VERSION}, cuDNN ${LENODE_CUDNN_VERSION} (${LENODE_CUDNN_LIBRARY}), "
               "cuBLAS ${LENODE_CUBLAS_VERSION} (${LENODE_CUBLASLT_LIBRARY})")
