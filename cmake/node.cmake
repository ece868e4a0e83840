# SPDX-License-Identifier: Apache-2.0
# The headers of Node-API: from cmake-js where it drives the build, else from the project's node_modules.
# Sets LENODE_NODE_INCLUDES.

function(lenode_node_package result package expression)
  execute_process(
    COMMAND node -p "require('${package}').${expression}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status ERROR_QUIET)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "lenode: the package ${package} is missing: run 'npm install' in ${CMAKE_CURRENT_SOURCE_DIR}")
  endif()
  # Older node-addon-api quotes the path.
  string(REPLACE "\"" "" folder "${folder}")
  get_filename_component(folder "${folder}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  set(${result} "${folder}" PARENT_SCOPE)
endfunction()

lenode_node_package(node_addon_api node-addon-api include_dir)
if(CMAKE_JS_INC)
  set(LENODE_NODE_INCLUDES ${CMAKE_JS_INC} "${node_addon_api}")
else()
  lenode_node_package(node_api_headers node-api-headers include_dir)
  set(LENODE_NODE_INCLUDES "${node_api_headers}" "${node_addon_api}")
endif()
if(APPLE)
  # Node's symbols are found when the addon is loaded.
  set(CMAKE_MODULE_LINKER_FLAGS "${CMAKE_MODULE_LINKER_FLAGS} -undefined dynamic_lookup")
endif()
