# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
# Shared by the tests of the packages, which run in the package root.
set -eu

cd "$(dirname "$0")/../.."
packages=$PWD/build/packages
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

fail() {
  echo "$*" >&2
  exit 1
}

# Unpacks the packages of that name, not their maintainer scripts.
unpack() { # NAME
  local deb
  for deb in "$packages/$1"_*.deb; do
    dpkg -x "$deb" "$top"
  done
}
