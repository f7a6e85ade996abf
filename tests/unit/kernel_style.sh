#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kernel_style.sh CHECKOUT: the kernel's C and BPF pass the kernel's checkpatch,
# taken from $CHECKPATCH, $PATH or an unpacked linux-source.
set -eu
cd "$1"

for checkpatch in "${CHECKPATCH:-}" "$(command -v checkpatch.pl || true)" \
    /usr/src/linux-source-*/scripts/checkpatch.pl; do
    [ -f "$checkpatch" ] && break
done
if [ ! -f "$checkpatch" ]; then
    echo "skipped: no checkpatch.pl in \$CHECKPATCH, \$PATH or /usr/src/linux-source-*/scripts"
    exit 77
fi

# A module outside of the kernel's tree serves many kernels, and looks at which.
# BPF's tunables are const volatile, and a policy has no kernel header for its licence.
perl "$checkpatch" --no-tree --quiet --terse --show-types \
    --ignore ALLOC_WITH_SIZEOF,LINUX_VERSION_CODE,CONSTANT_COMPARISON,VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO \
    --file guest-driver/*.[ch] host-policy/kmod/*.[ch] tests/modules/*/*.c $(git ls-files 'host-policy/*.bpf.[ch]')
