# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
# Installs what is no target: unit files, configuration and source trees for DKMS.

include(GNUInstallDirs)

# systemd searches /usr and /usr/local. Only /usr is a distribution's, with its own rule.
set(pvsched_unit_dir lib/systemd/system)
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  pkg_get_variable(distribution_unit_dir systemd systemdsystemunitdir)
  if(distribution_unit_dir)
    set(pvsched_unit_dir ${distribution_unit_dir})
  endif()
endif()
set(PVSCHED_UNIT_DIR ${pvsched_unit_dir} CACHE STRING "Directory of systemd's units, below the prefix")

# pvsched_install_unit(FILE.in): @bindir@ becomes the programs' directory. That happens
# at installation, because `cmake --install --prefix` may change the prefix.
function(pvsched_install_unit source)
  get_filename_component(name ${source} NAME_WLE)
  install(CODE "
    set(bindir \"${CMAKE_INSTALL_BINDIR}\")
    cmake_path(ABSOLUTE_PATH bindir BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\" NORMALIZE)
    configure_file(\"${CMAKE_CURRENT_SOURCE_DIR}/${source}\"
                   \"${CMAKE_CURRENT_BINARY_DIR}/${name}\" @ONLY)")
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name} DESTINATION ${PVSCHED_UNIT_DIR})
endfunction()

# pvsched_install_etc(FILE DIRECTORY): a file below /etc, whose readers know no prefix.
# With another prefix than /usr it is an example in the documentation. An
# administrator's file stays as it is.
function(pvsched_install_etc source directory)
  get_filename_component(name ${source} NAME)
  cmake_path(ABSOLUTE_PATH source)
  install(CODE "
    if(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\")
      set(directory \"${directory}\")
    else()
      set(directory \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}\")
    endif()
    if(EXISTS \"\$ENV{DESTDIR}\${directory}/${name}\")
      message(STATUS \"Kept: \$ENV{DESTDIR}\${directory}/${name}\")
    else()
      file(INSTALL DESTINATION \"\${directory}\" TYPE FILE FILES \"${source}\")
    endif()")
endfunction()

# pvsched_install_dkms(DIRECTORY NAME): src/NAME-VERSION, from the Makefile's dkms-tree.
find_program(MAKE_PROGRAM NAMES make)
function(pvsched_install_dkms directory name)
  if(NOT MAKE_PROGRAM)
    message(STATUS "No make: the source tree of ${name} for DKMS is not installed")
    return()
  endif()
  set(tree ${PROJECT_BINARY_DIR}/dkms/${name}-${PROJECT_VERSION})
  install(CODE "
    file(REMOVE_RECURSE \"${tree}\")
    execute_process(COMMAND \"${MAKE_PROGRAM}\" -s -C \"${directory}\" dkms-tree DEST=${tree}
                    COMMAND_ERROR_IS_FATAL ANY)")
  install(DIRECTORY ${tree} DESTINATION src)
endfunction()
