# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
# Builds BPF objects, skeletons of them, and policies.

find_program(CLANG NAMES clang REQUIRED)
find_program(BPFTOOL NAMES bpftool REQUIRED HINTS /usr/sbin)

set(PVSCHED_SEED_COST 0 CACHE STRING "Clock reads added to each event, for ./lab bench --against to notice")

# pvsched_compile_bpf(SOURCE OBJECT): compiles a BPF program. OBJECT is rebuilt
# when a header that SOURCE includes changes.
function(pvsched_compile_bpf source object)
  get_filename_component(directory ${object} DIRECTORY)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${directory}
    COMMAND ${CLANG} -target bpf -mcpu=v3 -g -O2 ${pvsched_warnings} -Wno-unused-parameter
            -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -I${PROJECT_SOURCE_DIR}
            -I${PROJECT_SOURCE_DIR}/shared-abi -DPVSCHED_SEED_COST=${PVSCHED_SEED_COST}
            -MD -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source}
    DEPFILE ${object}.d
    COMMENT "Compiling BPF ${object}")
endfunction()

# pvsched_skeleton(SOURCE NAME): a BPF object and its skeleton NAME.skel.h, in
# ${NAME_SKELETON}.
function(pvsched_skeleton source name)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  pvsched_compile_bpf(${source} ${object})
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
    DEPENDS ${object}
    COMMENT "Generating ${name}.skel.h")
  set(${name}_SKELETON ${skeleton} PARENT_SCOPE)
endfunction()

# pvsched_policy(DIR NAME): compiles DIR/NAME.bpf.c into policies/NAME.bpf.o, with
# the command that docs/tutorial/your-own-policy.md shows: it names no CPU version.
function(pvsched_policy directory name)
  set(object ${PROJECT_BINARY_DIR}/policies/${name}.bpf.o)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/policies
    COMMAND ${CLANG} -target bpf -g -O2 ${pvsched_warnings} -Wno-unused-parameter
            -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -I${PROJECT_SOURCE_DIR}
            -I${PROJECT_SOURCE_DIR}/shared-abi -MD -MF ${object}.d
            -c ${directory}/${name}.bpf.c -o ${object}
    DEPENDS ${directory}/${name}.bpf.c
    DEPFILE ${object}.d
    COMMENT "Compiling the policy ${name}")
  add_custom_target(policy_${name} ALL DEPENDS ${object})
endfunction()
