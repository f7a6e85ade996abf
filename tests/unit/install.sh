#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Installs the whole tree below a temporary directory, and checks that the parts
# fit each other there.
# Usage: install.sh SOURCE_DIR BUILD_DIR prefix|usr|policy
set -eu

source_dir=$1
build_dir=$2
part=$3
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

fail() {
  echo "$*" >&2
  exit 1
}

# The program of each Exec line of each unit is installed.
check_units() { # DESTDIR
  local unit program
  for unit in "$units"/*; do
    ! grep -nE '@[a-z]+@' "$unit" || fail "$unit: a variable was not replaced"
    for program in $(sed -nE 's/^Exec[A-Za-z]*=[-+!:@|]*([^ ]+).*/\1/p' "$unit"); do
      test -x "$1$program" || fail "$unit starts $program, which is not installed"
    done
  done
}

case $part in
prefix)
  cmake --install "$build_dir" --prefix "$top/opt" >/dev/null
  units=$top/opt/lib/systemd/system
  check_units ""
  test "$(ls "$top")" = opt || fail "a file is outside the prefix: $(ls "$top")"
  version=$(basename "$top"/opt/src/pvsched-host-*)
  for module in "${version/-host/}" "$version"; do
    grep -q "^PACKAGE_VERSION=\"${module##*-}\"" "$top/opt/src/$module/dkms.conf"
    test -f "$top/opt/src/$module/Kbuild"
  done
  ;;
usr)
  DESTDIR=$top cmake --install "$build_dir" --prefix /usr >/dev/null
  units=$top/usr/lib/systemd/system
  check_units "$top"
  grep -q '^ExecStart=/usr/bin/pvschedd' "$units/pvschedd.service"
  # An administrator's file survives the next installation.
  file=$top/etc/pvsched/pvsched.toml
  echo mine >"$file"
  DESTDIR=$top cmake --install "$build_dir" --prefix /usr >/dev/null
  grep -qx mine "$file" || fail "$file was overwritten"
  ;;
policy)
  # An installed example compiles as in the tutorial, against installed headers alone.
  cmake --install "$build_dir" --prefix "$top" >/dev/null
  for policy in "$top"/share/doc/*/examples/policies/*.bpf.c; do
    clang -target bpf -g -O2 -Wall -Wextra -Werror -I"$top/include/pvsched" \
      -I"/usr/include/$(c++ -print-multiarch)" -c "$policy" -o "$top/policy.bpf.o"
  done
  ! clang -target bpf -MM -I"$top/include/pvsched" -I"/usr/include/$(c++ -print-multiarch)" \
    "$policy" | grep -F "$source_dir" || fail "a header of the tree was included"
  ;;
esac
