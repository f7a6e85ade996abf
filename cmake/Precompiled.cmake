# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
# Precompiled headers for all C++ of a sanitizer's build, whose compilers would spend most of
# their time in these headers. Other builds read them in each file, so that a missing
# #include is an error there.

set(pvsched_precompiled
  <algorithm> <array> <chrono> <cstdint> <filesystem> <fstream> <functional> <map> <memory> <optional> <set>
  <string> <string_view> <thread> <utility> <vector>
  <absl/cleanup/cleanup.h> <absl/log/check.h> <absl/log/log.h> <absl/status/statusor.h>
  <absl/strings/str_cat.h> <absl/strings/str_format.h> <absl/strings/str_join.h> <absl/strings/str_split.h>
  <absl/types/span.h> <nlohmann/json.hpp>)

# Without a time in a precompiled header ccache knows the objects that use it.
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()

# Those of the tests have GoogleTest, too.
file(WRITE ${PROJECT_BINARY_DIR}/precompiled.cc "")
foreach(name precompiled precompiled_tests)
  add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_link_libraries(${name} PRIVATE pvsched_abi absl::check absl::cleanup absl::log absl::span absl::statusor
                                        absl::str_format absl::strings nlohmann_json::nlohmann_json)
endforeach()
target_link_libraries(precompiled_tests PRIVATE GTest::gmock_main)
target_precompile_headers(precompiled PRIVATE ${pvsched_precompiled})
target_precompile_headers(precompiled_tests PRIVATE ${pvsched_precompiled} <gmock/gmock.h> <gtest/gtest.h>)

# pvsched_use_precompiled(DIRECTORY): for all targets there and below that have C++ only.
function(pvsched_use_precompiled directory)
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    get_target_property(sources ${target} SOURCES)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    if(target MATCHES "^precompiled" OR NOT type MATCHES "^(STATIC_LIBRARY|EXECUTABLE)$" OR sources MATCHES "[.]c(;|$)")
      continue()
    elseif(libraries MATCHES "GTest::gmock")
      target_precompile_headers(${target} REUSE_FROM precompiled_tests)
    else()
      target_precompile_headers(${target} REUSE_FROM precompiled)
    endif()
  endforeach()
  get_property(folders DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(folder ${folders})
    pvsched_use_precompiled(${folder})
  endforeach()
endfunction()
pvsched_use_precompiled(${PROJECT_SOURCE_DIR})
