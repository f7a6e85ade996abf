#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
# kernel_module_build.sh CHECKOUT FOLDER MODULE OLDEST OUT: builds the module in FOLDER
# without a warning for every kernel from OLDEST on with installed headers.
set -eu
checkout=$1
folder=$2
module=$3
oldest=$4
out=$5

built=0
for build in /lib/modules/*/build; do
    [ -e "$build/Makefile" ] || continue
    release=$(basename "$(dirname "$build")")
    if [ "$(printf '%s\n' "$oldest" "$release" | sort -V | head -1)" != "$oldest" ]; then
        continue
    fi
    echo "== $release"
    make -s -C "$checkout/$folder" KDIR="$build" OUT="$out/$release" W=1 KCFLAGS=-Werror
    modinfo -F vermagic "$out/$release/$module.ko" | grep -F "$release "
    built=$((built + 1))
done
if [ "$built" = 0 ]; then
    echo "skipped: no headers of a kernel from $oldest on are installed (/lib/modules/*/build)"
    exit 77
fi
