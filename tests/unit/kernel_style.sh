#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# kernel_style.sh CHECKOUT [FILES...]: checks kernel C, BPF, and the headers that these share
# with C++ (default: all) by the kernel's checkpatch.pl, from $CHECKPATCH, $PATH or an
# unpacked linux-source. kernel_style.sh CHECKOUT --list prints the files.
set -eu
cd "$1"
shift

files() { git -c safe.directory='*' ls-files --cached --others --exclude-standard "$@"; }

# C, BPF, and the headers of folders that clang-format leaves alone.
kernel_files() {
    files '*.c' '*.bpf.h'
    files '*.clang-format' | while read -r style; do
        if grep -q '^DisableFormat: true' "$style"; then
            files "${style%.clang-format}*.h"
        fi
    done
}

if [ $# -eq 0 ] || [ "$1" = --list ]; then
    list=$(kernel_files | sort -u)
    [ $# -eq 0 ] || { echo "$list" && exit; }
    [ -n "$list" ] || { echo "kernel_style: git lists no file" && exit 1; }
    # shellcheck disable=SC2086 # names without blanks
    set -- $list
fi

for checkpatch in "${CHECKPATCH:-}" "$(command -v checkpatch.pl || true)" \
    /usr/src/linux-source-*/scripts/checkpatch.pl; do
    [ -f "$checkpatch" ] && break
done
if [ ! -f "$checkpatch" ]; then
    echo "skipped: no checkpatch.pl in \$CHECKPATCH, \$PATH or /usr/src/linux-source-*/scripts"
    exit 77
fi

# LINUX_VERSION_CODE: a module outside of the kernel's tree builds for many kernels.
# VOLATILE: BPF's tunables are const volatile. PREFER_DEFINED_ATTRIBUTE_MACRO: a policy has
# no kernel header for its licence. COMPLEX_MACRO: an attribute cannot stand in parentheses.
perl "$checkpatch" --no-tree --quiet --terse --show-types \
    --ignore ALLOC_WITH_SIZEOF,LINUX_VERSION_CODE,CONSTANT_COMPARISON,VOLATILE \
    --ignore PREFER_DEFINED_ATTRIBUTE_MACRO,COMPLEX_MACRO --typedefsfile tests/unit/kernel_style.types \
    --file "$@"
