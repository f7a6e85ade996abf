#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Installs the device library to a temporary prefix, and builds and runs the
# example VMM against it. Fails if an installed header is missing or includes a
# header that is not installed.
# Usage: device_library.sh SOURCE_DIR BUILD_DIR cmake|pkg-config|headers
set -eu

source_dir=$1
build_dir=$2
by=$3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build_dir" --prefix "$prefix" --component device-library >/dev/null
pc_dir=$(dirname "$(find "$prefix" -name pvsched-device.pc)")
example=$source_dir/vmm-device/examples
cxx=(c++ -std=c++20 -Wall -Wextra -Werror)

# pkg-config splits its output at blanks on purpose.
# shellcheck disable=SC2046
case $by in
cmake)
  cmake -S "$example" -B "$prefix/example" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
  cmake --build "$prefix/example" >/dev/null
  "$prefix/example/example-vmm" >"$prefix/output"
  ;;
pkg-config)
  export PKG_CONFIG_PATH=$pc_dir
  "${cxx[@]}" $(pkg-config --cflags pvsched-device) "$example/example_vmm.cc" \
    -o "$prefix/example-vmm" $(pkg-config --libs pvsched-device)
  "$prefix/example-vmm" >"$prefix/output"
  ;;
headers)
  # Each installed header compiles alone.
  export PKG_CONFIG_PATH=$pc_dir
  for header in "$prefix"/include/pvsched/*.h; do
    echo "#include <pvsched/${header##*/}>"
  done >"$prefix/all.cc"
  while read -r line; do
    echo "$line" | "${cxx[@]}" $(pkg-config --cflags pvsched-device) -fsyntax-only -xc++ -
  done <"$prefix/all.cc"
  echo '#include <pvsched/pvsched_control.h>' | cc -std=c11 -I"$prefix/include" -fsyntax-only -xc -
  exit 0
  ;;
esac

diff - "$prefix/output" <<END
PCI device 10f5, control protocol 2
registered vCPU 1: 256 bytes at offset 0x2000
result OK, registered 1
withdrew vCPU 1
END
