#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A kernel thread that never sleeps does not starve the other kernel threads of its CPU, even if RT
# preempts it all the time. The kernel ejects a scheduler that re-enqueues the same task on a CPU
# 256 times in vain.
. /lab/tests/lib.sh

need_scx
rt='' sender=''
modprobe pktgen && modprobe dummy || skip "this kernel has no pktgen, so no kernel thread that never sleeps"
trap 'echo stop >/proc/net/pktgen/pgctrl; kill -KILL $rt 2>/dev/null; [ -z "$sender" ] || wait $sender; rmmod pktgen dummy' EXIT
# SIOCSIFFLAGS with IFF_UP, because this host has no ip(8).
perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0) && ioctl(S, 0x8914, my $up = pack("a16 s x14", "dummy0", 1)) or die $!' ||
  fail "dummy0 does not come up"
pktgen() { echo "$2" >"/proc/net/pktgen/$1" || fail "pktgen rejects '$2'"; }
start_scx
pktgen kpktgend_0 "add_device dummy0"
pktgen dummy0 "count 0"
echo start >/proc/net/pktgen/pgctrl &
sender=$!
eventually 10 "pktgen's thread runs" holds 'ps -C kpktgend_0 -o stat= | grep -q R'
cyclictest --mlockall -q -p 8 --policy=rr -a 0 -t 1 -i 300 -D 60 >/dev/null &
rt=$!

# stat_refresh waits until a kernel thread of each CPU has run.
longest=0
for _ in {1..10}; do
  start=$(uptime_ms)
  timeout 30 cat /proc/sys/vm/stat_refresh || fail "a kernel thread waited for 30 s"
  elapsed=$(($(uptime_ms) - start))
  [ $elapsed -le $longest ] || longest=$elapsed
  sleep 0.5
done
kill $rt
echo "longest wait of a kernel thread beside one that never sleeps: $longest ms"
[ $longest -lt 2000 ] || fail "a kernel thread starves"
scx_healthy
