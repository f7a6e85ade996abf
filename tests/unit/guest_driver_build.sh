#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# guest_driver_build.sh CHECKOUT OUT: pvsched.ko builds without a warning for
# every kernel whose headers are installed.
set -eu
checkout=$1
out=$2

built=0
for build in /lib/modules/*/build; do
    [ -e "$build/Makefile" ] || continue
    release=$(basename "$(dirname "$build")")
    echo "== $release"
    make -s -C "$checkout/guest-driver" KDIR="$build" OUT="$out/$release" W=1 KCFLAGS=-Werror
    modinfo -F vermagic "$out/$release/pvsched.ko" | grep -F "$release "
    built=$((built + 1))
done
if [ "$built" = 0 ]; then
    echo "skipped: no kernel headers are installed (/lib/modules/*/build)"
    exit 77
fi
