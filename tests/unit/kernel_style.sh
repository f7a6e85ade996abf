#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# kernel_style.sh CHECKOUT [FILES...]: checks kernel C, BPF, and the headers that these share
# with C++ (default: all) by the kernel's checkpatch.pl, from $CHECKPATCH, $PATH or an
# unpacked linux-source.
set -eu
cd "$1"
shift

for checkpatch in "${CHECKPATCH:-}" "$(command -v checkpatch.pl || true)" \
    /usr/src/linux-source-*/scripts/checkpatch.pl; do
    [ -f "$checkpatch" ] && break
done
if [ ! -f "$checkpatch" ]; then
    echo "skipped: no checkpatch.pl in \$CHECKPATCH, \$PATH or /usr/src/linux-source-*/scripts"
    exit 77
fi

if [ $# -eq 0 ]; then
    list=$(git -c safe.directory='*' ls-files '*.c' '*.bpf.h' 'guest-driver/*.h' 'host-policy/bpf/*.h' \
        'host-policy/core/*.h' 'host-policy/kmod/*.h' 'shared-abi/*.h')
    # shellcheck disable=SC2086 # a list of names without blanks
    set -- $list
fi

# LINUX_VERSION_CODE: a module outside of the kernel's tree builds for many kernels.
# VOLATILE: BPF's tunables are const volatile. PREFER_DEFINED_ATTRIBUTE_MACRO: a policy has
# no kernel header for its licence. COMPLEX_MACRO: macros of attributes and of
# declarations need no parentheses.
perl "$checkpatch" --no-tree --quiet --terse --show-types \
    --ignore ALLOC_WITH_SIZEOF,LINUX_VERSION_CODE,CONSTANT_COMPARISON,VOLATILE \
    --ignore PREFER_DEFINED_ATTRIBUTE_MACRO,COMPLEX_MACRO \
    --typedefsfile tests/unit/kernel_style_types.txt \
    --file "$@"
