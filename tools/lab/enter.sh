#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# enter.sh ROOT [FROM:TO]... -- CMD...: runs CMD in ROOT on this machine's kernel. The
# caller has made a private mount namespace, so no unmount is needed.
set -eu
root=$1
shift

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
# For the native tests; other commands run on kernels without these, too.
mountpoint -q "$root/sys/fs/bpf" || mount -t bpf bpf "$root/sys/fs/bpf" 2>/dev/null || true
mountpoint -q "$root/sys/kernel/tracing" ||
  mount -t tracefs tracefs "$root/sys/kernel/tracing" 2>/dev/null || true

while [ "$1" != -- ]; do
  mkdir -p "$root/${1#*:}"
  mount --bind "${1%%:*}" "$root/${1#*:}"
  shift
done
shift

exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  HOME=/root TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 ${CI:+CI="$CI"} \
  CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache \
  CCACHE_SLOPPINESS=pch_defines,time_macros \
  sh -c 'cd /src && exec "$@"' sh "$@"
