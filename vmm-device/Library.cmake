# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

# The device as a library that a VMM embeds. Installed as pvsched::device (CMake
# package pvsched-device) and as pvsched-device.pc (pkg-config).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(pvsched_device STATIC device.cc memory_map.cc pci_config.cc)
# pvsched_abi has the project's warnings and in-tree includes: not for users.
target_link_libraries(pvsched_device PUBLIC $<BUILD_INTERFACE:pvsched_abi> absl::status
                                            absl::statusor
                                     PRIVATE absl::log absl::strings)
target_include_directories(pvsched_device PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(pvsched_device PROPERTIES EXPORT_NAME device)

# All headers are installed to include/pvsched, the ABI's too: nothing of ours
# is then at the top of the include path. In the tree, headers include each
# other by folder; the installed copies include "pvsched/NAME.h".
set(public_headers
  common/guest_range.h common/unique_fd.h
  shared-abi/pvsched_abi.h shared-abi/pvsched_control.h
  vmm-device/device.h vmm-device/memory_map.h vmm-device/pci_config.h)
set(installed_headers)
foreach(header ${public_headers})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${header})
  cmake_path(GET header FILENAME name)
  file(READ ${PROJECT_SOURCE_DIR}/${header} text)
  string(REGEX REPLACE "#include \"(common/|vmm-device/|)([a-z_]+\\.h)\""
                       "#include \"pvsched/\\2\"" text "${text}")
  set(installed ${CMAKE_CURRENT_BINARY_DIR}/include/pvsched/${name})
  file(CONFIGURE OUTPUT ${installed} CONTENT "${text}" @ONLY)
  list(APPEND installed_headers ${installed})
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pvsched-device)
configure_package_config_file(pvsched-device-config.cmake.in pvsched-device-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(pvsched-device-config-version.cmake
  COMPATIBILITY SameMinorVersion)
# From the .pc file to the prefix, so that the installed tree can be moved.
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(pvsched-device.pc.in pvsched-device.pc @ONLY)

install(TARGETS pvsched_device EXPORT pvsched-device
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT device-library)
install(FILES ${installed_headers}
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pvsched COMPONENT device-library)
install(EXPORT pvsched-device NAMESPACE pvsched:: FILE pvsched-device-targets.cmake
  DESTINATION ${package_dir} COMPONENT device-library)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pvsched-device-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/pvsched-device-config-version.cmake
  DESTINATION ${package_dir} COMPONENT device-library)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pvsched-device.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT device-library)
